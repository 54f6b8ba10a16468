"""The leading singular triplets of a matrix."""

from __future__ import annotations

from functools import cached_property

import torch


class Triplets:
    """The singular triplets of ``matrix`` (m, n), m >= n, decomposed once, when they are first asked for.

    By LAPACK's SVD; on CUDA, whose own in float32 is wrong from the fifth digit on and slower, by the
    eigenvectors of W^T W in float64, W V = Q R, and sigma the diagonal of R.
    """

    def __init__(self, matrix: torch.Tensor) -> None:
        self._matrix = matrix

    def leading(self, count: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """U (m, count), sigma (count,) descending and V (n, count), new tensors."""
        if self._matrix.device.type != "cuda":
            U, sigma, Vh = self._svd
            return U[:, :count].clone(), sigma[:count].clone(), Vh[:count].T.clone()
        W, V, dtype = self._matrix.double(), self._eigenvectors[:, :count], self._matrix.dtype
        Q, R = torch.linalg.qr(W @ V)
        diagonal = R.diagonal()
        U = Q * torch.where(diagonal < 0, -1.0, 1.0)
        return U.to(dtype), diagonal.abs().to(dtype), V.to(dtype)

    @cached_property
    def _svd(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        U, sigma, Vh = torch.linalg.svd(self._matrix, full_matrices=False)
        return U, sigma, Vh

    @cached_property
    def _eigenvectors(self) -> torch.Tensor:
        """(n, n) in float64, those of the largest eigenvalues first."""
        W = self._matrix.double()
        V: torch.Tensor = torch.linalg.eigh(W.mT @ W).eigenvectors
        return V.flip(-1)
