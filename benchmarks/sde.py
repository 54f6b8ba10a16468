"""The singular values alone beside the matrix process: 256 x 128, 1,000 steps, 64 paths.

W starts Gaussian with entry variance 1/m; over the run the noise adds as much again. ``matrix_sde`` takes an
SVD at each step, as it must to see trajectories; it is timed over its first steps and scaled up, since every
step costs the same. ``eigenvalue_sde`` runs whole.

    eigenvalue_sde_speedup_vs_matrix_sde   time of 1,000 matrix steps with SVD over that of eigenvalue_sde
    histogram_largest_z                    the two ensembles' histograms at the end, 32 bins: the largest
                                           difference of mean counts in standard errors over paths
    histogram_hotelling_p                  the probability of a larger distance over all bins, were they equal
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from scipy.stats import f

from benchmarks.report import Report, parse_args
from sigmascope.theory.ensembles import Snapshot, eigenvalue_sde, matrix_sde

M, N, PATHS, STEPS, TIMED_STEPS, BINS = 256, 128, 64, 1000, 20, 32
LEARNING_RATE = 0.1
DIFFUSION = 1 / (2 * LEARNING_RATE * STEPS * M)
SEED = 0


def timed(snapshots: Iterable[Snapshot]) -> tuple[float, NDArray[np.float64]]:
    """Seconds after the first snapshot, and the last one's singular values."""
    walk = iter(snapshots)
    values = next(walk).singular_values
    started = time.perf_counter()
    for snapshot in walk:
        values = snapshot.singular_values
    return time.perf_counter() - started, values


def counts(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """(paths, bins): how many values of each path lie in each bin."""
    return np.stack([np.histogram(path, edges)[0] for path in values]).astype(np.float64)


def measure(report: Report) -> None:
    """Print the figures of the module's docstring."""
    rng = np.random.default_rng(SEED)
    start = rng.standard_normal((M, N)) / np.sqrt(M)
    common = {"learning_rate": LEARNING_RATE, "diffusion": DIFFUSION, "paths": PATHS, "rng": rng}
    matrix_seconds, _ = timed(matrix_sde(start, steps=TIMED_STEPS, **common))
    # without a force the step's length is of no account: one long step ends where a thousand do, in law
    _, of_matrix = timed(matrix_sde(start, steps=1, dt=STEPS, **common))
    values = np.linalg.svd(start, compute_uv=False)
    seconds, alone = timed(eigenvalue_sde(values, m=M, steps=STEPS, **common))

    report.emit("eigenvalue_sde_speedup_vs_matrix_sde", matrix_seconds / TIMED_STEPS * STEPS / seconds, "x")
    report.emit("eigenvalue_sde_milliseconds_a_step", 1e3 * seconds / STEPS, "ms")
    report.emit("matrix_sde_milliseconds_a_step", 1e3 * matrix_seconds / TIMED_STEPS, "ms")
    compare(report, counts(of_matrix, edges(of_matrix)), counts(alone, edges(of_matrix)))


def edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of bins that hold equally many values."""
    inner = np.quantile(values, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.concatenate([[0.0], inner, [np.inf]])


def compare(report: Report, one: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    """Two ensembles of counts, paths being independent and the values within a path not."""
    difference = one.mean(axis=0) - other.mean(axis=0)
    error = np.sqrt(one.var(axis=0, ddof=1) / len(one) + other.var(axis=0, ddof=1) / len(other))
    report.emit("histogram_largest_z", np.abs(difference / error).max(), "s.e.")
    # Hotelling's T^2 over all bins but one, for their sum is fixed
    pooled = (np.cov(one[:, 1:].T) + np.cov(other[:, 1:].T)) / 2
    total, bins = len(one) + len(other), one.shape[1] - 1
    t2 = len(one) * len(other) / total * difference[1:] @ np.linalg.solve(pooled, difference[1:])
    freedom = total - bins - 1
    report.emit("histogram_hotelling_p", f.sf(t2 * freedom / (bins * (total - 2)), bins, freedom), "1")


if __name__ == "__main__":
    measure(parse_args(__doc__))
