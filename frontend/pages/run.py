"""The page of a run, ``/runs/<id>``; of a training run: spectrum, trajectories and a strip under one clock.

``?panel=forces`` opens that tab of the strip; layer, step, mode, metric and forecast are in the address too.

Python lays out the page and says how each mark looks; the player in ``assets/player`` fetches, draws and
moves.
"""

from __future__ import annotations

import json

from dash import html

from frontend import plotly_script
from frontend.api import Api
from frontend.components import legend_entry, message_page, panel, plot, segmented
from frontend.figures.skeletons import skeletons
from frontend.pages import forecast, simulation, sweep, theory
from frontend.run_head import head
from frontend.run_words import MODELS
from frontend.strip import strip
from sigmascope.errors import NotFoundError, SigmascopeError
from sigmascope.schemas import (
    FORECASTERS,
    ClaimsSpec,
    ForecastSpec,
    MetricInfo,
    MlpSpec,
    Run,
    SimulateSpec,
    SweepSpec,
    TrainSpec,
)

PREDICTORS = (
    ("subspace", "subspace"),
    ("algorithm1", "Algorithm 1"),
    ("first_order", "first order"),
    ("hold", "hold"),
)
LEGEND = (
    ("histogram", "singular values", None),
    ("marchenko_pastur", "Marchenko-Pastur", "marchenko_pastur"),
    ("tracy_widom", "Tracy-Widom", "tracy_widom edge"),
    ("gamma_printed", "gamma, printed", "gamma_printed"),
    ("gamma_fitted", "gamma, fitted", "gamma_fitted"),
    ("outliers", "outliers", "outliers"),
)
ADAPTIVE = (
    " This run's spectra are adaptive: the true values are known where one was decomposed, and in between "
    "move as the subspace tracker says. Judge predictors by runs with exact spectra."
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
    if isinstance(run.spec, SimulateSpec):
        return simulation.instrument(run, run.spec, origin=origin)
    if isinstance(run.spec, ClaimsSpec):
        return await theory.run_page(api, run)
    if isinstance(run.spec, ForecastSpec):
        return await forecast.run_page(api, run, run.spec)
    if isinstance(run.spec, SweepSpec):
        return await sweep.run_page(api, run, run.spec)
    if not isinstance(run.spec, TrainSpec):
        return message_page(title="No page for this kind", text=f"Runs of kind {run.kind} have no page here.")
    return instrument(run, run.spec, origin=origin, metrics=await _metrics(api))


async def _metrics(api: Api) -> list[MetricInfo]:
    """None where the service names none: the page stands without them."""
    try:
        return await api.metric_infos()
    except SigmascopeError:
        return []


def instrument(run: Run, spec: TrainSpec, *, origin: str, metrics: list[MetricInfo]) -> html.Div:
    """Everything that the player fills. It mounts on the id ``player``."""
    return html.Div(
        [
            _head(run, spec, origin),
            html.P(id="run-problem", className="run-problem", role="alert", hidden=True),
            html.Div(html.P("Fetching the spectra.", id="waiting"), className="waiting", role="status"),
            html.Div([_spectrum(), _trajectories(spec), strip(metrics)], className="instrument"),
            html.Div(id="transport", className="transport", role="toolbar", **{"aria-label": "Transport"}),
        ],
        id="player",
        className="page page-run",
        **{
            "data-run": run.id,
            "data-kind": "train",
            "data-state": "loading",
            "data-plotly": plotly_script.ADDRESS,
            "data-forecast": json.dumps(forecast.defaults()),
            "data-figures": json.dumps(skeletons(k=spec.top_k), separators=(",", ":")),
        },
    )


def _head(run: Run, spec: TrainSpec, origin: str) -> html.Div:
    settings = {
        "preset": spec.preset or "none",
        "model": _model(spec),
        "data": spec.dataset,
        "SGD": f"learning rate {spec.learning_rate:g}, batch {spec.batch_size}",
        **({} if spec.precision == "float32" else {"precision": f"{spec.precision}, weights in float32"}),
        "seed": str(spec.seed),
        "device": run.device or spec.device,
    }
    return head(
        run,
        unit="batches",
        settings=settings,
        command=f"sigmascope export {run.id} --format npz --server {origin}",
        exported="All that is recorded, as a NumPy archive; parquet and csv hold the singular values:",
    )


def _model(spec: TrainSpec) -> str:
    model = spec.model
    layers = f"{model.depth} hidden layers" if isinstance(model, MlpSpec) else f"{model.layers} layers"
    return f"{MODELS[model.kind]}, {layers} of width {model.width}"


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
    return html.Div([legend_entry(*entry) for entry in LEGEND], id="spectrum-legend", className="legend")


def _trajectories(spec: TrainSpec) -> html.Section:
    picker = segmented("predictor-picker", "Predictor", PREDICTORS, "predictor")
    key = html.Div(
        [
            html.Span([html.Span(className="mark mark-true"), "true"], className="legend-entry"),
            html.Span([html.Span(className="mark mark-predicted"), "predicted"], className="legend-entry"),
            html.Span(
                ["largest", html.Span(className="mark mark-modes"), f"{spec.top_k}th"],
                className="legend-entry",
            ),
            html.Span("trackers see each batch's gradient", className="note"),
        ],
        className="legend",
    )
    return panel(
        name="trajectories",
        title=f"Trajectories, top {spec.top_k}",
        help_text=(
            "Solid lines are the true largest singular values, dashed lines what a predictor makes of the "
            "first weights and the gradients of the batches. Skill is 1 − (mean error of the predictor) / "
            "(mean error of holding the values of step 0): 1 is perfect, 0 no better than standing still. "
            "A forecast sees nothing after the step that it starts from."
        )
        + (ADAPTIVE if spec.spectra == "adaptive" else ""),
        controls=[picker],
        body=[
            key,
            _forecast_bar(),
            plot("trajectories", "True and predicted singular values over the steps, and their difference"),
        ],
    )


def _forecast_bar() -> html.Div:
    choices = [html.Option("none", value="none")]
    choices += [html.Option(forecast.METHODS[name].name, value=name) for name in FORECASTERS]
    picker = html.Label(
        [
            html.Span("forecast"),
            html.Select(
                choices, id="forecast-picker", **{"aria-label": "Forecast from the step of the clock"}
            ),
            html.Span("from here"),
        ],
        className="picker",
    )
    key = html.Span(
        [
            legend_entry("forecast", "median"),
            legend_entry("band50", "50 %"),
            legend_entry("band90", "90 %"),
        ],
        id="forecast-legend",
        className="legend",
        hidden=True,
    )
    score = html.Button(
        "Score forecasts",
        id="score-forecasts",
        type="button",
        className="quiet-button",
        title="Score every forecaster over all origins of this run",
        disabled=True,
        **{"aria-describedby": "score-reason"},
    )
    reason = html.Span(id="score-reason", className="muted", role="status")
    return html.Div([picker, key, html.Span([reason, score], className="score")], className="forecast-bar")
