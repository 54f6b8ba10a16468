"""Predictors that step together say what they say alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.prediction import (
    PREDICTORS,
    Subspace,
    WeightChange,
    make_predictor,
    start_together,
    step_together,
)
from sigmascope.prediction.together import alike, modes_together
from sigmascope.trackers import Trackers

OVERFLOWS = WeightChange(torch.full((6, 5), 2e38), -100.0)  # finite itself
SHAPES = [(30, 20), (20, 30), (30, 20), (30, 20), (6, 30), (20, 30), (90, 40), (40, 70), (40, 40), (90, 40)]


def matrix(rows: int, columns: int, *, seed: int) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) / math.sqrt(columns)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_as_alone(dtype: torch.dtype) -> None:
    """Every kind, in every shape, one of them without rank and one that skips batches."""
    weights = [matrix(*shape, seed=i).to(dtype) for i, shape in enumerate(SHAPES)]
    weights[2] = weights[2][:, :3] @ matrix(3, 20, seed=50).to(dtype)
    pairs = [
        (make_predictor(name, k=4), make_predictor(name, k=4), W, shown)
        for shown, W in enumerate(weights)
        for name in PREDICTORS
    ]
    for alone, together, W, _ in pairs:
        alone.start(W)
        together.start(W)
    for step in range(12):
        stepping = [pair for pair in pairs if pair[3] != 3 or step % 3]
        changes = [
            WeightChange(matrix(*W.shape, seed=100 * step + i).to(dtype), -0.02) for _, _, W, i in stepping
        ]
        for (alone, *_), change in zip(stepping, changes, strict=True):
            alone.step(change.direction, scale=change.scale)
        step_together([together for _, together, _, _ in stepping], changes)
    for alone, together, _, i in pairs:
        np.testing.assert_allclose(
            together.singular_values, alone.singular_values, rtol=2e-5, err_msg=f"{alone.name} {SHAPES[i]}"
        )


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (30, 3), (1, 7)])
def test_predictors_of_a_layer_start_from_one_decomposition(
    shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    W, k, decompose, done = matrix(*shape, seed=0), min(2, *shape), torch.linalg.svd, []

    def counted(*arguments: object, **settings: object) -> object:
        done.append(arguments)
        return decompose(*arguments, **settings)  # type: ignore[arg-type]

    alone = [make_predictor(name, k=k) for name in PREDICTORS]
    for predictor in alone:
        predictor.start(W)
    monkeypatch.setattr(torch.linalg, "svd", counted)
    together = [make_predictor(name, k=k) for name in PREDICTORS]
    start_together(together, W)
    assert len(done) == 1
    for one, other in zip(alone, together, strict=True):
        assert str(one.state_dict()) == str(other.state_dict())
        G = matrix(*shape, seed=1)
        one.step(G, scale=0.1)
        other.step(G, scale=0.1)
        assert torch.equal(one.singular_values, other.singular_values)


def test_alike_are_those_of_one_kind_and_small_ones_of_one_shape_and_side() -> None:
    shapes = [(20, 30), (30, 21), (30, 20), (40, 50), (60, 40)]
    trackers = [Subspace(4) for _ in shapes]
    for tracker, shape in zip(trackers, shapes, strict=True):
        tracker.start(matrix(*shape, seed=0))
    assert alike(trackers) == [[0, 2], [1], [3, 4]]
    trackers[0].step(torch.zeros(20, 30))  # it now multiplies from the other side
    trackers[3].step(torch.zeros(40, 50))
    assert alike(trackers) == [[0], [1], [2], [3, 4]]


def test_modes_of_many() -> None:
    weights = [matrix(*shape, seed=i) for i, shape in enumerate(SHAPES)]
    trackers = [Subspace(4) for _ in weights]
    for tracker, W in zip(trackers, weights, strict=True):
        tracker.start(W)
    step_together(trackers, [WeightChange(torch.zeros_like(W)) for W in weights])
    for modes, W in zip(modes_together(trackers), weights, strict=True):
        turned = W if W.shape[0] >= W.shape[1] else W.T
        found = modes.left.T @ turned @ modes.right
        torch.testing.assert_close(found, modes.singular_values.diag(), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(modes.left.T @ modes.left, torch.eye(4), rtol=0, atol=1e-5)
        torch.testing.assert_close(modes.right.T @ modes.right, torch.eye(4), rtol=0, atol=1e-5)


def test_bad_input() -> None:
    trackers = [Subspace(2), Subspace(2)]
    zero = WeightChange(torch.zeros(5, 4))
    with pytest.raises(InvalidValueError, match="before start"):
        step_together(trackers, [zero, zero])
    with pytest.raises(InvalidValueError, match="before start"):
        modes_together(trackers)
    for tracker in trackers:
        tracker.start(torch.eye(5, 4))
    with pytest.raises(InvalidValueError, match=r"shape of W0, \(5, 4\), got \(4, 5\)"):
        step_together(trackers, [zero, WeightChange(torch.zeros(4, 5))])
    with pytest.raises(InvalidValueError, match="2 predictors need as many changes, got 1"):
        step_together(trackers, [zero])
    with pytest.raises(NumericalError, match="NaN or infinity") as raised:
        step_together(trackers, [zero, WeightChange(torch.full((5, 4), math.nan))])
    assert raised.value.places == (1,)


@pytest.mark.parametrize("predictor", [*PREDICTORS])
@pytest.mark.parametrize("change", [WeightChange(torch.full((6, 5), math.inf)), OVERFLOWS])
def test_the_layer_at_fault_is_named(predictor: str, change: WeightChange) -> None:
    weights = {name: matrix(6, 5, seed=0) for name in ("a", "b", "c")}
    trackers = Trackers(weights, predictors=[predictor], top_k=2, reanchor_every=0)
    changes = {name: WeightChange(torch.zeros(6, 5)) for name in weights}
    changes["b"] = change
    with pytest.raises(NumericalError, match=rf"^layer b: {predictor}: .*NaN or infinity"):
        trackers.advance(changes, weights=weights)


def test_groups_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their changes are in memory at the same time."""
    monkeypatch.setattr("sigmascope.trackers._TOGETHER", 70)
    shapes = {"a": (6, 5), "b": (5, 7), "c": (6, 5), "d": (7, 11), "e": (3, 5), "f": (5, 11)}
    weights = {name: matrix(*shape, seed=0) for name, shape in shapes.items()}
    trackers = Trackers(weights, predictors=["subspace"], top_k=2, reanchor_every=0)
    assert trackers.groups(weights) == [["a", "b"], ["c"], ["d"], ["e", "f"]]
