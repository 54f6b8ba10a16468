"""The edge of the noise: where the largest singular value of a pure-noise W lies, and what lies beyond it.

Axes: ``center`` and ``scale`` speak of the eigenvalues of W^T W (unscaled); every ``singular_value`` and
every returned edge is a singular value of W. W is m x n with m >= n and entries of variance s^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigmascope.errors import InvalidValueError
from sigmascope.theory import edge_table
from sigmascope.theory.laws.law import FloatArray, as_floats, as_points, check_positive, check_shape
from sigmascope.theory.laws.marchenko_pastur import MarchenkoPastur, marchenko_pastur_singular
from sigmascope.theory.laws.tracy_widom import TracyWidom

Method = Literal["leading", "johnstone", "ma"]

# what each method takes off m and n before the roots
SHIFTS: dict[str, tuple[float, float]] = {"leading": (0.0, 0.0), "johnstone": (1.0, 0.0), "ma": (0.5, 0.5)}
# quantile levels whose singular values fix the entry variance: neither the outliers nor a handful of
# collapsed directions at the bottom reach them
LEVELS = np.linspace(0.1, 0.9, 33)
# relative spread of the bulk, between those levels, that is rounding: float32 leaves 1.4e-6 of an orthogonal
# 1024 x 1024, and noise of 1,000 x 2 falls below in one matrix of 20 million, of more columns in fewer
REPEATED = 1e-5
TEST_LEVEL = 0.05
# sums of squares of larger singular values may overflow
LARGEST = 1e150
# abscissas and coefficients of :func:`calibration`, ascending from n = oo, where shift is 0 and width 1
TABLE_X = np.array([np.inf, *edge_table.NODES[::-1]]) ** (-2.0 / 3.0)
SHIFT_SERIES = np.array([(0.0, 0.0, 0.0), *edge_table.SHIFT[::-1]]).T
WIDTH_SERIES = np.array([(1.0, 0.0, 0.0), *edge_table.WIDTH[::-1]]).T


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


def edge_scaling(m: int, n: int, *, entry_variance: float = 1.0, method: Method = "ma") -> EdgeScaling:
    """Centring and scaling of the largest eigenvalue of W^T W.

    With m' = m - a and n' = n - b,
    center = s^2 (sqrt m' + sqrt n')^2, scale = s^2 (sqrt m' + sqrt n') (1 / sqrt m' + 1 / sqrt n')^(1/3).

    - ``ma``: a = b = 1/2, error O(n^(-2/3)) instead of O(n^(-1/3)) (Ma 2012). At 5 % it rejects 4.6 % of
      noise at 100x5 and 4.8 % at 784x10.
    - ``johnstone``: a = 1, b = 0 (Johnstone 2001): 3.4 and 3.6 % there.
    - ``leading``: a = b = 0. This is the paper's Lemma 6.11 as printed, times m.

    InvalidValueError for m < n, a 1x1 matrix, m or n below 1, a variance that is not positive, an unknown
    method.
    """
    m, n = check_shape(m, n)
    check_edge(m)
    check_positive("entry_variance", entry_variance, remedy="noise needs some spread")
    if method not in SHIFTS:
        raise InvalidValueError(f"method must be one of {', '.join(SHIFTS)}, got {method!r}")
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
            (m - outliers) x (n - outliers), against the fitted s^2 (:func:`fitted_scaling`);
            ``residual.edge(level)`` parts outliers from bulk.
        whole: centring and scaling of the largest of all m x n values, against the s^2 fitted to all of them:
            that of the first test. ``whole.p_value`` of the largest is the probability that pure noise has a
            larger one; against ``entry_variance``, that of noise without what was taken out, it would be too
            small wherever something was.
        truncated: True where the search for outliers stopped at half of the values (:func:`most_outliers`)
            and the next one lies beyond ``residual.edge(level)``, too: then there are more than
            ``outliers``, and ``entry_variance`` is too large or means nothing.
    """

    entry_variance: float
    outliers: int
    residual: EdgeScaling
    whole: EdgeScaling
    truncated: bool


def check_spectrum(singular_values: ArrayLike, m: int, n: int) -> FloatArray:
    """The n singular values as float64, descending; InvalidValueError when they cannot be that."""
    m, n = check_shape(m, n)
    values = as_floats("singular_values", singular_values)
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
    if values.max() > LARGEST:
        raise InvalidValueError(f"singular_values reach {values.max()}, their squares overflow; rescale W")
    return np.ascontiguousarray(values if (values[:-1] >= values[1:]).all() else np.sort(values)[::-1])


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


def entry_variance_of_noise(singular_values: FloatArray, *, m: int, n: int) -> FloatArray:
    """Entry variance from the n descending singular values (..., n) of m x n noise matrices, robustly.

    Least squares of the spectrum's quantiles between 10 % and 90 % on where Marchenko-Pastur has them.
    """
    return np.asarray((singular_values @ variance_weights(m, n)) ** 2)


@lru_cache(maxsize=512)
def variance_weights(m: int, n: int) -> FloatArray:
    """(n,): sum_k weight_k sigma_k is the least-squares factor of the quantiles ``LEVELS``, one deviation s.

    Quantile to values is linear interpolation, and so is the factor in the values.
    """
    positions = np.clip((1.0 - LEVELS) * n - 0.5, 0.0, n - 1.0)
    first = np.minimum(positions.astype(np.intp), max(n - 2, 0))
    share = positions - first
    expected = expected_quantiles(m, n)
    expected = expected / np.dot(expected, expected)
    weights = np.zeros(n)
    np.add.at(weights, first, expected * (1.0 - share))
    np.add.at(weights, np.minimum(first + 1, n - 1), expected * share)
    weights.flags.writeable = False
    return weights


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


def check_distinct(bulk: FloatArray) -> None:
    """InvalidValueError where the descending values of a bulk, two or more, coincide but for rounding.

    Marchenko-Pastur spreads its values at any variance. The middle 80 % decide, to which the variance is
    fitted: a few dead directions do not hide that the others coincide.
    """
    tenth = int(LEVELS[0] * len(bulk))
    high, low = bulk[tenth], bulk[-1 - tenth]
    if len(bulk) > 1 and high - low <= REPEATED * high:
        raise InvalidValueError(
            f"repeated singular values, about {high:.6g}, as of an orthogonal W: there is no "
            "Marchenko-Pastur bulk to fit; pass the spectrum of a matrix with noise in it"
        )


def most_outliers(n: int) -> int:
    """How many of n values may be outliers where the variance is fitted: half of them, rounded down.

    Beyond half there is no bulk to fit: the outliers are the spectrum.
    """
    return n // 2


def leading_count(beyond: NDArray[np.bool_]) -> int:
    """Number of true entries before the first false one."""
    return len(beyond) if beyond.all() else int(np.argmin(beyond))


def outliers_at(
    singular_values: ArrayLike, *, m: int, n: int, entry_variance: float, level: float = TEST_LEVEL
) -> int:
    """Number of outliers at a known entry variance, by sequential top-down testing.

    The largest value is tested against noise of shape m x n, with Ma's centring. After k rejections the next
    is tested against (m - k) x (n - k), and so on to the first acceptance. A strong outlier takes one
    direction from each side, and what remains is noise of exactly that shape, by Schur complement. All n
    values may be outliers. There is one or more exactly where the p-value of the largest, by
    :func:`edge_scaling`, is below ``level``.

    InvalidValueError: m < n, a 1x1 matrix, wrong length, NaN, negative values, a level outside (0, 1), a
    variance that is not positive.
    """
    values = check_spectrum(singular_values, m, n)
    check_edge(m)
    check_positive("entry_variance", entry_variance, remedy="noise needs some spread")
    k = np.arange(n)
    center, scale = unit_scaling(m - k, n - k, "ma")
    edges = entry_variance * (center + scale * tracy_widom_quantile(level))
    return leading_count(values**2 > edges)


def calibration(m: ArrayLike, n: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Shift and width of the standardised top eigenvalue when the variance was fitted to the same spectrum.

    In units of Ma's scale, vectorised, unchecked. Fitted, the variance adds its own noise and takes away what
    it shares with the top value. Both are of the order of n^(-1/3) of the Tracy-Widom width, slow to
    vanish, and for ten columns half of that width. For the trace in place of the bulk Nadler (2011) has the
    correction in closed form; the bulk's is tabulated from noise (``tools/make_edge_table.py``), linear in
    n^(-2/3) between the nodes and from the last one to (0, 1) at infinity. One column is all that its
    variance is fitted to, its edge that of a known variance: (0, 1).
    """
    columns = np.asarray(n, dtype=np.float64)
    x, root = columns ** (-2.0 / 3.0), np.sqrt(columns / np.asarray(m))
    shift, width = (
        sum(np.interp(x, TABLE_X, series) * root**power for power, series in enumerate(table))
        for table in (SHIFT_SERIES, WIDTH_SERIES)
    )
    return np.where(columns > 1, shift, 0.0), np.where(columns > 1, width, 1.0)


def fitted_scaling(m: int, n: int, *, entry_variance: float) -> EdgeScaling:
    """Centring and scaling of the largest eigenvalue against ``entry_variance`` fitted to the same spectrum.

    Ma's, with the shift and the width of :func:`calibration`. Its p-values are matched to those of noise
    where tests are made, in the upper fifth; at the median they are off by up to 0.11 (10 x 10), from 64
    columns on by 0.02. Rejections in per cent at 5 %, of 14,000 or more noise matrices (standard error
    0.2), with the variance that :func:`fit_bulk` fits:

        2x2 5.8    3x2 5.4
        6x2 5.3    20x3 4.9   6x4 4.9    100x5 4.8   300x9 5.0  10x10 4.8    256x10 4.7    784x10 4.7
        30x20 4.9  25x24 5.1  64x32 4.9  100x45 4.6  64x64 4.9  784x256 5.0  256x256 5.1

    With one column the top value is all that the variance is fitted to, and there is nothing to test: at
    levels up to 0.3 it never lies beyond the edge.

    InvalidValueError: m < n, a 1x1 matrix, a variance that is not positive.
    """
    m, n = check_shape(m, n)
    check_edge(m)
    check_positive("entry_variance", entry_variance, remedy="noise needs some spread")
    center, scale = fitted_sequence(m, n)
    return EdgeScaling(float(center[0]) * entry_variance, float(scale[0]) * entry_variance)


@lru_cache(maxsize=512)
def fitted_sequence(m: int, n: int) -> tuple[FloatArray, FloatArray]:
    """Center and scale at unit variance after k = 0, 1, ... outliers, as far as they are looked for."""
    k = np.arange(most_outliers(n) + 1)
    center, scale = unit_scaling(m - k, n - k, "ma")
    shift, width = calibration(m - k, n - k)
    center, scale = center + shift * scale, width * scale
    center.flags.writeable = scale.flags.writeable = False
    return center, scale


def check_edge(m: int) -> None:
    """InvalidValueError for m < 2."""
    if m < 2:
        raise InvalidValueError("m must be >= 2 to have an edge, got m=1; a 1x1 matrix is one number")


def fit_bulk(singular_values: ArrayLike, *, m: int, n: int, level: float = TEST_LEVEL) -> BulkFit:
    """Entry variance and number of outliers together, from the n singular values of W.

    Starting with none, outliers are counted at the fitted variance (see :func:`fitted_scaling`, which has the
    measured calibration) and taken out, and the variance is fitted anew to the (m - k) x (n - k) noise that
    remains, until the count stands. There is one or more exactly where the p-value of the largest, by
    ``whole``, is below ``level``, and ``residual.edge(level)`` parts them from the bulk. At most half of the
    values are called outliers; ``truncated`` says where that stopped the search. A single column has none,
    whatever the p-value.

    InvalidValueError: m < n, a 1x1 matrix, wrong length, NaN, negative values, a bulk without spread (more
    than half of the values are 0, or the bulk repeats one value, as that of an orthogonal W does), a level
    outside (0, 1).
    """
    values = check_spectrum(singular_values, m, n)
    check_edge(m)
    center, scale = fitted_sequence(m, n)
    edges = center + scale * tracy_widom_quantile(level)
    squares = values[: len(edges)] ** 2
    k, more, most, variances = -1, 0, most_outliers(n), []
    # the count cannot fall: fewer outliers mean a larger variance, hence fewer still
    while min(more, most) > k:
        k = min(more, most)
        variance = check_spread(float(entry_variance_of_noise(values[k:], m=m - k, n=n - k)))
        variances.append(variance)
        more = max(k, leading_count(squares > variance * edges))
    check_distinct(values[k:])
    whole, residual = (
        EdgeScaling(float(center[at]) * fitted, float(scale[at]) * fitted)
        for at, fitted in ((0, variances[0]), (k, variance))
    )
    return BulkFit(variance, k, residual, whole, truncated=more > k and n - k > 1)
