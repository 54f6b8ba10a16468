"""The one interface of all laws, and the checks and the inversion they share.

A law is a frozen dataclass; its methods take and return float64 arrays of the argument's shape (a scalar
gives a 0-d array). Each law's docstring names its axis: eigenvalues (of which scaling) or singular values.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigmascope.errors import InvalidValueError

FloatArray = NDArray[np.float64]
Size = int | tuple[int, ...] | None

# numpy's letters for bool, integers, floats, and objects that may convert
REAL_KINDS = "biufO"


def as_floats(name: str, values: ArrayLike) -> FloatArray:
    """``values`` as float64; InvalidValueError for complex numbers, strings and rows of unequal length.

    NaN and infinity pass: what they mean is the caller's to say.
    """
    try:
        array = np.asarray(values)
        if array.dtype.kind in REAL_KINDS:
            return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidValueError(f"{name} must be an array of real numbers: {error}; convert them") from None
    hint = "singular values are real" if array.dtype.kind == "c" else "convert them first"
    raise InvalidValueError(f"{name} must be real numbers, got an array of {array.dtype}; {hint}")


def as_points(x: ArrayLike) -> FloatArray:
    """``x`` as float64; infinities are points like others, NaN raises InvalidValueError."""
    points = as_floats("x", x)
    if np.isnan(points).any():
        raise InvalidValueError("x holds NaN; drop those points before evaluating a law")
    return points


def as_probabilities(p: ArrayLike) -> FloatArray:
    """``p`` as float64; a value outside [0, 1], or NaN, raises InvalidValueError."""
    probabilities = as_floats("p", p)
    outside = ~((probabilities >= 0.0) & (probabilities <= 1.0))
    if outside.any():
        worst = np.atleast_1d(probabilities)[np.atleast_1d(outside)][0]
        raise InvalidValueError(f"a probability must be in [0, 1], got {worst}")
    return probabilities


def check_positive(name: str, value: float, *, remedy: str) -> float:
    """``value`` when finite and > 0; otherwise InvalidValueError with the remedy."""
    if not (np.isfinite(value) and value > 0):
        raise InvalidValueError(f"{name} must be positive and finite, got {value}; {remedy}")
    return float(value)


def check_shape(m: int, n: int) -> tuple[int, int]:
    """(m, n) when m >= n >= 1 are whole numbers; otherwise InvalidValueError."""
    if not (np.isfinite(m) and np.isfinite(n)) or m != int(m) or n != int(n) or n < 1:
        raise InvalidValueError(f"m and n must be whole numbers >= 1, got m={m}, n={n}")
    if m < n:
        raise InvalidValueError(f"m must be >= n, got m={m}, n={n}; transpose W")
    return int(m), int(n)


class Law(ABC):
    """A probability law on the real line."""

    @abstractmethod
    def pdf(self, x: ArrayLike) -> FloatArray:
        """Density at ``x`` of the continuous part; 0 outside the support."""

    @abstractmethod
    def cdf(self, x: ArrayLike) -> FloatArray:
        """P(X <= x)."""

    @abstractmethod
    def sf(self, x: ArrayLike) -> FloatArray:
        """P(X > x), without cancellation in the upper tail."""

    @abstractmethod
    def ppf(self, p: ArrayLike) -> FloatArray:
        """Smallest x with cdf(x) >= p; InvalidValueError when p is outside [0, 1]."""

    @abstractmethod
    def support(self) -> tuple[float, float]:
        """Smallest closed interval of probability 1; its ends may be infinite."""

    @abstractmethod
    def mean(self) -> float:
        """E X."""

    @abstractmethod
    def var(self) -> float:
        """E (X - E X)^2."""

    def median(self) -> float:
        """``ppf(1/2)``."""
        return float(self.ppf(0.5))

    def rvs(self, size: Size = None, *, rng: np.random.Generator) -> FloatArray:
        """Independent draws of shape ``size`` (None: one, 0-d), by inversion of uniforms from ``rng``."""
        return self.ppf(rng.random(size))


class PositiveLaw(Law):
    """A law on [0, oo) whose moments of real order are known: what the change of axis needs."""

    @abstractmethod
    def moment(self, order: float) -> float:
        """E X^order for real order >= 0."""

    def mean(self) -> float:
        """E X."""
        return self.moment(1.0)

    def var(self) -> float:
        """E X^2 - (E X)^2."""
        return self.moment(2.0) - self.moment(1.0) ** 2


@dataclass(frozen=True)
class SquareRootLaw(PositiveLaw):
    """The law of sigma = sqrt(scale * X), X following ``law``: p_sigma(x) = (2 x / scale) p_X(x^2 / scale).

    Made by :func:`on_singular_value_axis`. An atom of X at 0 stays one of sigma at 0.
    """

    law: PositiveLaw
    scale: float

    def __post_init__(self) -> None:
        check_positive("scale", self.scale, remedy="for MP it is m, for a law of sigma^2 it is 1")

    def _inner(self, x: ArrayLike) -> FloatArray:
        # sign kept: a negative point lies below the support, not at its mirror image
        points = as_points(x)
        return np.asarray(np.copysign(points * points / self.scale, points))

    def pdf(self, x: ArrayLike) -> FloatArray:
        """(2 x / scale) p_X(x^2 / scale); 0 for x <= 0."""
        points = as_points(x)
        positive = np.where((points > 0) & np.isfinite(points), points, 1.0)
        density = 2.0 * positive / self.scale * self.law.pdf(positive * positive / self.scale)
        return np.asarray(np.where(points == positive, density, self._pdf_elsewhere(points)))

    def _pdf_elsewhere(self, points: FloatArray) -> FloatArray:
        # at 0 the factor x may meet a density that diverges as x^(-1/2): take the limit from the right
        tiny = np.sqrt(self.scale) * 1e-150
        limit = 2.0 * tiny / self.scale * float(self.law.pdf(tiny * tiny / self.scale))
        return np.asarray(np.where(points == 0, limit, 0.0))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """P(sigma <= x)."""
        return self.law.cdf(self._inner(x))

    def sf(self, x: ArrayLike) -> FloatArray:
        """P(sigma > x)."""
        return self.law.sf(self._inner(x))

    def ppf(self, p: ArrayLike) -> FloatArray:
        """sqrt(scale * ppf_X(p))."""
        return np.asarray(np.sqrt(self.scale * self.law.ppf(p)))

    def support(self) -> tuple[float, float]:
        """The support of X, mapped."""
        low, high = self.law.support()
        return float(np.sqrt(self.scale * low)), float(np.sqrt(self.scale * high))

    def moment(self, order: float) -> float:
        """scale^(order/2) E X^(order/2)."""
        return float(self.scale ** (order / 2.0) * self.law.moment(order / 2.0))

    def rvs(self, size: Size = None, *, rng: np.random.Generator) -> FloatArray:
        """sqrt(scale * draws of X)."""
        return np.asarray(np.sqrt(self.scale * self.law.rvs(size, rng=rng)))


def on_singular_value_axis(law: PositiveLaw, *, m: float = 1.0) -> SquareRootLaw:
    """The law of the singular values of W (unscaled) from that of the eigenvalues of W^T W / m.

    p_sigma(x) = (2 x / m) p_lambda(x^2 / m). Laws of lambda = sigma^2 itself, such as the stationary gamma
    law, take m = 1. This is the only place where axes are converted.
    """
    return SquareRootLaw(law, float(m))


def invert_increasing(
    value_and_slope: Callable[[FloatArray], tuple[FloatArray, FloatArray]],
    target: FloatArray,
    *,
    low: FloatArray,
    high: FloatArray,
    start: FloatArray,
) -> FloatArray:
    """Solve value(x) = target elementwise for an increasing function, within [low, high].

    Newton's method kept inside a shrinking bracket, bisection where it would leave. It stops when every
    Newton step is below 1e-9 relative: convergence is quadratic, so the step just taken reached the last
    digits. All arrays are 1-d and of one length.
    """
    low, high, x = low.copy(), high.copy(), start.copy()
    for _ in range(100):
        value, slope = value_and_slope(x)
        above = value >= target
        high = np.where(above, x, high)
        low = np.where(above, low, x)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = x - (value - target) / slope
        inside = (newton > low) & (newton < high)
        after = np.where(value == target, x, np.where(inside, newton, 0.5 * (low + high)))
        close = np.abs(after - x) <= np.where(inside, 1e-9, 4e-16) * np.abs(x)
        x = after
        if (close | (value == target)).all():
            break
    return x
