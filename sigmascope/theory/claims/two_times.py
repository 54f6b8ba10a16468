"""Covariances of the stationary Airy processes at two times, by Fredholm determinants (Bornemann 2010).

Hoeffding: Cov(A(0), A(t)) = int int P(A(0) <= x, A(t) <= y) - P(A <= x) P(A <= y) dx dy, where

    P(A(0) <= x, A(t) <= y) = det(1 - K) on (x, oo) at time 0 and (y, oo) at time t.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from sigmascope.theory.airy import airy1_kernel, extended_airy_kernel
from sigmascope.theory.laws.law import FloatArray

Kernel = Callable[[float, FloatArray, float, FloatArray], FloatArray]


@dataclass(frozen=True)
class Grid:
    """Panels of length ``step`` over [low, high), with ``nodes`` Gauss-Legendre points each.

    The levels x and y are where panels begin, up to ``top``: one kernel serves all pairs of levels, and over
    them the trapezoidal rule converges exponentially, as for any smooth function that dies out at both ends.
    """

    low: float
    top: float
    high: float
    step: float
    nodes: int

    def points(self) -> tuple[FloatArray, FloatArray]:
        """All nodes, ascending, and the square roots of their weights."""
        x, weights = np.polynomial.legendre.leggauss(self.nodes)
        starts = np.arange(self.low, self.high, self.step)
        roots = np.sqrt(np.tile(0.5 * self.step * weights, len(starts)))
        return np.ravel(starts[:, None] + 0.5 * self.step * (1.0 + x)), roots

    def beginnings(self) -> range:
        """For each level, the index of the first node above it."""
        return range(0, self.nodes * (round((self.top - self.low) / self.step) + 1), self.nodes)


# within 2e-6 of grids that are wider and finer, for lags from 0.2 and 0.05
AIRY_2 = Grid(low=-6.0, top=3.0, high=6.75, step=0.75, nodes=4)
AIRY_1 = Grid(low=-3.75, top=3.0, high=6.0, step=0.375, nodes=4)


def covariance(kernel: Kernel, lag: float, grid: Grid) -> float:
    """Cov(A(0), A(lag)) of the stationary process with this kernel K(t1, x1; t2, x2); lag > 0.

    At a lag below the square of the grid's step the joint law is too narrow along x = y for the grid.
    """
    x, root = grid.points()
    same, later, earlier = (
        root[:, None] * kernel(t1, x[:, None], t2, x) * root
        for t1, t2 in ((0.0, 0.0), (0.0, lag), (lag, 0.0))
    )
    levels = grid.beginnings()
    one = {a: determinant(same[a:, a:]) for a in levels}
    total = 0.0
    for a in levels:
        for b in range(a, levels.stop, levels.step):
            block = np.block([[same[a:, a:], later[a:, b:]], [earlier[b:, a:], same[b:, b:]]])
            apart = determinant(block) - one[a] * one[b]
            # reversible in time: the joint law is symmetric
            total += apart if a == b else 2.0 * apart
    return float(total * grid.step**2)


def determinant(kernel: FloatArray) -> float:
    """det(1 - K) of a discretised kernel."""
    return float(np.linalg.det(np.eye(len(kernel)) - kernel))


@cache
def airy2_covariance(lag: float) -> float:
    """Of Airy_2, the limit for beta = 2: Var F_2 - t + ... early, and 1 / t^2 - 3.542 / t^4 + ... late."""
    return covariance(extended_airy_kernel, lag, AIRY_2)


@cache
def airy1_covariance(lag: float) -> float:
    """Of Airy_1, with F_1(2 s) at each time: Var F_1 / 4 - t + ... early, below any e^(-c t) late."""
    return covariance(airy1_kernel, lag, AIRY_1)
