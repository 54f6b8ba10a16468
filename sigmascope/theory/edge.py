"""The edge of the noise: where the largest singular value of a pure-noise W lies, and what lies beyond it.

Axes: ``center`` and ``scale`` speak of the eigenvalues of W^T W (unscaled); every ``singular_value`` and
every returned edge is a singular value of W. W is m x n with m >= n and entries of variance s^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray, as_points, check_positive, check_shape
from sigmascope.theory.laws.marchenko_pastur import MarchenkoPastur, marchenko_pastur_singular
from sigmascope.theory.laws.tracy_widom import TracyWidom

Method = Literal["leading", "johnstone", "ma"]

# what each method takes off m and n before the roots
SHIFTS: dict[str, tuple[float, float]] = {"leading": (0.0, 0.0), "johnstone": (1.0, 0.0), "ma": (0.5, 0.5)}
# quantile levels whose singular values fix the entry variance: neither the outliers nor a handful of
# collapsed directions at the bottom reach them
LEVELS = np.linspace(0.1, 0.9, 33)
# beyond this share of outliers the word loses its meaning, and the quantiles their hold
MAX_OUTLIER_SHARE = 0.3
TEST_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class EdgeScaling:
    """The largest eigenvalue of W^T W is about center + scale * s, s Tracy-Widom with beta = 1.

    Corollary 6.12; Johnstone (2001). ``center`` and ``scale`` contain the entry variance.
    """

    center: float
    scale: float

    def statistic(self, singular_value: ArrayLike) -> FloatArray:
        """(sigma^2 - center) / scale."""
        return np.asarray((as_points(singular_value) ** 2 - self.center) / self.scale)

    def p_value(self, singular_value: ArrayLike) -> FloatArray:
        """Probability that pure noise has a larger top singular value."""
        return TracyWidom(1).sf(self.statistic(singular_value))

    def singular_value(self, s: ArrayLike) -> FloatArray:
        """sqrt(center + scale s), 0 where that would be imaginary: the axis of ``statistic``, back."""
        return np.asarray(np.sqrt(np.maximum(self.center + self.scale * as_points(s), 0.0)))

    def edge(self, level: float = TEST_LEVEL) -> float:
        """The singular value that pure noise exceeds with probability ``level``."""
        return float(self.singular_value(tracy_widom_quantile(level)))


@lru_cache(maxsize=64)
def tracy_widom_quantile(level: float) -> float:
    """The value that F_1 exceeds with probability ``level``; InvalidValueError outside (0, 1)."""
    if not 0.0 < level < 1.0:
        raise InvalidValueError(f"level must be in (0, 1), got {level}; 0.05 is customary")
    return float(TracyWidom(1).ppf(1.0 - level))


def edge_scaling(m: int, n: int, *, entry_variance: float = 1.0, method: Method = "johnstone") -> EdgeScaling:
    """Centring and scaling of the largest eigenvalue of W^T W.

    With m' = m - a and n' = n - b,
    center = s^2 (sqrt m' + sqrt n')^2, scale = s^2 (sqrt m' + sqrt n') (1 / sqrt m' + 1 / sqrt n')^(1/3).

    - ``leading``: a = b = 0. This is the paper's Lemma 6.11 as printed, times m.
    - ``johnstone``: a = 1, b = 0 (Johnstone 2001). Needs m >= 2.
    - ``ma``: a = b = 1/2, error O(n^(-2/3)) instead of O(n^(-1/3)) (Ma 2012).

    InvalidValueError for m < n, m or n below 1, a variance that is not positive, an unknown method.
    """
    m, n = check_shape(m, n)
    check_positive("entry_variance", entry_variance, remedy="noise needs some spread")
    if method not in SHIFTS:
        raise InvalidValueError(f"method must be one of {', '.join(SHIFTS)}, got {method!r}")
    if method == "johnstone" and m < 2:
        raise InvalidValueError("m must be >= 2 for Johnstone's centring, got m=1; a 1x1 matrix has no edge")
    center, scale = unit_scaling(float(m), float(n), method)
    return EdgeScaling(float(center) * entry_variance, float(scale) * entry_variance)


def unit_scaling(m: ArrayLike, n: ArrayLike, method: Method) -> tuple[FloatArray, FloatArray]:
    """Center and scale at unit variance, vectorised, unchecked."""
    off_m, off_n = SHIFTS[method]
    root_m, root_n = np.sqrt(np.asarray(m) - off_m), np.sqrt(np.asarray(n) - off_n)
    total = root_m + root_n
    return np.asarray(total**2), np.asarray(total * np.cbrt(1 / root_m + 1 / root_n))


@dataclass(frozen=True, slots=True)
class BulkFit:
    """What is left of a spectrum when its outliers are taken out.

    Attributes:
        entry_variance: s^2 of the noise.
        outliers: number of singular values beyond the edge.
        residual: centring and scaling of the largest singular value of the noise that remains,
            (m - outliers) x (n - outliers), times s^2; ``residual.edge(level)`` parts outliers from bulk.
    """

    entry_variance: float
    outliers: int
    residual: EdgeScaling


def check_spectrum(singular_values: ArrayLike, m: int, n: int) -> FloatArray:
    """The n singular values as float64, descending; InvalidValueError when they cannot be that."""
    m, n = check_shape(m, n)
    values = np.asarray(singular_values, dtype=np.float64)
    if values.shape != (n,):
        raise InvalidValueError(
            f"an {m}x{n} matrix has {n} singular values, got an array of shape {values.shape}; pass them all"
        )
    if not np.isfinite(values).all():
        raise InvalidValueError("singular_values hold NaN or infinity; check the weights before the fit")
    if (values < 0).any():
        raise InvalidValueError(
            f"singular values must be >= 0, got {values.min()}; pass sigma, not log sigma"
        )
    return values if (values[:-1] >= values[1:]).all() else np.sort(values)[::-1]


@lru_cache(maxsize=4096)
def expected_quantiles(m: int, n: int) -> FloatArray:
    """Where the quantiles ``LEVELS`` of n noise singular values lie at unit variance (singular values of W).

    Marchenko-Pastur with the next order in 1/n: at beta = 1 the expected number of eigenvalues above the
    angle theta (x = 1 + q + 2 sqrt(q) cos theta) is n sf(theta) + 1/4 - theta / (2 pi). Without it the fitted
    variance of a 256 x 256 matrix is off by a third of the Tracy-Widom width.
    """
    law = MarchenkoPastur(n / m)
    first = law.ppf(LEVELS)
    theta = np.arccos(np.clip((first - 1 - law.q) / (2 * np.sqrt(law.q)), -1.0, 1.0))
    level = np.clip(LEVELS - (theta / (2 * np.pi) - 0.25) / n, 0.0, 1.0)
    quantiles = np.sqrt(m * law.ppf(level))
    quantiles.flags.writeable = False
    return quantiles


def entry_variance_of_noise(singular_values: FloatArray, *, m: int, n: int) -> float:
    """Entry variance from the n descending singular values of an m x n noise matrix, robustly.

    Least squares of the spectrum's quantiles between 10 % and 90 % on where Marchenko-Pastur has them.
    """
    positions = np.clip((1.0 - LEVELS) * n - 0.5, 0.0, n - 1.0)
    below = np.minimum(positions.astype(np.intp), max(n - 2, 0))
    weight = positions - below
    seen = singular_values[below] * (1 - weight) + singular_values[np.minimum(below + 1, n - 1)] * weight
    expected = expected_quantiles(m, n)
    return float(np.dot(seen, expected) / np.dot(expected, expected)) ** 2


def median_entry_variance(singular_values: ArrayLike, *, m: int, n: int) -> float:
    """Entry variance from the median singular value alone: the square of its ratio to Marchenko-Pastur's.

    The first guess; :func:`fit_bulk` refines it. InvalidValueError for a bad spectrum or a zero median.
    """
    values = check_spectrum(singular_values, m, n)
    return check_spread(float(np.median(values)) / marchenko_pastur_singular(m, n).median()) ** 2


def check_spread(ratio: float) -> float:
    """``ratio`` when positive; InvalidValueError otherwise."""
    if not ratio > 0:
        raise InvalidValueError("more than half of the singular values are 0; the bulk has no spread to fit")
    return ratio


def outliers_at(
    singular_values: FloatArray, *, m: int, n: int, entry_variance: float, level: float = TEST_LEVEL
) -> int:
    """Number of outliers at a known entry variance, by sequential top-down testing; descending input.

    The largest value is tested against noise of shape m x n. After k rejections the next is tested against
    (m - k) x (n - k), and so on to the first acceptance. A strong outlier takes one direction from each side,
    and what remains is noise of exactly that shape, by Schur complement. At most ``MAX_OUTLIER_SHARE`` of the
    values are called outliers, none of fewer than four.
    """
    k = np.arange(max(min(int(MAX_OUTLIER_SHARE * n), m - 2), 0))
    center, scale = unit_scaling(m - k, n - k, "johnstone")
    beyond = singular_values[: len(k)] ** 2 > entry_variance * (center + scale * tracy_widom_quantile(level))
    return int(np.argmin(beyond)) if not beyond.all() else len(k)


def fit_bulk(singular_values: ArrayLike, *, m: int, n: int, level: float = TEST_LEVEL) -> BulkFit:
    """Entry variance and number of outliers together, from the n singular values of W.

    Starting with none, outliers are counted at the fitted variance and taken out, and the variance is fitted
    anew to the (m - k) x (n - k) noise that remains, until the count stands. Consistent while outliers are
    fewer than ``MAX_OUTLIER_SHARE`` of the values.

    InvalidValueError: m < n, a 1x1 matrix, wrong length, NaN, negative values, a bulk without spread.
    """
    values = check_spectrum(singular_values, m, n)
    edge_scaling(m, n)
    k = 0
    for _ in range(n):
        variance = check_spread(entry_variance_of_noise(values[k:], m=m - k, n=n - k))
        # the count cannot fall: fewer outliers mean a larger variance, hence fewer still
        more = max(k, outliers_at(values, m=m, n=n, entry_variance=variance, level=level))
        if more == k:
            break
        k = more
    return BulkFit(variance, k, edge_scaling(m - k, n - k, entry_variance=variance))
