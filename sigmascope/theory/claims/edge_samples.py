"""Draws of the largest eigenvalue of very large Gaussian matrices, from the corners of tridiagonal models.

Dumitriu and Edelman (2002): Householder reflections take a Gaussian matrix to tridiagonal form with
independent chi-distributed entries, at O(n) random numbers for each draw. The eigenvector of the largest
eigenvalue lives on the first O(n^(1/3)) coordinates, so a corner holds it.
"""

from __future__ import annotations

import numpy as np

from sigmascope.theory.laws.law import FloatArray

# corner in units of n^(1/3): against 14, no eigenvalue moves by 1e-4 of their standard deviation
CORNER = 9.0
# halvings of a bracket as wide as the eigenvalue itself: 1e-9 relative, far below n^(-2/3)
HALVINGS = 32


def corner_size(n: int) -> int:
    """Rows to keep of n."""
    return min(n, int(CORNER * n ** (1 / 3)) + 4)


def largest_eigenvalues(diagonal: FloatArray, squares: FloatArray) -> FloatArray:
    """The largest eigenvalue of each tridiagonal matrix, by bisection over all draws at once.

    ``diagonal`` is (k, draws), ``squares`` (k - 1, draws) the squared entries beside it. A point lies above
    every eigenvalue when all pivots of T - x are negative.
    """
    low = diagonal.max(axis=0)
    beside = np.sqrt(squares)
    reach = diagonal.copy()
    reach[:-1] += beside
    reach[1:] += beside
    high = reach.max(axis=0)  # Gershgorin
    with np.errstate(divide="ignore"):
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            pivot = diagonal[0] - middle
            worst = pivot
            for row, square in zip(diagonal[1:], squares, strict=True):
                pivot = row - middle - square / pivot
                worst = np.maximum(worst, pivot)
            above = worst < 0
            high = np.where(above, middle, high)
            low = np.where(above, low, middle)
    return np.asarray(0.5 * (low + high))


def wishart_largest(rng: np.random.Generator, draws: int, *, m: int, n: int) -> FloatArray:
    """Largest eigenvalue of W^T W, W m x n with m >= n and standard normal entries; (draws,)."""
    k = corner_size(n)
    down = np.arange(k)
    own = rng.chisquare((m - down)[:, None], (k, draws))  # of the bidiagonal factor, squared
    below = rng.chisquare((n - 1 - down[:-1])[:, None], (k - 1, draws))
    diagonal = own.copy()
    diagonal[1:] += below
    return largest_eigenvalues(diagonal, own[:-1] * below)


def hermite_largest(rng: np.random.Generator, draws: int, *, n: int, beta: int) -> FloatArray:
    """Largest eigenvalue of a Gaussian ensemble, semicircle on [-2 sqrt n, 2 sqrt n]; (draws,).

    beta = 1: real symmetric with off-diagonal variance 1; beta = 2: complex Hermitian with E|H_ij|^2 = 1.
    """
    k = corner_size(n)
    diagonal = rng.standard_normal((k, draws)) * np.sqrt(2 / beta)
    squares = rng.chisquare((beta * (n - 1.0 - np.arange(k - 1)))[:, None], (k - 1, draws)) / beta
    return largest_eigenvalues(diagonal, squares)
