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


def proximal_step(
    y: FloatArray, s: FloatArray, *, interaction: Interaction, h: float, shrink: float, tolerance: float
) -> FloatArray:
    """The s that solves shrink s_k = y_k + h (drift of s)_k, in order; arrays (paths, n).

    With h = eta D dt and shrink = 1 + kappa dt it is the drift-implicit Euler step from y = s_old + noise:
    the minimum of a strictly convex function that is infinite at collisions, hence unique and ordered,
    whatever the noise. Newton's method with the Hessian's diagonal and its coupling of neighbours, from
    ``s``, in order itself, as far as nine tenths of the way to a collision; paths stop on their own once
    every step is below ``tolerance``. Dropping the weaker couplings leaves a splitting that converges for
    any positive h.
    """
    s = s.copy()
    active = np.arange(len(s))
    for _ in range(MAX_ITERATIONS):
        here = s[active]
        step = newton_step(y[active], here, interaction, h, shrink)
        step *= np.minimum(1.0, BOLDNESS * room(here, step, interaction))[:, None]
        s[active] = here + step
        active = active[np.abs(step).max(axis=1) > tolerance]
        if not len(active):
            return s
    raise NumericalError(
        f"{len(active)} of {len(s)} paths did not settle in {MAX_ITERATIONS} iterations; take a smaller dt"
    )


def newton_step(
    y: FloatArray, s: FloatArray, interaction: Interaction, h: float, shrink: float
) -> FloatArray:
    """Minus the approximate Hessian's inverse times the residual shrink s - y - h drift."""
    force, stiffness = repulsion(s)
    residual = y - shrink * s + h * interaction.pairs * force
    diagonal = shrink + h * interaction.pairs * stiffness
    if interaction.wall:
        residual += h * interaction.wall / s
        diagonal += h * interaction.wall / s**2
    if s.shape[1] == 1:  # no neighbour to couple with
        return np.asarray(residual / diagonal)
    bands = np.zeros((2, s.size))
    bands[0] = diagonal.reshape(-1)
    coupling = np.zeros_like(s)  # of k with k + 1; none from one path to the next
    near, far = s[:, :-1] - s[:, 1:], s[:, :-1] + s[:, 1:]
    coupling[:, :-1] = h * interaction.pairs * (1.0 / far**2 - 1.0 / near**2)
    bands[1] = coupling.reshape(-1)
    solution = solveh_banded(bands, residual.reshape(-1), lower=True, check_finite=False)
    return np.asarray(solution.reshape(s.shape))


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
