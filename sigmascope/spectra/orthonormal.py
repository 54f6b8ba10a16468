"""Orthonormal columns of many matrices of one shape at once."""

from __future__ import annotations

import torch

# product of the sines of all columns' angles to those before, from which on the Cholesky factor is exact to
# float32: unit columns have at most twice its inverse as condition, and errors are float64's times the square
_WIDE = 1e-4
# matrices from which on it is faster on a GPU than reflections of one after another
_MANY = 4


def orthonormal(columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Q (..., m, p) and R (..., p, p) with Q^T Q = 1 and Q R = ``columns`` (..., m, p), m >= p.

    By Householder's reflections: orthonormal even where ``columns`` lose rank and R turns singular. What R
    has below its diagonal is not set, since whoever solves with R does not look there.

    On CUDA they take one matrix after another. Many in float32 go through the Cholesky factor of
    columns^T columns in float64, all at once (Yamamoto et al. 2015, Roundoff error analysis of the
    CholeskyQR2 algorithm), and through reflections only where columns are close to dependent.
    """
    many = columns.ndim > 2 and len(columns) >= _MANY
    if not many or columns.device.type != "cuda" or columns.dtype != torch.float32:
        return _reflected(columns)
    exact = columns.double()
    lower, failed = torch.linalg.cholesky_ex(exact.mT @ exact)
    R = lower.mT
    # |R_jj| / |R_:j|, a column's length outside the span of those before over its whole length
    sines = R.diagonal(dim1=-2, dim2=-1) / torch.linalg.vector_norm(R, dim=-2)
    wide = (failed == 0) & (sines.prod(-1) > _WIDE)
    inverse = torch.linalg.solve_triangular(R, torch.eye(R.shape[-1]).to(R), upper=True)
    Q, R = (exact @ inverse).float(), R.float()
    for place, good in enumerate(wide.tolist()):
        if not good:
            Q[place], R[place] = _reflected(columns[place])
    return Q, R


def filled(Q: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """``Q`` (m, p), its columns of no length replaced by random ones, orthonormal to the others.

    ``lengths`` (p,) are those that the columns had before they were normalised. One that was rounding has a
    direction of no meaning; as Householder's reflections and LAPACK's SVD leave it, it may be a unit vector,
    and W may never have anything there. The random numbers are a generator's own, the same each time.
    """
    sizes = lengths.abs()
    known = sizes > torch.finfo(Q.dtype).eps * sizes.max()
    if bool(known.all()):
        return Q
    generator = torch.Generator().manual_seed(0)
    drawn = torch.randn(Q.shape[0], int((~known).sum()), generator=generator).to(Q)
    columns = torch.cat([Q[:, known], drawn], dim=1)
    found = Q.clone()
    found[:, ~known] = torch.linalg.qr(columns).Q[:, int(known.sum()) :]
    return found


def _reflected(columns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """In two parts, as torch.linalg.qr does it with a triangle of R beside."""
    reflectors, tau = torch.geqrf(columns)
    return torch.linalg.householder_product(reflectors, tau), reflectors[..., : columns.shape[-1], :]
