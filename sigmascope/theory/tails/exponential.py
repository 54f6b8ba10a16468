"""The exponential law beyond an edge, and its fit in closed form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.theory.laws.law import FloatArray, check_positive
from sigmascope.theory.tails.cut_off import log_partition
from sigmascope.theory.tails.fit import TailFit, as_fit
from sigmascope.theory.tails.law import TailLaw
from sigmascope.theory.tails.points import check_lower, check_tail


@dataclass(frozen=True)
class Exponential(TailLaw):
    """p(x) = rate exp(-rate (x - lower)), x > lower.

    Axis: see :class:`~sigmascope.theory.tails.law.TailLaw`. InvalidValueError unless both are positive.

    >>> Exponential(rate=2.0, lower=1.0).mean()
    1.5
    """

    rate: float
    lower: float

    def __post_init__(self) -> None:
        check_positive("rate", self.rate, remedy="an exponential law of rate <= 0 cannot be normalised")
        check_lower(self.lower)

    def log_density(self, y: FloatArray) -> FloatArray:
        """log(rate) - rate lower (e^y - 1)."""
        return np.asarray(math.log(self.rate) + self.log_survival(y))

    def log_survival(self, y: FloatArray) -> FloatArray:
        """-rate lower (e^y - 1)."""
        return np.asarray(-self.rate * self.lower * np.expm1(y))

    def log_ratio(self, excess: FloatArray) -> FloatArray:
        """log(1 + excess / (rate lower))."""
        return np.asarray(np.log1p(excess / (self.rate * self.lower)))

    def mean(self) -> float:
        """Lower + 1 / rate."""
        return self.lower + 1.0 / self.rate

    def var(self) -> float:
        """1 / rate^2."""
        return 1.0 / self.rate**2

    def moment(self, order: float) -> float:
        """e^z Gamma(1 + order, z) / rate^order with z = rate lower."""
        z = self.rate * self.lower
        return z * float(self.lower**order) * math.exp(float(log_partition(1.0 + order, z)))


def fit_exponential(points: ArrayLike, lower: float) -> TailFit[Exponential]:
    """The maximum rate = 1 / mean(x - lower).

    InvalidValueError: fewer than MIN_POINTS points, NaN, a point not beyond ``lower``, no spread.
    """
    values = check_tail(points, lower)
    return as_fit("exponential", Exponential(1.0 / float((values - lower).mean()), float(lower)), values)
