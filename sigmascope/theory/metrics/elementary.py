"""Metrics that are plain functions of the singular values: norms, ranks, entropies; of many steps at once.

Axis: singular values of W, m x n, m >= n; rows are steps. Everything is computed from sigma_k / sigma_1, so
that no square overflows or vanishes, and the metrics without a unit do not depend on the scale of W.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from sigmascope.errors import InvalidValueError
from sigmascope.theory.edge import LARGEST
from sigmascope.theory.ito import check_values
from sigmascope.theory.laws.law import FloatArray, check_shape

Series = np.ma.MaskedArray[tuple[int, ...], np.dtype[np.float64]]

# error bounds that the smallest value must have for the condition number to be known to a tenth
KNOWN = 10.0
# values handled at once: the temporaries stay in the cache, and memory that of the spectra
BLOCK = 100_000


@dataclass(frozen=True, slots=True)
class Spectra:
    """Descending spectra and what the metrics share; NaN, for now, where a spectrum is all zero.

    Attributes:
        values: (t, n) singular values.
        ratio: (t, n) sigma_k / sigma_1.
        logs: (t, n) natural logarithm of ``ratio``, 0 where it is 0: p log p vanishes there.
        counted: (t, n) values beyond rounding, those that the hard rank counts.
        invertible: (t,) whether the smallest is counted, and known to a tenth.
    """

    values: FloatArray
    ratio: FloatArray
    logs: FloatArray
    counted: NDArray[np.bool_]
    invertible: NDArray[np.bool_]

    @classmethod
    def of(cls, values: FloatArray, *, tolerance: FloatArray, error_bound: FloatArray) -> Spectra:
        """From descending ``values`` (t, n), unchecked, those up to ``tolerance`` (t,) taken for rounding."""
        counted = values > tolerance[:, None]
        invertible = counted[:, -1] & (values[:, -1] >= KNOWN * error_bound)
        ratio = values / values[:, :1]
        logs = np.log(np.where(ratio > 0, ratio, 1.0))
        return cls(values, ratio, logs, counted, invertible)

    def with_unit(self, amount: FloatArray) -> FloatArray:
        """``amount`` (t,) times sigma_1; 0 for an all-zero spectrum."""
        top = self.values[:, 0]
        return np.where(top > 0, top * amount, 0.0)


def norms(spectra: Spectra) -> dict[str, FloatArray]:
    """Schatten norms of order oo, 2 and 1, and base-10 logarithms of the squares of the first two."""
    top, squares = spectra.values[:, 0], (spectra.ratio**2).sum(axis=1)
    return {
        "spectral_norm": top,
        "frobenius_norm": spectra.with_unit(np.sqrt(squares)),
        "nuclear_norm": spectra.with_unit(spectra.ratio.sum(axis=1)),
        "log_spectral_norm": 2.0 * np.log10(top),
        "log_frobenius_norm": 2.0 * np.log10(top) + np.log10(squares),
        "stable_rank": squares,
    }


def shannon(weights: FloatArray, logs: FloatArray) -> FloatArray:
    """-sum p log p in nats, p = weights / sum of weights, ``logs`` those of the weights; (t, n) to (t,)."""
    total = weights.sum(axis=1)
    return np.asarray(np.log(total) - (weights * logs).sum(axis=1) / total)


def entropies(spectra: Spectra) -> dict[str, FloatArray]:
    """Of sigma_k / sum sigma, with the effective rank; of sigma_k^2 / sum sigma^2 over log hard rank."""
    entropy = shannon(spectra.ratio, spectra.logs)
    rank = spectra.counted.sum(axis=1, dtype=np.float64)
    squares = np.where(spectra.counted, spectra.ratio**2, 0.0)
    return {
        "effective_rank": np.exp(entropy),
        "hard_rank": rank,
        "entropy": entropy,
        "normalized_entropy": entropy / np.log(float(spectra.values.shape[1])),
        "matrix_entropy": shannon(squares, 2.0 * spectra.logs) / np.log(np.where(rank > 1, rank, np.nan)),
    }


def spans(spectra: Spectra) -> dict[str, FloatArray]:
    """How far the largest value lies from the median and from the smallest."""
    values, n = spectra.values, spectra.values.shape[1]
    median = (values[:, (n - 1) // 2] + values[:, n // 2]) / 2.0
    condition = np.where(spectra.invertible, 1.0 / spectra.ratio[:, -1], np.nan)
    return {"spread": values[:, 0] - median, "condition_number": condition}


def elementary(values: FloatArray, *, tolerance: FloatArray, error_bound: ArrayLike) -> dict[str, Series]:
    """Every metric of this file for descending ``values`` (t, n), unchecked; masked where undefined."""
    bound = np.broadcast_to(np.asarray(error_bound, dtype=np.float64), tolerance.shape)
    rows = max(BLOCK // values.shape[1], 1)
    pieces = [slice(at, at + rows) for at in range(0, max(len(values), 1), rows)]
    blocks = [of_block(values[one], tolerance[one], bound[one]) for one in pieces]
    return {name: masked(np.concatenate([block[name] for block in blocks])) for name in blocks[0]}


def of_block(values: FloatArray, tolerance: FloatArray, error_bound: FloatArray) -> dict[str, FloatArray]:
    """The same of a few rows; not finite where undefined."""
    # 0 / 0 of an all-zero spectrum, log of 0, 1 / 0 of a singular W
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        spectra = Spectra.of(values, tolerance=tolerance, error_bound=error_bound)
        return norms(spectra) | entropies(spectra) | spans(spectra)


def masked(array: FloatArray) -> Series:
    """``array`` masked where it is not finite, with 0 underneath: no NaN to leak."""
    undefined = ~np.isfinite(array)
    return np.ma.MaskedArray(np.where(undefined, 0.0, array), mask=undefined)


def precision(dtype: DTypeLike) -> float:
    """Machine epsilon of stored singular values: that of float32 for single and half, else of float64.

    Half precision is how some weights are stored; no decomposition runs in it.
    """
    single = np.dtype(dtype) in (np.dtype(np.float16), np.dtype(np.float32))
    return float(np.finfo(np.float32 if single else np.float64).eps)


def rounding(top: FloatArray, error_bound: ArrayLike, *, m: int, dtype: DTypeLike) -> FloatArray:
    """What is not told from 0, (t,): m epsilon sigma_1 of ``top`` (t,), or ``error_bound`` where larger.

    InvalidValueError unless the bound is >= 0, finite, and one or one a step.
    """
    bound = np.asarray(error_bound, dtype=np.float64)
    if bound.shape not in ((), top.shape) or not (np.isfinite(bound) & (bound >= 0)).all():
        raise InvalidValueError(
            f"error_bound must be >= 0 and finite, one for all {len(top)} spectra or one each, got {bound}"
        )
    return np.asarray(np.maximum(m * precision(dtype) * top, bound))


def check_spectra(spectra: ArrayLike, m: int, n: int) -> FloatArray:
    """(t, n) as float64, each row descending; InvalidValueError when they cannot be spectra of m x n."""
    m, n = check_shape(m, n)
    values = np.asarray(spectra, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != n:
        raise InvalidValueError(
            f"spectra of {m}x{n} matrices are (steps, {n}), got shape {values.shape}; pass every value"
        )
    if not len(values):
        return values
    values = check_values("spectra", values, m)
    if values.max() > LARGEST:
        raise InvalidValueError(f"spectra reach {values.max()}, their squares overflow; rescale W")
    descending = (values[:, :-1] >= values[:, 1:]).all()
    return values if descending else np.ascontiguousarray(np.sort(values, axis=1)[:, ::-1])


def metrics_over_time(
    spectra: ArrayLike, *, m: int, n: int, error_bound: ArrayLike = 0.0
) -> dict[str, Series]:
    """The metrics named in ``OVER_TIME`` for every step: name to a masked array (steps,).

    ``spectra`` is (steps, n), all singular values of W at each step, in any order; no steps give empty
    arrays. ``error_bound``, absolute, of all or of each step (steps,), keeps the hard rank from counting what
    the method that found the values cannot tell from 0; the rounding of their precision it never counts.

    There is no NaN and no infinity: where a metric is undefined the entry is masked, which ``.tolist()``
    turns into None. Undefined are, for an all-zero spectrum, all but the norms (0), the spread and the hard
    rank (0); the condition number where the smallest value is rounding, or below ten of its bounds; the
    normalised entropy of one column; the matrix entropy at a hard rank below 2. Definitions: ``METRICS``.

    InvalidValueError: m < n, rows of another length than n, NaN, infinity, negative values, a bad bound.

    >>> metrics_over_time([[2.0, 1.0], [3.0, 0.0]], m=3, n=2)["condition_number"].tolist()
    [2.0, None]
    """
    array = np.asarray(spectra)
    values = check_spectra(array, m, n)
    tolerance = rounding(values[:, 0], error_bound, m=m, dtype=array.dtype)
    return elementary(values, tolerance=tolerance, error_bound=error_bound)
