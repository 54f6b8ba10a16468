"""A generated run for timing the dashboard: spectra that move like a trained layer's, without training.

Nothing here is a measurement of a network. The bulk is that of a Gaussian matrix, a few values grow out of
it; the laws laid over each step are fitted to it as in any run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from sigmascope.records import LayerRecord, LayerShape, StepRecord
from sigmascope.theory.law_fit import fit_laws

LAYER = "hidden.1"
GROWING = 6
LEARNING_RATE = 0.05


def shape(n: int) -> LayerShape:
    """A square layer with n singular values and entries of variance 1/n."""
    return LayerShape(name=LAYER, m=n, n=n, entry_variance=1 / n)


def steps(*, frames: int, n: int, k: int, rng: np.random.Generator) -> Iterator[StepRecord]:
    """``frames`` steps of one square layer with n values, k of them tracked by two predictors."""
    start = np.linalg.svd(rng.standard_normal((n, n)) / math.sqrt(n), compute_uv=False)
    phases = rng.uniform(0, 2 * np.pi, n)
    for step in range(frames):
        values = _values(start, phases, step / max(frames - 1, 1))
        yield StepRecord(step, _metrics(step, frames), {LAYER: _layer(step, values, start, k)})


def _values(start: NDArray[np.float64], phases: NDArray[np.float64], time: float) -> NDArray[np.float32]:
    # Levels of the bulk drift by about their spacing; the first few grow apart
    spacing = 2 / start.size
    moved = start + spacing * np.sin(phases + 9 * time) * time
    moved[:GROWING] += np.geomspace(1.1, 0.06, GROWING) * time**1.4
    return np.sort(np.abs(moved))[::-1].astype(np.float32)


def _layer(step: int, values: NDArray[np.float32], start: NDArray[np.float64], k: int) -> LayerRecord:
    hold, top = start[:k].astype(np.float32), values[:k]
    n = values.size
    return LayerRecord(
        singular_values=values,
        method="svd",
        error_bound=0.0,
        trajectories={
            "subspace": top * np.float32(1 + 1e-5),
            "algorithm1": hold + np.float32(0.3) * (top - hold),
        },
        law_fit=fit_laws(values, m=n, n=n, step=step, learning_rate=LEARNING_RATE, beta1=0.5),
    )


def _metrics(step: int, frames: int) -> dict[str, float]:
    time = step / frames
    metrics = {
        "loss": 0.2 + 2.1 * math.exp(-4 * time) + 0.03 * math.sin(7.3 * step),
        "accuracy": 0.95 - 0.85 * math.exp(-5 * time) + 0.01 * math.sin(3.1 * step),
        "learning_rate": LEARNING_RATE,
        "seconds": 0.1,
    }
    if step % 50 == 0:
        metrics |= {"test_loss": metrics["loss"] + 0.05, "test_accuracy": metrics["accuracy"] - 0.01}
    return metrics
