"""Algorithm 1 against a literal transcription of the paper, loop by loop, in numpy."""

import numpy as np
import pytest
import torch

from sigmascope.errors import InvalidValueError
from sigmascope.prediction import Algorithm1


def gram_schmidt(columns: list[np.ndarray]) -> np.ndarray:
    basis: list[np.ndarray] = []
    for column in columns:
        rest = column.copy()
        for earlier in basis:
            rest = rest - (earlier @ rest) * earlier
        basis.append(rest / np.sqrt(rest @ rest))
    return np.stack(basis, axis=1)


def literal(
    W0: np.ndarray, gradients: list[np.ndarray], *, k: int, epsilon: float, delta: float
) -> np.ndarray:
    """{sigma^(t)}, t = 0 ... T, in the order of modes; gradients are those of the loss times -eta."""
    U, s, Vt = np.linalg.svd(W0, full_matrices=False)  # line 3
    Uk, sigma, Vk = U[:, :k], s[:k].copy(), Vt[:k].T
    output = [sigma.copy()]
    for G in gradients:  # lines 4 and 5
        M = Uk.T @ G @ Vk  # line 6
        U_tilde, V_tilde = [], []
        for i in range(k):  # line 7
            delta_sigma = M[i, i]  # line 8
            du, dv = np.zeros(len(Uk)), np.zeros(len(Vk))
            for j in range(k):  # line 9
                if j != i:
                    factor = M[j, i] / (sigma[i] - sigma[j] + epsilon) + M[i, j] / (
                        sigma[i] + sigma[j] + epsilon
                    )
                    du += factor * Uk[:, j]
                    dv += factor * Vk[:, j]
            sigma[i] = max(sigma[i] + delta_sigma, delta)  # line 10
            U_tilde.append(Uk[:, i] + du)  # line 11
            V_tilde.append(Vk[:, i] + dv)
        new_U, new_V = gram_schmidt(U_tilde), gram_schmidt(V_tilde)  # line 13
        Uk = new_U * np.where(np.sum(new_U * Uk, axis=0) < 0, -1.0, 1.0)  # line 14
        Vk = new_V * np.where(np.sum(new_V * Vk, axis=0) < 0, -1.0, 1.0)
        output.append(sigma.copy())
    return np.array(output)


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (12, 12), (9, 1)])
@pytest.mark.parametrize("size", [1e-3, 0.3], ids=["small steps", "steps that reorder the modes"])
def test_equals_the_papers_loops(shape: tuple[int, int], size: float) -> None:
    rng = np.random.default_rng(7)
    W0 = rng.normal(size=shape) / np.sqrt(shape[1])
    steps = [size * rng.normal(size=shape) / np.sqrt(shape[1]) for _ in range(25)]
    k = min(6, *shape)
    # The algorithm is stated for m >= n; transposing swaps the roles of U and V.
    turn = shape[0] < shape[1]
    expected = literal(
        W0.T if turn else W0, [G.T if turn else G for G in steps], k=k, epsilon=1e-4, delta=0.05
    )
    tracker = Algorithm1(k, epsilon=1e-4, delta=0.05)
    tracker.start(torch.from_numpy(W0))
    seen = [tracker.singular_values.numpy()]
    for G in steps:
        tracker.step(torch.from_numpy(G))
        seen.append(tracker.singular_values.numpy())
    # Same arithmetic in float64, differently ordered; near-crossings amplify rounding by up to 1/epsilon.
    np.testing.assert_allclose(np.array(seen), -np.sort(-expected, axis=1), rtol=2e-6, atol=2e-6)


def test_floor_delta() -> None:
    tracker = Algorithm1(2, delta=0.25)
    tracker.start(torch.diag(torch.tensor([2.0, 1.0])))
    tracker.step(torch.diag(torch.tensor([0.0, -5.0])))
    assert tracker.singular_values.tolist() == [2.0, 0.25]


def test_is_blind_to_growth_outside_the_initial_span() -> None:
    """What the paper's update leaves out: a direction that overtakes the tracked ones is never seen."""
    tracker = Algorithm1(1)
    tracker.start(torch.diag(torch.tensor([2.0, 1.0])))
    for _ in range(10):
        tracker.step(torch.diag(torch.tensor([0.0, 0.5])))
    assert tracker.singular_values.tolist() == [2.0]  # the truth is 6


@pytest.mark.parametrize(
    "arguments", [{"epsilon": 0.0}, {"delta": -1.0}, {"epsilon": float("nan")}, {"epsilon": float("inf")}]
)
def test_bad_parameters(arguments: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match="epsilon and delta must be positive"):
        Algorithm1(3, **arguments)
