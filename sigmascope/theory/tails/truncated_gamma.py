"""The truncated gamma law and its fit, on the axis of lambda = sigma^2 unless the points are of another.

The gamma law truncated to lambda > lower is an exponential family in (log lambda, lambda): its log likelihood
is concave, so Newton's method finds the one maximum from any start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray, check_positive
from sigmascope.theory.tails.cut_off import CutOff, Partition, partition
from sigmascope.theory.tails.fit import TailFit, as_fit
from sigmascope.theory.tails.newton import LARGEST_SHAPE, MAX_ITERATIONS, Statistics, newton
from sigmascope.theory.tails.points import check_lower, check_tail

# a gamma law needs a positive shape: an optimum at or below this is reported as lying at the boundary
SMALLEST_SHAPE = 1e-6
SMALLEST_RATE = 1e-12  # times 1 / lower


@dataclass(frozen=True)
class TruncatedGamma(CutOff):
    """p(x) = rate^shape x^(shape - 1) exp(-rate x) / Gamma(shape, rate lower), x > lower.

    Axis: see :class:`~sigmascope.theory.tails.law.TailLaw`. Its tail is exponential. InvalidValueError unless
    shape, rate and lower are positive and finite.
    """

    shape: float
    rate: float
    lower: float

    def __post_init__(self) -> None:
        check_positive("shape", self.shape, remedy="for shape <= 0 take TruncatedPowerLaw, alpha = 1 - shape")
        check_positive("rate", self.rate, remedy="without a cut-off take PowerLaw")
        check_lower(self.lower)

    @property
    def exponent(self) -> float:
        """The shape."""
        return self.shape


@dataclass(frozen=True, slots=True)
class TruncatedGammaFit:
    """Maximum-likelihood gamma law truncated to lambda > lower.

    p(x) = rate^shape x^(shape - 1) exp(-rate x) / Gamma(shape, rate lower) for x > lower.

    Attributes:
        shape: of the gamma law, > 0.
        rate: of the gamma law, in 1 / lambda.
        lower: where it is truncated.
        points: number of points fitted.
        log_likelihood: at the maximum.
        log_norm: log of rate^shape / Gamma(shape, rate lower), the factor of x^(shape - 1) exp(-rate x).
        at_boundary: True when the likelihood would still rise towards shape 0: the tail falls more slowly
            than any truncated gamma law of positive shape.
    """

    shape: float
    rate: float
    lower: float
    points: int
    log_likelihood: float
    log_norm: float
    at_boundary: bool

    @property
    def law(self) -> TruncatedGamma:
        """The law itself."""
        return TruncatedGamma(self.shape, self.rate, self.lower)


def at_smallest_shape(mean_excess: float, z: float) -> tuple[float, float, Partition]:
    """The best z = rate * lower at shape SMALLEST_SHAPE, by Newton's method in log z."""
    state = partition(SMALLEST_SHAPE, z)
    for _ in range(MAX_ITERATIONS):
        ones = np.array([1.0, -1.0])  # y - 1 = t - (t - (y - 1))
        gap = float(ones @ state.mean) - mean_excess
        change = gap / (z * float(ones @ state.covariance @ ones))
        before, z = z, max(z * math.exp(min(max(change, -2.0), 2.0)), SMALLEST_RATE)
        state = partition(SMALLEST_SHAPE, z)
        if abs(before - z) <= 1e-9 * z:
            break
    return SMALLEST_SHAPE, z, state


def maximum(
    ratio: FloatArray, seen: Statistics, start: tuple[float, float] | None
) -> tuple[float, float, Partition, bool]:
    """(shape, z, Z there, whether it lies at the boundary); ``start`` is a (shape, z) or None."""
    target, best = seen.target, None
    first = start[1] if start is not None and start[1] > 0 else 1 / seen.mean_excess
    if start is not None and start[0] > 2 * SMALLEST_SHAPE:
        best = newton(target, start[0], max(first, SMALLEST_RATE), smallest=SMALLEST_SHAPE)
    if best is not None:
        return *best, False
    edge = at_smallest_shape(seen.mean_excess, max(first, SMALLEST_RATE))
    # the score for the shape, mean log y - d log Z / da, decides whether the maximum lies inside
    if seen.mean_log > float(edge[2].mean[0]):
        best = newton(target, *moments(ratio), smallest=SMALLEST_SHAPE)
    return (*edge, True) if best is None else (*best, False)


def moments(ratio: FloatArray) -> tuple[float, float]:
    """Shape and rate of the gamma law with the mean and variance of ``ratio``: a start."""
    mean, variance = float(ratio.mean()), float(ratio.var())
    return mean * mean / variance, mean / variance


def fit_truncated_gamma(
    points: ArrayLike, lower: float, *, start: tuple[float, float] | None = None
) -> TruncatedGammaFit:
    """Maximum-likelihood gamma law of ``points``, all of them beyond ``lower`` (lambda axis).

    ``start``, a (shape, rate) such as the fit of the step before, saves time; the maximum is unique and does
    not depend on it. InvalidValueError: fewer than MIN_POINTS points, NaN, a point not beyond ``lower``, no
    spread.
    """
    values = check_tail(points, lower)
    ratio = values / lower
    seen = Statistics.of(ratio)
    a, z, state, at_boundary = maximum(ratio, seen, (start[0], start[1] * lower) if start else None)
    if max(a, z) > LARGEST_SHAPE:
        raise InvalidValueError(f"{values.size} points spread too little about {values[0]} for a gamma law")
    per_point = (a - 1) * seen.mean_log - z * seen.mean_excess - state.log_value - math.log(lower)
    log_norm = z - a * math.log(lower) - state.log_value
    return TruncatedGammaFit(
        a, z / lower, float(lower), values.size, values.size * per_point, log_norm, at_boundary
    )


def truncated_gamma_tail(points: ArrayLike, lower: float) -> TailFit[TruncatedGamma]:
    """:func:`fit_truncated_gamma` as the other fits give it."""
    values = check_tail(points, lower)
    fit = fit_truncated_gamma(values, lower)
    return as_fit("truncated_gamma", fit.law, values, boundary="shape 0" if fit.at_boundary else None)
