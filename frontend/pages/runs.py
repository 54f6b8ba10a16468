"""The list of runs, live, and the drawer that starts a new one. Address ``/``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html

from frontend import new_run
from frontend.api import Api
from frontend.components import problem_alert
from frontend.run_words import ago, duration, kind_of, status_badge, subject
from sigmascope.errors import SigmascopeError
from sigmascope.schemas import Run, RunStatus, SweepSpec, TrainSpec

REFRESH_MS = 1000
COLUMNS = ("Run", "Kind", "What", "Status", "Progress", "Pace", "Time left", "Started")


async def layout(api: Api) -> html.Div:
    """The page, with the runs of this moment in it."""
    return html.Div(
        [
            html.Div(
                [
                    html.Div([html.H1("Runs"), html.P(_INTRODUCTION, className="muted")]),
                    dmc.Button("New run", id="new-run", size="sm"),
                ],
                className="page-head",
            ),
            html.Div(await _table_or_problem(api), id="runs"),
            dcc.Interval(id="runs-clock", interval=REFRESH_MS),
            await new_run.drawer(api),
        ],
        className="page",
    )


_INTRODUCTION = (
    "Training records all singular values of every weight matrix after each batch. Simulations and checks of "
    "the paper's claims start on the page Theory."
)


async def _table_or_problem(api: Api) -> Any:
    try:
        return table(await api.runs(), now=datetime.now(UTC))
    except SigmascopeError as error:
        return problem_alert(error, title="The list of runs cannot be read")


def table(runs: list[Run], *, now: datetime) -> html.Div:
    """The table of ``runs``, or what to do when there is none."""
    if not runs:
        return html.Div(
            [
                html.H2("No run yet"),
                html.P("Press New run and keep the preset demo: a small network on MNIST, under a minute."),
                html.P(["Or from a terminal: ", html.Code("sigmascope submit demo")], className="muted"),
            ],
            className="empty",
        )
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in COLUMNS]))
    body = html.Tbody([_row(run, now=now) for run in runs])
    return html.Div(html.Table([head, body], className="runs-table"), className="table-frame")


def _row(run: Run, *, now: datetime) -> html.Tr:
    share = run.step / run.total_steps if run.total_steps else 0.0
    name = dcc.Link(run.name or run.id, href=f"/runs/{run.id}", className="row-link")
    about = html.Span(
        " · ".join(p for p in (_origin(run), run.id if run.name else "") if p), className="muted"
    )
    what, about_it = subject(run.spec)
    cells = [
        html.Th([name, about], scope="row"),
        html.Td(kind_of(run).name, className="kind", **{"data-kind": run.kind}),
        html.Td([what, html.Span(about_it, className="muted")], className="two-lines"),
        html.Td([status_badge(run), *_reason(run)]),
        html.Td(_progress(share, run)),
        html.Td(_rate(run), className="figure"),
        html.Td(_left(run), className="figure"),
        html.Td(ago(run.started_at, now=now), className="figure", title=_exact(run.started_at)),
    ]
    return html.Tr(cells, **{"data-run": run.id})


def _reason(run: Run) -> list[Any]:
    return [html.Span(run.error, className="row-error", title=run.error)] if run.error else []


def _progress(share: float, run: Run) -> html.Div:
    bar = html.Div(
        html.Div(className="bar-fill", style={"transform": f"scaleX({share:.4f})"}), className="bar"
    )
    line = html.Div([bar, html.Span(f"{int(100 * share)} %", className="figure")], className="progress")
    return html.Div([line, html.Span(_steps(run), className="muted figure steps")])


def _steps(run: Run) -> str:
    return f"{run.step:,} of {run.total_steps:,} {kind_of(run).unit}"


def _rate(run: Run) -> str:
    pace = run.batches_per_second
    return f"{pace:.3g} {kind_of(run).unit}/s" if pace is not None else "–"


def _left(run: Run) -> str:
    return (
        duration(run.seconds_left)
        if run.status is RunStatus.running and run.seconds_left is not None
        else "–"
    )


def _origin(run: Run) -> str:
    spec = run.spec
    if isinstance(spec, SweepSpec):
        return spec.preset or spec.base.preset or ""
    return (spec.preset or "") if isinstance(spec, TrainSpec) else ""


def _exact(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""


def register(app: Dash, api: Api) -> None:
    """The callbacks of this page."""

    @app.callback(Output("runs", "children"), Input("runs-clock", "n_intervals"), prevent_initial_call=True)
    async def refresh(_ticks: int) -> Any:
        return await _table_or_problem(api)

    new_run.register(app, api)
