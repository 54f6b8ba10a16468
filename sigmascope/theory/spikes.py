"""Spikes: where a signal of rank one shows in the spectrum of noise, and from which strength on it shows.

Additive model: W = theta u v^T + noise, m x n with m >= n, entries of variance s^2, u and v of norm 1; axis:
singular values of W, and theta is one. Benaych-Georges and Nadakuditi (2012). The functions named
``covariance_*`` speak of the multiplicative model, rows of W with covariance I + (ell - 1) v v^T, on the
axis of the eigenvalues of W^T W / m: Baik, Ben Arous and Peche (2005), Baik and Silverstein (2006), Paul
(2007).

All formulas are limits m, n -> oo at fixed q = n / m. All are vectorised over their first argument, keep its
shape, and raise InvalidValueError for NaN, infinity, negative values, m < n and a variance that is not
positive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from sigmascope.errors import InvalidValueError
from sigmascope.theory.edge import LEVELS, TEST_LEVEL, edge_scaling, fitted_scaling
from sigmascope.theory.laws.law import FloatArray, as_floats, check_positive, check_shape
from sigmascope.theory.laws.marchenko_pastur import MarchenkoPastur

Variance = Literal["known", "fitted"]

VARIANCES = ("known", "fitted")


@dataclass(frozen=True, slots=True)
class SpikeOverlap:
    """How much of the signal's directions the top singular vectors of W hold, each in [0, 1].

    Attributes:
        left: (u . u_hat)^2, u the left vector, of length m.
        right: (v . v_hat)^2, v the right vector, of length n; never below ``left``, since n <= m.
    """

    left: FloatArray
    right: FloatArray


def check_strengths(name: str, values: ArrayLike) -> FloatArray:
    """``values`` as float64, finite and >= 0; InvalidValueError otherwise."""
    array = as_floats(name, values)
    if not np.isfinite(array).all():
        raise InvalidValueError(f"{name} holds NaN or infinity; drop those entries")
    if (array < 0).any():
        raise InvalidValueError(f"{name} must be >= 0, got {array.min()}; pass it, not its logarithm")
    return array


def check_noise(m: int, n: int, entry_variance: float) -> tuple[int, int, float]:
    """(m, n, s); InvalidValueError for m < n or a variance that is not positive."""
    m, n = check_shape(m, n)
    variance = check_positive("entry_variance", entry_variance, remedy="noise needs some spread")
    return m, n, float(np.sqrt(variance))


def in_noise_units(name: str, values: ArrayLike, s: float) -> FloatArray:
    """``values`` / s; InvalidValueError where float64 cannot hold that."""
    array = check_strengths(name, values)
    with np.errstate(over="ignore"):
        ratio = array / s
    if not np.isfinite(ratio).all():
        raise InvalidValueError(f"{name} of {array.max()} overflows in units of s = {s}; rescale both")
    return np.asarray(ratio)


def visible_square(strength: ArrayLike, *, m: int, n: int, s: float) -> FloatArray:
    """(theta / s)^2, raised to the critical sqrt(m n) and held where its own square is a float64."""
    theta = np.minimum(in_noise_units("strength", strength, s), 1e75)
    return np.asarray(np.maximum(theta**2, np.sqrt(m * n)))


def critical_strength(m: int, n: int, *, entry_variance: float = 1.0) -> float:
    """theta_c = s (m n)^(1/4): a weaker signal leaves no trace in the limit of the top singular value.

    >>> critical_strength(256, 16)
    8.0
    """
    m, n, s = check_noise(m, n, entry_variance)
    return s * math.sqrt(math.sqrt(m * n))


def spike_position(strength: ArrayLike, *, m: int, n: int, entry_variance: float = 1.0) -> FloatArray:
    """Limit of the top singular value: sqrt((theta^2 + s^2 m)(theta^2 + s^2 n)) / theta above theta_c.

    At and below it the edge s (sqrt m + sqrt n) of the bulk.

    >>> spike_position([16.0, 8.0, 0.0], m=256, n=16).round(6)
    array([23.323808, 20.      , 20.      ])
    """
    m, n, s = check_noise(m, n, entry_variance)
    theta = np.maximum(in_noise_units("strength", strength, s), float(m * n) ** 0.25)
    return np.asarray(s * np.hypot(theta, np.sqrt(m)) * np.hypot(1.0, np.sqrt(n) / theta))


def spike_strength(singular_value: ArrayLike, *, m: int, n: int, entry_variance: float = 1.0) -> FloatArray:
    """The theta whose :func:`spike_position` is ``singular_value``; 0 at and below the edge.

    theta = [sqrt(sigma^2 - s^2 (sqrt m - sqrt n)^2) + sqrt(sigma^2 - s^2 (sqrt m + sqrt n)^2)] / 2. The 0
    stands for any strength up to theta_c: the position tells none of them from another.

    >>> spike_strength([23.323808, 20.0, 3.0], m=256, n=16).round(5)
    array([16.,  0.,  0.])
    """
    m, n, s = check_noise(m, n, entry_variance)
    x = in_noise_units("singular_value", singular_value, s)
    low, high = np.sqrt(m) - np.sqrt(n), np.sqrt(m) + np.sqrt(n)
    y = np.maximum(x, high)
    # the factored differences of squares keep their digits near the edge and do not overflow
    root_low, root_high = np.sqrt(y - low) * np.sqrt(y + low), np.sqrt(y - high) * np.sqrt(y + high)
    return np.asarray(np.where(x > high, 0.5 * s * (root_low + root_high), 0.0))


def spike_overlap(strength: ArrayLike, *, m: int, n: int, entry_variance: float = 1.0) -> SpikeOverlap:
    """Limits of the squared cosines, with t = (theta / s)^2; 0 at and below theta_c.

    left = (t^2 - m n) / (t (t + m)), right = (t^2 - m n) / (t (t + n)).
    """
    m, n, s = check_noise(m, n, entry_variance)
    t = visible_square(strength, m=m, n=n, s=s)
    beyond = (t - np.sqrt(m * n)) * (t + np.sqrt(m * n)) / t
    # rounding may carry the cosine of a very strong signal past 1
    left, right = (np.minimum(beyond / (t + dimension), 1.0) for dimension in (m, n))
    return SpikeOverlap(left=np.asarray(left), right=np.asarray(right))


def spike_variance(strength: ArrayLike, *, m: int, n: int, entry_variance: float = 1.0) -> FloatArray:
    """Variance of the Gaussian fluctuations of the top singular value about its limit, for Gaussian noise.

    s^2 (t^2 - m n)(2 t + m + n) / (2 t (t + m)(t + n)), t = (theta / s)^2; 0 at and below theta_c, where the
    fluctuations are of another order, m^(-1/3). It tends to s^2, that of u^T noise v, for a strong signal.

    The position y = sigma^2 (s = 1) solves A B = (1 / theta - X)^2 with A = sigma u^T (y - N N^T)^-1 u,
    B = sigma v^T (y - N^T N)^-1 v and X = u^T (y - N N^T)^-1 N v, N the noise alone. Its singular vectors are
    uniform, so that A, B and X are uncorrelated, with means sigma / (t + m), sigma / (t + n), 0 and variances
    2 y n / ((t + m)^2 d), 2 y m / ((t + n)^2 d), 1 / d, d = t^2 - m n. The mean of A B has the derivative
    -1 / d by y; hence Var y = 2 d (2 t + m + n) / t^2.
    """
    m, n, s = check_noise(m, n, entry_variance)
    t = visible_square(strength, m=m, n=n, s=s)
    beyond = (t - np.sqrt(m * n)) * (t + np.sqrt(m * n)) / t
    return np.asarray(s**2 * beyond / (t + m) * (t + 0.5 * (m + n)) / (t + n))


def variance_inflation(m: int, n: int) -> float:
    """The factor by which one spike raises the entry variance fitted to all n values: 1 + O(1/n).

    The spike takes one direction from each side and the first rank. What the fit sees at a level p is the
    quantile p n / (n - 1) of (m - 1) x (n - 1) noise.
    """
    if n < 2:
        return 1.0
    fitted = np.sqrt(m * MarchenkoPastur(n / m).ppf(LEVELS))
    levels = np.minimum(LEVELS * n / (n - 1.0), 1.0)
    seen = np.sqrt((m - 1.0) * MarchenkoPastur((n - 1.0) / (m - 1.0)).ppf(levels))
    return float(np.dot(seen, fitted) / np.dot(fitted, fitted)) ** 2


def asymptotic_power(
    strength: ArrayLike,
    *,
    m: int,
    n: int,
    entry_variance: float = 1.0,
    level: float = TEST_LEVEL,
    variance: Variance = "known",
) -> FloatArray:
    """Asymptotic probability that the edge test at ``level`` rejects when there is one spike.

    Above theta_c, Phi((position - edge) / sqrt(spike_variance)); never below ``level``, the limit below
    theta_c. Next to theta_c the Gaussian law has not set in, and finite matrices are off by O(n^(-1/3)).
    At theta_c the truth lies above; from 1.1 theta_c on that of a known variance lies below by up to 0.055,
    that of a fitted one above by up to 0.04. Rejections at 5 % of 20,000 matrices or more (standard error at
    most 0.0035), and in brackets what is returned:

        theta / theta_c  1.0           1.1            1.2            1.3            1.4
        known   200x20   0.198 (0.05)  0.294 (0.324)  0.429 (0.483)  0.595 (0.640)  0.759 (0.784)
                64x64    0.206 (0.05)  0.319 (0.341)  0.472 (0.517)  0.656 (0.687)  0.817 (0.831)
                256x128  0.221 (0.05)  0.389 (0.404)  0.638 (0.655)  0.866 (0.863)  0.970 (0.968)
        fitted  200x20   0.144 (0.05)  0.220 (0.179)  0.333 (0.327)  0.489 (0.490)  0.659 (0.660)
                64x64    0.157 (0.05)  0.250 (0.209)  0.387 (0.383)  0.566 (0.568)  0.747 (0.744)
                256x128  0.185 (0.05)  0.335 (0.306)  0.585 (0.573)  0.829 (0.815)  0.959 (0.952)

    - ``variance="known"``: the edge is that of :func:`~sigmascope.theory.edge.edge_scaling` after Ma.
    - ``variance="fitted"``: that of :func:`~sigmascope.theory.edge.fit_bulk`. A fitted variance costs power,
      O(n^(-1/3)) at a fixed theta / theta_c near 1: it is raised by :func:`variance_inflation`, and has
      a variance of its own, 2 s^4 / (m n).

    InvalidValueError also for a level outside (0, 1), a 1x1 matrix, an unknown ``variance``.
    """
    if variance not in VARIANCES:
        raise InvalidValueError(f"variance must be one of {', '.join(VARIANCES)}, got {variance!r}")
    fitted = fitted_scaling(m, n, entry_variance=entry_variance)
    edge = edge_scaling(m, n, entry_variance=entry_variance, method="ma").edge(level)
    spread = spike_variance(strength, m=m, n=n, entry_variance=entry_variance)
    visible = spread > 0
    if variance == "fitted":
        edge = fitted.edge(level) * float(np.sqrt(variance_inflation(m, n)))
        spread = spread + edge**2 / (2.0 * m * n)
    excess = spike_position(strength, m=m, n=n, entry_variance=entry_variance) - edge
    power = ndtr(excess / np.sqrt(np.where(visible, spread, 1.0)))
    return np.asarray(np.where(visible, np.maximum(power, level), level))


def check_ratio(q: float) -> float:
    """``q`` when positive and finite; InvalidValueError otherwise."""
    return check_positive("q", q, remedy="q is n / m, the columns over the rows of W")


def covariance_spike_position(ell: ArrayLike, *, q: float) -> FloatArray:
    """Limit of the top eigenvalue of W^T W / m; the rows' covariance has eigenvalues ``ell``, 1, 1, ....

    ell (1 + q / (ell - 1)) for ell > 1 + sqrt q; the edge (1 + sqrt q)^2 for all others, those below 1
    included. Any q > 0: rows and columns are not alike here, so that W is not to be transposed.

    >>> covariance_spike_position([3.0, 1.5, 1.0], q=0.25)
    array([3.375, 2.25 , 2.25 ])
    """
    excess = np.maximum(check_strengths("ell", ell) - 1.0, np.sqrt(check_ratio(q)))
    return np.asarray((1.0 + excess) * (1.0 + q / excess))


def covariance_spike_strength(eigenvalue: ArrayLike, *, q: float) -> FloatArray:
    """The ell whose :func:`covariance_spike_position` is ``eigenvalue``; 1, no spike, at and below the edge.

    ell = 1 + [x - 1 - q + sqrt((x - 1 - q)^2 - 4 q)] / 2.
    """
    x, root = check_strengths("eigenvalue", eigenvalue), float(np.sqrt(check_ratio(q)))
    low, high = (1.0 - root) ** 2, (1.0 + root) ** 2
    y = np.maximum(x, high)
    product = np.sqrt(y - low) * np.sqrt(y - high)
    return np.asarray(np.where(x > high, 1.0 + 0.5 * (y - 1.0 - q + product), 1.0))


def covariance_spike_overlap(ell: ArrayLike, *, q: float) -> FloatArray:
    """Limit of (v . v_hat)^2: (1 - q / (ell - 1)^2) / (1 + q / (ell - 1)); 0 for ell <= 1 + sqrt q."""
    excess = np.maximum(check_strengths("ell", ell) - 1.0, np.sqrt(check_ratio(q)))
    ratio = np.sqrt(q) / excess
    return np.asarray((1.0 - ratio) * (1.0 + ratio) / (1.0 + q / excess))
