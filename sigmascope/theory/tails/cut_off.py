"""x^(a - 1) exp(-rate x) on x > lower, a of either sign: truncated gamma and truncated power law alike.

With t = log(x / lower) and z = rate lower its weight is exp(a t - z (e^t - 1)), log-concave in t, and
Z(a, z) = int_0^oo exp(a t - z (e^t - 1)) dt = e^z z^(-a) Gamma(a, z).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.tails.law import TailLaw

DROP = 45.0
NODES, WEIGHTS = np.polynomial.legendre.leggauss(48)
CHUNK = 2048
GRID = np.linspace(0.0, 1.0, 1025) ** 2


@dataclass(frozen=True, slots=True)
class Partition:
    """log Z(a, z), and the moments of (t, t - (e^t - 1)) under exp(a t - z (e^t - 1)) / Z on t > 0."""

    log_value: float
    mean: FloatArray
    covariance: FloatArray


def pieces(a: float, z: FloatArray) -> FloatArray:
    """Ends (..., 4) of three intervals that carry the weight, cut where it is exp(-DROP) of its maximum.

    It is log-concave, so lower bounds of its fall from the peak bound the interval. Split where its character
    changes: at the peak, and for small z where the double exponential sets in. For a < 0 the cut keeps room
    for the moments of e^t, which fall more slowly by two units of slope.
    """
    peak = np.log(np.maximum(a / z, 1.0))
    scale = z * np.exp(peak)
    slope = np.where(peak == 0, np.maximum(scale - a - (2.0 if a < 0 else 0.0), 0.0), 0.0)
    # the fall at distance d to the right is >= slope d + scale d^2 / 2, and >= scale (e^d - 1 - d)
    by_parabola = 2 * DROP / (slope + np.sqrt(slope * slope + 2 * DROP * scale))
    right = peak + np.minimum(by_parabola, np.maximum(1.6, np.log(4 * DROP / scale)))
    # to the left it is a (e^-d - 1 + d) >= a d^2 / 3 for d <= 1, >= a (d - 1) always
    reach = (math.sqrt(3 * DROP / a) if a > 3 * DROP else DROP / a + 1) if a > 0 else 0.0
    left = np.maximum(peak - reach, 0.0)
    knee = np.minimum(np.maximum(peak, -np.log(np.minimum(z, 1.0))), right)
    return np.sort(np.stack([left, np.clip(peak, left, right), np.maximum(knee, left), right], -1), axis=-1)


def nodes(a: float, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(t, weight, exponent) of the quadrature, each (..., 144); the exponent is a t - z (e^t - 1)."""
    ends = pieces(a, z)
    half = (ends[..., 1:] - ends[..., :-1])[..., None] / 2
    shape = (*z.shape, 3 * NODES.size)
    t = (ends[..., :-1, None] + half * (1 + NODES)).reshape(shape)
    return t, (half * WEIGHTS).reshape(shape), a * t - z[..., None] * np.expm1(t)


def partition(a: float, z: float) -> Partition:
    """Log of int_1^oo y^(a - 1) exp(-z (y - 1)) dy, z > 0, and the moments, by Gauss-Legendre in log y."""
    t, weight, exponent = nodes(a, np.asarray(z))
    top = float(exponent.max())
    mass = weight * np.exp(exponent - top)
    total = float(mass.sum())
    mass /= total
    statistics = np.stack([t, t - np.expm1(t)])
    mean = statistics @ mass
    centred = statistics - mean[:, None]
    return Partition(math.log(total) + top, mean, (centred * mass) @ centred.T)


def log_partition(a: float, z: ArrayLike) -> FloatArray:
    """Log Z(a, z), shape of z > 0 kept; z = 0 gives -log(-a), which needs a < 0."""
    rates = np.asarray(z, dtype=np.float64)
    flat = np.where(rates > 0, rates, 1.0).ravel()
    values = np.empty_like(flat)
    for first in range(0, flat.size, CHUNK):  # bounds the memory, 144 nodes a point
        part = slice(first, first + CHUNK)
        _, weight, exponent = nodes(a, flat[part])
        top = exponent.max(axis=-1)
        values[part] = np.log((weight * np.exp(exponent - top[:, None])).sum(axis=-1)) + top
    at_zero = -math.log(-a) if a < 0 else math.inf
    return np.asarray(np.where(rates > 0, values.reshape(rates.shape), at_zero))


class CutOff(TailLaw):
    """p(x) = x^(a - 1) exp(-rate x) / norm on x > lower; ``exponent`` is a."""

    rate: float

    @property
    @abstractmethod
    def exponent(self) -> float:
        """The a of x^(a - 1) exp(-rate x)."""

    def log_z(self) -> float:
        """Log Z(a, rate lower)."""
        return float(log_partition(self.exponent, self.rate * self.lower))

    def log_weight(self, y: FloatArray) -> FloatArray:
        """The exponent a y - z (e^y - 1)."""
        with np.errstate(over="ignore"):
            fall = self.rate * self.lower * np.expm1(y) if self.rate > 0 else np.zeros_like(y)
        return np.asarray(self.exponent * y - fall)

    def log_density(self, y: FloatArray) -> FloatArray:
        """(a - 1) y - z (e^y - 1) - log Z(a, z) - log(lower)."""
        return np.asarray(self.log_weight(y) - y - self.log_z() - math.log(self.lower))

    def log_rest(self, y: FloatArray) -> FloatArray:
        """Log Z(a, z e^y): minus the log of the hazard rate in y."""
        with np.errstate(over="ignore"):
            z = np.minimum(self.rate * self.lower * np.exp(y), 1e300)
        return log_partition(self.exponent, z)

    def log_survival(self, y: FloatArray) -> FloatArray:
        """The sum a y - z (e^y - 1) + log Z(a, z e^y) - log Z(a, z)."""
        return np.asarray(self.log_weight(y) + self.log_rest(y) - self.log_z())

    def log_ratio(self, excess: FloatArray) -> FloatArray:
        """By Newton's method on the convex -log_survival, from a table.

        A fixed number of steps, because close to ``lower`` rounding outweighs any relative criterion.
        """
        if self.rate == 0:
            return np.asarray(-excess / self.exponent)
        table = self.highest(float(excess.max(initial=0.0))) * GRID
        y = np.interp(excess, np.maximum.accumulate(-self.log_survival(table)), table)
        log_z = self.log_z()
        for _ in range(4):
            rest = self.log_rest(y)
            gap = log_z - self.log_weight(y) - rest - excess
            y = np.clip(y - gap * np.exp(rest), 0.0, table[-1])
        return np.asarray(np.where(excess > 0, y, 0.0))

    def highest(self, excess: float) -> float:
        """Some y with -log_survival(y) >= ``excess``."""
        y = 1e-9
        while -float(self.log_survival(np.asarray(y))) < excess + 1e-9:
            y *= 2
        return y

    def moment(self, order: float) -> float:
        """lower^order Z(a + order, z) / Z(a, z); oo where it diverges."""
        if self.rate == 0 and self.exponent + order >= 0:
            return math.inf
        log_ratio = float(log_partition(self.exponent + order, self.rate * self.lower)) - self.log_z()
        return float(self.lower**order) * math.exp(log_ratio)

    def var(self) -> float:
        """E X^2 - (E X)^2; oo where E X^2 is."""
        second = self.moment(2.0)
        return second - self.moment(1.0) ** 2 if math.isfinite(second) else math.inf
