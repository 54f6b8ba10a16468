"""What every predictor promises, checked for each of them."""

import math

import numpy as np
import pytest
import torch

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.prediction import PREDICTORS, make_predictor

each = pytest.mark.parametrize("name", PREDICTORS)


def weights(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) / math.sqrt(columns)


@each
@pytest.mark.parametrize("shape", [(20, 12), (12, 20), (7, 1), (1, 1)])
def test_begins_with_the_exact_values(name: str, shape: tuple[int, int]) -> None:
    W0 = weights(*shape)
    tracker = make_predictor(name, k=min(5, *shape))
    tracker.start(W0)
    values = tracker.singular_values
    assert (tracker.name, values.dtype, values.device.type) == (name, torch.float32, "cpu")
    np.testing.assert_allclose(values, np.linalg.svd(W0.numpy(), compute_uv=False)[:5], rtol=1e-5)


@each
def test_first_order_change_of_separated_values_is_exact(name: str) -> None:
    """sigma_k(W + t E) = sigma_k + t u_k^T E v_k + O(t^2); k = n, so that nothing lies outside the span."""
    U, _, Vh = torch.linalg.svd(weights(9, 4).double(), full_matrices=False)
    W0 = U @ torch.diag(torch.tensor([4.0, 3.0, 2.0, 1.0], dtype=torch.float64)) @ Vh
    E = weights(9, 4, seed=1).double()
    tracker = make_predictor(name, k=4)
    tracker.start(W0)
    tracker.step(1e-3 * E)
    expected = torch.tensor([4.0, 3.0, 2.0, 1.0]) + 1e-3 * torch.diagonal(U.T @ E @ Vh.T)
    np.testing.assert_allclose(tracker.singular_values, expected, atol=5e-6)  # second order: 1e-6 x curvature


@each
def test_no_change_without_gradient_and_start_forgets(name: str) -> None:
    W0, other = weights(20, 12), weights(15, 18, seed=2)
    tracker = make_predictor(name, k=5)
    tracker.start(other)
    tracker.step(0.1 * weights(15, 18, seed=3))
    tracker.start(W0)
    before = tracker.singular_values
    for _ in range(5):
        tracker.step(torch.zeros_like(W0))
    np.testing.assert_allclose(tracker.singular_values, before, rtol=2e-6)


@each
def test_stays_finite_from_zero_weights(name: str) -> None:
    """All modes tied at zero, the worst case for anything that divides by their gaps."""
    tracker = make_predictor(name, k=4)
    tracker.start(torch.zeros(20, 12))
    for seed in range(10):
        tracker.step(0.1 * weights(20, 12, seed=seed))
        assert torch.isfinite(tracker.singular_values).all()
        assert (tracker.singular_values >= 0).all()


@each
def test_reads_only(name: str) -> None:
    W0 = weights(20, 12).requires_grad_()
    G = (W0 * 1e-2).T.contiguous().T  # non-contiguous, and part of an autograd graph
    kept_W0, kept_G, random_state = W0.detach().clone(), G.detach().clone(), torch.get_rng_state()
    tracker = make_predictor(name, k=3)
    tracker.start(W0)
    tracker.step(G)
    first = tracker.singular_values
    kept_first = first.clone()
    tracker.step(G)
    assert not first.requires_grad
    assert torch.equal(first, kept_first)  # values handed out do not change later
    assert torch.equal(W0.detach(), kept_W0)
    assert torch.equal(G.detach(), kept_G)
    assert torch.equal(torch.get_rng_state(), random_state)
    with torch.no_grad():
        W0.mul_(100)  # the tracker has its own copy
    tracker.step(G)
    assert float(tracker.singular_values[0]) < 10


@each
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_other_precisions(name: str, dtype: torch.dtype) -> None:
    W0 = weights(20, 12).to(dtype)
    tracker = make_predictor(name, k=3)
    tracker.start(W0)
    tracker.step(torch.zeros_like(W0))
    np.testing.assert_allclose(
        tracker.singular_values, np.linalg.svd(W0.double().numpy(), compute_uv=False)[:3], rtol=1e-5
    )


@each
def test_bad_input(name: str) -> None:
    with pytest.raises(InvalidValueError, match="k must be at least 1, got 0"):
        make_predictor(name, k=0)
    tracker = make_predictor(name, k=5)
    with pytest.raises(InvalidValueError, match="before start"):
        tracker.step(torch.zeros(8, 6))
    with pytest.raises(InvalidValueError, match="before start"):
        _ = tracker.singular_values
    with pytest.raises(InvalidValueError, match=r"min\(m, n\) = 4 for a \(4, 9\) matrix, got 5: lower k"):
        tracker.start(torch.zeros(4, 9))
    with pytest.raises(InvalidValueError, match="two dimensions"):
        tracker.start(torch.zeros(9))
    with pytest.raises(NumericalError, match=r"W0.*NaN"):
        tracker.start(torch.full((9, 8), math.nan))
    tracker.start(weights(9, 8))
    with pytest.raises(InvalidValueError, match=r"shape of W0, \(9, 8\), got \(8, 9\)"):
        tracker.step(torch.zeros(8, 9))


@each
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_single_bad_entry_is_reported(name: str, value: float) -> None:
    tracker = make_predictor(name, k=2)
    tracker.start(weights(30, 20))
    G = torch.zeros(30, 20)
    G[17, 11] = value
    with pytest.raises(NumericalError, match=f"{name}: the weight change holds NaN or infinity"):
        tracker.step(G)


def test_unknown_predictor() -> None:
    with pytest.raises(InvalidValueError, match="'oracle'; choose one of algorithm1, subspace"):
        make_predictor("oracle", k=3)
