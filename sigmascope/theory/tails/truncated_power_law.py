"""The power law with an exponential cut-off, and its fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.tails.cut_off import CutOff, partition
from sigmascope.theory.tails.fit import TailFit, as_fit
from sigmascope.theory.tails.newton import Statistics, newton
from sigmascope.theory.tails.points import check_lower, check_tail

RATE_ZERO = "rate 0: the power law"
ALPHA_ZERO = "alpha 0: the exponential law"


@dataclass(frozen=True)
class TruncatedPowerLaw(CutOff):
    """p(x) = x^(-alpha) exp(-rate x) rate^(1 - alpha) / Gamma(1 - alpha, rate lower), x > lower.

    alpha >= 0 and rate >= 0, so that it falls; at rate 0 it is the power law and alpha > 1, at alpha 0 the
    exponential law. For alpha < 1 it is also the truncated gamma law of shape 1 - alpha. Axis: see
    :class:`~sigmascope.theory.tails.law.TailLaw`. InvalidValueError outside these domains.
    """

    alpha: float
    rate: float
    lower: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha >= 0):
            raise InvalidValueError(
                f"alpha must be >= 0 and finite, got {self.alpha}; for less take TruncatedGamma, "
                "shape = 1 - alpha"
            )
        if not (math.isfinite(self.rate) and self.rate >= 0):
            raise InvalidValueError(f"rate must be >= 0 and finite, got {self.rate}; it cuts the tail off")
        if self.rate == 0 and self.alpha <= 1:
            raise InvalidValueError(f"alpha must be > 1 at rate 0, got {self.alpha}; or give it a cut-off")
        check_lower(self.lower)

    @property
    def exponent(self) -> float:
        """1 - alpha."""
        return 1.0 - self.alpha


def maximum(seen: Statistics) -> tuple[float, float, str | None]:
    """(alpha, z = rate lower, boundary) of largest likelihood over alpha >= 0, z >= 0.

    The likelihood is concave, so the sign of its slope decides for each edge whether the maximum lies there.
    """
    alpha = 1.0 + 1.0 / seen.mean_log
    # at z = 0 the slope in z is E(x / lower - 1) - mean, and that expectation 1 / (alpha - 2), or infinite
    if alpha > 2 and seen.mean_excess * (alpha - 2) >= 1:
        return alpha, 0.0, RATE_ZERO
    z = 1.0 / seen.mean_excess
    # at alpha = 0 the slope in alpha is E log(x / lower) - mean
    if seen.mean_log >= float(partition(1.0, z).mean[0]):
        return 0.0, z, ALPHA_ZERO
    best = newton(seen.target, 1.0, z, smallest=-math.inf)
    if best is None:  # only a finite ``smallest`` gives None
        raise InvalidValueError("the points lie too far out for a truncated power law; drop the largest")
    return max(1.0 - best[0], 0.0), best[1], None


def fit_truncated_power_law(points: ArrayLike, lower: float) -> TailFit[TruncatedPowerLaw]:
    """Maximum-likelihood law over alpha >= 0 and rate >= 0; ``boundary`` names the edge where it lies.

    InvalidValueError: fewer than MIN_POINTS points, NaN, a point not beyond ``lower``, no spread.
    """
    values = check_tail(points, lower)
    alpha, z, boundary = maximum(Statistics.of(np.asarray(values / lower)))
    law = TruncatedPowerLaw(alpha, z / lower, float(lower))
    return as_fit("truncated_power_law", law, values, boundary=boundary)
