"""What of a spectrum the entries alone explain: the same entries, shuffled, have lost every correlation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError
from sigmascope.theory.edge import LARGEST
from sigmascope.theory.laws.law import FloatArray, check_shape

DRAWS = 10


@dataclass(frozen=True, slots=True)
class RandomizedNull:
    """Distances of the spectrum of W from those of copies with shuffled entries; axis: singular values.

    Compare with the distances among the copies: what chance alone makes of these entries. Spreads are
    standard deviations over draws (ddof 1), None for a single draw.

    Attributes:
        draws: number of shuffled copies.
        kolmogorov: mean of sup |F_W - F_copy| (Kolmogorov 1933), in [0, 1]; values that differ by rounding
            count as different.
        kolmogorov_spread: its spread.
        wasserstein: mean of sum |sigma_k - sigma_k of the copy| / n, the Wasserstein-1 distance of two
            spectra of n values each (Villani 2003, section 2.2), in units of sigma.
        wasserstein_spread: its spread.
        null_kolmogorov: mean Kolmogorov distance of each copy from the next, around in a ring; None for a
            single draw.
        null_wasserstein: the same of the Wasserstein-1 distance.
        top: mean of the copies' largest singular values: what of sigma_1 the entries alone explain.
    """

    draws: int
    kolmogorov: float
    kolmogorov_spread: float | None
    wasserstein: float
    wasserstein_spread: float | None
    null_kolmogorov: float | None
    null_wasserstein: float | None
    top: float


def randomized_null(W: ArrayLike, *, rng: np.random.Generator, draws: int = DRAWS) -> RandomizedNull:
    """Shuffle the entries of W (m x n, m >= n) ``draws`` times and compare spectra.

    Martin and Mahoney (2021) call it W randomised elementwise. It costs draws + 1 singular value
    decompositions: seconds at 1024 x 1024. InvalidValueError: not a matrix, m < n, NaN or infinity, entries
    whose squares overflow, draws < 1.
    """
    matrix = check_matrix(W)
    whole("draws", draws, least=1, remedy=f"{DRAWS} show the spread")
    values = ascending(matrix)
    copies = np.array([ascending(rng.permuted(matrix)) for _ in range(draws)])
    ks = np.array([kolmogorov(values, copy) for copy in copies])
    w1 = np.abs(copies - values).mean(axis=1)
    following = np.roll(copies, 1, axis=0)
    alone = len(copies) < 2
    return RandomizedNull(
        draws=len(copies),
        kolmogorov=float(ks.mean()),
        kolmogorov_spread=None if alone else float(ks.std(ddof=1)),
        wasserstein=float(w1.mean()),
        wasserstein_spread=None if alone else float(w1.std(ddof=1)),
        null_kolmogorov=None if alone else float(np.mean(list(map(kolmogorov, copies, following)))),
        null_wasserstein=None if alone else float(np.abs(copies - following).mean()),
        top=float(copies[:, -1].mean()),
    )


def check_matrix(W: ArrayLike) -> FloatArray:
    """W as float64 (m, n); InvalidValueError unless m >= n and its entries are finite and not too large."""
    matrix = np.asarray(W, dtype=np.float64)
    if matrix.ndim != 2:
        raise InvalidValueError(f"W must be a matrix, got shape {matrix.shape}; unfold it first")
    check_shape(*matrix.shape)
    if not np.isfinite(matrix).all():
        raise InvalidValueError("W holds NaN or infinity; check the weights")
    if np.abs(matrix).max() > LARGEST:
        raise InvalidValueError(f"entries of W reach {np.abs(matrix).max()}, squares overflow; rescale W")
    return matrix


def ascending(matrix: FloatArray) -> FloatArray:
    """The singular values, ascending."""
    return np.asarray(np.linalg.svd(matrix, compute_uv=False)[::-1])


def kolmogorov(first: FloatArray, second: FloatArray) -> float:
    """Sup |F - G| of the empirical distributions of two ascending samples."""
    points = np.concatenate([first, second])
    below_first = np.searchsorted(first, points, side="right") / first.size
    below_second = np.searchsorted(second, points, side="right") / second.size
    return float(np.abs(below_first - below_second).max())
