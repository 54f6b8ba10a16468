"""The page of a run of kind ``sweep``: the spread of every layer against the value that is swept.

Python says what each panel shows, ``assets/sweep`` draws it; the page renews itself until the sweep ends.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from frontend import plotly_script, sweep_table
from frontend.api import Api
from frontend.components import help_button, message_page, problem_alert, segmented
from frontend.figures.skeletons import sweep_skeleton
from frontend.figures.sweep import AXES, SYMBOLS, drawn
from frontend.formulas import scripted
from frontend.run_words import ago, model_words, status_badge
from sigmascope.errors import SigmascopeError
from sigmascope.schemas import Run, RunStatus, Sweep, SweepSpec

REFRESH_MS = 1500
LEAD = (
    "One training run for each value and seed. A layer's spread, σ_max − σ_med at its last step, says how "
    "far its largest singular value stands out of the bulk."
)
HELP = (
    "A point is a run, a symbol a seed; hollow ones have not finished. Lines are least squares over finished "
    "runs: the mean of the lines of the seeds, with a 95 % interval by Student's t. While it holds 0, growth "
    "is undecided. The dotted line stands where the mean spread begins to fall. On log-log axes all panels "
    "show equally many decades: equal slopes look equal."
)


async def run_page(api: Api, run: Run, spec: SweepSpec) -> html.Div:
    """The page as it stands."""
    try:
        found = await api.sweep(run.id)
    except SigmascopeError as error:
        return message_page(title="The sweep cannot be read", text=str(error))
    now = datetime.now(UTC)
    return html.Div(
        [
            _head(run),
            dcc.Store(id="sweep-run", data=run.id),
            dcc.Store(id="sweep-shown", data=_state(run, found)),
            dcc.Interval(id="sweep-clock", interval=REFRESH_MS, disabled=run.status.final),
            html.Div(
                [
                    html.Div(status(run, spec, found, now=now), id="sweep-head", className="claims-head"),
                    _cancel(run),
                ],
                className="claims-top",
            ),
            _panel(spec, found),
            html.Div(tables(found), id="sweep-tables"),
        ],
        id="sweep",
        className="page page-sweep",
        **{
            "data-run": run.id,
            "data-axes": AXES[0],
            "data-plotly": plotly_script.ADDRESS,
            "data-figures": json.dumps(sweep_skeleton(field=spec.field), separators=(",", ":")),
        },
    )


def _head(run: Run) -> html.Div:
    address = f"/api/v1/runs/{run.id}/sweep"
    links = (("Points as CSV", "/points.csv"), ("Slopes as CSV", "/slopes.csv"), ("JSON", ""))
    title = html.Div(
        [html.H1(run.name or f"Sweep {run.id}"), help_button("Sweep", HELP)], className="title-line"
    )
    return html.Div(
        [
            html.Div([title, html.P(scripted(LEAD), className="muted lead")]),
            html.Div(
                [html.A(said, href=address + path, className="quiet-button") for said, path in links],
                className="run-actions",
            ),
        ],
        className="page-head",
    )


def _cancel(run: Run) -> html.Button:
    return html.Button(
        "Cancel",
        id="cancel-sweep",
        type="button",
        className="quiet-button danger",
        hidden=run.status.final,
        disabled=run.cancel_requested,
    )


def status(run: Run, spec: SweepSpec, found: Sweep, *, now: datetime) -> list[Any]:
    """How far it is or what was found, what went wrong, and what it consists of."""
    said: Any = html.P(sweep_table.summary(found), className="claims-summary", role="status")
    return [
        said if run.status.final else _progress(run, found),
        *_problem(run, found),
        _facts(run, spec, now),
    ]


def _progress(run: Run, found: Sweep) -> html.Div:
    share = run.step / run.total_steps if run.total_steps else 0.0
    moving = sum(point.status == "running" for point in found.points)
    at_work = f", {moving} at work" if moving else ", none at work yet" if not run.step else ""
    if run.cancel_requested:
        at_work = ", being cancelled"
    bar = html.Div(
        html.Div(className="bar-fill", style={"transform": f"scaleX({share:.4f})"}),
        className="bar",
        role="progressbar",
        **{"aria-valuenow": run.step, "aria-valuemax": run.total_steps, "aria-label": "Runs that have ended"},
    )
    said = f"{run.step} of {run.total_steps} runs have ended{at_work}"
    return html.Div([html.Span(said, className="claims-summary figure"), bar], className="claims-progress")


def _problem(run: Run, found: Sweep) -> list[Any]:
    failed = [point for point in found.points if point.status == "failed"]
    if run.error:
        why = next((point.error for point in failed if point.error), None)
        said = f"{run.error}. The first: {why}" if why else run.error
        return [html.P(said, className="run-problem", role="alert")]
    notes = []
    if run.status is RunStatus.cancelled:
        done = sum(point.status == "finished" for point in found.points)
        notes.append(f"Cancelled with {done} of {run.total_steps} runs finished.")
    if failed:
        count = "1 run has" if len(failed) == 1 else f"{len(failed)} runs have"
        notes.append(f"{count} failed and left no point; the table of runs says why.")
    return [html.P(" ".join(notes), className="muted")] if notes else []


def _facts(run: Run, spec: SweepSpec, now: datetime) -> html.Div:
    moment = run.finished_at or run.started_at or run.created_at
    base = spec.base
    seeds = f"{len(spec.seeds)} seeds" if len(spec.seeds) > 1 else f"seed {spec.seeds[0]}"
    facts = [
        status_badge(run),
        html.Span(html.Time(ago(moment, now=now), title=moment.isoformat(timespec="seconds"))),
        html.Span(f"{len(spec.values)} values of {spec.field}, {seeds}"),
        html.Span(f"{model_words(base)} on {base.dataset}"),
        html.Span(f"{base.batches:,} batches of {base.batch_size:,}"),
        html.Span(f"preset {base.preset}" if base.preset else "no preset"),
    ]
    return html.Div(facts, className="claims-facts muted figure")


def _panel(spec: SweepSpec, found: Sweep) -> html.Section:
    axes = segmented("sweep-axes", "Axes", tuple((kind, kind) for kind in AXES), "axes")
    head = html.Div(
        [
            html.H2(f"Spread against {spec.field}", id="sweep-title"),
            html.Div([_legend(spec.seeds), axes], className="panel-controls"),
        ],
        className="panel-head",
    )
    return html.Section(
        [head, html.Div(panels(found, spec.seeds), id="sweep-panels", className="sweep-panels")],
        className="panel panel-sweep",
        **{"aria-labelledby": "sweep-title"},
    )


def _legend(seeds: Sequence[int]) -> html.Div:
    named = [_seed_entry(i, f"seed {seed}") for i, seed in enumerate(seeds[: len(SYMBOLS)])]
    if len(seeds) > len(SYMBOLS):
        named = [_seed_entry(0, f"{len(seeds)} seeds")]
    lines = [
        html.Span(
            [html.Span(className=f"mark mark-{mark}", **{"aria-hidden": "true"}), said],
            className="legend-entry",
        )
        for mark, said in (("true", "least squares"), ("critical", "falls beyond"))
    ]
    return html.Div([*named, *lines], className="legend")


def _seed_entry(index: int, said: str) -> html.Span:
    mark = html.Span(_GLYPHS[index], className="mark-seed", **{"aria-hidden": "true"})
    return html.Span([mark, said], className="legend-entry")


# as the figure's symbols look
_GLYPHS = "●■◆▲▼⬟★⬢"


def panels(found: Sweep, seeds: Sequence[int]) -> list[Any]:
    """A small plot a layer; a sentence before there is a point."""
    layers = sweep_table.layers_of(found)
    if layers:
        return [_small(found, layer, seeds) for layer in layers]
    waiting = any(point.status in ("queued", "running") for point in found.points)
    said = (
        "Points appear here when the first run has recorded a step."
        if waiting
        else "No run has recorded anything."
    )
    return [html.P(said, className="sweep-nothing muted", role="status")]


def _small(found: Sweep, layer: str, seeds: Sequence[int]) -> html.Figure:
    label = f"Spread of {layer} against {found.field}, a point a run"
    numbers = json.dumps(drawn(found, layer, seeds=seeds), separators=(",", ":"))
    plot = html.Div(
        className="plot", role="img", **{"aria-label": label, "data-layer": layer, "data-found": numbers}
    )
    return html.Figure(
        [
            html.Figcaption(
                [html.Span(layer, className="sweep-layer", title=layer), *sweep_table.caption(found, layer)]
            ),
            html.Div(plot, className="plot-frame"),
        ],
        className="sweep-panel",
    )


def tables(found: Sweep) -> list[Any]:
    """Slopes once there are any, and the runs."""
    parts = [_framed("Runs", sweep_table.runs(found))]
    return [_framed("Slopes", sweep_table.slopes(found)), *parts] if found.slopes else parts


def _framed(title: str, table: html.Table) -> html.Section:
    return html.Section([html.H2(title), html.Div(table, className="table-frame")], className="sweep-section")


def _state(run: Run, found: Sweep) -> str:
    """Differs as soon as anything on the page would."""
    return f"{run.status} {run.step} {run.cancel_requested} {zlib.crc32(found.model_dump_json().encode())}"


def register(app: Dash, api: Api) -> None:
    """The callbacks of this page."""

    @app.callback(
        Output("sweep-head", "children"),
        Output("sweep-panels", "children"),
        Output("sweep-tables", "children"),
        Output("sweep-shown", "data"),
        Output("sweep-clock", "disabled"),
        Output("cancel-sweep", "hidden"),
        Output("cancel-sweep", "disabled", allow_duplicate=True),
        Input("sweep-clock", "n_intervals"),
        State("sweep-run", "data"),
        State("sweep-shown", "data"),
        prevent_initial_call=True,
    )
    async def refresh(_ticks: int | None, run_id: str, shown: str) -> Any:
        try:
            run, found = await api.run(run_id), await api.sweep(run_id)
        except SigmascopeError as error:
            return (
                problem_alert(error, title="The sweep cannot be read"),
                *[no_update] * 2,
                "",
                *[no_update] * 3,
            )
        state = _state(run, found)
        if shown == state or not isinstance(run.spec, SweepSpec):
            return *[no_update] * 4, run.status.final, *[no_update] * 2
        return (
            status(run, run.spec, found, now=datetime.now(UTC)),
            panels(found, run.spec.seeds),
            tables(found),
            state,
            run.status.final,
            run.status.final,
            run.cancel_requested,
        )

    @app.callback(
        Output("cancel-sweep", "disabled"),
        Input("cancel-sweep", "n_clicks"),
        State("sweep-run", "data"),
        prevent_initial_call=True,
    )
    async def cancel(clicks: int | None, run_id: str) -> Any:
        if not clicks:
            return no_update
        try:
            await api.cancel(run_id)
        except SigmascopeError:
            return False  # what is wrong, the next look at the sweep says
        return True
