"""Adaptive spectra: right between two decompositions, seldom decomposed, handed out in order."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.spectra import AdaptiveSpectra, SpectraReader, Spectrum
from sigmascope.spectra.adaptive import due
from sigmascope.spectra.adaptive_layer import BINS
from sigmascope.spectra.sample import sampled

Spectra = dict[int, dict[str, Spectrum]]


def gaussian(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) / shape[-1] ** 0.5


def reference(weight: torch.Tensor) -> torch.Tensor:
    return torch.linalg.svdvals(weight.detach().double())


def bins_off(seen: Spectrum, weight: torch.Tensor) -> float:
    truth = reference(weight)
    return float((seen.values - truth).abs().max() / (truth[0] / BINS))


class Drifting:
    """W that moves as under SGD: a small step of low rank and one of noise each time."""

    def __init__(self, *, size: float = 2e-3, shape: tuple[int, int] = (160, 120), seed: int = 1) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self.W, self.size = gaussian(*shape, seed=seed), size

    def move(self) -> torch.Tensor:
        u, v = (torch.randn(n, generator=self.generator) / n**0.5 for n in self.W.shape)
        noise = 0.3 * torch.randn(self.W.shape, generator=self.generator) / 12
        self.W = self.W + self.size * (torch.outer(u, v) + noise)
        return self.W


def read(weights: Iterable[torch.Tensor], **options: float) -> dict[int, Spectrum]:
    """The spectra of one layer at steps 0, 1, ..., all of them."""
    reader, found, W = AdaptiveSpectra(**options), {}, torch.empty(0)  # type: ignore[arg-type]
    for step, W in enumerate(weights):
        found |= reader.read({"w": W}, step=step)
    found |= reader.settle({"w": W})
    return {step: layers["w"] for step, layers in found.items()}


def test_it_keeps_its_tolerance_and_seldom_decomposes() -> None:
    drifting = Drifting()
    weights = [drifting.move() for _ in range(300)]
    found = read(weights)
    assert list(found) == list(range(300))
    assert sum(one.method != "adaptive" for one in found.values()) < 30
    assert max(bins_off(found[step], W) for step, W in enumerate(weights)) < 0.1


def test_its_estimate_is_honest() -> None:
    """The error, over that estimated: at most 3, below 1 at the median."""
    drifting = Drifting()
    weights = [drifting.move() for _ in range(300)]
    ratios = [
        float((one.values - reference(weights[step])).abs().max()) / one.error_bound
        for step, one in read(weights).items()
        if one.method == "adaptive"
    ]
    assert max(ratios) < 3
    assert 0.1 < np.median(ratios) < 1.2


def test_a_jump_is_noticed_at_once_and_blurs_nothing_before_it() -> None:
    drifting = Drifting()
    weights = [drifting.move() for _ in range(50)]
    jump = 3.0 * torch.outer(torch.ones(160) / 160**0.5, torch.ones(120) / 120**0.5)
    weights += [weights[-1] + jump, weights[-1] + 1.01 * jump]
    found = read(weights)
    assert found[50].method != "adaptive"
    torch.testing.assert_close(
        found[50].values.double(), reference(weights[50]), rtol=0, atol=found[50].error_bound
    )
    # the jump is of 40 bins; that the bulk had begun to drift is lost, and told
    for step in range(50):
        assert bins_off(found[step], weights[step]) < 0.7
        off = float((found[step].values - reference(weights[step])).abs().max())
        assert off < 1.5 * found[step].error_bound


def test_a_gradual_speed_up_is_followed() -> None:
    drifting, weights = Drifting(), []
    for step in range(200):
        drifting.size = 2e-3 * 1.02**step
        weights.append(drifting.move())
    assert max(bins_off(one, weights[step]) for step, one in read(weights).items()) < 0.15


def test_nothing_waits_longer_than_its_lag() -> None:
    drifting, reader, waited = Drifting(size=1e-6), AdaptiveSpectra(lag=7), []
    for step in range(40):
        waited += [step - known for known in reader.read({"w": drifting.move()}, step=step)]
    assert max(waited) == 6
    drifting, reader = Drifting(), AdaptiveSpectra(lag=1)
    for step in range(5):
        ((known, layers),) = reader.read({"w": drifting.move()}, step=step).items()
        assert known == step
        assert layers["w"].method == "gram"


def lagging(weights: list[torch.Tensor], *, by: float) -> Spectra:
    """As with a tracker of three values whose values are off by more and more."""
    reader, found = AdaptiveSpectra(lag=1000, tolerance=1e6), {}
    for step, W in enumerate(weights):
        top = reference(W)[:3].float() - by * (1 + step)
        found |= reader.read({"w": W}, step=step, top={"w": top})
    return found | reader.settle({"w": weights[-1]})


def test_tracked_values_move_as_tracked_and_their_lag_is_made_good() -> None:
    walk = np.arange(40) + 2 * np.random.default_rng(0).normal(size=40)
    W = gaussian(90, 70)
    weights = [W + 0.01 * float(height) * torch.outer(W[:, 0], W[0]) for height in walk]
    for by in (0.0, 0.001):  # 0.04 in the end
        found = lagging(weights, by=by)
        assert sum(one["w"].method != "adaptive" for one in found.values()) == 3
        for step, one in found.items():
            torch.testing.assert_close(
                one["w"].values[0].double(), reference(weights[step])[0], rtol=1e-5 + 4 * by, atol=0
            )
            assert (one["w"].values.diff() <= 0).all()


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


def test_layers_that_move_alike_take_turns_and_come_together() -> None:
    layers = {str(i): Drifting(shape=(90, 80), seed=i) for i in range(4)}
    reader, found = AdaptiveSpectra(), {}
    for step in range(200):
        weights = {name: layer.move() for name, layer in layers.items()}
        found |= reader.read(weights, step=step)
    found |= reader.settle(weights)
    assert list(found) == list(range(200))
    assert all(list(one) == list(layers) for one in found.values())
    together = [sum(one.method != "adaptive" for one in at.values()) for at in found.values()]
    assert together[0] == together[-1] == 4
    # the forecast of the next batch may miss by one layer
    assert max(together[1:-1]) <= torch.get_num_threads() + 1
    assert sum(together) < 120  # of 800


def test_a_jump_of_one_layer_decomposes_that_layer() -> None:
    reader, weights = AdaptiveSpectra(), {"a": gaussian(90, 80), "b": gaussian(90, 80, seed=1)}
    reader.read(weights, step=0)
    weights = {"a": weights["a"] + 0.1, "b": weights["b"] + 1e-6}
    assert reader.read(weights, step=1) == {}  # "b" waits
    found = reader.settle(weights)[1]
    assert [found[name].method for name in "ab"] == ["gram", "gram"]
    truth = reference(weights["a"])
    assert float((found["a"].values - truth).abs().max()) <= found["a"].error_bound


def test_what_does_not_move_does_not_wait() -> None:
    reader = AdaptiveSpectra()
    frozen, W = gaussian(30, 20), torch.zeros(6, 5)
    for step in range(3):
        found = reader.read({"frozen": frozen, "w": W}, step=step)
        assert not found[step]["w"].values.any()
        torch.testing.assert_close(found[step]["frozen"].values, torch.linalg.svdvals(frozen))
    W[0, 0] = 1e-3
    assert reader.read({"frozen": frozen, "w": W}, step=3)[3]["w"].values[0] == pytest.approx(1e-3)


def test_a_layer_that_comes_back_holds_nothing_up() -> None:
    a, W = Drifting(seed=3), gaussian(30, 20)
    reader, found = AdaptiveSpectra(lag=8), {}
    for step in range(60):
        found |= reader.read({"a": a.move(), "w": W + 1e-3 if step == 1 else W}, step=step)
        assert step - max(found) < 8
    assert list(found) == list(range(max(found) + 1))
    assert found[30]["w"].error_bound >= float((found[30]["w"].values - reference(W)).abs().max())


def test_steps_ascend() -> None:
    reader = AdaptiveSpectra()
    reader.read({"w": gaussian(9, 8)}, step=3)
    for step in (3, 2):
        with pytest.raises(
            InvalidValueError, match=f"step must be greater than 3, which was read, got {step}"
        ):
            reader.read({"w": gaussian(9, 8)}, step=step)


def test_settled_by_weights_that_have_gone_on() -> None:
    """The last step that waits lies before them, and its spectrum is no exact one."""
    drifting, reader = Drifting(), AdaptiveSpectra()
    weights = [drifting.move() for _ in range(23)]
    found: Spectra = {}
    for step in range(20):
        found |= reader.read({"w": weights[step]}, step=step)
    found |= reader.settle({"w": weights[22]})
    assert list(found) == list(range(20))
    assert found[19]["w"].method == "adaptive"
    assert max(bins_off(one["w"], weights[step]) for step, one in found.items()) < 0.1
    assert reader.settle({"w": weights[22]}) == {}
    more = reader.read({"w": weights[22]}, step=20)
    assert bins_off(more[20]["w"], weights[22]) < 0.1


@pytest.mark.parametrize(
    "at_hand",
    [{}, {"w": torch.full((160, 120), math.nan)}, {"w": torch.ones(3, 3)}],
    ids=["gone", "NaN", "shape"],
)
def test_without_weights_to_settle_by_the_last_spectrum_holds(at_hand: Mapping[str, torch.Tensor]) -> None:
    drifting, reader = Drifting(), AdaptiveSpectra()
    weights = [drifting.move() for _ in range(12)]
    found: Spectra = {}
    for step, W in enumerate(weights):
        found |= reader.read({"w": W}, step=step, top={"w": reference(W)[:5].float()})
    waiting = reader.settle(at_hand)
    assert list(found | waiting) == list(range(12))
    assert waiting
    for step, one in waiting.items():
        error = float((one["w"].values - reference(weights[step])).abs().max())
        assert error <= one["w"].error_bound
        torch.testing.assert_close(
            one["w"].values[:4].double(), reference(weights[step])[:4], rtol=1e-4, atol=0
        )


def test_a_layer_may_stay_away_and_another_may_join() -> None:
    a, b, reader = Drifting(), Drifting(seed=2), AdaptiveSpectra()
    found: Spectra = {}
    for step in range(10):
        weights = {"a": a.move()} if step < 5 else {"b": b.move()}
        found |= reader.read(weights, step=step)
    found |= reader.settle(weights)
    assert [list(one) for one in found.values()] == [["a"]] * 5 + [["b"]] * 5
    assert bins_off(found[9]["b"], weights["b"]) < 0.1


def test_goes_on_from_a_state_bit_for_bit() -> None:
    def known(*, interrupted: bool) -> Spectra:
        layers = {name: Drifting(seed=i) for i, name in enumerate("ab")}
        reader, found = AdaptiveSpectra(), {}
        for step in range(60):
            weights = {name: layer.move() for name, layer in layers.items()}
            top = {"a": reference(weights["a"])[:4].float()}
            found |= reader.read(weights, step=step, top=top)
            if interrupted and step % 9 == 8:
                file = io.BytesIO()
                torch.save(reader.state_dict(), file)
                file.seek(0)
                reader = AdaptiveSpectra()
                reader.load_state_dict(torch.load(file, weights_only=True))
        return found | reader.settle(weights)

    ours, theirs = known(interrupted=True), known(interrupted=False)
    assert list(ours) == list(theirs) == list(range(60))
    for step, layers in theirs.items():
        for name, one in layers.items():
            assert torch.equal(ours[step][name].values, one.values)
            assert (ours[step][name].method, ours[step][name].error_bound) == (one.method, one.error_bound)


def test_errors_name_layer_and_step() -> None:
    reader = AdaptiveSpectra()
    reader.read({"w": gaussian(9, 8)}, step=0)
    with pytest.raises(InvalidValueError, match=r"step 1, layer w: .*\(9, 8\) to \(9, 7\)"):
        reader.read({"w": gaussian(9, 7)}, step=1)
    with pytest.raises(NumericalError, match="step 2, layer w: 72 of 72"):
        reader.read({"w": gaussian(9, 8) * math.nan}, step=2)


@settings(max_examples=25, deadline=None)
@given(
    tolerance=st.floats(max_value=0.0) | st.sampled_from([math.nan, math.inf]), lag=st.integers(max_value=0)
)
def test_bad_settings(tolerance: float, lag: int) -> None:
    with pytest.raises(InvalidValueError, match="tolerance must be positive"):
        AdaptiveSpectra(tolerance=tolerance)
    with pytest.raises(InvalidValueError, match=f"lag must be at least 1, got {lag}"):
        AdaptiveSpectra(lag=lag)


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
            for layers in reader.read({"a": model[0].weight, "b": model[2].weight}, step=step).values():
                assert not any(one.values.requires_grad for one in layers.values())
    return [parameter.detach().clone() for parameter in model.parameters()]


@pytest.mark.parametrize("method", ["auto", "gram64", "adaptive", "slq"])
def test_training_is_the_same_bit_for_bit(method: str) -> None:
    state = torch.get_rng_state()
    watched = trained(method)
    torch.set_rng_state(state)
    assert all(torch.equal(a, b) for a, b in zip(trained(None), watched, strict=True))


def test_motion_of_a_few_rows_is_seen() -> None:
    """Of those that the distance is not judged by, too."""
    W, reader = gaussian(1024, 64), AdaptiveSpectra()
    reader.read({"w": W}, step=0)
    for step in (1, 2, 3):
        W = W.clone()
        W[1] *= 10
        found = reader.read({"w": W}, step=step)[step]["w"]
        assert found.method != "adaptive"
        torch.testing.assert_close(found.values, torch.linalg.svdvals(W), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("across", [False, True])
@pytest.mark.parametrize(
    ("shape", "moving"), [((512, 128), 9), ((3000, 64), 40), ((64, 700), 3), ((9, 4096), 2)]
)
def test_a_few_rows_or_columns_that_turn_and_keep_their_norm_are_seen(
    shape: tuple[int, int], moving: int, across: bool
) -> None:
    """Nothing but them shows that W moves: neither its norm nor most of its entries."""
    W = torch.nn.functional.normalize(gaussian(*shape), dim=1)
    pull = gaussian(1, shape[1], seed=1)
    chosen = torch.randperm(shape[0], generator=torch.Generator().manual_seed(2))[:moving]
    weights = []
    for _ in range(60):
        W = W.clone()
        W[chosen] = torch.nn.functional.normalize(W[chosen] + 0.05 * pull, dim=1)
        weights.append(W.T.contiguous() if across else W)
    found = read(weights)
    assert bins_off(found[0], weights[-1]) > 1.0
    off = [bins_off(found[step], weight) for step, weight in enumerate(weights)]
    assert max(off) < 0.6
    bounds = [one.error_bound / float(one.values[0] / BINS) for one in found.values()]
    assert max(np.array(off) / np.array(bounds)) < 6


@pytest.mark.parametrize(
    "shape",
    [(1024, 1024), (1024, 784), (10, 4096), (32, 3072), (100, 16000), (256, 20000), (5000, 64), (200, 17),
     (3, 5), (2, 7000), (65, 33), (768, 256)],
)  # fmt: skip
def test_every_row_and_column_is_looked_at(shape: tuple[int, int]) -> None:
    W = torch.zeros(shape)
    sampled(W).fill_(1.0)
    assert (W.sum(0) > 0).all()
    assert (W.sum(1) > 0).all()
    assert W.mean() < 0.05 or W.numel() < 2**19


@pytest.mark.parametrize("scale", [1e-30, 1e-22, 1.0, 1e22, 1e30])
def test_any_scale_moves(scale: float) -> None:
    W = gaussian(200, 100)
    moved = [W, W + 1e-5 * gaussian(200, 100, seed=2), W + 0.1 * gaussian(200, 100, seed=1)]
    found = read([one * scale for one in moved])
    assert [one.method == "adaptive" for one in found.values()] == [False, True, False]


def test_another_memory_layout_is_the_same_weight() -> None:
    W = gaussian(100, 80)
    found = read([W, W + 1e-6, (W + 1e-6).T.contiguous().T, W + 2e-6])
    for one in found.values():
        torch.testing.assert_close(one.values, found[0].values, rtol=1e-4, atol=1e-4)
        assert math.isfinite(one.error_bound)


def test_what_was_read_belongs_to_who_read_it() -> None:
    W, reader = gaussian(100, 80), AdaptiveSpectra()
    for step in range(3):
        values = reader.read({"w": W}, step=step)[step]["w"].values
        torch.testing.assert_close(values, torch.linalg.svdvals(W), rtol=1e-4, atol=1e-4)
        values.zero_()
