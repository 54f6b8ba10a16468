"""The stationary gamma law of lambda = sigma^2, eigenvalue of W^T W (paper, Theorem 3.2, Prop. 6.8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import gammainc, gammaincc, gammainccinv, gammaincinv, gammaln, xlogy

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import (
    FloatArray,
    PositiveLaw,
    Size,
    as_points,
    as_probabilities,
    check_positive,
    check_shape,
)


def stationary_rate(*, beta1: float, learning_rate: float, D: float) -> float:
    """beta1 / (4 eta D), the rate of Theorem 3.2; InvalidValueError unless all three are positive."""
    check_positive("beta1", beta1, remedy="without a restoring force there is no stationary law")
    check_positive("learning_rate", learning_rate, remedy="without a step there is no stationary law")
    check_positive("D", D, remedy="without diffusion there is no stationary law")
    return check_positive(
        "beta1 / (4 eta D)", beta1 / (4.0 * learning_rate * D), remedy="rescale beta1, eta and D"
    )


@dataclass(frozen=True)
class StationaryGamma(PositiveLaw):
    """Gamma law of lambda = sigma^2: p(x) = rate^shape x^(shape - 1) exp(-rate x) / Gamma(shape), x > 0.

    Its tail is exponential in lambda, not a power law as the paper says. For the law of sigma use
    :func:`~sigmascope.theory.laws.law.on_singular_value_axis`.

    InvalidValueError unless shape and rate are positive and finite.

    >>> StationaryGamma(shape=2.0, rate=4.0).mean()
    0.5
    """

    shape: float
    rate: float

    def __post_init__(self) -> None:
        check_positive("shape", self.shape, remedy="a gamma law of shape <= 0 cannot be normalised")
        check_positive("rate", self.rate, remedy="a gamma law of rate <= 0 cannot be normalised")

    @classmethod
    def as_printed(cls, *, m: int, n: int, beta1: float, learning_rate: float, D: float) -> StationaryGamma:
        """Theorem 3.2 as printed: shape (m - n + 3) / 4, rate beta1 / (4 eta D); needs m >= n."""
        m, n = check_shape(m, n)
        return cls((m - n + 3) / 4.0, stationary_rate(beta1=beta1, learning_rate=learning_rate, D=D))

    @classmethod
    def exact_one_particle(cls, *, m: int, beta1: float, learning_rate: float, D: float) -> StationaryGamma:
        """The exact law for n = 1: shape m / 2, rate beta1 / (4 eta D).

        W is then m independent Ornstein-Uhlenbeck entries of variance 2 eta D / beta1, lambda their sum of
        squares. With n > 1 interacting particles the same force gives Marchenko-Pastur instead.
        """
        m, _ = check_shape(m, 1)
        return cls(m / 2.0, stationary_rate(beta1=beta1, learning_rate=learning_rate, D=D))

    def pdf(self, x: ArrayLike) -> FloatArray:
        """Density at ``x``; 0 for x < 0."""
        points = as_points(x)
        inside = (points >= 0) & np.isfinite(points)
        scaled = self.rate * np.where(inside, points, 1.0)
        # log space: x^(shape - 1) and Gamma(shape) overflow long before their ratio does
        with np.errstate(divide="ignore"):
            log_pdf = xlogy(self.shape - 1.0, scaled) - scaled - gammaln(self.shape) + np.log(self.rate)
        return np.asarray(np.where(inside, np.exp(log_pdf), 0.0))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """Regularised lower incomplete gamma function of rate x."""
        return np.asarray(gammainc(self.shape, self.rate * np.maximum(as_points(x), 0.0)))

    def sf(self, x: ArrayLike) -> FloatArray:
        """Regularised upper incomplete gamma function of rate x."""
        return np.asarray(gammaincc(self.shape, self.rate * np.maximum(as_points(x), 0.0)))

    def ppf(self, p: ArrayLike) -> FloatArray:
        """Quantiles."""
        probabilities = as_probabilities(p)
        lower = gammaincinv(self.shape, np.minimum(probabilities, 0.5))
        upper = gammainccinv(self.shape, np.minimum(1.0 - probabilities, 0.5))
        return np.asarray(np.where(probabilities <= 0.5, lower, upper) / self.rate)

    def rvs(self, size: Size = None, *, rng: np.random.Generator) -> FloatArray:
        """Independent draws by ``rng.gamma``."""
        return np.asarray(rng.gamma(self.shape, 1.0 / self.rate, size))

    def support(self) -> tuple[float, float]:
        """(0, oo)."""
        return 0.0, float(np.inf)

    def moment(self, order: float) -> float:
        """Gamma(shape + order) / (Gamma(shape) rate^order)."""
        if order < 0:
            raise InvalidValueError(f"order must be >= 0, got {order}; inverse moments may diverge")
        return float(np.exp(gammaln(self.shape + order) - gammaln(self.shape)) / self.rate**order)

    def mean(self) -> float:
        """Mean shape / rate."""
        return self.shape / self.rate

    def var(self) -> float:
        """Variance shape / rate^2."""
        return self.shape / self.rate**2
