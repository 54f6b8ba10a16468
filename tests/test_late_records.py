"""Records of adaptive spectra, which lie between two decompositions: late, in order, whole, and none lost."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from sigmascope import record_writer
from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.recorder import Recorder
from sigmascope.records import StepRecord
from sigmascope.sinks import MemorySink
from sigmascope.spectra.adaptive_layer import BINS

SAMPLES, BATCHES = 256, 60
DATA = torch.Generator().manual_seed(1)
X, Y = torch.randn(SAMPLES, 70, generator=DATA), torch.randint(10, (SAMPLES,), generator=DATA)


class Written:
    """A sink of the user's own."""

    def __init__(self) -> None:
        self.records: list[StepRecord] = []

    def write(self, record: StepRecord) -> None:
        self.records.append(record)

    @property
    def steps(self) -> list[int]:
        return [record.step for record in self.records]


class Loop:
    """Training that can be halted at any step; it remembers its weights."""

    def __init__(self, sink: Written | MemorySink, *, rate: float = 0.05, **options: object) -> None:
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(70, 90), nn.ReLU(), nn.Linear(90, 10))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=rate, momentum=0.5)
        settings = {"sample_count": SAMPLES, "spectra": "adaptive", **options}
        self.recorder = Recorder(self.model, sink, **settings)  # type: ignore[arg-type]
        self.step, self.weights = 0, [self.weight()]
        self.recorder.record(0, {"loss": 0.0})

    def weight(self) -> torch.Tensor:
        return self.model[0].get_parameter("weight").detach().clone()  # type: ignore[union-attr, operator]

    def run(self, batches: int) -> Loop:
        for _ in range(batches):
            self.step += 1
            chosen = torch.arange(self.step * 32, (self.step + 1) * 32) % SAMPLES
            self.optimizer.zero_grad()
            loss = cross_entropy(self.model(X[chosen]), Y[chosen])
            loss.backward()
            self.recorder.observe(self.optimizer)
            self.optimizer.step()
            self.weights.append(self.weight())
            self.recorder.record(self.step, {"loss": loss.item()})
        return self


def worst_bins(records: list[StepRecord], weights: list[torch.Tensor]) -> float:
    found = []
    for record in records:
        truth = torch.linalg.svdvals(weights[record.step].double()).numpy()
        values = record.layers["0"].singular_values
        assert (np.diff(values) <= 0).all()
        found.append(np.abs(values - truth).max() / (truth[0] / BINS))
    return max(found)


def test_records_come_late_in_order_and_closing_brings_the_rest() -> None:
    sink = Written()
    loop = Loop(sink).run(BATCHES)
    before = len(sink.records)
    assert 1 < before < BATCHES
    assert loop.recorder.written == sink.steps[-1]
    loop.recorder.close()
    loop.recorder.close()
    assert sink.steps == list(range(BATCHES + 1))
    assert loop.recorder.written == BATCHES
    assert worst_bins(sink.records, loop.weights) < 0.15
    assert sink.records[-1].layers["0"].method == "gram"
    for record in sink.records:
        layer = record.layers["0"]
        assert layer.law_fit is not None
        assert set(layer.trajectories) == {"algorithm1", "subspace"}
        assert layer.trajectories["subspace"][0] == pytest.approx(layer.singular_values[0], rel=1e-3)
        assert (layer.noise is None) == (record.step == 0)


def test_what_does_not_wait_for_spectra_is_that_of_an_exact_recorder() -> None:
    late, exact = MemorySink(), MemorySink()
    Loop(late).run(20)
    Loop(exact, spectra="gram64").run(20)
    for ours, theirs in zip(late.records, exact.records, strict=True):
        assert ours.metrics == theirs.metrics
        for name, layer in theirs.layers.items():
            assert ours.layers[name].noise == layer.noise
            for predictor, values in layer.trajectories.items():
                np.testing.assert_array_equal(ours.layers[name].trajectories[predictor], values)
            if layer.modes is not None:
                np.testing.assert_array_equal(ours.layers[name].modes.projected, layer.modes.projected)
    fits = [one.layers["0"].law_fit for one in (late.records[-1], exact.records[-1])]
    assert fits[0].entry_variance == pytest.approx(fits[1].entry_variance, rel=1e-2)


def test_a_look_at_a_memory_sink_brings_what_waits() -> None:
    sink = MemorySink()
    loop = Loop(sink).run(5)
    assert sink.steps.tolist() == list(range(6))
    loop.run(5)
    assert sink.singular_values("0").shape == (11, 70)
    assert sink.metric("loss").shape == (11,)
    assert worst_bins(sink.records, loop.weights) < 0.05
    loop.recorder.close()
    assert len(sink.records) == 11


def test_fewer_records_than_batches() -> None:
    sink = Written()
    loop = Loop(sink, lag=12)
    record, weights = loop.recorder.record, loop.weights

    def seldom(step: int, metrics: dict[str, float]) -> None:
        if step % 5 == 0:
            record(step, metrics)

    loop.recorder.record = seldom  # type: ignore[method-assign, assignment]
    loop.run(40).recorder.close()
    assert sink.steps == list(range(0, 41, 5))
    assert worst_bins(sink.records, weights) < 0.15


def test_a_state_holds_the_records_that_wait() -> None:
    whole, part, rest = Written(), Written(), Written()
    Loop(whole).run(BATCHES).recorder.close()
    loop = Loop(part).run(33)
    assert loop.recorder.written < 33
    file = io.BytesIO()
    parts = {"recorder": loop.recorder, "model": loop.model, "optimizer": loop.optimizer}
    torch.save({name: one.state_dict() for name, one in parts.items()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)

    again = Loop(Written())
    again.recorder.close()
    again.recorder = Recorder(again.model, rest, sample_count=SAMPLES, spectra="adaptive")
    for name in parts:
        getattr(again, name).load_state_dict(state[name])
    again.step = 33
    again.run(BATCHES - 33).recorder.close()
    assert part.steps + rest.steps == whole.steps
    for ours, theirs in zip(part.records + rest.records, whole.records, strict=True):
        assert ours.metrics == theirs.metrics
        for name, layer in theirs.layers.items():
            mine = ours.layers[name]
            np.testing.assert_array_equal(mine.singular_values, layer.singular_values)
            assert (mine.method, mine.error_bound) == (layer.method, layer.error_bound)
            assert (mine.law_fit, mine.noise) == (layer.law_fit, layer.noise)
            for predictor, values in layer.trajectories.items():
                np.testing.assert_array_equal(mine.trajectories[predictor], values)


def blow_up(loop: Loop) -> None:
    with torch.no_grad():
        loop.model[0].get_parameter("weight")[3, 4] = torch.nan  # type: ignore[union-attr, operator]
    loop.recorder.record(loop.step + 1)


def replace_layer(loop: Loop) -> None:
    loop.model[0] = nn.Linear(70, 90)  # type: ignore[index, operator]
    loop.recorder.record(loop.step + 1)


def reshape_layer(loop: Loop) -> None:
    loop.model[0].weight = nn.Parameter(torch.zeros(90, 71))  # type: ignore[union-attr, index]
    loop.recorder.record(loop.step + 1)


@pytest.mark.parametrize(
    ("happens", "error", "message"),
    [
        (blow_up, NumericalError, "step 31, layer 0: 1 of 6300"),
        (replace_layer, InvalidValueError, "layer 0 is no part of the model any more"),
        (reshape_layer, InvalidValueError, "layer 0"),
    ],
)
def test_whatever_ends_training_nothing_recorded_is_lost(
    happens: Callable[[Loop], None], error: type[Exception], message: str
) -> None:
    sink = Written()
    loop = Loop(sink).run(30)
    with pytest.raises(error, match=message), loop.recorder:
        happens(loop)
    assert sink.steps == list(range(31))
    bounds = [record.layers["0"].error_bound for record in sink.records]
    for record, bound in zip(sink.records, bounds, strict=True):
        truth = torch.linalg.svdvals(loop.weights[record.step].double()).numpy()
        assert np.abs(record.layers["0"].singular_values - truth).max() <= 3 * bound


def test_a_sink_that_fails_gets_the_rest_later() -> None:
    class Full(Written):
        full = False

        def write(self, record: StepRecord) -> None:
            if self.full and record.step % 3 == 0:
                self.full = False
                raise OSError(28, "No space left on device")
            super().write(record)

    sink = Full()
    loop = Loop(sink).run(30)
    sink.full = True
    with pytest.raises(OSError, match="No space"):
        loop.recorder.close()
    loop.recorder.close()
    assert sink.steps == list(range(31))
    assert loop.recorder.written == 30


def test_an_interrupt_amid_the_writing_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sink, fits, calls = Written(), record_writer.fit_laws, []

    def interrupted(*args: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return fits(*args, **options)

    loop = Loop(sink).run(12)
    monkeypatch.setattr(record_writer, "fit_laws", interrupted)
    with pytest.raises(KeyboardInterrupt):
        loop.recorder.flush()
    assert len(sink.steps) < 13
    loop.run(10).recorder.close()
    assert sink.steps == list(range(23))


def test_metrics_that_are_no_numbers_are_refused_before_anything_is_kept() -> None:
    sink = Written()
    loop = Loop(sink).run(3)
    for bad in ({"loss": None}, {"loss": "low"}):
        with pytest.raises(InvalidValueError, match="metric 'loss' must be a number, got"):
            loop.recorder.record(4, bad)  # type: ignore[arg-type]
    loop.run(3).recorder.close()
    assert sink.steps == list(range(7))


def test_a_look_amid_a_batch_leaves_the_tracked_values_right() -> None:
    sink = MemorySink()
    loop = Loop(sink, rate=0.5)
    step = loop.optimizer.step

    def looked_at(*_: object) -> None:
        step()
        if loop.step % 7 == 3:
            assert sink.steps.tolist() == list(range(loop.step))

    loop.optimizer.step = looked_at  # type: ignore[method-assign, assignment]
    loop.run(BATCHES)
    for record in sink.records:
        truth = torch.linalg.svdvals(loop.weights[record.step].double()).numpy()
        layer = record.layers["0"]
        assert np.abs(layer.singular_values - truth).max() < 3 * layer.error_bound + 1e-3 * truth[0]


def test_predictors_that_start_anew_carry_no_lag_over() -> None:
    sink = MemorySink()
    loop = Loop(sink, reanchor_every=11)
    loop.optimizer = torch.optim.Adam(loop.model.parameters(), lr=2e-3)  # type: ignore[assignment]
    loop.run(BATCHES)
    for record in sink.records:
        truth = torch.linalg.svdvals(loop.weights[record.step].double()).numpy()
        layer = record.layers["0"]
        assert np.abs(layer.singular_values - truth).max() < 4 * layer.error_bound


def test_weights_of_another_type_are_refused_and_what_waits_is_written() -> None:
    sink = Written()
    loop = Loop(sink).run(10)
    loop.model.double()
    with pytest.raises(InvalidValueError, match=r"layer 0: .*float32 on cpu and is torch.float64"):
        loop.recorder.record(11)
    loop.recorder.close()
    assert sink.steps == list(range(11))


def test_float64_records_tell_their_rounding() -> None:
    sink = MemorySink()
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(40, 30)).double()
    with Recorder(model, sink, sample_count=SAMPLES, spectra="gram64") as recorder:
        recorder.record(0)
    layer = sink.records[0].layers["0"]
    weight = model[0].weight.detach()  # type: ignore[union-attr]
    error = np.abs(layer.singular_values - torch.linalg.svdvals(weight).numpy())  # type: ignore[arg-type]
    assert 0 < error.max() <= layer.error_bound


def test_two_recorders_share_a_memory_sink() -> None:
    sink = MemorySink()
    first = Loop(sink).run(8)
    second = Recorder(first.model, sink, sample_count=SAMPLES, spectra="adaptive")
    for step in range(20, 24):
        second.record(step)
    assert sink.steps.tolist() == [*range(9), *range(20, 24)]
    first.recorder.close()
    copied = copy.deepcopy(sink)
    second.close()
    assert copied.steps.tolist() == sink.steps.tolist()
    assert pickle.dumps(sink)


def test_a_state_of_another_method_is_refused_and_steps_still_ascend() -> None:
    loop = Loop(Written()).run(20)
    assert loop.recorder.written < 20
    state = loop.recorder.state_dict()
    with pytest.raises(InvalidValueError, match="the state is of spectra by 'adaptive', this by 'gram'"):
        Loop(Written(), spectra="gram").recorder.load_state_dict(state)
    again = Loop(Written()).recorder
    again.load_state_dict(state)
    with pytest.raises(InvalidValueError, match="greater than 20, which is recorded already, got 20"):
        again.record(20)
