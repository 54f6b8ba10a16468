"""The subspace tracker against numpy's SVD on matrices that drift."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from sigmascope.errors import InvalidValueError
from sigmascope.prediction import Algorithm1, Predictor, Subspace, WeightChange, step_together, subspace


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
    seen, truth = run(Subspace(8, tolerance=math.inf), W0, steps)
    monkeypatch.setattr(Subspace, "_root", 0.0)
    plain, _ = run(Subspace(8, tolerance=math.inf), W0, steps)
    assert np.abs(seen - truth).mean() < 0.5 * np.abs(plain - truth).mean()


@pytest.mark.parametrize("scale", [1e-25, 1e25])
def test_tiny_and_huge_weights_are_followed_as_others(scale: float) -> None:
    """In float32, which holds no square of theirs."""
    W0, steps = drifting(60, 40, steps=30)
    plain, scaled = Subspace(5), Subspace(5)
    plain.start(torch.tensor(W0, dtype=torch.float32))
    scaled.start(torch.tensor(scale * W0, dtype=torch.float32))
    for G in steps:
        plain.step(torch.tensor(G, dtype=torch.float32))
        scaled.step(torch.tensor(scale * G, dtype=torch.float32))
    torch.testing.assert_close(scaled.singular_values / scale, plain.singular_values, rtol=1e-5, atol=0)


def jump(m: int, n: int, *, seed: int) -> np.ndarray:
    """A rank-one change in directions of its own, of spectral norm 0.1."""
    rng = np.random.default_rng(seed)
    left, right = rng.normal(size=m), rng.normal(size=n)
    return 0.1 * np.outer(left / np.linalg.norm(left), right / np.linalg.norm(right))


@pytest.fixture
def half_steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many trackers made each half step."""
    made: list[int] = []
    half_step = subspace._half_step

    def counted(trackers: Sequence[Subspace], matrices: Iterable[torch.Tensor]) -> object:
        made.append(len(trackers))
        return half_step(trackers, matrices)

    monkeypatch.setattr(subspace, "_half_step", counted)
    return made


@pytest.mark.parametrize("shape", [(220, 180), (180, 220)])
@pytest.mark.parametrize("before", [30, 31], ids=["from the right", "from the left"])
def test_an_outlying_batch_gets_the_half_steps_that_it_needs(
    shape: tuple[int, int], before: int, half_steps: list[int]
) -> None:
    """One large gradient after many small ones, eight times."""
    W0, steps = drifting(*shape, steps=before)
    quiet = [0.001 * G for G in steps]

    def error(tolerance: float) -> float:
        """The largest relative error after the jump, of eight jumps in random directions."""
        runs = [
            run(Subspace(8, tolerance=tolerance), W0, [*quiet, 5 * jump(*shape, seed=seed)])
            for seed in range(8)
        ]
        return max(float(np.abs(seen[-1] / truth[-1] - 1).max()) for seen, truth in runs)

    assert error(1e-4) < 2e-4
    assert len(half_steps) > 8 * (before + 1)
    assert half_steps[:before] == [1] * before  # one each, up to the first jump
    half_steps.clear()
    assert error(math.inf) > 1e-3
    assert len(half_steps) == 8 * (before + 1)


def test_alike_ones_go_on_by_themselves(half_steps: list[int]) -> None:
    """Of three that step together the one whose batch is out of line makes more half steps."""
    W0, _ = drifting(220, 180, steps=1)
    together, alone = ([Subspace(8) for _ in range(3)] for _ in range(2))
    changes = [WeightChange(torch.from_numpy(scale * jump(220, 180, seed=1))) for scale in (1e-5, 1.0, 1e-5)]
    for tracker in (*together, *alone):
        tracker.start(torch.from_numpy(W0))
    step_together(together, changes)
    assert half_steps[0] == 3
    assert set(half_steps[1:]) == {1}
    for tracker, lone, change in zip(together, alone, changes, strict=True):
        lone.step(change.direction)
        torch.testing.assert_close(tracker.singular_values, lone.singular_values, rtol=1e-6, atol=0)


def test_values_of_lost_rank_do_not_ask_for_half_steps(half_steps: list[int]) -> None:
    rng = np.random.default_rng(6)
    low_rank = rng.normal(size=(150, 3)) @ rng.normal(size=(3, 140))
    tracker = Subspace(6)
    tracker.start(torch.tensor(low_rank, dtype=torch.float32))
    for _ in range(5):
        tracker.step(torch.tensor(0.01 * low_rank, dtype=torch.float32))
    tracker.start(torch.zeros(150, 140))
    tracker.step(torch.zeros(150, 140))
    assert len(half_steps) == 6


def test_every_number_of_a_residual_is_looked_at_in_turn() -> None:
    W0 = np.arange(131 * 90, dtype=np.float64).reshape(131, 90)
    tracker = Subspace(2)
    tracker.start(torch.from_numpy(W0))
    seen: set[float] = set()
    for _ in range(8):
        rows, trial = tracker._sample()
        assert rows.shape[1] == 131 + 90 - len(tracker._trial)
        assert len(rows) == len(trial)
        seen |= set(rows[:, 0].tolist())
    assert len(seen) == len(tracker._trial)


def test_modes_are_the_singular_triplets() -> None:
    """Consistent signs: left^T W right is positive and diagonal; near the truth after many batches."""
    W0, steps = drifting(120, 80, steps=120)
    for turned in (False, True):
        tracker = Subspace(3)
        run(tracker, W0.T if turned else W0, [G.T if turned else G for G in steps])
        modes = tracker.modes()
        W = torch.from_numpy(W0 + sum(steps))
        assert (modes.left.shape, modes.right.shape) == ((120, 3), (80, 3))
        np.testing.assert_allclose(modes.singular_values, tracker.singular_values, rtol=1e-6)
        middle = modes.left.T @ W @ modes.right
        # float64 rounding, and that of summing the steps in another order
        np.testing.assert_allclose(middle, torch.diag(modes.singular_values), atol=1e-10)
        for side in (modes.left, modes.right):
            np.testing.assert_allclose(side.T @ side, torch.eye(3), atol=1e-10)
        U, _, Vt = np.linalg.svd(W.numpy(), full_matrices=False)
        # separated signal modes; the angle is the square root of the values' error, 1e-3 at most here
        assert np.abs(np.sum(U[:, :3] * modes.left.numpy(), axis=0)).min() > 0.99
        assert np.abs(np.sum(Vt[:3].T * modes.right.numpy(), axis=0)).min() > 0.99


@pytest.mark.parametrize("shape", [(20, 12), (12, 20), (9, 4), (5, 5)])
def test_modes_at_the_start_are_exact(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    W0 = rng.normal(size=shape)
    modes = _started(Subspace(3, oversample=4), W0).modes()  # type: ignore[attr-defined]
    tall_W0 = torch.from_numpy(W0 if shape[0] >= shape[1] else W0.T)
    expected = np.linalg.svd(W0, compute_uv=False)[:3]
    np.testing.assert_allclose(modes.left.T @ tall_W0 @ modes.right, np.diag(expected), atol=1e-10)


def test_modes_of_rank_deficient_weights_are_orthonormal() -> None:
    modes = _started(Subspace(4), np.zeros((20, 12))).modes()  # type: ignore[attr-defined]
    np.testing.assert_allclose(modes.left.T @ modes.left, np.eye(4), atol=1e-12)
    np.testing.assert_allclose(modes.right.T @ modes.right, np.eye(4), atol=1e-12)
    with pytest.raises(InvalidValueError, match="no modes before start"):
        Subspace(4).modes()


@pytest.mark.parametrize("oversample", [0, 1, 2, 8])
def test_any_oversampling(oversample: int) -> None:
    W0, steps = drifting(60, 40, steps=60)
    seen, truth = run(Subspace(4, oversample=oversample), W0, steps)
    # with none to spare the fourth value is tracked against its neighbours by the power method alone
    assert np.abs(seen / truth - 1).max() < 0.1
    assert np.abs(seen[-1, :3] / truth[-1, :3] - 1).max() < 0.02


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


@pytest.mark.parametrize("rank", [0, 3])
@pytest.mark.parametrize("idle", [0, 3])
@pytest.mark.parametrize("shape", [(200, 64), (64, 200)])
def test_growth_is_seen_where_no_unit_vector_looks(shape: tuple[int, int], idle: int, rank: int) -> None:
    """The first rows and columns never move, as of dead inputs and dead units; nor does all, at first."""
    rng = np.random.default_rng(6)
    W0 = np.zeros(shape)
    W0[:rank, :rank] = 0.01 * np.eye(rank)
    grown = np.zeros(shape)
    grown[30:, 30:] = rng.normal(size=(shape[0] - 30, 8)) @ rng.normal(size=(8, shape[1] - 30))
    steps = [np.zeros(shape)] * idle + [grown / 20] * 20
    seen, truth = run(Subspace(6), W0, steps)
    np.testing.assert_allclose(seen[-1], truth[-1], rtol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"oversample": -1}, "oversample must be at least 0, got -1"),
        ({"oversample": 2.5}, "oversample must be a whole number, got 2.5"),
        ({"half_steps": 0}, "half_steps must be at least 1, got 0"),
        ({"half_steps": 1.5}, "half_steps must be a whole number, got 1.5"),
        ({"tolerance": 0.0}, "tolerance must be positive, got 0.0"),
        ({"tolerance": math.nan}, "tolerance must be positive, got nan"),
    ],
)
def test_bad_parameters(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Subspace(4, **arguments)
