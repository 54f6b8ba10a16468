"""The instrument: one run, its spectrum, trajectories and training under one clock. Address ``/runs/<id>``.

Python lays out the page and says how each mark looks; the player in ``assets/player`` fetches, draws and
moves.
"""

from __future__ import annotations

import json
from typing import Any

import dash_mantine_components as dmc
from dash import html

from frontend import plotly_script
from frontend.api import Api
from frontend.components import message_page, panel, plot, segmented
from frontend.figures.skeletons import skeletons
from sigmascope.errors import NotFoundError, SigmascopeError
from sigmascope.schemas import Run

LEGEND = (
    ("histogram", "singular values", None),
    ("marchenko_pastur", "Marchenko-Pastur", "marchenko_pastur"),
    ("tracy_widom", "Tracy-Widom", "tracy_widom edge"),
    ("gamma_printed", "gamma, printed", "gamma_printed"),
    ("gamma_fitted", "gamma, fitted", "gamma_fitted"),
    ("outliers", "outliers", "outliers"),
)


async def layout(api: Api, run_id: str, *, origin: str) -> html.Div:
    """The page of a run; a page that names the id when there is no such run."""
    try:
        run = await api.run(run_id)
    except NotFoundError as error:
        return message_page(
            title="No such run", text=f"There is no run with the id {run_id}.", detail=str(error)
        )
    except SigmascopeError as error:
        return message_page(title="The run cannot be shown", text=str(error))
    return instrument(run, origin=origin)


def instrument(run: Run, *, origin: str) -> html.Div:
    """Everything that the player fills. It mounts on the id ``player``."""
    return html.Div(
        [
            _head(run, origin),
            html.P(id="run-problem", className="run-problem", role="alert", hidden=True),
            html.Div(html.P("Fetching the spectra.", id="waiting"), className="waiting", role="status"),
            html.Div([_spectrum(), _trajectories(run), _training()], className="instrument"),
            html.Div(id="transport", className="transport", role="toolbar", **{"aria-label": "Transport"}),
        ],
        id="player",
        className="page page-run",
        **{
            "data-run": run.id,
            "data-state": "loading",
            "data-plotly": plotly_script.ADDRESS,
            "data-figures": json.dumps(skeletons(k=run.spec.top_k), separators=(",", ":")),
        },
    )


def _head(run: Run, origin: str) -> html.Div:
    title = html.H1(run.name or run.id, id="run-name")
    status = html.Span(
        run.status.value, id="run-status", className="status", **{"data-status": run.status.value}
    )
    bar = html.Div(html.Div(id="run-bar", className="bar-fill"), className="bar", **{"aria-hidden": "true"})
    facts = [
        html.Span(id="run-percent", className="figure"),
        bar,
        html.Span(id="run-steps", className="figure muted"),
        html.Span(id="run-rate", className="figure muted"),
        html.Span(id="run-left", className="figure muted"),
    ]
    return html.Div(
        [
            html.Div([title, status], className="run-title"),
            html.Div(facts, className="run-facts"),
            html.Div([_about(run), _export(run, origin), _cancel()], className="run-actions"),
        ],
        className="run-head",
    )


def _cancel() -> html.Button:
    return html.Button(
        "Cancel run", id="run-cancel", type="button", className="quiet-button danger", hidden=True
    )


def _about(run: Run) -> dmc.Popover:
    spec = run.spec
    rows = {
        "run": run.id,
        "preset": spec.preset or "none",
        "model": f"MLP, {spec.model.depth} hidden layers of {spec.model.width}",
        "data": spec.dataset,
        "SGD": f"learning rate {spec.learning_rate:g}, batch {spec.batch_size}",
        "seed": str(spec.seed),
        "device": run.device or spec.device,
        **run.versions,
    }
    listed = [part for key, value in rows.items() for part in (html.Dt(key), html.Dd(value))]
    return _popover("Settings", html.Dl(listed, className="facts"))


def _export(run: Run, origin: str) -> dmc.Popover:
    command = f"sigmascope export {run.id} --format npz --server {origin}"
    return _popover(
        "Export",
        html.Div(
            [
                html.P(
                    "All that is recorded, as a NumPy archive; parquet and csv hold the singular values:",
                    className="help-text",
                ),
                html.Code(command, className="command"),
            ]
        ),
    )


def _popover(label: str, content: Any) -> dmc.Popover:
    button = html.Button(label, type="button", className="quiet-button")
    return dmc.Popover(
        [dmc.PopoverTarget(button), dmc.PopoverDropdown(content)],
        width=380,
        position="bottom-end",
        shadow="md",
    )


def _spectrum() -> html.Section:
    picker = html.Label([html.Span("layer"), html.Select(id="layer-picker")], className="picker")
    return panel(
        name="spectrum",
        title="Spectrum",
        help_text=(
            "The histogram holds all singular values of the layer's weight matrix at this step. "
            "Untrained weights follow the Marchenko-Pastur law up to the Tracy-Widom edge, where the largest "
            "value of pure noise lies: 95 times in 100 left of the hairline. Noise seldom reaches beyond it."
        ),
        controls=[
            segmented(
                "spectrum-view", "Part of the spectrum", (("whole", "whole"), ("edge", "edge")), "view"
            ),
            picker,
            html.Span(id="layer-facts", className="muted figure"),
        ],
        body=[_legend(), plot("spectrum", "Histogram of singular values with the laws laid over it")],
    )


def _legend() -> html.Div:
    return html.Div([_legend_entry(*entry) for entry in LEGEND], id="spectrum-legend", className="legend")


def _legend_entry(mark: str, label: str, switches: str | None) -> html.Button | html.Span:
    content = [html.Span(className=f"mark mark-{mark}", **{"aria-hidden": "true"}), label]
    if switches is None:
        return html.Span(content, className="legend-entry")
    return html.Button(
        content,
        type="button",
        className="legend-entry",
        title=f"Show or hide: {label}",
        **{"data-mark": switches, "aria-pressed": "true"},
    )


def _trajectories(run: Run) -> html.Section:
    picker = segmented(
        "predictor-picker",
        "Predictor",
        (("subspace", "subspace"), ("algorithm1", "Algorithm 1")),
        "predictor",
    )
    key = html.Div(
        [
            html.Span([html.Span(className="mark mark-true"), "true"], className="legend-entry"),
            html.Span([html.Span(className="mark mark-predicted"), "predicted"], className="legend-entry"),
            html.Span(
                ["largest", html.Span(className="mark mark-modes"), f"{run.spec.top_k}th"],
                className="legend-entry",
            ),
            html.Span("trackers see each batch's gradient", className="note"),
        ],
        className="legend",
    )
    return panel(
        name="trajectories",
        title=f"Trajectories, top {run.spec.top_k}",
        help_text=(
            "Solid lines are the true largest singular values, dashed lines what a predictor makes of the "
            "first weights and the gradients of the batches. Skill is 1 − (mean error of the predictor) / "
            "(mean error of holding the values of step 0): 1 is perfect, 0 no better than standing still."
        ),
        controls=[picker],
        body=[
            key,
            plot("trajectories", "True and predicted singular values over the steps, and their difference"),
        ],
    )


def _training() -> html.Section:
    key = html.Div(
        [
            html.Span([html.Span(className="mark mark-train"), "training batch"], className="legend-entry"),
            html.Span([html.Span(className="mark mark-test"), "test split"], className="legend-entry"),
        ],
        className="legend",
    )
    return panel(
        name="training",
        title="Training",
        help_text=(
            "Loss and accuracy of each batch as it was trained on, and of the whole test split now and then. "
            "Click anywhere in these plots or in the trajectories to take the clock to that step."
        ),
        controls=[key],
        body=[plot("training", "Loss and accuracy over the steps")],
    )
