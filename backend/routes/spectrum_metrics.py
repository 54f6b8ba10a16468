"""Metrics of a layer's spectrum: the cheap ones over all steps, every one of a single step."""

from __future__ import annotations

from dataclasses import asdict

from fastapi import APIRouter

from backend.deps import LayerDep, ReadDep, RunDep, StepDep, WindowDep
from backend.storage import results
from backend.storage.results import Window
from backend.storage.tables import LawFitRow
from sigmascope.errors import InvalidValueError, NotFoundError
from sigmascope.schemas import MetricInfo, SpectrumMetrics, SpectrumSummary
from sigmascope.theory.metrics import METRICS, metrics_over_time, spectrum_metrics

router = APIRouter(tags=["metrics"])

# metrics that the stored law fits hold for every step, by their column
FITTED = {"outliers": "outliers", "mp_distance": "ks", "tw_p_value": "p_value"}
VALUES_LIMIT = 20_000_000


@router.get("/spectrum-metrics")
def list_spectrum_metrics() -> list[MetricInfo]:
    """What each metric is: title, formula, unit, reference. Those that need W itself are not served."""
    return [
        MetricInfo.model_validate({name: getattr(one, name) for name in MetricInfo.model_fields})
        for one in METRICS
        if one.source != "matrix"
    ]


@router.get("/runs/{run_id}/layers/{layer}/metrics")
def get_spectrum_metrics(
    run: RunDep, layer: LayerDep, window: WindowDep, connection: ReadDep
) -> SpectrumMetrics:
    """Metrics that cost no more than a pass over the spectrum, for every step."""
    size = results.count_spectra(connection, run.id, layer.name, window) * layer.n
    if size > VALUES_LIMIT:
        raise InvalidValueError(
            f"metrics of {size:,} values at once exceed {VALUES_LIMIT:,}; narrow first, last or every"
        )
    frames = results.spectra(connection, run.id, layer.name, window)
    spectra = frames.values.reshape(len(frames.steps), layer.n)
    bounds = [bound for _, bound in results.accuracy_of_spectra(connection, run.id, layer.name, window)]
    series = metrics_over_time(spectra, m=layer.m, n=layer.n, error_bound=bounds)
    values = {name: one.tolist() for name, one in series.items()}
    table = LawFitRow
    where = (table.run_id == run.id, table.layer == layer.name, *window.where(table.step))
    fits = results.columns(connection, table, tuple(FITTED.values()), where)
    at = {step: row for row, step in enumerate(fits["step"])}
    steps = frames.steps.tolist()
    for name, column in FITTED.items():
        values[name] = [fits[column][at[step]] if step in at else None for step in steps]
    return SpectrumMetrics(layer=layer.name, steps=steps, values=values)


@router.get("/runs/{run_id}/layers/{layer}/metrics/{step}")
def get_spectrum_summary(run: RunDep, layer: LayerDep, step: StepDep, connection: ReadDep) -> SpectrumSummary:
    """Every metric of one step, the tail's exponent included."""
    frames = results.spectra(connection, run.id, layer.name, Window(first=step, last=step))
    if not len(frames.steps):
        raise NotFoundError(
            f"run {run.id} has no step {step}; recorded up to {results.last_step(connection, run.id)}"
        )
    ((_, bound),) = results.accuracy_of_spectra(connection, run.id, layer.name, Window(first=step, last=step))
    values = asdict(spectrum_metrics(frames.values[0], m=layer.m, n=layer.n, error_bound=bound))
    return SpectrumSummary(layer=layer.name, step=step, values=values)
