"""Products with a few vectors: the same in every form."""

from __future__ import annotations

import pytest
import torch

from sigmascope.spectra.products import times


@pytest.mark.parametrize("shape", [(60, 40), (1024, 512), (768, 1024), (1021, 1024), (1024, 1021)])
@pytest.mark.parametrize("count", [1, 8, 16, 40])
def test_products_in_either_layout(shape: tuple[int, int], count: int) -> None:
    generator = torch.Generator().manual_seed(count)
    W = torch.randn(shape, generator=generator)
    for matrix in (W, W.T, W.double().T, W[:, ::2].T):
        vectors = torch.randn(matrix.shape[1], count, generator=generator).to(matrix.dtype)
        found = times(matrix, vectors)
        expected = (matrix.double() @ vectors.double()).to(matrix.dtype)
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-3)
        assert torch.equal(found, times(matrix, vectors))
