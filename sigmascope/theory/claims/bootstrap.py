"""Algorithm 1 verbatim, beside what it saves: each with its multiplications counted.

Axis: singular values of W. One batch moves W by G = -eta grad L.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.perturbation import EPSILON

FLOOR = 1e-8


@dataclass
class Tally:
    """Arithmetic that counts its multiplications and divisions."""

    operations: int = 0

    def times(self, a: FloatArray, b: FloatArray | float) -> FloatArray:
        """A b, entry by entry."""
        product = np.asarray(a * b)
        self.operations += product.size
        return product

    def over(self, a: FloatArray, b: FloatArray | float) -> FloatArray:
        """A / b, entry by entry."""
        quotient = np.asarray(a / b)
        self.operations += quotient.size
        return quotient

    def matmul(self, a: FloatArray, b: FloatArray) -> FloatArray:
        """A @ b, as many multiplications an entry as it sums."""
        product = np.asarray(a @ b)
        self.operations += product.size * a.shape[-1]
        return product


@dataclass(frozen=True)
class Triplets:
    """The recursion's state: U (m, k), sigma (k,), V (n, k)."""

    U: FloatArray
    sigma: FloatArray
    V: FloatArray
    tally: Tally = field(default_factory=Tally)

    @classmethod
    def of(cls, W: FloatArray, k: int) -> Triplets:
        """Line 3: the k leading ones of W."""
        U, sigma, Vt = np.linalg.svd(W, full_matrices=False)
        return cls(U[:, :k], sigma[:k], Vt[:k].T)


def algorithm_1(at: Triplets, G: FloatArray) -> Triplets:
    """Lines 6 to 14 for one batch."""
    tally, sigma = at.tally, at.sigma.copy()
    M = tally.matmul(tally.matmul(at.U.T, G), at.V)
    U, V = at.U.copy(), at.V.copy()
    for i in range(len(sigma)):
        # line 10 overwrites sigma_i: of the others, those before i are new already
        c = tally.over(M[:, i], gaps(sigma, i)) + tally.over(M[i], sigma[i] + sigma + EPSILON)
        c[i] = 0.0
        sigma[i] = max(sigma[i] + M[i, i], FLOOR)
        U[:, i] += tally.matmul(at.U, c)
        V[:, i] += tally.matmul(at.V, c)
    return Triplets(aligned(orth(U, tally), at.U), sigma, aligned(orth(V, tally), at.V), tally)


def gaps(sigma: FloatArray, i: int) -> FloatArray:
    """sigma_i - sigma_j + epsilon for all j; two values at the floor are epsilon apart."""
    apart = sigma[i] - sigma + EPSILON
    return np.where(apart == 0, EPSILON, apart)


def orth(A: FloatArray, tally: Tally) -> FloatArray:
    """Modified Gram-Schmidt of the columns."""
    Q = A.copy()
    for i in range(Q.shape[1]):
        norm = float(np.sqrt(tally.times(Q[:, i], Q[:, i]).sum()))
        Q[:, i] = tally.over(Q[:, i], norm)
        rest = Q[:, i + 1 :]
        rest -= tally.times(Q[:, i, None], tally.matmul(Q[:, i], rest)[None])
    return Q


def aligned(vectors: FloatArray, previous: FloatArray) -> FloatArray:
    """Each column with the sign of its predecessor."""
    return np.asarray(np.where((vectors * previous).sum(axis=0) < 0, -vectors, vectors))


def bidiagonal(A: FloatArray, tally: Tally) -> FloatArray:
    """A reduced to upper bidiagonal form by reflections from both sides: what an SVD begins with.

    Its iterations on the two diagonals that remain cost less by a factor of n.
    """
    B = A.copy()
    n = B.shape[1]
    for i in range(n):
        reflect(B[i:, i:], tally)
        if i < n - 2:
            reflect(B[i:, i + 1 :].T, tally)
    return B


def reflect(B: FloatArray, tally: Tally) -> None:
    """Householder's reflection that clears the first column of B below its head, in place."""
    v = B[:, 0].copy()
    v[0] += np.copysign(np.sqrt(tally.times(v, v).sum()), v[0])
    v = tally.over(v, float(np.sqrt(tally.times(v, v).sum())))
    B -= tally.times(2 * v[:, None], tally.matmul(v, B)[None])
