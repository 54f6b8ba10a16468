"""First-order perturbation against numpy's form of it and against finite differences."""

import numpy as np
import torch

from sigmascope.prediction import FirstOrder
from sigmascope.theory.perturbation import vector_change


def separated(m: int, n: int, values: list[float], *, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.normal(size=(m, len(values))))[0]
    V = np.linalg.qr(rng.normal(size=(n, len(values))))[0]
    return np.asarray((U * values) @ V.T)


def started(W0: np.ndarray, k: int) -> FirstOrder:
    tracker = FirstOrder(k)
    tracker.start(torch.from_numpy(W0))
    return tracker


def test_vectors_move_as_the_numpy_form_says() -> None:
    """To first order: the difference is of second order, so it falls 100-fold when G falls 10-fold."""
    W0 = separated(14, 9, [5.0, 4.0, 3.0, 2.0])
    E = np.random.default_rng(1).normal(size=W0.shape)
    errors = []
    for size in (1e-4, 1e-5):
        tracker = started(W0, 4)
        U, V, sigma = (x.clone().numpy() for x in (tracker._U, tracker._V, tracker._sigma))
        tracker.step(torch.from_numpy(size * E))
        dU, dV = vector_change(size * E, U=U, singular_values=sigma, V=V)
        moved_U, moved_V = tracker._U.numpy() - U, tracker._V.numpy() - V
        errors.append(max(np.abs(moved_U - dU).max(), np.abs(moved_V - dV).max()))
        assert np.abs(dU).max() > 0.1 * size  # something moved
    assert errors[0] < 1e-6
    assert 50 < errors[0] / errors[1] < 200


def test_values_follow_small_steps_through_large_changes() -> None:
    """All triplets tracked, none near another: an Euler method, whose error halves with the step."""
    W0 = separated(14, 4, [8.0, 6.0, 4.0, 2.0])
    E = np.random.default_rng(2).normal(size=W0.shape) / 4
    truth = np.linalg.svd(W0 + E, compute_uv=False)
    errors = []
    for steps in (50, 100):
        tracker = started(W0, 4)
        for _ in range(steps):
            tracker.step(torch.from_numpy(E / steps))
        errors.append(np.abs(tracker.singular_values.numpy() - truth).max())
    assert errors[0] < 0.02 * np.abs(truth - [8, 6, 4, 2]).max()
    assert 1.7 < errors[0] / errors[1] < 2.4  # first order in the step


def test_turns_towards_a_direction_outside_the_span() -> None:
    """What Algorithm 1 cannot do: G lifts a direction coupled to u_1, and the span follows."""
    tracker = started(np.diag([2.0, 1.0, 0.5]), 1)
    G = np.zeros((3, 3))
    G[2, 0] = 0.05
    for _ in range(20):
        tracker.step(torch.from_numpy(G))
    truth = np.linalg.svd(np.diag([2.0, 1.0, 0.5]) + 20 * G, compute_uv=False)[0]
    assert abs(float(tracker.singular_values[0]) - truth) < 0.3 * (truth - 2.0)


def test_tied_values_stay_finite_and_orthonormal() -> None:
    """Gaps of zero and next to zero, where the printed and the plain exact form divide by nothing."""
    W0 = separated(10, 6, [2.0, 2.0, 2.0, 1.0, 1.0 + 1e-15])
    tracker = started(W0, 5)
    for seed in range(50):
        tracker.step(torch.from_numpy(0.05 * np.random.default_rng(seed).normal(size=W0.shape)))
    for vectors in (tracker._U, tracker._V):
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(5), atol=1e-12)  # float64 rounding
    assert torch.isfinite(tracker.singular_values).all()


def test_a_value_crosses_zero() -> None:
    """It comes out on the other side with its vector's sign changed, as singular values do."""
    tracker = started(np.diag([3.0, 1.0]), 2)
    for _ in range(4):
        tracker.step(torch.tensor([[0.0, 0.0], [0.0, -0.4]], dtype=torch.float64))
    np.testing.assert_allclose(tracker.singular_values, [3.0, 0.6], rtol=1e-6)
