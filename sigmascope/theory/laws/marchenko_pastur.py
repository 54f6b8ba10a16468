"""The Marchenko-Pastur law, on the axis of the eigenvalues of W^T W / m (paper, Lemma 6.10).

Marchenko and Pastur (1967). Inside the bulk everything is computed from the angle theta in (0, pi) with
x = s^2 (1 + q + 2 sqrt(q) cos theta), because in theta nothing cancels at the edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import hyp2f1

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import (
    FloatArray,
    PositiveLaw,
    SquareRootLaw,
    as_points,
    as_probabilities,
    check_positive,
    invert_increasing,
    on_singular_value_axis,
)

# below this sqrt(q) the closed form divides a difference of size r^2 by r^2: use its power series
SMALL_ROOT = 0.02
SERIES_TERMS = 12
START_ANGLES = 129


def upper_mass(root: float, sine: FloatArray, angle: FloatArray, delta: FloatArray) -> FloatArray:
    """(angle - delta + (delta - r sin) / r^2) / pi: mass between one edge and ``angle`` away from it.

    With theta the angle from the upper edge and delta = arg(1 + r e^{i theta}) it is the mass above; for the
    lower edge replace theta by pi - theta and r by -r.
    """
    if abs(root) >= SMALL_ROOT:
        return np.asarray((angle - delta + (delta - root * sine) / root**2) / np.pi)
    # delta - r sin(theta) = -sum_{k >= 2} (-r)^k sin(k theta) / k
    rest = np.zeros_like(angle)
    for k in range(SERIES_TERMS, 1, -1):
        rest = rest * -root - np.sin(k * angle) / k
    return np.asarray((angle - delta + rest) / np.pi)


def slope(sine: FloatArray, unit: FloatArray) -> FloatArray:
    """(2 / pi) sin^2(theta) / x(theta), the mass per angle; 0 in place of 0 / 0 at a hard edge."""
    return np.asarray(2 / np.pi * sine**2 / np.maximum(unit, 1e-300))


def below(root: float, gap: float, phi: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mass below the point at angle ``phi`` from the lower edge, and its derivative; gap = 1 - r."""
    sine, half = np.sin(phi), np.sin(phi / 2)
    delta = -np.arctan2(root * sine, gap + 2 * root * half**2)
    return upper_mass(-root, sine, phi, delta), slope(sine, gap**2 + 4 * root * half**2)


def above(root: float, theta: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mass above the point at angle ``theta`` from the upper edge, and its derivative."""
    sine, half = np.sin(theta), np.sin(theta / 2)
    delta = np.arctan2(root * sine, 1 + root * np.cos(theta))
    return upper_mass(root, sine, theta, delta), slope(sine, (1 + root) ** 2 - 4 * root * half**2)


@lru_cache(maxsize=512)
def start_table(root: float, gap: float) -> tuple[FloatArray, FloatArray]:
    """Angles from the lower edge, equally spaced, and the mass below each: brackets for the inversion."""
    angles = np.linspace(0.0, np.pi, START_ANGLES)
    masses = below(root, gap, angles)[0]
    masses[0], masses[-1] = 0.0, 1.0
    masses = np.maximum.accumulate(masses)
    angles.flags.writeable = masses.flags.writeable = False
    return angles, masses


@dataclass(frozen=True)
class MarchenkoPastur(PositiveLaw):
    """Limit law of the eigenvalues of W^T W / m, W m x n with iid entries of variance s^2, q = n / m.

    p(x) = sqrt((x_+ - x)(x - x_-)) / (2 pi q s^2 x) on [x_-, x_+], x_pm = s^2 (1 +- sqrt q)^2. For q > 1 the
    n - m vanishing eigenvalues are an atom of mass 1 - 1/q at 0, which ``cdf``, ``ppf``, ``rvs`` and the
    moments contain and ``pdf`` does not. The cdf is a closed form, accurate to 1e-14 or so for any q.

    InvalidValueError unless q and entry_variance are positive and finite.

    >>> law = MarchenkoPastur(0.25)
    >>> law.support()
    (0.25, 2.25)
    >>> float(law.mean()), float(law.var())
    (1.0, 0.25)
    """

    q: float
    entry_variance: float = 1.0

    def __post_init__(self) -> None:
        check_positive("q", self.q, remedy="q is n / m, the columns over the rows of W")
        check_positive("entry_variance", self.entry_variance, remedy="a law needs some spread")

    @property
    def _ratio(self) -> float:
        """Aspect ratio of the orientation without an atom."""
        return min(self.q, 1.0 / self.q)

    @property
    def _root(self) -> float:
        return float(np.sqrt(self._ratio))

    @property
    def _gap(self) -> float:
        """1 - sqrt(ratio), without cancellation."""
        return (1.0 - self._ratio) / (1.0 + self._root)

    @property
    def _unit(self) -> float:
        """Factor between the nonzero eigenvalues and those of the other orientation, variance 1."""
        return self.entry_variance * max(self.q, 1.0)

    @property
    def atom(self) -> float:
        """Mass at 0."""
        return max(0.0, 1.0 - 1.0 / self.q)

    def _distances(self, x: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Point in units, and its distances from both edges, clipped to the bulk, free of cancellation."""
        root, ratio = self._root, self._ratio
        unit = x / self._unit
        # the bulk is centred on 1 with width 4 r: for small r differences must be taken from 1, exactly
        centred = unit - 1.0
        lower = np.where(unit < 0.5, unit - self._gap**2, centred + 2 * root - ratio)
        upper = 2 * root + ratio - centred
        width = 4 * root
        return unit, np.clip(lower, 0.0, width), np.clip(upper, 0.0, width)

    def pdf(self, x: ArrayLike) -> FloatArray:
        """Density of the continuous part, mass 1 - ``atom``; 0 outside the bulk."""
        unit, lower, upper = self._distances(as_points(x))
        inside = (lower > 0) & (upper > 0) & (unit > 0)
        safe = np.where(inside, unit, 1.0)
        density = np.sqrt(lower * upper) / (2 * np.pi * self._ratio * safe * self._unit)
        return np.asarray(np.where(inside, density, 0.0) * (1.0 - self.atom))

    def cdf(self, x: ArrayLike) -> FloatArray:
        """P(X <= x), atom included."""
        points = as_points(x)
        _, lower, upper = self._distances(points)
        phi = 2 * np.arctan2(np.sqrt(lower), np.sqrt(upper))
        mass = np.clip(below(self._root, self._gap, phi)[0], 0.0, 1.0)
        mass = np.where(upper == 0, 1.0, mass)
        return np.asarray(np.where(points >= 0, self.atom + (1 - self.atom) * mass, 0.0))

    def sf(self, x: ArrayLike) -> FloatArray:
        """P(X > x), accurate up to the upper edge."""
        points = as_points(x)
        _, lower, upper = self._distances(points)
        theta = 2 * np.arctan2(np.sqrt(upper), np.sqrt(lower))
        mass = np.where(lower == 0, 1.0, np.clip(above(self._root, theta)[0], 0.0, 1.0))
        return np.asarray(np.where(points >= 0, (1 - self.atom) * mass, 1.0))

    def ppf(self, p: ArrayLike) -> FloatArray:
        """Quantiles; 0 for p <= ``atom``."""
        probabilities = as_probabilities(p)
        flat = np.atleast_1d(probabilities).ravel()
        in_bulk = np.clip((flat - self.atom) / (1.0 - self.atom), 0.0, 1.0)
        rest = np.clip((1.0 - flat) / (1.0 - self.atom), 0.0, 1.0)
        unit = np.where(in_bulk <= 0.5, self._from_below(in_bulk), self._from_above(rest))
        atom_or_bulk = np.where((flat <= self.atom) & (self.atom > 0), 0.0, unit * self._unit)
        return np.asarray(atom_or_bulk.reshape(probabilities.shape))

    def _from_below(self, mass: FloatArray) -> FloatArray:
        """Point with ``mass`` below it, in units; meaningful for mass <= 1/2."""
        root, gap = self._root, self._gap
        angles, masses = start_table(root, gap)
        mass = np.minimum(mass, 0.5)
        cell = np.clip(np.searchsorted(masses, mass, side="right") - 1, 0, START_ANGLES - 2)
        phi = invert_increasing(
            lambda phi: below(root, gap, phi),
            mass,
            low=angles[cell],
            high=angles[cell + 1],
            start=np.interp(mass, masses, angles),
        )
        return np.asarray(gap**2 + 4 * root * np.sin(np.where(mass > 0, phi, 0.0) / 2) ** 2)

    def _from_above(self, mass: FloatArray) -> FloatArray:
        """Point with ``mass`` above it, in units; meaningful for mass <= 1/2."""
        root, gap = self._root, self._gap
        angles, masses = start_table(root, gap)
        mass = np.minimum(mass, 0.5)
        thetas, tops = np.pi - angles[::-1], 1.0 - masses[::-1]
        cell = np.clip(np.searchsorted(tops, mass, side="right") - 1, 0, START_ANGLES - 2)
        theta = invert_increasing(
            lambda theta: above(root, theta),
            mass,
            low=thetas[np.maximum(cell - 1, 0)],
            high=thetas[np.minimum(cell + 2, START_ANGLES - 1)],
            start=np.interp(mass, tops, thetas),
        )
        return np.asarray((1 + root) ** 2 - 4 * root * np.sin(np.where(mass > 0, theta, 0.0) / 2) ** 2)

    def support(self) -> tuple[float, float]:
        """(s^2 (1 - sqrt q)^2, s^2 (1 + sqrt q)^2), from 0 when there is an atom."""
        low, high = self.bulk()
        return (0.0 if self.atom > 0 else low), high

    def bulk(self) -> tuple[float, float]:
        """Edges of the continuous part."""
        return self._unit * self._gap**2, self._unit * (1 + self._root) ** 2

    def moment(self, order: float) -> float:
        """E X^order = s^(2 order) 2F1(1 - order, -order; 2; q) for q <= 1 (the Narayana numbers)."""
        if order < 0:
            raise InvalidValueError(f"order must be >= 0, got {order}; at q = 1 inverse moments diverge")
        inner = float(hyp2f1(1.0 - order, -order, 2.0, self._ratio))
        return float((1.0 - self.atom) * self._unit**order * inner) if order > 0 else 1.0

    def mean(self) -> float:
        """Mean s^2."""
        return self.entry_variance

    def var(self) -> float:
        """Variance q s^4."""
        return self.q * self.entry_variance**2


def marchenko_pastur_singular(m: int, n: int, *, entry_variance: float = 1.0) -> SquareRootLaw:
    """Marchenko-Pastur on the axis of the singular values of W (unscaled), W m x n.

    For n > m the n - m vanishing eigenvalues of W^T W are an atom at 0.

    >>> law = marchenko_pastur_singular(400, 100)
    >>> law.support()
    (10.0, 30.0)
    """
    check_positive("m", m, remedy="W needs rows")
    return on_singular_value_axis(MarchenkoPastur(n / m, entry_variance), m=m)
