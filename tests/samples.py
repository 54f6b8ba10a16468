"""Small recorded steps, made up but well formed."""

from __future__ import annotations

import numpy as np

from sigmascope.records import GradientNoise, LayerRecord, LayerShape, ModeUpdate, StepRecord
from sigmascope.theory.law_fit import fit_laws

LAYERS = (LayerShape("hidden.0", 24, 16, 1 / 24), LayerShape("head", 16, 10, 1 / 16))


def singular_values(layer: LayerShape, step: int) -> np.ndarray:
    rng = np.random.default_rng(step)
    matrix = rng.standard_normal((layer.m, layer.n)) * layer.entry_variance**0.5
    return np.linalg.svd(matrix, compute_uv=False).astype(np.float32)


def step_record(step: int) -> StepRecord:
    layers = {}
    for layer in LAYERS:
        values = singular_values(layer, step)
        layers[layer.name] = LayerRecord(
            values,
            "svd",
            1e-6,
            trajectories={"algorithm1": values[:4] * 0.9, "subspace": values[:4]},
            law_fit=fit_laws(values, m=layer.m, n=layer.n, step=step, learning_rate=0.1, beta1=0.5),
            noise=GradientNoise(gradient_norm=1.0 + step, beta1=0.5, diffusion=1e-4),
            modes=mode_update(step) if step else None,
        )
    metrics = {"loss": 2.0 / (step + 1), "accuracy": 0.5, "learning_rate": 0.1}
    return StepRecord(step, metrics, layers)


def mode_update(step: int) -> ModeUpdate:
    projected = np.array([0.1, 0.05, -0.02, 0.0], np.float32) / step
    return ModeUpdate(projected, np.full(4, 1e-4, np.float32), turned=1.1 * projected)
