"""Re-anchoring: every R batches a predictor is back at the truth."""

import io

import numpy as np
import pytest
import torch

from sigmascope.errors import InvalidValueError
from sigmascope.prediction import PREDICTORS, Hold, Reanchored, make_predictor

ROWS, COLUMNS, K, EVERY = 16, 10, 3, 4


def matrices(count: int, *, seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(ROWS, COLUMNS, generator=generator, dtype=torch.float64) for _ in range(count)]


def truth(W: torch.Tensor) -> np.ndarray:
    return np.linalg.svd(W.numpy(), compute_uv=False)[:K]


@pytest.mark.parametrize("name", PREDICTORS)
def test_begins_anew_at_the_weights_every_r_batches(name: str) -> None:
    """After R batches the next prediction is that of a fresh predictor one batch old."""
    W = matrices(1, seed=0)[0]
    tracker = Reanchored(make_predictor(name, k=K), every=EVERY)
    tracker.start(W)
    assert tracker.name == name
    for t, G in enumerate(matrices(13, seed=1)):
        G = 0.1 * G
        if t % EVERY == 0:
            fresh = make_predictor(name, k=K)
            fresh.start(W)
        tracker.step(G, weights=W)
        fresh.step(G)
        W += G  # in place, as an optimizer does it
        assert torch.equal(tracker.singular_values, fresh.singular_values)


def test_hold_keeps_the_last_anchor() -> None:
    W, G = matrices(1, seed=0)[0], 0.1 * matrices(1, seed=1)[0]
    tracker = Reanchored(Hold(K), every=2)
    tracker.start(W)
    seen = []
    for _ in range(4):
        tracker.step(G, weights=W)
        seen.append(tracker.singular_values.numpy())
        W = W + G
    np.testing.assert_allclose(seen[1], truth(W - 4 * G), rtol=1e-6)  # float32 output
    np.testing.assert_allclose(seen[3], truth(W - 2 * G), rtol=1e-6)


def test_continues_from_a_saved_state() -> None:
    W, steps = matrices(1, seed=0)[0], [0.1 * G for G in matrices(9, seed=1)]
    tracker = Reanchored(make_predictor("algorithm1", k=K), every=EVERY)
    heir = Reanchored(make_predictor("algorithm1", k=K), every=EVERY)
    tracker.start(W)
    for t, G in enumerate(steps):
        if t == 3:
            file = io.BytesIO()
            torch.save(tracker.state_dict(), file)
            file.seek(0)
            heir.load_state_dict(torch.load(file, weights_only=True))
        if t >= 3:
            heir.step(G, weights=W)
        tracker.step(G, weights=W)
        W = W + G
    assert torch.equal(heir.singular_values, tracker.singular_values)


def test_bad_input() -> None:
    with pytest.raises(InvalidValueError, match="every must be at least 1, got 0"):
        Reanchored(Hold(K), every=0)
    with pytest.raises(InvalidValueError, match=r"every must be a whole number, got 2\.5"):
        Reanchored(Hold(K), every=2.5)  # type: ignore[arg-type]
    tracker = Reanchored(Hold(K), every=2)
    tracker.start(matrices(1, seed=0)[0])
    with pytest.raises(InvalidValueError, match=r"shape of G, \(16, 10\), got \(10, 16\)"):
        tracker.step(torch.zeros(ROWS, COLUMNS), weights=torch.zeros(COLUMNS, ROWS))
    with pytest.raises(InvalidValueError, match=r"G must be a torch\.Tensor, got NoneType"):
        tracker.step(None, weights=torch.zeros(ROWS, COLUMNS))  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="every = 3 but this predictor 2"):
        tracker.load_state_dict(Reanchored(Hold(K), every=3).state_dict())
