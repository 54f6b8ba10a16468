"""The Tracy-Widom laws F_1, F_2 and F_4 of the largest eigenvalue at a soft edge (paper, Corollary 6.12).

Tracy and Widom (1994, 1996); Fredholm determinants after Bornemann (2010) and Ferrari and Spohn (2005),
tabulated by ``tools/make_tracy_widom.py``. On [-10, 8] cdf and sf are accurate to 1e-14 or so absolutely,
and relatively where they are small; beyond, the asymptotic forms continue them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
from numpy.polynomial.chebyshev import chebder, chebval
from numpy.typing import ArrayLike, NDArray

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws import tracy_widom_table as table
from sigmascope.theory.laws.law import FloatArray, Law, as_points, as_probabilities, invert_increasing

# mean and variance, from Bornemann (2010), table 10 (beta = 4 in the variable of this module)
MOMENTS = {
    1: (-1.2065335745820, 1.607781034581),
    2: (-1.7710868074116, 0.8131947928329),
    4: (-2.306884893241 * np.sqrt(2.0), 2 * 0.5177237207726),
}
# the inversion works between these: cdf and sf underflow beyond
LOWEST, HIGHEST = -40.0, 110.0
START_POINTS = 601


def left_log_cdf(s: FloatArray, beta: int) -> tuple[FloatArray, FloatArray]:
    """Log of the asymptotic form of F_beta for s -> -oo without its constant, and the derivative.

    Baik, Buckingham and DiFranco (2008). F_4 is F_2 / (2 F_1) there, up to a relative
    exp(-sqrt(2) |s|^1.5 / 3).
    """
    y = -s
    if beta == 2:
        correction = 3 / (64 * y**3)
        value = -(y**3) / 12 - np.log(y) / 8 + np.log1p(correction)
        slope = y**2 / 4 + 1 / (8 * y) + 3 * correction / (y * (1 + correction))
        return value, slope
    sign = 1.0 if beta == 1 else -1.0
    correction = sign / (24 * np.sqrt(2) * y**1.5)
    value = -(y**3) / 24 - sign * y**1.5 / (3 * np.sqrt(2)) - np.log(y) / 16 + np.log1p(correction)
    slope = y**2 / 8 + sign * np.sqrt(y / 8) + 1 / (16 * y) + 1.5 * correction / (y * (1 + correction))
    return value, slope


def right_log_sf(s: FloatArray, beta: int) -> tuple[FloatArray, FloatArray]:
    """log(1 - F_beta) for s >= TAIL, and its derivative: the leading form times a tabulated correction."""
    rate = 2 * beta / 3 if beta < 4 else 4 / 3
    constant = {1: 4 * np.sqrt(np.pi), 2: 16 * np.pi, 4: 128 * np.pi}[beta]
    start, end = table.FAR**-1.5, table.TAIL**-1.5
    t = s**-1.5
    series, derivative = tail_series(beta)
    u = 2 * (t - start) / (end - start) - 1
    value = -rate * s**1.5 - 0.75 * beta * np.log(s) - np.log(constant) + chebval(u, series)
    slope = -1.5 * rate * np.sqrt(s) - 0.75 * beta / s - 1.5 * t / s * chebval(u, derivative)
    return np.asarray(value), np.asarray(slope)


@lru_cache(maxsize=3)
def tail_series(beta: int) -> tuple[FloatArray, FloatArray]:
    """Coefficients of the tail's correction and of its derivative by t."""
    series = np.array(table.TAILS[beta])
    return series, chebder(series) * 2 / (table.TAIL**-1.5 - table.FAR**-1.5)


@lru_cache(maxsize=3)
def piece_series(beta: int) -> tuple[tuple[FloatArray, FloatArray], ...]:
    """Coefficients between the knots, and of their derivatives by s."""
    series = [np.array(piece) for piece in table.PIECES[beta]]
    widths = np.diff(table.KNOTS)
    return tuple((c, chebder(c) * 2 / width) for c, width in zip(series, widths, strict=True))


def tabulated(s: FloatArray, beta: int, piece: int) -> tuple[FloatArray, FloatArray]:
    """The expansion between KNOTS[piece] and KNOTS[piece + 1], and its derivative."""
    low, high = table.KNOTS[piece], table.KNOTS[piece + 1]
    u = (2 * s - (low + high)) / (high - low)
    series, derivative = piece_series(beta)[piece]
    return np.asarray(chebval(u, series), np.float64), np.asarray(chebval(u, derivative), np.float64)


@lru_cache(maxsize=3)
def regions(beta: int) -> tuple[Callable[[FloatArray], tuple[FloatArray, FloatArray]], ...]:
    """One function for each interval that the knots cut the line into, from left to right."""
    first = np.array([table.KNOTS[0]])
    constant = tabulated(first, beta, 0)[0][0] - left_log_cdf(first, beta)[0][0]

    def left(s: FloatArray) -> tuple[FloatArray, FloatArray]:
        value, slope = left_log_cdf(s, beta)
        return value + constant, slope

    def right(s: FloatArray) -> tuple[FloatArray, FloatArray]:
        return right_log_sf(s, beta)

    inner = (partial(tabulated, beta=beta, piece=piece) for piece in range(len(table.KNOTS) - 1))
    return (left, *inner, right)


def log_law(s: FloatArray, beta: int) -> tuple[NDArray[np.bool_], FloatArray, FloatArray]:
    """(is_sf, value, slope): value is log F left of SPLIT and log(1 - F) right of it; 1-d finite ``s``."""
    value, slope = np.empty_like(s), np.empty_like(s)
    which = np.searchsorted(table.KNOTS, s, side="right")
    for index, region in enumerate(regions(beta)):
        chosen = which == index
        if chosen.any():
            value[chosen], slope[chosen] = region(s[chosen])
    return s >= table.SPLIT, value, slope


@lru_cache(maxsize=3)
def start_table(beta: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Points, log F and -log(1 - F) on them: brackets for the inversion."""
    points = np.concatenate(
        [
            np.linspace(LOWEST, -10, 61)[:-1],
            np.linspace(-10, 8, START_POINTS),
            np.linspace(8, HIGHEST, 205)[1:],
        ]
    )
    is_sf, value, _ = log_law(points, beta)
    other = np.log(-np.expm1(np.minimum(value, -1e-300)))
    return points, np.where(is_sf, other, value), -np.where(is_sf, value, other)


@dataclass(frozen=True)
class TracyWidom(Law):
    """Limit law of the largest eigenvalue, centred and scaled: beta = 1 real, 2 complex, 4 quaternion.

    The axis is that of the standardised eigenvalue s (see :mod:`sigmascope.theory.edge`). F_4 is in
    Bornemann's variable, F_4 = (F_1 + F_2 / F_1) / 2; Tracy and Widom's own argument is s / sqrt(2).

    InvalidValueError unless beta is 1, 2 or 4.

    >>> round(float(TracyWidom(1).cdf(-1.2065335745820)), 12)
    0.519652130983
    """

    beta: int = 1

    def __post_init__(self) -> None:
        if self.beta not in (1, 2, 4):
            raise InvalidValueError(f"beta must be 1, 2 or 4, got {self.beta}; real matrices have beta = 1")

    def _evaluate(self, x: ArrayLike) -> tuple[tuple[int, ...], NDArray[np.bool_], FloatArray, FloatArray]:
        points = as_points(x)
        flat = np.clip(np.atleast_1d(points).ravel(), LOWEST * 10, 1e6)
        return points.shape, *log_law(flat, self.beta)

    def cdf(self, x: ArrayLike) -> FloatArray:
        """F_beta(x)."""
        shape, is_sf, value, _ = self._evaluate(x)
        return np.asarray(np.where(is_sf, -np.expm1(value), np.exp(value)).reshape(shape))

    def sf(self, x: ArrayLike) -> FloatArray:
        """1 - F_beta(x), relatively accurate in the upper tail."""
        shape, is_sf, value, _ = self._evaluate(x)
        return np.asarray(np.where(is_sf, np.exp(value), -np.expm1(value)).reshape(shape))

    def pdf(self, x: ArrayLike) -> FloatArray:
        """F_beta'(x)."""
        shape, _, value, slope = self._evaluate(x)
        return np.asarray((np.exp(value) * np.abs(slope)).reshape(shape))

    def ppf(self, p: ArrayLike) -> FloatArray:
        """Quantiles; -oo at 0 and oo at 1."""
        probabilities = as_probabilities(p)
        flat = np.atleast_1d(probabilities).ravel()
        split = float(self.cdf(table.SPLIT))
        points, log_cdf, minus_log_sf = start_table(self.beta)
        result = np.where(flat >= 1.0, np.inf, -np.inf)
        lower, upper = (flat > 0) & (flat < split), (flat >= split) & (flat < 1)
        if lower.any():
            result[lower] = self._invert(np.log(flat[lower]), points, log_cdf, 1.0)
        if upper.any():
            result[upper] = self._invert(-np.log1p(-flat[upper]), points, minus_log_sf, -1.0)
        return np.asarray(result.reshape(probabilities.shape))

    def _invert(self, target: FloatArray, points: FloatArray, values: FloatArray, sign: float) -> FloatArray:
        """Solve on the logarithm, where Newton's method is nearly linear in both tails."""
        cell = np.clip(np.searchsorted(values, target, side="right") - 1, 0, len(points) - 2)

        def value_and_slope(s: FloatArray) -> tuple[FloatArray, FloatArray]:
            is_sf, value, slope = log_law(s, self.beta)
            # a point beyond SPLIT is met only by rounding of the bracket: express it on the asked side
            crossed = is_sf != (sign < 0)
            other = np.log(-np.expm1(np.minimum(value, -1e-300)))
            other_slope = -slope * np.exp(value - other)
            return (
                sign * np.where(crossed, other, value),
                sign * np.where(crossed, other_slope, slope),
            )

        return invert_increasing(
            value_and_slope,
            target,
            low=points[np.maximum(cell - 1, 0)],
            high=points[np.minimum(cell + 2, len(points) - 1)],
            start=np.interp(target, values, points),
        )

    def support(self) -> tuple[float, float]:
        """The whole line."""
        return float(-np.inf), float(np.inf)

    def mean(self) -> float:
        """Published value; quadrature of ``pdf`` confirms its digits."""
        return float(MOMENTS[self.beta][0])

    def var(self) -> float:
        """Published value; quadrature of ``pdf`` confirms its digits."""
        return float(MOMENTS[self.beta][1])
