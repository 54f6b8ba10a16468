"""The leading singular triplets of a matrix."""

from __future__ import annotations

import torch


def leading_triplets(matrix: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """U (m, count), sigma (count,) descending and V (n, count) of ``matrix`` (m, n), m >= n, new tensors.

    By LAPACK's SVD; on CUDA, whose own in float32 is wrong from the fifth digit on and slower, by the
    eigenvectors of W^T W in float64, W V = Q R, and sigma the diagonal of R.
    """
    if matrix.device.type != "cuda":
        U, sigma, Vh = torch.linalg.svd(matrix, full_matrices=False)
        return U[:, :count].clone(), sigma[:count].clone(), Vh[:count].T.clone()
    W = matrix.double()
    V = torch.linalg.eigh(W.mT @ W).eigenvectors.flip(-1)[:, :count]
    Q, R = torch.linalg.qr(W @ V)
    diagonal = R.diagonal()
    U = Q * torch.where(diagonal < 0, -1.0, 1.0)
    return U.to(matrix.dtype), diagonal.abs().to(matrix.dtype), V.to(matrix.dtype)
