"""What every predictor promises, checked for each of them."""

import io
import math

import numpy as np
import pytest
import torch

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.prediction import DEFAULT_PREDICTORS, PREDICTORS, make_predictor

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


@pytest.mark.parametrize("name", [name for name in PREDICTORS if name != "hold"])
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
    for missing in (None, np.zeros((9, 8))):
        with pytest.raises(InvalidValueError, match=r"G must be a torch\.Tensor, got .* has no gradient"):
            tracker.step(missing)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"weight matrix must be a torch\.Tensor, got ndarray"):
        tracker.start(np.zeros((9, 8)))  # type: ignore[arg-type]


@each
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_single_bad_entry_is_reported(name: str, value: float) -> None:
    tracker = make_predictor(name, k=2)
    tracker.start(weights(30, 20))
    G = torch.zeros(30, 20)
    G[17, 11] = value
    with pytest.raises(NumericalError, match=f"{name}: the weight change holds NaN or infinity"):
        tracker.step(G)


@each
@pytest.mark.parametrize("rank", [0, 2], ids=["zero weights", "rank below k"])
def test_rank_deficient_weights(name: str, rank: int) -> None:
    """Values beyond the rank are 0 at the start; small full-rank changes after it keep all of them sane."""
    W0 = weights(20, max(rank, 1)) @ weights(max(rank, 1), 12, seed=1) * (rank > 0)
    tracker = make_predictor(name, k=5)
    tracker.start(W0)
    np.testing.assert_allclose(tracker.singular_values[rank:], 0.0, atol=1e-6)  # rounding of the SVD
    for seed in range(30):
        tracker.step(0.01 * weights(20, 12, seed=seed))
        values = tracker.singular_values
        assert torch.isfinite(values).all()
        assert (values[:-1] >= values[1:]).all()
        assert (values >= 0).all()


@each
def test_all_values_of_a_square_layer(name: str) -> None:
    """k = min(m, n), the largest that exists."""
    W0 = weights(9, 9)
    tracker = make_predictor(name, k=9)
    tracker.start(W0)
    tracker.step(0.01 * weights(9, 9, seed=1))
    assert tracker.singular_values.shape == (9,)
    assert torch.isfinite(tracker.singular_values).all()


@each
def test_values_stay_sorted_when_modes_cross(name: str) -> None:
    """Two modes swap their order; the values, not the modes, are numbered."""
    U, _, Vh = torch.linalg.svd(weights(12, 6).double(), full_matrices=False)
    start = torch.tensor([3.0, 2.0, 1.0, 0.5, 0.4, 0.3], dtype=torch.float64)
    change = torch.tensor([-0.02, 0.03, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    tracker = make_predictor(name, k=3)
    tracker.start(U @ torch.diag(start) @ Vh)
    for _ in range(40):
        tracker.step(U @ torch.diag(change) @ Vh)
        values = tracker.singular_values
        assert (values[:-1] >= values[1:]).all()
    moved = (start + 40 * change * (name != "hold")).sort(descending=True).values[:3]
    # No mixing: exact for each, up to rounding of 40 steps and what subspace still carries of the old order
    np.testing.assert_allclose(values, moved, rtol=1e-5)


@each
@pytest.mark.parametrize("shape", [(20, 12), (12, 20), (12, 12)])
def test_continues_bit_for_bit_from_a_saved_state(name: str, shape: tuple[int, int]) -> None:
    steps = [0.02 * weights(*shape, seed=seed) for seed in range(1, 12)]
    tracker, heir = make_predictor(name, k=3), make_predictor(name, k=3)
    tracker.start(weights(*shape))
    for G in steps[:5]:
        tracker.step(G)
    file = io.BytesIO()
    torch.save(tracker.state_dict(), file)
    for G in steps[5:]:
        tracker.step(G)  # the saved state does not move with the tracker
    file.seek(0)
    heir.load_state_dict(torch.load(file, weights_only=True))
    for G in steps[5:]:
        heir.step(G)
    assert torch.equal(heir.singular_values, tracker.singular_values)


@each
def test_a_state_of_another_predictor_is_refused(name: str) -> None:
    tracker = make_predictor(name, k=3)
    tracker.start(weights(9, 8))
    before = tracker.singular_values
    with pytest.raises(InvalidValueError, match=r"k = 2 but this predictor 3: build it as"):
        tracker.load_state_dict(make_predictor(name, k=2).state_dict())
    other = "hold" if name != "hold" else "subspace"
    with pytest.raises(InvalidValueError, match=f"name = '{other}' but this predictor '{name}'"):
        tracker.load_state_dict(make_predictor(other, k=3).state_dict())
    state = tracker.state_dict()
    tensors = [key for key, entry in state.items() if isinstance(entry, torch.Tensor)]
    for missing in [*tensors, "shape"]:
        with pytest.raises(InvalidValueError, match=f"lacks.*'{missing}'"):
            tracker.load_state_dict({key: entry for key, entry in state.items() if key != missing})
    assert torch.equal(tracker.singular_values, before)


@each
def test_a_state_from_before_start(name: str) -> None:
    tracker = make_predictor(name, k=3)
    tracker.start(weights(9, 8))
    tracker.load_state_dict(make_predictor(name, k=3).state_dict())
    with pytest.raises(InvalidValueError, match="before start"):
        _ = tracker.singular_values


@each
def test_a_scaled_gradient_is_the_change_it_stands_for(name: str) -> None:
    gradients = [weights(20, 12, seed=seed) for seed in range(1, 9)]
    scaled, multiplied = make_predictor(name, k=3), make_predictor(name, k=3)
    for tracker in (scaled, multiplied):
        tracker.start(weights(20, 12))
    for gradient in gradients:
        scaled.step(gradient, scale=-0.02)
        multiplied.step(-0.02 * gradient)
    np.testing.assert_allclose(scaled.singular_values, multiplied.singular_values, rtol=1e-5)


def test_defaults_exist() -> None:
    assert set(DEFAULT_PREDICTORS) <= set(PREDICTORS)


def test_unknown_predictor() -> None:
    with pytest.raises(
        InvalidValueError, match="'oracle'; choose one of algorithm1, first_order, subspace, hold"
    ):
        make_predictor("oracle", k=3)


@each
def test_a_fractional_k_and_a_float64_change(name: str) -> None:
    with pytest.raises(InvalidValueError, match=r"k must be a whole number, got 2\.5"):
        make_predictor(name, k=2.5)  # type: ignore[arg-type]
    tracker = make_predictor(name, k=2)
    tracker.start(1e90 * weights(20, 12).double())
    tracker.step(1e88 * weights(20, 12, seed=1).double())  # beyond float32, and finite
