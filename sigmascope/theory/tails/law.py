"""What the laws of a tail share: all live on x > lower, and are written in y = log(x / lower) > 0."""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigmascope.theory.laws.law import FloatArray, PositiveLaw, Size, as_points, as_probabilities


class TailLaw(PositiveLaw):
    """A law on x > lower, lower > 0.

    The axis is that of the points it was fitted to: by default eigenvalues lambda = sigma^2 of W^T W
    (unscaled). A law of lambda goes to the axis of singular values by
    :func:`~sigmascope.theory.laws.law.on_singular_value_axis`; a power law of lambda with exponent alpha is
    one of sigma with exponent 2 alpha - 1.
    """

    lower: float

    @abstractmethod
    def log_density(self, y: FloatArray) -> FloatArray:
        """Log of the density in x at x = lower e^y, for finite y >= 0."""

    @abstractmethod
    def log_survival(self, y: FloatArray) -> FloatArray:
        """Log P(X > lower e^y), for finite y >= 0."""

    @abstractmethod
    def log_ratio(self, excess: FloatArray) -> FloatArray:
        """The y with -log_survival(y) = ``excess``, for finite excess >= 0: an exponential draw becomes y."""

    def log_ratio_of(self, x: ArrayLike) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
        """(x, y, inside): y = log(x / lower) where x is inside [lower, oo), 0 elsewhere."""
        points = as_points(x)
        with np.errstate(over="ignore"):
            ratio = np.maximum(points, self.lower) / self.lower
        inside = (points >= self.lower) & np.isfinite(ratio)
        return points, np.asarray(np.log(np.where(inside, ratio, 1.0))), np.asarray(inside)

    def log_pdf(self, x: ArrayLike) -> FloatArray:
        """Log density at ``x``; -oo outside [lower, oo)."""
        _, y, inside = self.log_ratio_of(x)
        return np.asarray(np.where(inside, self.log_density(y), -np.inf))

    def pdf(self, x: ArrayLike) -> FloatArray:
        """Density at ``x``; 0 below ``lower``."""
        return np.asarray(np.exp(self.log_pdf(x)))

    def log_sf(self, x: ArrayLike) -> FloatArray:
        """Log P(X > x), which goes on where :meth:`sf` underflows; 0 below ``lower``."""
        points, y, inside = self.log_ratio_of(x)
        outside = np.where(points < self.lower, 0.0, -np.inf)
        return np.asarray(np.where(inside, np.minimum(self.log_survival(y), 0.0), outside))

    def sf(self, x: ArrayLike) -> FloatArray:
        """P(X > x)."""
        return np.asarray(np.exp(self.log_sf(x)))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """P(X <= x), without cancellation next to ``lower``."""
        return np.asarray(-np.expm1(self.log_sf(x)))

    def ppf(self, p: ArrayLike) -> FloatArray:
        """Quantiles; oo at p = 1."""
        probabilities = as_probabilities(p)
        certain = probabilities == 1.0
        excess = -np.log1p(-np.where(certain, 0.0, probabilities))
        return np.asarray(np.where(certain, np.inf, self.at_excess(excess)))

    def at_excess(self, excess: FloatArray) -> FloatArray:
        """The x with -log P(X > x) = ``excess``."""
        # a power law of alpha near 1 has quantiles beyond the largest double
        with np.errstate(over="ignore"):
            return np.asarray(self.lower * np.exp(self.log_ratio(excess)))

    def rvs(self, size: Size = None, *, rng: np.random.Generator) -> FloatArray:
        """Independent draws of shape ``size``: -log P(X > x) is a standard exponential variable."""
        return self.at_excess(np.asarray(rng.standard_exponential(size)))

    def support(self) -> tuple[float, float]:
        """(lower, oo)."""
        return float(self.lower), float(np.inf)
