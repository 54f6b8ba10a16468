"""Where a power law may begin: the x_min of Clauset, Shalizi and Newman (2009), section 3.3."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.tails.points import MIN_POINTS, SMALLEST_SPREAD, check_finite

# ranks at which every candidate is looked at before the promising ones are measured in full
GLANCES = (np.arange(48) + 0.5) / 48
BATCH = 32

IntArray = np.ndarray[tuple[int, ...], np.dtype[np.intp]]


@dataclass(frozen=True, slots=True)
class LowerChoice:
    """Where the power law fits best; axis: that of the points.

    Attributes:
        lower: the largest double below the smallest point of the tail, so that the tail is x > lower.
        alpha: of the power law fitted to the tail.
        standard_error: of alpha, (alpha - 1) / sqrt(points), the choice of ``lower`` not counted.
        points: number of points in the tail.
        distance: the minimised one, see :func:`choose_lower`.
    """

    lower: float
    alpha: float
    standard_error: float
    points: int
    distance: float


@dataclass(frozen=True, slots=True)
class Tails:
    """Every tail of the ascending points: candidate c begins at rank ``first[c]`` and has slope ``k[c]``.

    ``y`` is log x; ``below`` the number of points less than each point, which minds ties; ``k`` = alpha - 1.
    """

    y: FloatArray
    below: IntArray
    first: IntArray
    k: FloatArray

    @classmethod
    def of(cls, points: FloatArray, smallest: int) -> Tails:
        """From the ascending points; a tail has at least ``smallest`` of them, and not all equal."""
        y, n = np.log(points), points.size
        left = n - np.arange(n)
        # sum over the tail of (y_j - y_i), from the gaps: no difference of large sums
        excess = np.append(np.cumsum((np.diff(y) * left[1:])[::-1])[::-1], 0.0)
        below = np.searchsorted(points, points)
        spread = points[-1] - points > SMALLEST_SPREAD * points[-1]
        first = np.flatnonzero((below == np.arange(n)) & (left >= smallest) & spread)
        return cls(y, below, first, left[first] / excess[first])

    def gaps(self, candidates: IntArray, ranks: IntArray) -> FloatArray:
        """|F_n(x-) - F(x)| at ``ranks`` (c, j) of the tails ``candidates`` (c,); 0 below the tail."""
        first = self.first[candidates, None]
        model = -np.expm1(-self.k[candidates, None] * np.maximum(self.y[ranks] - self.y[first], 0.0))
        seen = np.maximum(self.below[ranks] - first, 0) / (self.y.size - first)
        return np.asarray(np.abs(model - seen))

    def glance(self) -> FloatArray:
        """A lower bound of each distance, from a few ranks."""
        left = self.y.size - self.first[:, None]
        ranks = self.first[:, None] + (GLANCES * left).astype(np.intp)
        return np.asarray(self.gaps(np.arange(self.first.size), ranks).max(axis=1))

    def distances(self, candidates: IntArray) -> FloatArray:
        """The distances, in full."""
        ranks = np.arange(self.first[candidates].min(), self.y.size)[None, :]
        return np.asarray(self.gaps(candidates, ranks).max(axis=1))

    def nearest(self) -> tuple[int, float]:
        """The candidate of smallest distance and that distance, without measuring them all.

        In the order of their lower bounds, until the bound exceeds the best distance found.
        """
        bounds = self.glance()
        order = np.argsort(bounds, kind="stable")
        best, distance = -1, math.inf
        for at in range(0, order.size, BATCH):
            batch = order[at : at + BATCH]
            if bounds[batch[0]] > distance:
                break
            found = self.distances(batch)
            nearest = int(found.argmin())
            if found[nearest] < distance:
                best, distance = int(batch[nearest]), float(found[nearest])
        return best, distance


def check_candidates(points: ArrayLike, smallest: int) -> FloatArray:
    """``points`` ascending; InvalidValueError unless positive, finite, and at least ``smallest`` of them."""
    values = np.sort(check_finite(points))
    if smallest < MIN_POINTS:
        raise InvalidValueError(f"smallest must be >= {MIN_POINTS}, got {smallest}; fewer points fit any law")
    if values.size < smallest:
        raise InvalidValueError(
            f"choosing lower needs at least {smallest} points, got {values.size}; pool spectra, or ask for a "
            "smaller tail"
        )
    if values[0] <= 0:
        raise InvalidValueError(f"points must be > 0, got {values[0]}; leave zeros out")
    return values


def choose_lower(points: ArrayLike, *, smallest: int = MIN_POINTS) -> LowerChoice:
    """The tail of ``points`` that is nearest to its own power law; axis: that of the points.

    Every point begins one candidate tail, of at least ``smallest`` points. Its distance from the fitted power
    law is max |F_n(x-) - F(x)| over its points, F_n(x-) the share of it below x, as in the authors' code: the
    first point of a tail then costs nothing. It differs from the Kolmogorov distance by 1 / points at most.
    Time and memory are far below the n^2 of measuring every tail.

    Small tails lie near some power law by chance: ask for larger ones by ``smallest``, and see
    :func:`~sigmascope.theory.tails.goodness.goodness_of_fit`.

    InvalidValueError: NaN, values <= 0, fewer than ``smallest`` points, no spread.
    """
    values = check_candidates(points, smallest)
    tails = Tails.of(values, smallest)
    if tails.first.size == 0:
        raise InvalidValueError(
            f"no tail of {smallest} points or more has any spread, the largest value is {values[-1]}"
        )
    best, distance = tails.nearest()
    first, k = int(tails.first[best]), float(tails.k[best])
    count = values.size - first
    below = float(np.nextafter(values[first], 0.0))
    return LowerChoice(below, 1.0 + k, k / math.sqrt(count), count, distance)
