"""The Airy kernel, the extended Airy kernel of the Airy process (Definition 6.13), and that of Airy_1.

The axis is that of the standardised largest eigenvalue s, as for
:class:`sigmascope.theory.laws.TracyWidom`; time is that of the stationary Airy_2 process (beta = 2), and of
Airy_1 for its own kernel. Both processes move by E (A(t) - A(0))^2 = 2 t for small t.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import airy, airye

from sigmascope.errors import InvalidValueError
from sigmascope.theory.ito import Form, check_form
from sigmascope.theory.laws.law import FloatArray

# below this |x - y| max(1, sqrt |x + y| / 2) the quotient is replaced by its Taylor series
NEAR = 1.0
TERMS = 26
NODES, WEIGHTS = np.polynomial.legendre.leggauss(20)
# log of the heat kernel above which it cancels against the other part, and the integral is done directly
CANCELLING = 5.0
CHUNK = 1 << 20


def as_arguments(**arguments: ArrayLike) -> tuple[FloatArray, ...]:
    """The arguments as float64 of one common shape; InvalidValueError for NaN, infinity or misfits."""
    arrays = [np.asarray(value, dtype=np.float64) for value in arguments.values()]
    for name, array in zip(arguments, arrays, strict=True):
        if not np.isfinite(array).all():
            raise InvalidValueError(f"{name} holds NaN or infinity; the kernel needs finite points")
    try:
        return tuple(np.broadcast_arrays(*arrays))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in zip(arguments, arrays, strict=True))
        raise InvalidValueError(f"shapes do not broadcast: {shapes}") from None


def airy_kernel(x: ArrayLike, y: ArrayLike) -> FloatArray:
    """K(x, y) = [Ai(x) Ai'(y) - Ai'(x) Ai(y)] / (x - y), as printed and exact; broadcast shape.

    It is int_0^oo Ai(x + u) Ai(y + u) du, and Ai'(x)^2 - x Ai(x)^2 on the diagonal. Near the diagonal, with
    Ai(c + d) = P + Q even and odd in d, K = (Q Q' - P P') / d by Taylor series about c = (x + y) / 2. Error
    below 3e-14 of sqrt(K(x, x) K(y, y)) on [-30, 8], growing to 1e-12 at 40.

    InvalidValueError for NaN, infinity, shapes that do not broadcast.

    >>> float(airy_kernel(0.0, 0.0).round(9))  # Ai'(0)^2
    0.066987484
    """
    first, second = as_arguments(x=x, y=y)
    center, d = 0.5 * (first + second), 0.5 * (first - second)
    near = 2.0 * np.abs(d) * np.maximum(1.0, np.sqrt(np.abs(center))) < NEAR
    value = np.empty(first.shape)
    value[near] = kernel_near_diagonal(center[near], d[near])
    far_x, far_y = first[~near], second[~near]
    ai_x, slope_x, *_ = airy(far_x)
    ai_y, slope_y, *_ = airy(far_y)
    value[~near] = (ai_x * slope_y - slope_x * ai_y) / (far_x - far_y)
    return value


def kernel_near_diagonal(c: FloatArray, d: FloatArray) -> FloatArray:
    """K(c + d, c - d) = (Q / d) Q' - P (P' / d), P and Q the parts of Ai(c + d) even and odd in d.

    Q / d and P' / d are series in d^2, so nothing is divided by d.
    """
    # coefficients a_i d^i of Ai(c + d): (i + 2)(i + 1) a_{i+2} = c a_i + a_{i-1}
    value, slope, *_ = airy(c)
    a = [value, slope, 0.5 * c * value]
    for i in range(1, TERMS - 2):
        a.append((c * a[i] + a[i - 1]) / ((i + 2.0) * (i + 1.0)))
    square = d * d
    P, Q_over_d, P_slope_over_d, Q_slope = (np.zeros_like(c) for _ in range(4))
    for i in range(TERMS - 2, -1, -2):
        P = P * square + a[i]
        Q_over_d = Q_over_d * square + a[i + 1]
        Q_slope = Q_slope * square + (i + 1.0) * a[i + 1]
        if i > 0:
            P_slope_over_d = P_slope_over_d * square + i * a[i]
    return np.asarray(Q_over_d * Q_slope - P * P_slope_over_d)


def extended_airy_kernel(
    t1: ArrayLike, x1: ArrayLike, t2: ArrayLike, x2: ArrayLike, *, form: Form = "exact"
) -> FloatArray:
    """The kernel of the Airy process at times t1, t2 and points x1, x2; broadcast shape.

    - ``as_printed`` (Definition 6.13): int_0^oo exp(-u (t2 - t1)) Ai(x1 + u) Ai(x2 + u) du for all times
    - ``exact`` (Praehofer and Spohn 2002): int_0^oo exp(-u (t1 - t2)) Ai(x1 + u) Ai(x2 + u) du for t1 >= t2,
      - int_-oo^0 exp(-u (t1 - t2)) Ai(x1 + u) Ai(x2 + u) du for t1 < t2

    Equal times give :func:`airy_kernel` in both. For t1 < t2 the exact form uses that the integral over the
    whole line is a heat kernel in closed form (tau = t2 - t1),

        exp(tau^3 / 12 - tau (x1 + x2) / 2 - (x1 - x2)^2 / (4 tau)) / sqrt(4 pi tau),

    where that cancels little, and the integral itself elsewhere. Gauss-Legendre; exact form within 2e-12 for
    x from -20 up.

    InvalidValueError for NaN, infinity, shapes that do not broadcast, an unknown form.
    """
    check_form(form)
    times1, points1, times2, points2 = as_arguments(t1=t1, x1=x1, t2=t2, x2=x2)
    shape = times1.shape
    lag = (times2 - times1).ravel()
    x, y = points1.ravel(), points2.ravel()
    value = np.empty(lag.shape)
    same = lag == 0
    value[same] = airy_kernel(x[same], y[same])
    if form == "as_printed":
        value[~same] = upper_integral(-lag[~same], x[~same], y[~same])
        return np.asarray(value.reshape(shape))
    earlier, later = lag < 0, lag > 0
    value[earlier] = upper_integral(lag[earlier], x[earlier], y[earlier])
    value[later] = -lower_integral(lag[later], x[later], y[later])
    return np.asarray(value.reshape(shape))


def airy1_kernel(t1: ArrayLike, x1: ArrayLike, t2: ArrayLike, x2: ArrayLike) -> FloatArray:
    """The kernel of the Airy_1 process at times t1, t2 and points x1, x2; broadcast shape.

    With tau = t2 - t1 (Sasamoto 2005; Borodin, Ferrari, Praehofer and Sasamoto 2007)

        Ai(x1 + x2 + tau^2) exp(tau (x1 + x2) + 2 tau^3 / 3)
        - exp(-(x1 - x2)^2 / (4 tau)) / sqrt(4 pi tau) for tau > 0.

    Its law at one time is F_1(2 s). It is the limit of growth from a flat start, not that of the largest
    eigenvalue for beta = 1 (Bornemann, Ferrari and Praehofer 2008). The exponent of Ai and that beside it
    are added before exp, which therefore neither overflows nor underflows first.

    InvalidValueError for NaN, infinity, shapes that do not broadcast.

    >>> float(airy1_kernel(0.0, 0.5, 0.0, 0.5).round(9))  # Ai(1)
    0.135292416
    """
    times1, points1, times2, points2 = as_arguments(t1=t1, x1=x1, t2=t2, x2=x2)
    lag, total = times2 - times1, points1 + points2
    scaled, exponent = scaled_airy(total + lag**2)
    value = scaled * np.exp(lag * total + 2.0 * lag**3 / 3.0 - exponent)
    later = lag > 0
    tau = np.where(later, lag, 1.0)
    heat = np.exp(-((points1 - points2) ** 2) / (4.0 * tau)) / np.sqrt(4.0 * np.pi * tau)
    return np.asarray(value - np.where(later, heat, 0.0))


def upper_integral(rate: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """int_0^oo exp(rate u) Ai(x + u) Ai(y + u) du for any sign of ``rate``; 1-d arrays of one length.

    Ended where exp(rate u) Ai Ai, largest at sqrt(u) = rate / 2 beyond both turning points, has died out.
    """
    turning = np.maximum(0.0, -np.minimum(x, y))
    return integrate(rate, x, y, turning + 12.0 + 0.6 * np.maximum(rate, 0.0) ** 2)


def lower_integral(lag: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    """int_-oo^0 exp(lag u) Ai(x + u) Ai(y + u) du for lag > 0; 1-d arrays of one length."""
    exponent = lag**3 / 12.0 - 0.5 * lag * (x + y)
    # what cancels is as large as the integrand of the other part at its largest, too
    size = np.maximum(exponent, lag * np.maximum(0.0, -np.minimum(x, y)))
    whole = size < CANCELLING
    value = np.empty(lag.shape)
    tau, gap = lag[whole], x[whole] - y[whole]
    heat = np.exp(exponent[whole] - gap**2 / (4.0 * tau)) / np.sqrt(4.0 * np.pi * tau)
    value[whole] = heat - upper_integral(tau, x[whole], y[whole])
    rest = ~whole
    # 37: the exponential has fallen to 1e-16
    value[rest] = integrate(-lag[rest], x[rest], y[rest], 37.0 / lag[rest], direction=-1.0)
    return value


def integrate(
    rate: FloatArray, x: FloatArray, y: FloatArray, length: FloatArray, *, direction: float = 1.0
) -> FloatArray:
    """int_0^length exp(rate v) Ai(x + direction v) Ai(y + direction v) dv by composite Gauss-Legendre.

    Panels are 1 wide, or narrower where Ai oscillates faster. Points go in chunks of similar length, which
    bounds the memory; a chunk shares its nodes, so that Ai is evaluated once for each distinct point.
    """
    value = np.empty(rate.shape)
    if not value.size:
        return value
    pieces = -(-value.size * panels(x, y, length, direction) * len(NODES) // CHUNK)
    for chosen in np.array_split(np.argsort(length), min(pieces, value.size)):
        count, end = panels(x[chosen], y[chosen], length[chosen], direction), length[chosen].max()
        v = end * ((np.arange(count)[:, None] + 0.5 * (1.0 + NODES)) / count).ravel()
        weights = end * np.tile(0.5 * WEIGHTS / count, count)
        points, where = np.unique(np.stack([x[chosen], y[chosen]]), return_inverse=True)
        scaled, exponent = scaled_airy(points[:, None] + direction * v)
        first, second = where.reshape(2, -1)
        growth = np.exp(rate[chosen, None] * v - exponent[first] - exponent[second])
        value[chosen] = (growth * scaled[first] * scaled[second]) @ weights
    return value


def panels(x: FloatArray, y: FloatArray, length: FloatArray, direction: float) -> int:
    """Number of panels that resolves Ai, of wave number sqrt z at -z, for the neediest point."""
    deepest = -min(x.min(), y.min()) + (length.max() if direction < 0 else 0.0)
    return int(np.ceil(length.max() * max(1.0, np.sqrt(max(deepest, 0.0)) / 5.0)))


def scaled_airy(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Ai(z) exp(zeta) and zeta = (2/3) z^(3/2) for z > 0, Ai(z) and 0 elsewhere: no underflow before exp."""
    above = np.maximum(z, 0.0)
    value = np.where(z > 0, airye(above)[0].real, airy(np.minimum(z, 0.0))[0])
    return np.asarray(value), np.asarray(above**1.5 / 1.5)
