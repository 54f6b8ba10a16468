"""The lognormal law truncated from below, and its fit."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import erfcx, log_ndtr, ndtri_exp

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray, check_positive, invert_increasing
from sigmascope.theory.tails.fit import TailFit, as_fit
from sigmascope.theory.tails.law import TailLaw
from sigmascope.theory.tails.points import check_lower, check_tail

# standardised truncation points beyond this are the power law to ten digits
LARGEST_CUT = 1e5
TO_POWER_LAW = "mu to -oo: the power law"


def log_mills(t: FloatArray) -> FloatArray:
    """Log of P(N > t) / density(t) sqrt(2 / pi) for a standard normal N: log erfcx(t / sqrt 2)."""
    # each form where it neither overflows nor cancels
    below = t * t / 2 + log_ndtr(-t) + math.log(2.0)
    return np.asarray(np.where(t < 0, below, np.log(erfcx(np.maximum(t, 0.0) / math.sqrt(2.0)))))


@dataclass(frozen=True)
class LogNormal(TailLaw):
    """Density of exp(N), N normal with mean mu and deviation sigma, divided by its P(exp(N) > lower).

    Axis: see :class:`~sigmascope.theory.tails.law.TailLaw`. As mu -> -oo with -mu / sigma^2 = alpha - 1 it
    becomes the power law. InvalidValueError unless mu is finite and sigma and lower are positive.
    """

    mu: float
    sigma: float
    lower: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.mu):
            raise InvalidValueError(f"mu must be finite, got {self.mu}; in the limit take PowerLaw")
        check_positive("sigma", self.sigma, remedy="a lognormal law needs some spread")
        check_lower(self.lower)

    @property
    def cut(self) -> float:
        """Where it is truncated, (log lower - mu) / sigma."""
        return (math.log(self.lower) - self.mu) / self.sigma

    def log_density(self, y: FloatArray) -> FloatArray:
        """-y - cut s - s^2 / 2 - log(lower sigma R(cut)), s = y / sigma, R the Mills ratio."""
        s, cut = y / self.sigma, self.cut
        log_norm = math.log(self.lower * self.sigma * math.sqrt(math.pi / 2)) + float(
            log_mills(np.asarray(cut))
        )
        return np.asarray(-y - cut * s - s * s / 2 - log_norm)

    def log_survival(self, y: FloatArray) -> FloatArray:
        """-cut s - s^2 / 2 + log R(cut + s) - log R(cut), s = y / sigma, R the Mills ratio."""
        return self.log_survival_at(np.asarray(y / self.sigma))

    def log_survival_at(self, s: FloatArray) -> FloatArray:
        """:meth:`log_survival` at y = sigma s."""
        cut = self.cut
        if cut < 0:
            return np.asarray(log_ndtr(-cut - s) - log_ndtr(-cut))
        return np.asarray(-cut * s - s * s / 2 + log_mills(cut + s) - log_mills(np.asarray(cut)))

    def log_ratio(self, excess: FloatArray) -> FloatArray:
        """The normal quantile where the bulk is inside, Newton's method in the far tail."""
        if self.cut < 0:
            z = -ndtri_exp(log_ndtr(-self.cut) - excess)
            return np.asarray(np.maximum(self.mu + self.sigma * z - math.log(self.lower), 0.0))
        return np.asarray(self.sigma * self.steps_at(excess.ravel()).reshape(excess.shape))

    def steps_at(self, excess: FloatArray) -> FloatArray:
        """The s with -log_survival_at(s) = ``excess``, for cut >= 0."""
        cut = self.cut
        # -log_survival >= cut s + s^2 / 2, because the Mills ratio falls
        high = 2 * excess / (cut + np.sqrt(cut * cut + 2 * excess) + 1e-300)

        def value_and_slope(s: FloatArray) -> tuple[FloatArray, FloatArray]:
            return -self.log_survival_at(s), np.exp(-log_mills(cut + s)) * math.sqrt(2 / math.pi)

        return invert_increasing(value_and_slope, excess, low=np.zeros_like(high), high=high, start=high)

    def moment(self, order: float) -> float:
        """lower^order R(cut - order sigma) / R(cut), R the Mills ratio; all are finite."""
        cut = np.array([self.cut - order * self.sigma, self.cut])
        ratio = np.diff(-log_mills(cut))[0]
        return float(np.exp(order * math.log(self.lower) + ratio))


def fraction(t: float) -> float:
    """The continued fraction c = 2 / (t + 3 / (t + 4 / (t + ...))) in 1 / R(t) = t + 1 / (t + c).

    R is the Mills ratio (Laplace). For t >= 3, where R itself leaves no digits after the subtractions of the
    moments.
    """
    value = 0.0
    for k in range(80, 1, -1):
        value = k / (t + value)
    return value


def scaled_mean(t: float) -> float:
    """E(N - t | N > t) of a standard normal N."""
    if t >= 3:
        return 1.0 / (t + fraction(t))
    return math.exp(-float(log_mills(np.asarray(t)))) * math.sqrt(2 / math.pi) - t


def scaled_variance(t: float) -> float:
    """Var(N | N > t) / E(N - t | N > t)^2; rises from 0 to 1 with t."""
    u = scaled_mean(t)
    if t >= 3:
        return fraction(t) / u - 1.0
    inverse_mills = u + t if t > -10 else math.exp(-t * t / 2 - float(log_ndtr(-t))) / math.sqrt(2 * math.pi)
    return (1.0 + t * inverse_mills - inverse_mills**2) / u**2


def best_cut(target: float) -> float:
    """The t with scaled_variance(t) = ``target`` < 1; LARGEST_CUT when it lies beyond."""
    if target >= scaled_variance(LARGEST_CUT):
        return LARGEST_CUT
    # scaled_variance is about 1 / t^2 far to the left, 1 - 2 / t^2 far to the right
    low = -2.0 / math.sqrt(target) - 10.0
    high = min(2.0 * math.sqrt(2.0 / (1.0 - target)) + 10.0, LARGEST_CUT)
    return float(brentq(lambda t: scaled_variance(t) - target, low, high, xtol=1e-13, rtol=1e-14))


def fit_lognormal(points: ArrayLike, lower: float) -> TailFit[LogNormal]:
    """Maximum-likelihood truncated lognormal law, by the moments of y = log(x / lower) (Cohen 1950).

    The maximum exists when var y < (mean y)^2. Otherwise the likelihood rises towards mu = -oo, the power
    law, and ``boundary`` says so; the law returned is then that of (log lower - mu) / sigma = LARGEST_CUT.

    InvalidValueError: fewer than MIN_POINTS points, NaN, a point not beyond ``lower``, no spread.
    """
    values = check_tail(points, lower)
    y = np.log(values / lower)
    cut = best_cut(float(y.var() / y.mean() ** 2))
    sigma = float(y.mean()) / scaled_mean(cut)
    law = LogNormal(math.log(lower) - cut * sigma, sigma, float(lower))
    return as_fit("lognormal", law, values, boundary=TO_POWER_LAW if cut >= LARGEST_CUT else None)
