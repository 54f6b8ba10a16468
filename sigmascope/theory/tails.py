"""Fits to what lies beyond the edge, on the axis of lambda = sigma^2.

The gamma law truncated to lambda > lower is an exponential family in (log lambda, lambda): its log likelihood
is concave, so Newton's method finds the one maximum from any start.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray, check_positive

MIN_POINTS = 5
# a gamma law needs a positive shape: an optimum at or below this is reported as lying at the boundary
SMALLEST_SHAPE = 1e-6
SMALLEST_RATE = 1e-12  # times 1 / lower
LARGEST_SHAPE = 1e9
MAX_ITERATIONS = 100
DROP = 45.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(48)


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


@dataclass(frozen=True, slots=True)
class Partition:
    """log Z(a, z), and the moments of (t, t - (e^t - 1)) under exp(a t - z (e^t - 1)) / Z on t > 0."""

    log_value: float
    mean: FloatArray
    covariance: FloatArray


def pieces(a: float, z: float) -> list[tuple[float, float]]:
    """Intervals that carry the integrand exp(a t - z (e^t - 1)), cut where it is exp(-DROP) of its maximum.

    It is log-concave, so lower bounds of its fall from the peak bound the interval. Split where its character
    changes: at the peak, and for small z where the double exponential sets in.
    """
    peak = math.log(max(a / z, 1.0))
    scale = z * math.exp(peak)
    slope = scale - a if peak == 0 else 0.0
    # the fall at distance d to the right is >= slope d + scale d^2 / 2, and >= scale (e^d - 1 - d)
    by_parabola = 2 * DROP / (slope + math.sqrt(slope * slope + 2 * DROP * scale))
    right = peak + min(by_parabola, max(1.6, math.log(4 * DROP / scale)))
    # to the left it is a (e^-d - 1 + d) >= a d^2 / 3 for d <= 1, >= a (d - 1) always
    left = max(peak - (math.sqrt(3 * DROP / a) if a > 3 * DROP else DROP / a + 1), 0.0) if peak > 0 else 0.0
    knee = min(max(peak, -math.log(z) if z < 1 else 0.0), right)
    ends = sorted({left, min(max(peak, left), right), max(knee, left), right})
    return list(pairwise(ends))


def partition(a: float, z: float) -> Partition:
    """Log of int_1^oo y^(a - 1) exp(-z (y - 1)) dy, and the moments, by Gauss-Legendre in t = log y."""
    spans = pieces(a, z)
    t = np.concatenate([(hi + lo) / 2 + (hi - lo) / 2 * NODES for lo, hi in spans])
    weight = np.concatenate([(hi - lo) / 2 * WEIGHTS for lo, hi in spans])
    growth = np.expm1(t)
    exponent = a * t - z * growth
    top = float(exponent.max())
    mass = weight * np.exp(exponent - top)
    total = float(mass.sum())
    mass /= total
    statistics = np.stack([t, t - growth])
    mean = statistics @ mass
    centred = statistics - mean[:, None]
    return Partition(math.log(total) + top, mean, (centred * mass) @ centred.T)


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


def newton(target: FloatArray, a: float, z: float) -> tuple[float, float, Partition] | None:
    """The maximum over shapes > SMALLEST_SHAPE; None when it lies at that boundary.

    Parameters (a - z, z) are conjugate to (t, t - (e^t - 1)): slope and curvature at the edge, which stay
    apart when all points crowd there, where (log y, y) would become collinear.
    """
    state = partition(a, z)
    value = (a - z) * target[0] + z * target[1] - state.log_value
    for _ in range(MAX_ITERATIONS):
        gradient = target - state.mean
        covariance = state.covariance
        determinant = covariance[0, 0] * covariance[1, 1] - covariance[0, 1] ** 2
        if not determinant > 0:
            raise InvalidValueError("the points spread too little or lie too far out for a gamma law")
        step_slope = (covariance[1, 1] * gradient[0] - covariance[0, 1] * gradient[1]) / determinant
        step_z = (covariance[0, 0] * gradient[1] - covariance[0, 1] * gradient[0]) / determinant
        step_a = step_slope + step_z
        decrement = float(gradient[0] * step_slope + gradient[1] * step_z)
        # stay inside: at most nine tenths of the way to either boundary
        length = min(1.0, *(0.9 * x / -dx for x, dx in ((a, step_a), (z, step_z)) if dx < 0), 1.0)
        for _ in range(40):
            new_a, new_z = a + length * step_a, z + length * step_z
            state = partition(new_a, new_z)
            new_value = (new_a - new_z) * target[0] + new_z * target[1] - state.log_value
            if new_value >= value + 1e-4 * length * decrement or decrement < 1e-10:
                break
            length /= 2
        a, z, value = float(new_a), float(new_z), float(new_value)
        if a < 2 * SMALLEST_SHAPE:
            return None
        if decrement < 1e-12 or max(a, z) > LARGEST_SHAPE:
            break
    return a, z, state


def check_tail(points: ArrayLike, lower: float) -> FloatArray:
    """``points`` as a flat float64 array; InvalidValueError when no gamma law can be fitted to them."""
    values = np.asarray(points, dtype=np.float64).ravel()
    check_positive("lower", lower, remedy="truncate at the noise edge, an eigenvalue of W^T W")
    if values.size < MIN_POINTS:
        raise InvalidValueError(
            f"a tail fit needs at least {MIN_POINTS} points, got {values.size}; lower the edge"
        )
    if not np.isfinite(values).all():
        raise InvalidValueError("points hold NaN or infinity; check the spectrum before the fit")
    if values.min() <= lower:
        raise InvalidValueError(
            f"every point must exceed lower={lower}, got {values.min()}; pass the tail only"
        )
    if np.ptp(values) <= 1e-7 * values.max():
        raise InvalidValueError(f"all {values.size} points equal {values[0]}; a law needs some spread")
    return values


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
    logs = np.log(ratio)
    mean_log, mean_excess = float(logs.mean()), float((ratio - 1).mean())
    target = np.array([mean_log, mean_log - mean_excess])

    best = None
    first = start[1] * lower if start is not None and start[1] > 0 else 1 / mean_excess
    if start is not None and start[0] > 2 * SMALLEST_SHAPE:
        best = newton(target, start[0], max(first, SMALLEST_RATE))
    at_boundary = False
    if best is None:
        best = at_smallest_shape(mean_excess, max(first, SMALLEST_RATE))
        # the score for the shape, mean log y - d log Z / da, decides whether the maximum lies inside
        inside = newton(target, *moments(ratio)) if mean_log > float(best[2].mean[0]) else None
        at_boundary = inside is None
        best = inside or best
    a, z, state = best
    if max(a, z) > LARGEST_SHAPE:
        raise InvalidValueError(f"{values.size} points spread too little about {values[0]} for a gamma law")
    per_point = (a - 1) * mean_log - z * mean_excess - state.log_value - math.log(lower)
    log_norm = z - a * math.log(lower) - state.log_value
    return TruncatedGammaFit(
        a, z / lower, float(lower), values.size, values.size * per_point, log_norm, at_boundary
    )


def moments(ratio: FloatArray) -> tuple[float, float]:
    """Shape and rate of the gamma law with the mean and variance of ``ratio``: a start."""
    mean, variance = float(ratio.mean()), float(ratio.var())
    return mean * mean / variance, mean / variance
