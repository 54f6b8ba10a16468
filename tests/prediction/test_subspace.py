"""The subspace tracker against numpy's SVD on matrices that drift."""

import numpy as np
import pytest
import torch

from sigmascope.errors import InvalidValueError
from sigmascope.prediction import Algorithm1, Predictor, Subspace


def drifting(m: int, n: int, *, steps: int, seed: int = 0) -> tuple[np.ndarray, list[np.ndarray]]:
    """A Gaussian W_0, and steps of a growing rank-3 signal in directions of its own plus noise."""
    rng = np.random.default_rng(seed)
    W0 = rng.normal(size=(m, n)) / np.sqrt(n)
    left, right = rng.normal(size=(m, 3)) / np.sqrt(m), rng.normal(size=(n, 3)) / np.sqrt(n)
    strengths = np.array([3.0, 2.0, 1.0]) * 2.0 / steps
    signal = (left * strengths) @ right.T
    return W0, [signal + 0.1 / steps * rng.normal(size=(m, n)) / np.sqrt(n) for _ in range(steps)]


def run(tracker: Predictor, W0: np.ndarray, steps: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(steps + 1, k) said by the tracker, and the truth by numpy."""
    k = len(_started(tracker, W0).singular_values)
    W, seen, truth = W0.copy(), [tracker.singular_values.numpy()], [W0]
    for G in steps:
        tracker.step(torch.from_numpy(G))
        W = W + G
        seen.append(tracker.singular_values.numpy())
        truth.append(W)
    return np.array(seen), np.linalg.svd(np.array(truth), compute_uv=False)[:, :k]


def _started(tracker: Predictor, W0: np.ndarray) -> Predictor:
    tracker.start(torch.from_numpy(W0))
    return tracker


@pytest.mark.parametrize("shape", [(120, 80), (80, 120), (100, 100)])
def test_follows_directions_that_grow_from_nothing(shape: tuple[int, int]) -> None:
    W0, steps = drifting(*shape, steps=200)
    seen, truth = run(Subspace(8), W0, steps)
    assert np.abs(truth[-1] / truth[0] - 1).max() > 0.5  # the spectrum did move
    assert np.abs(seen / truth - 1).max() < 2e-3
    assert np.abs(seen - truth).mean() < 0.01 * np.abs(truth - truth[0]).mean()
    first_order, _ = run(Algorithm1(8), W0, steps)
    assert np.abs(seen - truth).mean() < 0.02 * np.abs(first_order - truth).mean()


def test_never_above_the_truth() -> None:
    """Rayleigh-Ritz values are bounded by the singular values they approximate (Cauchy interlacing)."""
    W0, steps = drifting(60, 40, steps=50)
    seen, truth = run(Subspace(4, oversample=2), W0, steps)
    assert (seen <= truth * (1 + 1e-6)).all()  # float32 output


@pytest.mark.parametrize("half_steps", [1, 2, 4])
def test_converges_on_a_matrix_that_stands_still(half_steps: int) -> None:
    """After one big jump and then G = 0 the values converge to the exact ones from a wrong subspace."""
    rng = np.random.default_rng(3)
    W0, jump = rng.normal(size=(2, 50, 40)) / 7
    steps = [jump, *[np.zeros_like(jump)] * 120]
    seen, truth = run(Subspace(5, half_steps=half_steps), W0, steps)
    np.testing.assert_allclose(seen[-1], truth[-1], rtol=1e-6)


def test_momentum_beats_the_plain_power_method(monkeypatch: pytest.MonkeyPatch) -> None:
    W0, steps = drifting(120, 80, steps=150)
    seen, truth = run(Subspace(8), W0, steps)
    monkeypatch.setattr(Subspace, "_momentum", lambda self: 0.0)
    plain, _ = run(Subspace(8), W0, steps)
    assert np.abs(seen - truth).mean() < 0.5 * np.abs(plain - truth).mean()


@pytest.mark.parametrize("shape", [(40, 10), (10, 40), (30, 1)])
def test_exact_where_all_vectors_fit(shape: tuple[int, int]) -> None:
    W0, steps = drifting(*shape, steps=30)
    seen, truth = run(Subspace(min(8, *shape)), W0, steps)
    np.testing.assert_allclose(seen, truth, rtol=1e-6)


def test_starts_from_zero_weights() -> None:
    rng = np.random.default_rng(5)
    low_rank = rng.normal(size=(50, 3)) @ rng.normal(size=(3, 40))
    seen, truth = run(Subspace(6), np.zeros((50, 40)), [low_rank] * 20)
    np.testing.assert_allclose(seen[-1], truth[-1], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"oversample": -1}, "oversample must be at least 0, got -1"), ({"half_steps": 0}, "half_steps.*got 0")],
)
def test_bad_parameters(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Subspace(4, **arguments)
