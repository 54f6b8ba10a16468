"""Predicted singular values beside the true ones."""

from __future__ import annotations

import math

import numpy as np
from fastapi import APIRouter, Response
from numpy.typing import NDArray

from backend.blobs import blob
from backend.deps import LayerDep, ReadDep, RunDep, WindowDep
from backend.storage import results
from backend.storage.results import Window
from sigmascope.schemas import Predictions, Predictor
from sigmascope.theory.scoring import cumulative_skill

router = APIRouter(prefix="/runs/{run_id}/layers/{layer}/predictions", tags=["predictions"])


@router.get("")
def get_predictions(run: RunDep, layer: LayerDep, window: WindowDep, connection: ReadDep) -> Predictions:
    """Top-k values, true and predicted, and each predictor's skill over `hold` up to every step.

    Skill always counts from step 0, whatever window is asked for.
    """
    names = results.predictors(connection, run.id, layer.name)
    predicted = {name: results.trajectory(connection, run.id, layer.name, name, Window()) for name in names}
    k = min((frames.values.shape[1] for frames in predicted.values()), default=0)
    true = results.top_values(connection, run.id, layer.name, k=k, window=Window())
    wanted = _wanted(true.steps, window)
    return Predictions(
        layer=layer.name,
        k=k,
        steps=true.steps[wanted].tolist(),
        true=true.values[wanted].tolist(),
        predicted={name: frames.values[wanted].tolist() for name, frames in predicted.items()},
        skill={
            name: [
                None if math.isnan(one) else one
                for one in cumulative_skill(true.values, frames.values)[wanted]
            ]
            for name, frames in predicted.items()
        },
    )


@router.get("/{predictor}.f32", response_class=Response)
def get_trajectory_blob(
    run: RunDep, layer: LayerDep, predictor: Predictor, window: WindowDep, connection: ReadDep
) -> Response:
    """A predictor's top-k values as little-endian float32, a row a step."""
    return blob(results.trajectory(connection, run.id, layer.name, predictor, window))


def _wanted(steps: NDArray[np.int64], window: Window) -> NDArray[np.bool_]:
    last = steps.max(initial=0) if window.last is None else window.last
    inside = (steps > window.after) & (steps >= window.first) & (steps <= last)
    chosen: NDArray[np.bool_] = inside & ((steps - window.first) % window.every == 0)
    return chosen
