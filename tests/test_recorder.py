"""The recorder: what it writes, and that training does not notice it."""

import math
from collections.abc import Callable, Iterable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from sigmascope.errors import InvalidValueError, NotFoundError, NumericalError
from sigmascope.recorder import Recorder
from sigmascope.records import LayerShape
from sigmascope.sinks import MemorySink

SAMPLES, FEATURES, CLASSES, RATE = 256, 30, 10, 0.1


class Net(nn.Module):
    """Two hidden layers with dropout, so that a stray random draw would change training."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.ModuleList([nn.Linear(FEATURES, 80), nn.Linear(80, 70)])
        self.head = nn.Linear(70, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.hidden:
            x = torch.dropout(torch.relu(layer(x)), p=0.2, train=True)
        scores: torch.Tensor = self.head(x)
        return scores


def train(
    batches: int,
    *,
    sink: MemorySink | None = None,
    model_of: Callable[[], nn.Module] = Net,
    rates: Iterable[float] | None = None,
) -> tuple[nn.Module, torch.Tensor]:
    """The trained model, and the random state that training left."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = model_of()
        x = torch.randn(SAMPLES, FEATURES)
        y = torch.randint(CLASSES, (SAMPLES,))
        optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
        recorder = sink and Recorder(model, sink, sample_count=SAMPLES, learning_rate=RATE)
        if recorder:
            recorder.record(0)
        schedule = list(rates or [RATE] * batches)
        for step in range(1, batches + 1):
            batch = torch.randint(SAMPLES, (32,))
            optimizer.param_groups[0]["lr"] = schedule[step - 1]
            optimizer.zero_grad()
            loss = cross_entropy(model(x[batch]), y[batch])
            loss.backward()
            if recorder:
                recorder.observe(learning_rate=schedule[step - 1])
            optimizer.step()
            if recorder:
                recorder.record(step, {"loss": loss.item()})
        return model, torch.get_rng_state()


@pytest.fixture(scope="module")
def recorded() -> tuple[MemorySink, nn.Module]:
    sink = MemorySink()
    model, _ = train(30, sink=sink)
    return sink, model


def test_training_is_bit_identical_with_and_without(recorded: tuple[MemorySink, nn.Module]) -> None:
    sink = MemorySink()
    watched, watched_state = train(30, sink=sink)
    bare, bare_state = train(30)
    for a, b in zip(watched.parameters(), bare.parameters(), strict=True):
        assert torch.equal(a, b)
        assert a.grad is not None
        assert b.grad is not None
        assert torch.equal(a.grad, b.grad)
    assert torch.equal(watched_state, bare_state)
    assert len(sink.records) == 31


def test_layers_in_network_order_with_their_shapes() -> None:
    model = Net()
    recorder = Recorder(model, MemorySink(), sample_count=SAMPLES)
    assert [(s.name, s.m, s.n) for s in recorder.layers] == [
        ("hidden.0", 80, 30),
        ("hidden.1", 80, 70),
        ("head", 70, 10),
    ]
    head = recorder.layers[2]
    assert isinstance(head, LayerShape)
    assert head.entry_variance == pytest.approx(model.head.weight.var(correction=0).item())


def test_spectra_are_those_of_the_weights_after_each_step(recorded: tuple[MemorySink, nn.Module]) -> None:
    sink, model = recorded
    assert sink.steps.tolist() == list(range(31))
    for name, n in {"hidden.0": 30, "hidden.1": 70, "head": 10}.items():
        spectra = sink.singular_values(name)
        assert (spectra.shape, spectra.dtype) == ((31, n), np.float32)
        weight = model.get_submodule(name).weight
        assert isinstance(weight, torch.Tensor)
        expected = np.linalg.svd(weight.detach().double().numpy(), compute_uv=False)
        last = sink.records[-1].layers[name]
        np.testing.assert_allclose(spectra[-1], expected, atol=last.error_bound)
        assert last.method == ("gram" if n > 64 else "svd")
        assert np.abs(spectra[-1] - spectra[0]).max() > 1e-3


def test_predictions_follow_the_top_values(recorded: tuple[MemorySink, nn.Module]) -> None:
    sink, _ = recorded
    for name in ("hidden.0", "hidden.1", "head"):
        truth = sink.singular_values(name)[:, :8]
        seen = sink.trajectory(name, "subspace")
        assert seen.shape == (31, 8)
        np.testing.assert_allclose(seen, truth, rtol=2e-3)
        start = sink.trajectory(name, "algorithm1")[0]
        np.testing.assert_allclose(start, truth[0], rtol=1e-4)


def test_gradient_noise_from_the_first_batch_on(recorded: tuple[MemorySink, nn.Module]) -> None:
    sink, _ = recorded
    assert all(entry.noise is None for entry in sink.records[0].layers.values())
    for record in sink.records[1:]:
        for entry in record.layers.values():
            assert entry.noise is not None
            assert entry.noise.gradient_norm > 0
            assert entry.noise.beta1 > 0
            assert entry.noise.diffusion > 0


def test_law_fits_and_metrics(recorded: tuple[MemorySink, nn.Module]) -> None:
    sink, _ = recorded
    fit = sink.records[-1].layers["hidden.1"].law_fit
    assert fit is not None
    assert fit.mp_upper == pytest.approx(math.sqrt(fit.entry_variance) * (math.sqrt(80) + math.sqrt(70)))
    assert math.isnan(sink.metric("loss")[0])
    assert np.isfinite(sink.metric("loss")[1:]).all()


def test_a_learning_rate_schedule_reaches_the_predictors() -> None:
    sink = MemorySink()
    train(20, sink=sink, rates=[0.3 * 0.9**step for step in range(20)])
    np.testing.assert_allclose(
        sink.trajectory("hidden.1", "subspace"), sink.singular_values("hidden.1")[:, :8], rtol=2e-3
    )


def test_width_one_layers_a_tied_weight_and_a_frozen_layer() -> None:
    def build() -> nn.Module:
        first, second = nn.Linear(FEATURES, 1), nn.Linear(1, CLASSES)
        tied = nn.Linear(1, CLASSES, bias=False)
        tied.weight = second.weight
        frozen = nn.Linear(CLASSES, CLASSES)
        frozen.weight.requires_grad_(False)
        model = nn.Sequential(first, second, frozen)
        model.register_module("tied", tied)
        return model

    sink = MemorySink()

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            inner = build()
            self.first, self.second, self.frozen, self.tied = inner[0], inner[1], inner[2], inner.tied

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            scores: torch.Tensor = self.frozen(self.second(self.first(x)))
            return scores

    train(3, sink=sink, model_of=Wrapped)
    assert list(sink.records[0].layers) == ["first", "second", "frozen"]
    assert sink.trajectory("first", "subspace").shape == (4, 1)
    np.testing.assert_allclose(sink.trajectory("first", "subspace"), sink.singular_values("first"), rtol=1e-5)
    frozen = sink.singular_values("frozen")
    assert (frozen == frozen[0]).all()
    assert sink.records[-1].layers["frozen"].noise is None


def test_laws_that_do_not_apply_and_a_learning_rate_of_zero_do_no_harm() -> None:
    def build() -> nn.Module:
        model = nn.Sequential(
            nn.Linear(FEATURES, 1), nn.Linear(1, 1), nn.Linear(1, 20), nn.Linear(20, CLASSES)
        )
        nn.init.zeros_(model[3].weight)
        return model

    sink = MemorySink()
    train(2, sink=sink, model_of=build, rates=[0.0, 0.1])
    fits = {name: entry.law_fit for name, entry in sink.records[1].layers.items()}
    assert fits["1"] is None  # 1 x 1
    assert fits["3"] is None  # all zero
    assert fits["0"] is not None
    noise = sink.records[1].layers["3"].noise
    assert noise is not None
    assert noise.diffusion == 0
    assert noise.beta1 > 0


def test_a_model_that_is_itself_a_linear_layer() -> None:
    recorder = Recorder(nn.Linear(4, 3), MemorySink(), sample_count=10)
    assert [shape.name for shape in recorder.layers] == ["linear"]


def test_closing_leaves_no_hook() -> None:
    model = Net()
    with Recorder(model, MemorySink(), sample_count=SAMPLES):
        assert model.head._forward_hooks
    assert not model.head._forward_hooks


def test_nan_weights_are_reported_with_layer_and_step() -> None:
    model = Net()
    sink = MemorySink()
    recorder = Recorder(model, sink, sample_count=SAMPLES)
    recorder.record(0)
    with torch.no_grad():
        model.hidden[1].weight[0, 0] = math.nan
    with pytest.raises(NumericalError, match=r"step 7, layer hidden\.1: 1 of 5600 weights"):
        recorder.record(7)
    assert len(sink.records) == 1


def test_nan_gradients_are_reported_with_batch_and_layer() -> None:
    model = Net()
    recorder = Recorder(model, MemorySink(), sample_count=SAMPLES, learning_rate=RATE)
    model.head.weight.grad = torch.full_like(model.head.weight, math.nan)
    with pytest.raises(NumericalError, match=r"^batch 1, layer head: .*NaN or infinity"):
        recorder.observe()


def test_nan_that_an_optimizer_makes_is_reported_with_step_and_layer() -> None:
    model = Net()
    recorder = Recorder(model, MemorySink(), sample_count=SAMPLES, noise_every=0)
    optimizer = torch.optim.Adam(model.parameters())
    recorder.record(0)
    model.head.weight.grad = torch.ones_like(model.head.weight)
    optimizer.param_groups[0]["eps"] = math.nan
    recorder.observe(optimizer)
    optimizer.step()
    with pytest.raises(NumericalError, match=r"^step 4, layer head: .*NaN or infinity"):
        recorder.record(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
        ({"matrices": {}}, "matrices is empty, so nothing would be recorded"),
        ({"top_k": 2.5}, "top_k must be a whole number, got 2.5"),
        ({"reanchor_every": 2.5}, "reanchor_every must be a whole number, got 2.5"),
        ({"sample_count": 0}, "sample_count must be at least 1, got 0"),
        ({"predictors": ["oracle"]}, "unknown predictor 'oracle'"),
        ({"spectra": "exact"}, "unknown spectra method 'exact'"),
        ({"modes_every": -1}, "modes_every must be at least 0, got -1"),
        ({"reanchor_every": -2}, "reanchor_every must be at least 0, got -2"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Recorder(Net(), MemorySink(), **{"sample_count": SAMPLES, **arguments})  # type: ignore[arg-type]


def test_bad_calls() -> None:
    with pytest.raises(InvalidValueError, match="ReLU has no weight matrix of kind linear"):
        Recorder(nn.ReLU(), MemorySink(), sample_count=SAMPLES)
    recorder = Recorder(Net(), MemorySink(), sample_count=SAMPLES)
    with pytest.raises(InvalidValueError, match="no learning rate"):
        recorder.observe()
    with pytest.raises(InvalidValueError, match="step must be at least 0, got -1"):
        recorder.record(-1)
    for step in (1.5, float("nan"), "2", None):
        with pytest.raises(InvalidValueError, match="step must be a whole number, got"):
            recorder.record(step)  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="the state lacks 'batches'"):
        recorder.load_state_dict({})
    other = Recorder(nn.Linear(3, 2), MemorySink(), sample_count=SAMPLES)
    with pytest.raises(InvalidValueError, match=r"the state is of layers hidden\.0, .*, these are linear"):
        other.load_state_dict(recorder.state_dict())
    other.record(0)  # nothing of it was taken over


def test_nan_at_the_start_names_its_layer() -> None:
    model = Net()
    model.hidden[1].weight.data[2, 1] = math.nan
    with pytest.raises(NumericalError, match=r"^layer hidden\.1: W0 .* holds NaN or infinity"):
        Recorder(model, MemorySink(), sample_count=SAMPLES)


@pytest.mark.parametrize("spectra", ["svd", "adaptive"])
def test_a_model_of_another_type_is_refused_by_name(spectra: str) -> None:
    model = Net()
    recorder = Recorder(model, MemorySink(), sample_count=SAMPLES, spectra=spectra, learning_rate=0.1)
    model.double()
    for call in (recorder.observe, lambda: recorder.record(0)):
        with pytest.raises(
            InvalidValueError, match=r"layer hidden\.0: .*float32 on cpu and is torch\.float64"
        ):
            call()


def test_memory_sink_names_what_it_lacks(recorded: tuple[MemorySink, nn.Module]) -> None:
    sink, _ = recorded
    with pytest.raises(NotFoundError, match=r"'tail'.*hidden\.0, hidden\.1, head"):
        sink.singular_values("tail")
    with pytest.raises(NotFoundError, match=r"'oracle'.*algorithm1, subspace"):
        sink.trajectory("head", "oracle")
    with pytest.raises(NotFoundError, match="nothing was recorded"):
        MemorySink().singular_values("head")
