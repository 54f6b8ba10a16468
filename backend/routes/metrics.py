"""Training metrics of a run, and the gradient noise of its layers."""

from __future__ import annotations

from fastapi import APIRouter

from backend.deps import LayerDep, ReadDep, RunDep, WindowDep
from backend.storage import results
from backend.storage.tables import MetricsRow, NoiseRow
from sigmascope.schemas import Metrics, Noise

router = APIRouter(prefix="/runs/{run_id}", tags=["metrics"])


@router.get("/metrics")
def get_metrics(run: RunDep, window: WindowDep, connection: ReadDep) -> Metrics:
    """Loss, accuracies, learning rate and seconds a step, by step."""
    where = (MetricsRow.run_id == run.id, *window.where(MetricsRow.step))
    values = results.columns(connection, MetricsRow, results.METRICS, where)
    return Metrics(steps=values.pop("step"), values=values)


@router.get("/layers/{layer}/noise")
def get_noise(run: RunDep, layer: LayerDep, window: WindowDep, connection: ReadDep) -> Noise:
    """Gradient norm, beta1 by Lemma 6.19 and the direct D, by step."""
    where = (NoiseRow.run_id == run.id, NoiseRow.layer == layer.name, *window.where(NoiseRow.step))
    values = results.columns(connection, NoiseRow, ("gradient_norm", "beta1", "diffusion"), where)
    return Noise(layer=layer.name, steps=values.pop("step"), **values)
