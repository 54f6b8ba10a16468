"""Small ensembles that several tests look at."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sigmascope.theory.ensembles import Snapshot, eigenvalue_sde, matrix_sde
from sigmascope.theory.laws.law import FloatArray

RATES = {"learning_rate": 0.1, "diffusion": 0.5}  # 2 eta D = 0.1
T = 10.0


def last(snapshots: Iterable[Snapshot]) -> FloatArray:
    """The singular values at the end."""
    values = np.empty(0)
    for one in snapshots:
        values = one.singular_values
    return values


def start(m: int, n: int, *, seed: int = 3) -> FloatArray:
    return np.random.default_rng(seed).standard_normal((m, n))


def by_matrix(
    W: FloatArray, *, paths: int, seed: int, restoring_rate: float = 0.0, steps: int = 1
) -> FloatArray:
    """Exact in law without a force: one step of length T."""
    rng = np.random.default_rng(seed)
    return last(
        matrix_sde(W, **RATES, steps=steps, dt=T / steps, paths=paths, rng=rng, restoring_rate=restoring_rate)
    )


def by_values(W: FloatArray, *, paths: int, seed: int, steps: int, form: str = "exact") -> FloatArray:
    values = np.linalg.svd(W, compute_uv=False)
    rng = np.random.default_rng(seed)
    return last(
        eigenvalue_sde(
            values, m=len(W), **RATES, steps=steps, dt=T / steps, paths=paths, every=steps, rng=rng, form=form
        )
    )


def z_scores(a: FloatArray, b: FloatArray) -> FloatArray:
    """Differences of the means over independent paths (first axis), in standard errors."""
    error = np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))
    return np.asarray((a.mean(axis=0) - b.mean(axis=0)) / error)
