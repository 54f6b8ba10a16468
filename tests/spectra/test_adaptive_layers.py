"""Adaptive spectra of several layers: when they are decomposed, and that training does not notice."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.spectra import AdaptiveSpectra, AdaptiveSpectrum, SpectraReader
from sigmascope.spectra.adaptive_layers import due


def gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / shape[-1] ** 0.5


def test_all_that_are_late_are_due() -> None:
    moved = {"a": (1.2, 0.1), "b": (0.3, 0.1), "c": (math.nan, 0.1), "d": (math.inf, 0.0)}
    assert due(moved, at_once=1) == ["a", "c", "d"]


def test_nobody_is_due_early_without_a_crowd() -> None:
    for at_once in (1, 2, 8):
        assert due({"a": (0.95, 0.1), "b": (0.2, 0.1)}, at_once=at_once) == []
        assert due({"a": (0.5, 0.1), "b": (0.5, 0.1)}, at_once=at_once) == []
        assert due({}, at_once=at_once) == []


def test_of_two_that_would_fall_together_the_first_goes_now() -> None:
    moved = {"a": (0.95, 0.1), "b": (0.96, 0.1), "c": (0.1, 0.1)}
    assert due(moved, at_once=1) == ["b"]
    assert due(moved, at_once=2) == []  # side by side they take no longer
    assert due(moved | {"d": (0.94, 0.1)}, at_once=2) == ["b", "a"]


def test_a_thread_that_would_idle_takes_the_most_advanced_layer() -> None:
    moved = {"a": (0.7, 0.1), "b": (1.1, 0.1), "c": (0.8, 0.1), "d": (0.2, 0.1)}
    assert due(moved, at_once=1) == ["b"]
    assert due(moved, at_once=2) == ["b", "c"]
    assert due(moved, at_once=8) == ["b", "c", "a"]  # "d" has just begun
    assert due(moved | {"e": (2.0, 0.1)}, at_once=2) == ["b", "e"]


def drift(W: torch.Tensor, generator: torch.Generator) -> None:
    u, v = (torch.randn(n, generator=generator) / n**0.5 for n in W.shape)
    W += 2e-3 * (torch.outer(u, v) + 0.02 * torch.randn(W.shape, generator=generator))


def test_layers_that_move_alike_take_turns() -> None:
    generator, reader = torch.Generator().manual_seed(3), AdaptiveSpectra()
    weights = {str(i): gaussian(90, 80, seed=i) for i in range(4)}
    together = []
    for step in range(200):
        for W in weights.values():
            drift(W, generator)
        found = reader.read(weights, step=step)
        assert list(found) == list(weights)
        together.append(sum(one.method != "adaptive" for one in found.values()))
    assert together[0] == 4
    # the forecast of the next batch may miss by one layer
    assert max(together[1:]) <= torch.get_num_threads() + 1
    assert sum(together) < 200  # of 800


def test_a_jump_of_one_layer_decomposes_that_layer() -> None:
    reader, weights = AdaptiveSpectra(), {"a": gaussian(90, 80), "b": gaussian(90, 80, seed=1)}
    reader.read(weights, step=0)
    weights["a"] = weights["a"] + 0.1
    found = reader.read(weights, step=1)
    assert [found[name].method for name in "ab"] == ["gram", "adaptive"]
    truth = torch.linalg.svdvals(weights["a"].double())
    assert float((found["a"].values - truth).abs().max()) <= found["a"].error_bound


def test_zero_weights_stay_zero_until_they_move() -> None:
    reader, W = AdaptiveSpectra(), torch.zeros(6, 5)
    for step in range(3):
        assert not reader.read({"w": W}, step=step)["w"].values.any()
    W[0, 0] = 1e-3
    assert reader.read({"w": W}, step=3)["w"].values[0] == pytest.approx(1e-3)


def test_errors_name_layer_and_step() -> None:
    reader = AdaptiveSpectra()
    reader.read({"w": gaussian(9, 8)}, step=0)
    with pytest.raises(InvalidValueError, match=r"step 1, layer w: .*\(9, 8\) to \(9, 7\)"):
        reader.read({"w": gaussian(9, 7)}, step=1)
    with pytest.raises(NumericalError, match="step 2, layer w: 72 of 72"):
        reader.read({"w": gaussian(9, 8) * math.nan}, step=2)


@settings(max_examples=25, deadline=None)
@given(tolerance=st.floats(max_value=0.0) | st.sampled_from([math.nan, math.inf]))
def test_bad_tolerances(tolerance: float) -> None:
    with pytest.raises(InvalidValueError, match="positive"):
        AdaptiveSpectra(tolerance=tolerance)


def trained(method: str | None) -> list[torch.Tensor]:
    model = torch.nn.Sequential(torch.nn.Linear(70, 80), torch.nn.ReLU(), torch.nn.Linear(80, 5))
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.1, generator=generator)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    reader = None if method is None else SpectraReader(method)
    for step in range(8):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(
            model(torch.randn(16, 70, generator=generator)), torch.arange(16) % 5
        ).backward()
        optimizer.step()
        if reader is not None:
            found = reader.read({"a": model[0].weight, "b": model[2].weight}, step=step)
            assert not any(one.values.requires_grad for one in found.values())
    return [parameter.detach().clone() for parameter in model.parameters()]


@pytest.mark.parametrize("method", ["auto", "gram64", "adaptive", "slq"])
def test_training_is_the_same_bit_for_bit(method: str) -> None:
    state = torch.get_rng_state()
    watched = trained(method)
    torch.set_rng_state(state)
    assert all(torch.equal(a, b) for a, b in zip(trained(None), watched, strict=True))


def test_motion_of_a_few_rows_is_seen() -> None:
    """Of those that the distance is not judged by, too."""
    W = gaussian(1024, 64)
    layer = AdaptiveSpectrum()
    layer.read(W, step=0)
    for step in (1, 2, 3):
        W = W.clone()
        W[1] *= 10
        found = layer.read(W, step=step)
        assert found.method != "adaptive"
        torch.testing.assert_close(found.values, torch.linalg.svdvals(W), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1.0, 1e22, 1e30])
def test_any_scale_moves(scale: float) -> None:
    W, layer = gaussian(200, 100), AdaptiveSpectrum()
    layer.read(W * scale, step=0)
    assert layer.read(W * scale, step=1).method == "adaptive"
    W = W + 0.1 * gaussian(200, 100, seed=1)
    assert layer.read(W * scale, step=2).method != "adaptive"


def test_another_memory_layout_is_the_same_weight() -> None:
    W, layer = gaussian(100, 80), AdaptiveSpectrum()
    before = layer.read(W, step=0).values
    torch.testing.assert_close(layer.read(W.T.contiguous().T, step=1).values, before)


def test_what_was_read_belongs_to_who_read_it() -> None:
    W, layer = gaussian(100, 80), AdaptiveSpectrum()
    for step in range(3):
        values = layer.read(W, step=step).values
        torch.testing.assert_close(values, torch.linalg.svdvals(W), rtol=1e-4, atol=1e-4)
        values.zero_()
