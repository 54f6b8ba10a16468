"""Histories that forecasts are tested on."""

from __future__ import annotations

import numpy as np

from sigmascope.theory.ensembles import matrix_sde
from sigmascope.theory.forecasting import History

M, N, K = 24, 12, 3


def walk(
    steps: int = 400, k: int = K, *, seed: int = 0, drift: float = 0.01, noise: float = 0.01
) -> np.ndarray:
    """k values that drift and diffuse, far apart."""
    rng = np.random.default_rng(seed)
    moves = drift + noise * rng.standard_normal((steps, k))
    return 10.0 * np.arange(k, 0, -1) + np.cumsum(moves, axis=0)


def spectra(
    steps: int = 300,
    *,
    eta: float = 0.1,
    D: float = 1e-3,
    seed: int = 0,
    variance: tuple[float, ...] | None = None,
) -> History:
    """The spectra of one path of the matrix SDE, and what is said of its noise."""
    rng = np.random.default_rng(seed)
    start = rng.standard_normal((M, N))
    path = matrix_sde(start, learning_rate=eta, diffusion=D, steps=steps - 1, paths=1, rng=rng)
    every = np.array([one.singular_values[0] for one in path])
    along = None if variance is None else np.broadcast_to(np.array(variance), (steps, K))
    return History.of(
        every[:, :K], m=M, spectra=every, strength=np.full(steps, eta * D), noise_variance=along
    )
