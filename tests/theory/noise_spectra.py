"""Pure-noise and spiked spectra for calibration tests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvalsh_tridiagonal


def wishart_singular_values(m: int, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Singular values of an m x n Gaussian matrix by the bidiagonal model (Dumitriu and Edelman 2002).

    Exactly the law of a dense matrix's, at O(n^2) instead of O(m n^2); another test compares the two.
    """
    diagonal = np.sqrt(rng.chisquare(m - np.arange(n)))
    below = np.sqrt(rng.chisquare(n - 1 - np.arange(n - 1)))
    main, off = diagonal**2, diagonal[:-1] * below
    main[1:] += below**2
    return np.sqrt(np.maximum(eigvalsh_tridiagonal(main, off, lapack_driver="sterf")[::-1], 0.0))


def wishart_spectra(m: int, n: int, draws: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """(draws, n): as many of :func:`wishart_singular_values`, up to 24 columns all of them at once."""
    if n > 24:
        return np.array([wishart_singular_values(m, n, rng) for _ in range(draws)])
    diagonal = np.sqrt(rng.chisquare(m - np.arange(n), size=(draws, n)))
    below = np.sqrt(rng.chisquare(n - 1 - np.arange(n - 1), size=(draws, n - 1)))
    matrices, i = np.zeros((draws, n, n)), np.arange(n)
    matrices[:, i, i] = diagonal**2
    matrices[:, i[1:], i[1:]] += below**2
    matrices[:, i[1:], i[:-1]] = diagonal[:, :-1] * below
    return np.asarray(np.sqrt(np.maximum(np.linalg.eigvalsh(matrices)[:, ::-1], 0.0)))


def planted(
    m: int, n: int, strengths: NDArray[np.float64], *, spread: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Singular values of noise of standard deviation ``spread`` plus a signal of given singular values."""
    u = np.linalg.qr(rng.standard_normal((m, len(strengths))))[0]
    v = np.linalg.qr(rng.standard_normal((n, len(strengths))))[0]
    return np.linalg.svd(spread * rng.standard_normal((m, n)) + (u * strengths) @ v.T, compute_uv=False)
