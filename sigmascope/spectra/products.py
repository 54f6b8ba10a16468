"""Products of a large matrix with a few vectors and with itself, in the form that BLAS is fast at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch

from sigmascope.spectra.stacks import aligned, by_shape, on_cpu

# Vectors from which on a matrix by rows is best multiplied as it is.
_MANY = 16
# Entries from which on a matrix by columns is best multiplied in blocks, and how many blocks.
_LARGE, _BLOCKS = 2**19, 4


def times(matrix: torch.Tensor, vectors: torch.Tensor) -> torch.Tensor:
    """(m, p): ``matrix`` (m, n) times ``vectors`` (n, p).

    In the form that MKL is fastest at, measured on 256 x 256 to 4096 x 4096 in float32. By rows, few vectors
    go through (vectors^T matrix^T)^T: 1.8 times faster with 8 of them on 1024 x 1024; more than 8 are filled
    up with zeros to 16, in less time than 12 take as they are. A transposed view goes through the same, 10
    times faster with 8 where a general product falls off the fast path, and in blocks of its columns where it
    is large, 1.2 to 1.7 times faster again. For one vector alone a large matrix by rows is taken in blocks of
    rows, its transposed view in blocks whose products are added up: 1.5 to 4 times faster than ``torch.mv``,
    which leaves all but one core idle.
    """
    m, p = matrix.shape[0], vectors.shape[1]  # len() of a tensor takes ten times as long
    by_rows = matrix.is_contiguous()
    if by_rows and p >= _MANY:
        return matrix @ vectors
    if by_rows and p > _MANY // 2 and matrix.numel() >= _LARGE and matrix.device.type == "cpu":
        return (matrix @ torch.nn.functional.pad(vectors, (0, _MANY - p)))[:, :p].contiguous()
    stored = matrix if by_rows else matrix.T
    if stored.numel() >= _LARGE and stored.device.type == "cpu" and stored.is_contiguous():
        if p == 1 and len(stored) % _BLOCKS == 0:
            return _one_vector(stored.view(_BLOCKS, -1, stored.shape[1]), vectors, by_rows=by_rows)
        if not by_rows and m % _BLOCKS == 0:
            blocks = stored.view(-1, _BLOCKS, m // _BLOCKS).transpose(0, 1)
            return torch.bmm(vectors.T.expand(_BLOCKS, -1, -1), blocks).transpose(1, 2).reshape(m, p)
    return (vectors.T @ matrix.T).T


def times_each(matrices: Sequence[torch.Tensor], vectors: torch.Tensor) -> torch.Tensor:
    """(b, m, p): each of ``matrices``, (m, n), times its own of ``vectors`` (b, n, p), both as ``stacked``.

    On a GPU, where a launch takes longer than a copy, by one product of a copy of all.
    """
    if len(matrices) == 1:
        return times(matrices[0], vectors)
    if vectors.device.type == "cpu":
        return torch.stack([times(*pair) for pair in zip(matrices, vectors, strict=True)])
    return torch.stack(list(matrices)) @ vectors


def times_all(matrices: Iterable[torch.Tensor], vectors: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """Each of ``matrices``, of any shapes, times its own of ``vectors``.

    On the CPU a matrix is multiplied before the next one is asked for; on a GPU those of one shape are by one
    product of their copy.
    """
    if vectors[0].device.type == "cpu":
        return [times(matrix, aligned(X)) for matrix, X in zip(matrices, vectors, strict=True)]
    return [product for (product,) in by_shape(lambda A, X: (A @ X,), list(matrices), vectors)]


def _one_vector(blocks: torch.Tensor, vector: torch.Tensor, *, by_rows: bool) -> torch.Tensor:
    """(m, 1): the matrix that these are ``blocks`` of rows of times ``vector``, or its transpose."""
    if by_rows:
        row = vector.T.expand(_BLOCKS, 1, -1)
        return torch.bmm(row, blocks.transpose(1, 2)).view(-1, 1)
    return torch.bmm(vector.reshape(_BLOCKS, 1, -1), blocks).sum(0).T


def frobenius_norm(matrix: torch.Tensor) -> float:
    """|W|_F; infinite or NaN where an entry is, and where squares leave the range of the type.

    As one product, in half the time of ``torch.linalg.vector_norm``.
    """
    stored = matrix if matrix.is_contiguous() else matrix.T
    flat = stored.flatten()  # a view of what lies in one piece
    return math.sqrt(float(torch.dot(flat, flat)))


def norms_and_distances(
    matrices: Sequence[torch.Tensor], ones: Sequence[torch.Tensor], others: Sequence[torch.Tensor]
) -> list[tuple[float, float]]:
    """|W|_F of each matrix, and |A - B|_F of the A of ``ones`` and B of ``others`` in its place.

    A GPU gets a few launches for all, and is waited for once; A and B may be empty.
    """
    if not all(matrix.is_cuda for matrix in matrices):
        # from the last one on: an optimizer wrote it last, and it may still be in the caches
        backwards = reversed(list(zip(matrices, ones, others, strict=True)))
        return [(frobenius_norm(W), float(torch.dist(A, B))) for W, A, B in backwards][::-1]
    norms = torch._foreach_norm(list(matrices))
    apart = torch._foreach_norm(torch._foreach_sub(list(ones), list(others)))
    found = on_cpu(dict(enumerate([*norms, *apart])))
    count = len(matrices)
    return [(float(found[place]), float(found[count + place])) for place in range(count)]
