"""Layers and their spectra."""

from __future__ import annotations

from fastapi import APIRouter, Response
from sqlalchemy import Connection

from backend.blobs import blob
from backend.deps import LayerDep, ReadDep, RunDep, StepDep, WindowDep
from backend.storage import results
from backend.storage.results import Window
from sigmascope.errors import InvalidValueError, NotFoundError
from sigmascope.schemas import Layer, Spectra

router = APIRouter(prefix="/runs/{run_id}/layers", tags=["spectra"])

JSON_LIMIT = 1_000_000


@router.get("")
def list_layers(run: RunDep, connection: ReadDep) -> list[Layer]:
    """Recorded weight matrices, in network order; empty until the run has started."""
    return [
        Layer(name=one.name, m=one.m, n=one.n, q=one.n / one.m, entry_variance=one.entry_variance)
        for one in results.layers(connection, run.id)
    ]


@router.get("/{layer}/spectra")
def get_spectra(run: RunDep, layer: LayerDep, window: WindowDep, connection: ReadDep) -> Spectra:
    """Singular values as JSON, at most a million of them; ``spectra.f32`` has no such limit."""
    size = results.count_spectra(connection, run.id, layer.name, window) * layer.n
    if size > JSON_LIMIT:
        raise InvalidValueError(
            f"{size} values are too many for JSON (limit {JSON_LIMIT}); "
            "narrow first, last or every, or GET spectra.f32"
        )
    return _spectra(connection, run.id, layer.name, window)


@router.get("/{layer}/spectra.f32", response_class=Response)
def get_spectra_blob(run: RunDep, layer: LayerDep, window: WindowDep, connection: ReadDep) -> Response:
    """Singular values as little-endian float32, a row a step; see the headers X-Shape and X-Steps."""
    return blob(results.spectra(connection, run.id, layer.name, window))


@router.get("/{layer}/spectra/{step}")
def get_spectrum(run: RunDep, layer: LayerDep, step: StepDep, connection: ReadDep) -> Spectra:
    """One step's singular values. 404 names the last step there is."""
    answer = _spectra(connection, run.id, layer.name, Window(first=step, last=step))
    if not answer.steps:
        there_is = results.last_step(connection, run.id)
        known = "nothing" if there_is is None else f"0 to {there_is}"
        raise NotFoundError(f"run {run.id} has no step {step}; recorded so far: {known}")
    return answer


def _spectra(connection: Connection, run_id: str, layer: str, window: Window) -> Spectra:
    frames = results.spectra(connection, run_id, layer, window)
    accuracy = results.accuracy_of_spectra(connection, run_id, layer, window)
    return Spectra(
        layer=layer,
        steps=frames.steps.tolist(),
        singular_values=frames.values.tolist(),
        method=[method for method, _ in accuracy],
        error_bound=[bound for _, bound in accuracy],
    )
