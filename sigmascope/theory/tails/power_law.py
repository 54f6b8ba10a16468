"""The continuous power law, and its fit in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.theory.laws.law import FloatArray, check_positive
from sigmascope.theory.tails.fit import TailFit, as_fit
from sigmascope.theory.tails.law import TailLaw
from sigmascope.theory.tails.points import check_lower, check_tail


@dataclass(frozen=True)
class PowerLaw(TailLaw):
    """p(x) = (alpha - 1) / lower (x / lower)^(-alpha), x > lower; Clauset, Shalizi and Newman (2009), (2.2).

    Axis: see :class:`~sigmascope.theory.tails.law.TailLaw`. InvalidValueError unless alpha > 1 and lower > 0.

    >>> float(PowerLaw(alpha=3.0, lower=2.0).sf(4.0))
    0.25
    """

    alpha: float
    lower: float

    def __post_init__(self) -> None:
        check_positive("alpha - 1", self.alpha - 1.0, remedy="a power law needs alpha > 1 to be normalised")
        check_lower(self.lower)

    def log_density(self, y: FloatArray) -> FloatArray:
        """log((alpha - 1) / lower) - alpha y."""
        return np.asarray(math.log(self.alpha - 1.0) - math.log(self.lower) - self.alpha * y)

    def log_survival(self, y: FloatArray) -> FloatArray:
        """-(alpha - 1) y."""
        return np.asarray(-(self.alpha - 1.0) * y)

    def log_ratio(self, excess: FloatArray) -> FloatArray:
        """The ratio excess / (alpha - 1)."""
        return np.asarray(excess / (self.alpha - 1.0))

    def moment(self, order: float) -> float:
        """(alpha - 1) / (alpha - 1 - order) lower^order; oo for order >= alpha - 1."""
        k = self.alpha - 1.0
        return k / (k - order) * self.lower**order if order < k else math.inf

    def var(self) -> float:
        """The variance k lower^2 / ((k - 1)^2 (k - 2)) with k = alpha - 1; oo for alpha <= 3."""
        k = self.alpha - 1.0
        return k * self.lower**2 / ((k - 1.0) ** 2 * (k - 2.0)) if k > 2 else math.inf

    def standard_error(self, points: int) -> float:
        """(alpha - 1) / sqrt(points), that of a fitted alpha to leading order (the same, (3.2))."""
        return (self.alpha - 1.0) / math.sqrt(points)


def fit_power_law(points: ArrayLike, lower: float) -> TailFit[PowerLaw]:
    """The Hill estimator alpha = 1 + 1 / mean log(x / lower) (the same, (3.1)).

    InvalidValueError: fewer than MIN_POINTS points, NaN, a point not beyond ``lower``, no spread.
    """
    values = check_tail(points, lower)
    alpha = 1.0 + 1.0 / float(np.log(values / lower).mean())
    return as_fit("power_law", PowerLaw(alpha, float(lower)), values)
