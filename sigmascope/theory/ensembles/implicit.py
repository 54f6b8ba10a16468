"""The proximal step that keeps interacting singular values in order. Axis: singular values of W."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solveh_banded

from sigmascope.errors import NumericalError
from sigmascope.theory.laws.law import FloatArray

MAX_ITERATIONS = 200
# of the distance to the nearest wall of the chamber that one Newton step may go
BOLDNESS = 0.9
# of the noise of a step: values that start closer are moved apart before Newton's first step
OPENING = 0.3
# of the largest value: below it differences of float64 squares are noise
ROUNDING = 1e-12
# pairs handled at once: a block of 2 MB that stays in the cache
BLOCK = 262_144


@dataclass(frozen=True, slots=True)
class Interaction:
    """Drift of s_k per unit of eta D: wall / s_k + pairs sum_j [1 / (s_k - s_j) + 1 / (s_k + s_j)].

    It is minus the gradient of a convex function on s_1 > ... > s_n > 0, and without a wall on
    s_1 > ... > s_(n-1) > |s_n|, where s_n carries the sign of det W.
    """

    wall: float
    pairs: float

    @property
    def signed(self) -> bool:
        """True when the smallest value may change its sign."""
        return self.wall == 0.0

    def virial(self, n: int) -> float:
        """Sum over k of s_k times the drift: n (wall + pairs (n - 1)), wherever the values are."""
        return n * (self.wall + self.pairs * (n - 1))


def proximal_step(
    y: FloatArray, s: FloatArray, *, interaction: Interaction, h: float, accuracy: float
) -> FloatArray:
    """The s that solves s_k = y_k + h (drift of s)_k, in order; arrays (paths, n), h > 0.

    With h = eta D dt it is the drift-implicit Euler step from y = s_old + noise: the minimum of a strictly
    convex function that is infinite at collisions, hence unique and ordered, whatever the noise. Newton's
    method with the Hessian's diagonal and its coupling of neighbours, as far as nine tenths of the way to a
    collision; dropping the weaker couplings leaves a splitting that converges for any h. It begins at ``s``,
    where values may touch. The residual bounds the distance to the minimum, because the function curves at
    least as much as |s - y|^2 / 2; a path stops after the step from where its residual is below ``accuracy``
    times the noise.
    """
    noise = np.sqrt(2.0 * h)
    s = opened(s, interaction, OPENING * noise)
    tolerance = np.maximum(accuracy * noise, ROUNDING * s[:, 0])
    active = np.arange(len(s))
    for _ in range(MAX_ITERATIONS):
        here = s[active]
        step, residual = newton_step(y[active], here, interaction, h)
        step *= np.minimum(1.0, BOLDNESS * room(here, step, interaction))[:, None]
        s[active] = here + step
        active = active[~(residual <= tolerance[active])]
        if not len(active):
            return s
    raise NumericalError(
        f"{len(active)} of {len(s)} paths did not settle in {MAX_ITERATIONS} iterations; take a smaller dt"
    )


def opened(s: FloatArray, interaction: Interaction, least: float) -> FloatArray:
    """A copy of ``s`` with gaps, and a distance to the wall, of at least ``least``.

    Near a collision Newton's method only doubles the gap in each iteration, and loses its digits.
    """
    s = s.copy()
    least_of = np.maximum(least, ROUNDING * s[:, :1])
    heights = np.abs(s)
    if not interaction.signed:
        heights[:, -1:] = np.maximum(heights[:, -1:], least_of)
    gaps = heights[:, :-1] - heights[:, 1:]
    tight = (gaps < least_of).any(axis=1)
    gaps = np.maximum(gaps[tight], least_of[tight])
    s[tight, :-1] = heights[tight, -1:] + np.cumsum(gaps[:, ::-1], axis=1)[:, ::-1]
    s[:, -1] = np.copysign(heights[:, -1], s[:, -1])
    return s


def newton_step(
    y: FloatArray, s: FloatArray, interaction: Interaction, h: float
) -> tuple[FloatArray, FloatArray]:
    """Approximate Hessian's inverse times the residual y + h drift - s, and its largest entry (paths,)."""
    force, stiffness = repulsion(s)
    residual = y - s + h * interaction.pairs * force
    diagonal = 1.0 + h * interaction.pairs * stiffness
    if interaction.wall:
        residual += h * interaction.wall / s
        diagonal += h * interaction.wall / s**2
    largest = np.abs(residual).max(axis=1)
    if s.shape[1] == 1:  # no neighbour to couple with
        return residual / diagonal, largest
    bands = np.zeros((2, s.size))
    bands[0] = diagonal.reshape(-1)
    coupling = np.zeros_like(s)  # of k with k + 1; none from one path to the next
    near, far = s[:, :-1] - s[:, 1:], s[:, :-1] + s[:, 1:]
    coupling[:, :-1] = h * interaction.pairs * (1.0 / far**2 - 1.0 / near**2)
    bands[1] = coupling.reshape(-1)
    solution = solveh_banded(bands, residual.reshape(-1), lower=True, check_finite=False)
    return np.asarray(solution.reshape(s.shape)), largest


def repulsion(s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Sum over j of 1/(s_k - s_j) + 1/(s_k + s_j), and of the squares of both terms; (paths, n) each."""
    force, stiffness = np.empty_like(s), np.empty_like(s)
    rows = max(BLOCK // s.shape[1] ** 2, 1)
    for first in range(0, len(s), rows):
        part = slice(first, first + rows)
        force[part], stiffness[part] = repulsion_of(s[part])
    return force, stiffness


def repulsion_of(s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same for a block of paths."""
    squares = s * s
    inverse = squares[:, :, None] - squares[:, None, :]
    own = np.arange(s.shape[1])
    inverse[:, own, own] = np.inf
    np.reciprocal(inverse, out=inverse)  # 1 / (s_k^2 - s_j^2), (paths, k, j)
    force = 2.0 * s * inverse.sum(axis=2)
    # the sum of both squares is 2 (s_k^2 + s_j^2) / (s_k^2 - s_j^2)^2
    inverse *= inverse
    weights = np.stack([np.ones_like(squares), squares], axis=2)
    sums = inverse @ weights
    return force, 2.0 * (squares * sums[:, :, 0] + sums[:, :, 1])


def room(s: FloatArray, step: FloatArray, interaction: Interaction) -> FloatArray:
    """How many of these steps each path could go before two values meet, or one its wall; (paths,)."""
    gaps = [s[:, :-1] - s[:, 1:]]
    closing = [step[:, 1:] - step[:, :-1]]
    if interaction.signed and s.shape[1] > 1:
        gaps.append(s[:, -2:-1] + s[:, -1:])
        closing.append(-step[:, -2:-1] - step[:, -1:])
    elif not interaction.signed:
        gaps.append(s[:, -1:])
        closing.append(-step[:, -1:])
    gap, close = np.concatenate(gaps, axis=1), np.concatenate(closing, axis=1)
    if gap.shape[1] == 0:
        return np.full(len(s), np.inf)
    with np.errstate(divide="ignore"):
        steps: NDArray[np.float64] = np.where(close > 0, gap / close, np.inf)
    return np.asarray(steps.min(axis=1))
