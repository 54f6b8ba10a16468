"""Orthonormal columns, of matrices of full rank and of others."""

from __future__ import annotations

import pytest
import torch

from sigmascope.spectra.orthonormal import filled, orthonormal
from sigmascope.spectra.stacks import on_cpu

DEVICES = [
    "cpu",
    pytest.param(
        "cuda",
        marks=[
            pytest.mark.cuda,
            pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU here"),
        ],
    ),
]


def stack() -> torch.Tensor:
    """(6, 50, 7): usual columns, nearly dependent, repeated, missing ones, ones far apart in size, zero."""
    columns = torch.randn(6, 50, 7, generator=torch.Generator().manual_seed(0))
    columns[1, :, 4] = columns[1, :, 2] + 1e-4 * columns[1, :, 4]
    columns[2, :, 5] = columns[2, :, 1]
    columns[2, :, 6] = 0.0
    columns[3] *= 10.0 ** torch.arange(-9, 12, 3)
    columns[4] = 0.0
    return columns


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("scale", [1.0, 1e-12, 1e12])
def test_orthonormal_and_the_same_span(device: str, dtype: torch.dtype, scale: float) -> None:
    columns = stack().to(device, dtype) * scale
    Q, R = orthonormal(columns)
    rounding = 20 * torch.finfo(dtype).eps
    one = torch.eye(7, dtype=dtype, device=device).expand(6, 7, 7)
    torch.testing.assert_close(Q.mT @ Q, one, rtol=0, atol=rounding)
    lengths = torch.linalg.vector_norm(columns, dim=1, keepdim=True)
    assert ((Q @ R.triu() - columns).abs() <= rounding * lengths).all()


@pytest.mark.parametrize("device", DEVICES)
def test_what_is_not_finite_goes_through(device: str) -> None:
    columns = stack().to(device)
    columns[0, 3, 2] = torch.nan
    Q, _ = orthonormal(columns)
    assert Q[0].isnan().any()
    assert Q[1:].isfinite().all()


@pytest.mark.parametrize("device", DEVICES)
def test_results_move_whole_and_in_order(device: str) -> None:
    there = {
        "a": torch.arange(6.0, device=device).view(2, 3),
        "b": torch.tensor(7, device=device),
        "here": torch.tensor([8.0]),
        "c": torch.tensor([9.0, 10.0], device=device),
    }
    found = on_cpu(there)
    assert list(found) == list(there)
    for name, tensor in there.items():
        assert found[name].device.type == "cpu"
        assert torch.equal(found[name], tensor.cpu())
        assert found[name].dtype == tensor.dtype


@pytest.mark.parametrize("device", DEVICES)
def test_columns_of_no_length_are_filled_by_others(device: str) -> None:
    Q = torch.eye(40, 5, device=device)
    lengths = torch.tensor([2.0, 1e-9, 0.5, 0.0, 1e-3], device=device)
    found = filled(Q, lengths)
    assert torch.equal(found[:, [0, 2, 4]], Q[:, [0, 2, 4]])
    assert (found[5:, [1, 3]].norm(dim=0) > 0.8).all()
    torch.testing.assert_close(found.T @ found, torch.eye(5, device=device), atol=1e-5, rtol=0.0)
    assert torch.equal(found, filled(Q, lengths))
    assert filled(Q, torch.ones(5, device=device)) is Q
    nothing = filled(Q, torch.zeros(5, device=device))
    torch.testing.assert_close(nothing.T @ nothing, torch.eye(5, device=device), atol=1e-5, rtol=0.0)
