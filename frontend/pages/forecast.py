"""The page of a run of kind ``forecast``: how well forecasters did on a training run, as the scores come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from frontend import forecast_table
from frontend.api import Api
from frontend.components import help_button, message_page, problem_alert
from frontend.forecast_table import METHODS
from frontend.run_words import ago, status_badge
from sigmascope.errors import SigmascopeError
from sigmascope.schemas import ForecastScore, ForecastSpec, Run, RunStatus

__all__ = ["METHODS", "defaults", "register", "results", "run_page"]

REFRESH_MS = 600
LEAD = (
    "From every origin on, each forecaster says what the largest singular values will do, and sees nothing "
    "after that origin."
)
HELP = (
    "Skill is 1 − (mean error) / (mean error of persistence): 1 is perfect, 0 no better than standing still, "
    "less than 0 worse. A 90 % band ought to hold the truth nine times in ten; below 85 % or above 95 % it "
    "is off. CRPS judges the whole distribution, in units of σ: smaller is better."
)


def defaults() -> dict[str, int]:
    """What a job is submitted with from the page of a run: batches ahead, and the first origin."""
    fields = ForecastSpec.model_fields
    return {name: fields[name].default for name in ("horizon", "first_origin")}


async def run_page(api: Api, run: Run, spec: ForecastSpec) -> html.Div:
    """The page as it stands; it renews itself until the run has ended."""
    head = html.Div(
        [
            html.Div(
                [
                    html.Div(
                        [
                            html.H1(run.name or f"Forecasts of {spec.run}"),
                            help_button("Forecast scores", HELP),
                        ],
                        className="title-line",
                    ),
                    html.P(LEAD, className="muted lead"),
                ]
            ),
            html.Div(
                [
                    html.A(
                        "Scores as JSON",
                        href=f"/api/v1/runs/{run.id}/forecast-scores",
                        className="quiet-button",
                    ),
                    *_continue_button(spec),
                    dcc.Link("The run that is forecast", href=f"/runs/{spec.run}", className="quiet-button"),
                ],
                className="run-actions",
            ),
        ],
        className="page-head",
    )
    try:
        scores = await api.forecast_scores(run.id)
    except SigmascopeError as error:
        return message_page(title="The scores cannot be read", text=str(error))
    return html.Div(
        [
            head,
            html.Div(id="continue-problem"),
            dcc.Store(id="forecast-run", data=run.id),
            dcc.Store(id="forecast-shown", data=_state(run)),
            dcc.Interval(id="forecast-clock", interval=REFRESH_MS, disabled=run.status.final),
            html.Div(
                [
                    html.Div(
                        results(run, spec, scores, now=datetime.now(UTC)),
                        id="forecast-head",
                        className="claims-head",
                    ),
                    _cancel(run),
                ],
                className="claims-top",
            ),
            html.Div(scored(scores), id="forecast-scores"),
        ],
        className="page page-forecast",
    )


def _continue_button(spec: ForecastSpec) -> list[html.Button]:
    if spec.continued_training:
        return []
    return [
        html.Button(
            "What can be foreseen at all?",
            id="continue-training",
            type="button",
            className="quiet-button",
            title="Score the training itself too: it is repeated, and goes on "
            f"{spec.members} times from every {spec.continue_every:,}th step with other batches, which takes "
            f"up to {spec.members * (spec.horizon + spec.continue_every):,} batches for each of these steps.",
        )
    ]


def _cancel(run: Run) -> html.Button:
    return html.Button(
        "Cancel",
        id="cancel-forecast",
        type="button",
        className="quiet-button danger",
        hidden=run.status.final,
    )


def results(run: Run, spec: ForecastSpec, scores: Sequence[ForecastScore], *, now: datetime) -> list[Any]:
    """What was found in one sentence, or how far it is, and what the numbers rest on."""
    if run.status.final:
        said: Any = html.P(forecast_table.summary(scores), className="claims-summary", role="status")
    else:
        said = _progress(run)
    return [said, *_problem(run), _facts(run, spec, now)]


def scored(scores: Sequence[ForecastScore]) -> list[Any]:
    """Chart and table; nothing before the first score."""
    if not scores:
        return []
    about = html.P("A dot is a layer, the mark their mean; 0 is persistence.", className="panel-reading")
    return [
        html.Section(
            [html.H2("Skill by method"), about, forecast_table.chart(scores)], className="panel skill-panel"
        ),
        html.Div(forecast_table.table(scores), className="table-frame"),
    ]


def _progress(run: Run) -> html.Div:
    share = run.step / run.total_steps if run.total_steps else 0.0
    waiting = run.status is RunStatus.queued
    said = "In the queue for a worker" if waiting else f"{run.step} of {run.total_steps} {_parts(run)}"
    bar = html.Div(
        html.Div(className="bar-fill", style={"transform": f"scaleX({share:.4f})"}),
        className="bar",
        role="progressbar",
        **{"aria-valuenow": run.step, "aria-valuemax": run.total_steps, "aria-label": "Scores"},
    )
    return html.Div([html.Span(said, className="claims-summary figure"), bar], className="claims-progress")


def _parts(run: Run) -> str:
    continued = isinstance(run.spec, ForecastSpec) and run.spec.continued_training
    return "scores and continuations" if continued else "scores"


def _problem(run: Run) -> list[Any]:
    if run.error:
        return [html.P(run.error, className="run-problem", role="alert")]
    if run.status is RunStatus.cancelled:
        return [html.P(f"Cancelled after {run.step} of {run.total_steps} {_parts(run)}.", className="muted")]
    return []


def _facts(run: Run, spec: ForecastSpec, now: datetime) -> html.Div:
    moment = run.finished_at or run.started_at or run.created_at
    facts = [
        status_badge(run),
        html.Span(["run ", dcc.Link(spec.run, href=f"/runs/{spec.run}")]),
        html.Span(html.Time(ago(moment, now=now), title=moment.isoformat(timespec="seconds"))),
        html.Span(f"{spec.horizon:,} batches ahead"),
        html.Span(f"origins from step {spec.first_origin:,} on"),
        *_continuations(spec),
        html.Span(f"seed {spec.seed}"),
    ]
    return html.Div(facts, className="claims-facts muted figure")


def _continuations(spec: ForecastSpec) -> list[html.Span]:
    if not spec.continued_training:
        return []
    goes_on = f"training goes on {spec.members} times from every {spec.continue_every:,}th step"
    return [html.Span(f"{goes_on}, on {spec.device}")]


def _state(run: Run) -> str:
    return f"{run.status} {run.step} {run.cancel_requested}"


def register(app: Dash, api: Api) -> None:
    """The callbacks of this page."""

    @app.callback(
        Output("forecast-head", "children"),
        Output("forecast-scores", "children"),
        Output("forecast-shown", "data"),
        Output("forecast-clock", "disabled"),
        Output("cancel-forecast", "hidden"),
        Output("cancel-forecast", "disabled", allow_duplicate=True),
        Input("forecast-clock", "n_intervals"),
        State("forecast-run", "data"),
        State("forecast-shown", "data"),
        prevent_initial_call=True,
    )
    async def refresh(_ticks: int | None, run_id: str, shown: str) -> Any:
        try:
            run = await api.run(run_id)
            if shown == _state(run) or not isinstance(run.spec, ForecastSpec):
                return no_update, no_update, no_update, run.status.final, no_update, no_update
            scores = await api.forecast_scores(run_id)
        except SigmascopeError as error:
            alert = problem_alert(error, title="The scores cannot be read")
            return alert, no_update, "", False, no_update, no_update
        return (
            results(run, run.spec, scores, now=datetime.now(UTC)),
            scored(scores),
            _state(run),
            run.status.final,
            run.status.final,
            run.cancel_requested,
        )

    @app.callback(
        Output("location", "pathname", allow_duplicate=True),
        Output("continue-problem", "children"),
        Input("continue-training", "n_clicks"),
        State("forecast-run", "data"),
        running=[(Output("continue-training", "disabled"), True, False)],
        prevent_initial_call=True,
    )
    async def continue_training(clicks: int | None, run_id: str) -> Any:
        if not clicks:
            return no_update, no_update
        try:
            spec = (await api.run(run_id)).spec
            trained = (await api.run(spec.run)).spec if isinstance(spec, ForecastSpec) else spec
            more = {"continued_training": True, "device": trained.device}
            job = await api.submit({**spec.model_dump(mode="json"), **more})
        except SigmascopeError as error:
            return no_update, problem_alert(error, title="The training is not continued")
        return f"/runs/{job.id}", None

    @app.callback(
        Output("cancel-forecast", "disabled"),
        Input("cancel-forecast", "n_clicks"),
        State("forecast-run", "data"),
        prevent_initial_call=True,
    )
    async def cancel(clicks: int | None, run_id: str) -> Any:
        if not clicks:
            return no_update
        try:
            await api.cancel(run_id)
        except SigmascopeError:
            return False  # what is wrong, the next look at the run says
        return True
