"""Finite-interval Hilbert transform, that of a power law (Lemma 6.15), and the equation of Corollary 6.16.

H[rho](lambda) = (1 / pi) PV int rho(x) / (x - lambda) dx. The axis is that of the density's own argument: in
Corollary 6.16 the eigenvalues lambda = sigma^2 of W^T W (unscaled).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma

from sigmascope.errors import InvalidValueError
from sigmascope.theory.ito import Form, check_form
from sigmascope.theory.laws.law import FloatArray, as_points, check_positive, check_shape

Density = Callable[[FloatArray], FloatArray]

# tanh-sinh: distances from an end, as a share of the interval, and weights
STEPS = np.arange(-6.0, 6.0 + 1e-9, 1.0 / 12.0)
SHARES = 1.0 / (1.0 + np.exp(-np.pi * np.sinh(STEPS)))
SHARE_WEIGHTS = np.pi * np.cosh(STEPS) * SHARES * SHARES[::-1] / 12.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(32)
# seven-point first derivative: error h^6 f^(7) / 140
STENCIL = np.array([-1.0, 9.0, -45.0, 0.0, 45.0, -9.0, 1.0]) / 60.0
STENCIL_STEP = 0.01
# of series at 1/2: 2^-60 is below float64
TERMS = 60
# the reduction to [-1/2, 1/2] takes one step a unit
LARGEST_EXPONENT = 10_000


def check_interval(lower: float, upper: float) -> None:
    """InvalidValueError unless lower < upper are finite."""
    if not (np.isfinite(lower) and np.isfinite(upper) and lower < upper):
        raise InvalidValueError(f"the interval must be finite with lower < upper, got [{lower}, {upper}]")


def inner_points(points: ArrayLike, lower: float, upper: float) -> FloatArray:
    """``points`` as float64, all strictly inside; InvalidValueError otherwise."""
    array = as_points(points)
    outside = ~((array > lower) & (array < upper))
    if outside.any():
        raise InvalidValueError(
            f"points must lie inside ({lower}, {upper}), got {array[outside].flat[0]}; "
            "at its ends and outside the principal value is another integral"
        )
    return array


def hilbert_transform(density: Density, points: ArrayLike, *, upper: float, lower: float = 0.0) -> FloatArray:
    """H[rho] on (lower, upper) by quadrature; shape of ``points``, which lie inside.

    Around each point, out to half the distance of the nearer end, PV is the integral of the odd part
    [rho(lambda + t) - rho(lambda - t)] / t (Gauss-Legendre). The rest is tanh-sinh: in log |x - lambda| up to
    the ends, and in x on the lower half of what lies left, where an integrable singularity of rho at
    ``lower`` = 0 is resolved. For x^alpha, -0.95 <= alpha <= 8, the error is below 1e-12 (1 + lambda^alpha).

    ``density`` is called with float64 arrays inside the interval and must be smooth there.
    InvalidValueError: points not inside, NaN, a bad interval, or a density that is not finite.
    """
    check_interval(lower, upper)
    array = inner_points(points, lower, upper)
    flat = array.reshape(-1, 1)  # (points, nodes) from here on
    below, above = flat - lower, upper - flat
    half = 0.5 * np.minimum(below, above)
    t = 0.5 * half * (1.0 + NODES)
    odd = checked(density, flat + t) - checked(density, flat - t)
    value = (0.5 * half * WEIGHTS * odd / t).sum(axis=1)
    value += log_part(density, flat, half, above, 1.0)
    value -= log_part(density, flat, half, 0.5 * below, -1.0)
    near_end = 0.5 * below * SHARES
    weights = 0.5 * below * SHARE_WEIGHTS
    value += (weights * checked(density, lower + near_end) / (near_end - below)).sum(axis=1)
    return np.asarray(value.reshape(array.shape) / np.pi)


def checked(density: Density, x: FloatArray) -> FloatArray:
    """density(x); InvalidValueError where that is not finite or has another shape."""
    value = np.asarray(density(x), dtype=np.float64)
    if value.shape != x.shape:
        raise InvalidValueError(f"density maps shape {x.shape} to {value.shape}; it must work elementwise")
    if not np.isfinite(value).all():
        bad = x[~np.isfinite(value)].flat[0]
        raise InvalidValueError(f"the density is not finite at {bad}; keep its singularities at the ends")
    return value


def log_part(density: Density, at: FloatArray, near: FloatArray, far: FloatArray, side: float) -> FloatArray:
    """Integral of rho(at + side * r) / r over r from ``near`` to ``far``, with log r as the variable."""
    width = np.log(far / near)
    r = near * np.exp(width * SHARES)
    # rounding must not carry the last node past the end
    x = at + side * np.minimum(r, np.nextafter(far, 0.0))
    return np.asarray((width * SHARE_WEIGHTS * checked(density, x)).sum(axis=1))


def check_power_law(alpha: float, coefficient: float) -> float:
    """``alpha`` when in (-1, LARGEST_EXPONENT] and the coefficient is finite; InvalidValueError otherwise."""
    if not (np.isfinite(alpha) and alpha > -1):
        raise InvalidValueError(f"alpha must be > -1 and finite, got {alpha}; x^alpha has infinite mass at 0")
    if alpha > LARGEST_EXPONENT:
        raise InvalidValueError(
            f"alpha must be <= {LARGEST_EXPONENT}, got {alpha}; x^alpha is a point mass at the right end"
        )
    if not np.isfinite(coefficient):
        raise InvalidValueError(f"coefficient must be finite, got {coefficient}; leave it out for 1")
    return float(alpha)


def power_law_hilbert_leading(
    points: ArrayLike, *, alpha: float, coefficient: float = 1.0, form: Form = "exact"
) -> FloatArray:
    """The leading term of H[C x^alpha] at small lambda, Lemma 6.15; shape of ``points`` > 0.

    - ``as_printed``: + C lambda^alpha cot(pi alpha)
    - ``exact``: - C lambda^alpha cot(pi alpha)

    What it leaves out is (1 / pi) C R^alpha / alpha + O(lambda): bounded, as the lemma says, but for
    alpha > 0 it is the larger part. InvalidValueError: alpha <= -1 or whole, points not
    > 0, a coefficient that is not finite.
    """
    check_form(form)
    if check_power_law(alpha, coefficient) == round(alpha):
        raise InvalidValueError(f"alpha must not be a whole number, got {alpha}; use power_law_hilbert")
    array = inner_points(points, 0.0, np.inf)
    sign = 1.0 if form == "as_printed" else -1.0
    return np.asarray(sign * coefficient * array**alpha / np.tan(np.pi * alpha))


def power_law_hilbert(
    points: ArrayLike, *, alpha: float, upper: float, coefficient: float = 1.0
) -> FloatArray:
    """H[C x^alpha] on (0, R), R = ``upper``, in closed form, remainder included; shape of ``points``.

    H = - C lambda^alpha cot(pi alpha) + (C R^alpha / (pi alpha)) 2F1(1, -alpha; 1 - alpha; lambda / R).

    At whole alpha the two poles cancel and leave a logarithm; evaluated so that nothing is lost there or
    near: H[x^alpha] = R^alpha / (pi alpha) + lambda H[x^(alpha - 1)] brings alpha to [-1/2, 1/2].
    InvalidValueError: alpha <= -1 or beyond 10,000, points outside (0, R), R that is not positive, a
    coefficient that is not finite.

    >>> round(float(power_law_hilbert(0.7, alpha=-0.4, upper=1.0)), 6)
    -0.719947
    """
    check_positive("upper", upper, remedy="it is the right end of the interval")
    check_power_law(alpha, coefficient)
    z = inner_points(points, 0.0, upper) / upper
    reductions = max(round(alpha), 0)
    near = alpha - reductions
    value = unit_power_law(z, near)
    for step in range(1, reductions + 1):
        value = 1.0 / (near + step) + z * value
    return np.asarray(coefficient * upper**alpha * value / np.pi)


def unit_power_law(z: FloatArray, alpha: float) -> FloatArray:
    """PV int_0^1 x^alpha / (x - z) dx for -1 < alpha <= 1/2.

    1/alpha - z / (1 - alpha) 2F1(1, 1 - alpha; 2 - alpha; z) - pi z^alpha cot(pi alpha), the pole of
    pi cot(pi alpha) = 1/alpha + digamma(1 - alpha) - digamma(1 + alpha) cancelled against 1/alpha.
    """
    log_z = np.log(z)
    ratio = -log_z if alpha == 0 else -np.expm1(alpha * log_z) / alpha
    smooth_cot = digamma(1.0 - alpha) - digamma(1.0 + alpha)
    return np.asarray(ratio - z**alpha * smooth_cot - z * hypergeometric_ratio(z, 1.0 - alpha))


def hypergeometric_ratio(z: FloatArray, b: float) -> FloatArray:
    """2F1(1, b; b + 1; z) / b on (0, 1): sum_k z^k / (k + b), and from z = 1/2 on its expansion about 1.

    scipy 1.17's hyp2f1 is wrong here, even in sign, near z = 1: at b = 1.95, z = 0.999 by a factor of -4.
    """
    k = np.arange(TERMS)
    low, high = np.minimum(z, 0.5), np.minimum(1.0 - z, 0.5)
    series = ((low[..., None] ** k) / (k + b)).sum(axis=-1)
    # (b)_k / k! [digamma(k + 1) - digamma(b + k) - log(1 - z)] (1 - z)^k
    ratios = np.cumprod(np.concatenate([[1.0], (b + k[:-1]) / k[1:]]))
    brackets = digamma(k + 1.0) - digamma(b + k) - np.log(high)[..., None]
    expansion = (ratios * brackets * high[..., None] ** k).sum(axis=-1)
    return np.asarray(np.where(z < 0.5, series, expansion))


def stationary_residual(
    density: Density, points: ArrayLike, *, m: int, n: int, upper: float, lower: float = 0.0
) -> FloatArray:
    """Left side of Corollary 6.16's equation over eta D: (m - n + 3) - 2 pi d/d lambda (lambda H[rho]).

    0 where ``density`` solves the equation as displayed; shape of ``points``. The derivative is a seven-point
    difference (error about 1e-9 relative).

    What the equation says, whatever eta and D: lambda H[rho] = (m - n + 3) lambda / (2 pi) + constant. The
    quadratic potential the corollary names has dropped out, and with it every restoring force: all that is
    left is a constant push outwards. So there is no solution on the half line, and on [0, R] only with a wall
    at R (:func:`walled_density`). The power law it is said to have, lambda^((m - n + 3)/4 - 1), leaves a
    residual that varies with lambda. The same follows without H: under the drift of
    :func:`sigmascope.theory.ito.canonical_drift` sum_k lambda_k grows at a constant rate for ever.

    InvalidValueError: as :func:`hilbert_transform`; m < n.
    """
    m, n = check_shape(m, n)
    check_interval(lower, upper)
    array = inner_points(points, lower, upper)
    step = STENCIL_STEP * np.minimum(array - lower, upper - array)
    at = array[..., None] + step[..., None] * np.arange(-3, 4)
    slope = (at * hilbert_transform(density, at, upper=upper, lower=lower)) @ STENCIL / step
    return np.asarray((m - n + 3) - 2.0 * np.pi * slope)


def walled_density(points: ArrayLike, *, m: int, n: int, upper: float) -> FloatArray:
    """The density of mass 1 on (0, R) that does solve Corollary 6.16's equation; shape of ``points``.

    rho(x) = [1 / pi + A (x - R / 2)] / sqrt(x (R - x)), A = (m - n + 3) / (2 pi), R = ``upper``: it piles up
    as (R - x)^(-1/2) against a wall at R, which nothing in the equation provides, and as x^(-1/2) at 0
    whatever m and n. From H[1 / sqrt(x (R - x))] = 0 and H[x / sqrt(x (R - x))] = 1.

    InvalidValueError: R > 4 / (m - n + 3), where it would be negative near 0; points outside (0, R).
    """
    m, n = check_shape(m, n)
    check_positive("upper", upper, remedy="it is the right end of the interval")
    widest = 4.0 / (m - n + 3)
    if upper > widest:
        raise InvalidValueError(
            f"upper must be <= 4 / (m - n + 3) = {widest:.6g}, got {upper}; a wider density would be negative"
        )
    x = inner_points(points, 0.0, upper)
    push = (m - n + 3) / (2.0 * np.pi)
    return np.asarray((1.0 / np.pi + push * (x - 0.5 * upper)) / np.sqrt(x * (upper - x)))
