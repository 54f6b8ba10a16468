"""The lower strip of the run page: training, forces and metrics behind tabs. The player draws one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

from dash import html

from frontend.components import help_button, legend_entry, plot, segmented
from frontend.formulas import formula, scripted
from sigmascope.schemas import MetricInfo

TABS = (("training", "Training"), ("forces", "Forces"), ("metrics", "Metrics"))
# parts of a change: mark, name, and the trace that the name switches
PARTS = (
    ("observed", "observed", "observed"),
    ("drift", "drift", "drift"),
    ("noise", "noise", "noise"),
    ("repulsion", "repulsion, exact", "repulsion"),
    ("repulsion-printed", "as printed", "repulsion_as_printed"),
    ("turning", "turning", "turning"),
    ("remainder", "remainder", "remainder"),
)
UNITS = {
    "sigma": ("σ", "In units of σ"),
    "decades": ("decades", "Logarithms"),
    "values": ("values", "Counts"),
    "nats": ("nats", "Entropies"),
    "": ("", "Pure numbers"),
}


def strip(metrics: Sequence[MetricInfo]) -> html.Section:
    """All three panels; the first is open until the player reads the address."""
    tabs = [
        html.Button(
            title,
            type="button",
            role="tab",
            id=f"{name}-tab",
            **{
                "data-panel": name,
                "aria-selected": "true" if i == 0 else "false",
                "aria-controls": f"{name}-panel",
            },
        )
        for i, (name, title) in enumerate(TABS)
    ]
    return html.Section(
        [
            html.Div(tabs, className="strip-tabs", role="tablist", **{"aria-label": "Over the steps"}),
            _training(),
            _forces(),
            _metrics(metrics),
        ],
        id="strip",
        className="panel panel-strip",
        **{"aria-label": "Over the steps"},
    )


def _panel(name: str, head: list[Any], body: list[Any]) -> html.Div:
    return html.Div(
        [
            html.Div(head, className="panel-head"),
            html.P(id=f"{name}-reading", className="panel-reading"),
            *body,
        ],
        id=f"{name}-panel",
        role="tabpanel",
        className="strip-panel",
        hidden=name != TABS[0][0],
        **{"aria-labelledby": f"{name}-tab"},
    )


def _training() -> html.Div:
    about = (
        "Loss and accuracy of each batch as it was trained on, and of the whole test split now and then. "
        "Click anywhere in these plots or in the trajectories to take the clock to that step."
    )
    key = [legend_entry("train", "training batch"), legend_entry("test", "test split")]
    return _panel(
        "training",
        [
            help_button("Training", about),
            html.Div(html.Div(key, className="legend"), className="panel-controls"),
        ],
        [plot("training", "Loss and accuracy over the steps")],
    )


def _forces() -> html.Div:
    about = (
        "Each batch moves a singular value by drift (the running mean of the gradients' push along it), "
        "noise (the rest of that push), repulsion by the other values (dots: half of it, as the paper prints "
        "it), and turning: as the batch turns the modes its own push changes, beyond what repulsion expects. "
        "The remainder is of third order."
    )
    modes = html.Label([html.Span("mode"), html.Select(id="mode-picker")], className="picker")
    view = segmented(
        "forces-view", "Sum or single batches", (("sum", "since the start"), ("batch", "per batch")), "forces"
    )
    key = html.Div([legend_entry(*part) for part in PARTS], id="forces-legend", className="legend")
    return _panel(
        "forces",
        [help_button("Forces", about), html.Div([key, view, modes], className="panel-controls")],
        [plot("forces", "What moved one singular value over the steps, part by part")],
    )


def _metrics(metrics: Sequence[MetricInfo]) -> html.Div:
    picker = html.Label(
        [html.Span("metric"), html.Select(_options(metrics), id="metric-picker")], className="picker"
    )
    help_ = html.Button(
        "?",
        id="metric-help",
        type="button",
        className="round-help",
        **{
            "aria-label": "About this metric",
            "aria-expanded": "false",
            "aria-controls": "metric-about",
        },
    )
    layers = segmented(
        "metric-layers", "Layers on show", (("all", "all layers"), ("one", "this one")), "layers"
    )
    about = html.Div(
        [_card(one) for one in metrics], id="metric-about", className="metric-about", hidden=True
    )
    return _panel(
        "metrics",
        [html.Div([layers, picker, help_, about], className="panel-controls metric-controls")],
        [plot("metrics", "A metric of the spectrum of each layer over the steps")],
    )


def _options(metrics: Sequence[MetricInfo]) -> list[html.Optgroup]:
    """Metrics by their unit, in the order in which units first come."""
    order = list(dict.fromkeys(one.unit for one in metrics))
    ranked = sorted(metrics, key=lambda one: order.index(one.unit))
    return [
        html.Optgroup([_option(one) for one in group], label=UNITS.get(unit, (unit, unit))[1])
        for unit, group in groupby(ranked, key=lambda one: one.unit)
    ]


def _option(one: MetricInfo) -> html.Option:
    return html.Option(one.title, value=one.name, **{"data-unit": UNITS.get(one.unit, (one.unit, ""))[0]})


def _card(one: MetricInfo) -> html.Div:
    facts = {"unit": UNITS.get(one.unit, (one.unit, ""))[0] or "none", "reference": one.reference}
    listed = [part for key, value in facts.items() for part in (html.Dt(key), html.Dd(scripted(value)))]
    return html.Div(
        [
            html.P(one.title, className="metric-title"),
            html.P(formula(one.formula, other=one.formula)),
            html.Dl(listed, className="facts"),
        ],
        **{"data-metric": one.name},
    )
