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
from sigmascope.spectra import split_qkv, weight_matrices

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


def test_nan_gradients_are_reported_with_the_layer() -> None:
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
    model.head.weight.grad = torch.full_like(model.head.weight, 1e30)  # its square is infinite
    optimizer.param_groups[0]["eps"] = math.nan
    recorder.observe(optimizer)
    optimizer.step()
    with pytest.raises(NumericalError, match=r"^step 4, layer head: .*NaN or infinity"):
        recorder.record(4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"top_k": 0}, "top_k must be at least 1, got 0"),
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


def test_memory_sink_names_what_it_lacks(recorded: tuple[MemorySink, nn.Module]) -> None:
    sink, _ = recorded
    with pytest.raises(NotFoundError, match=r"'tail'.*hidden\.0, hidden\.1, head"):
        sink.singular_values("tail")
    with pytest.raises(NotFoundError, match=r"'oracle'.*algorithm1, subspace"):
        sink.trajectory("head", "oracle")
    with pytest.raises(NotFoundError, match="nothing was recorded"):
        MemorySink().singular_values("head")


class Mixed(nn.Module):
    """A convolution, attention, a tied pair, and a stacked projection."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 16, kernel_size=3, padding=1)
        self.attention = nn.MultiheadAttention(16, 2, batch_first=True)
        self.qkv = nn.Linear(16, 48)
        self.first, self.second = nn.Linear(16, 16), nn.Linear(16, 16)
        self.second.weight = self.first.weight
        self.head = nn.Linear(16, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        tokens = self.conv(x.unflatten(-1, (4, -1))[..., :6]).transpose(1, 2)
        mixed, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        q, k, v = self.qkv(mixed).chunk(3, dim=-1)
        scores: torch.Tensor = self.head(self.second(torch.relu(self.first((q * k + v).mean(1)))))
        return scores


def follow(
    model: nn.Module, optimizer: torch.optim.Optimizer, *, batches: int = 12, **settings: object
) -> MemorySink:
    """The records of ``batches`` batches of 32 of fixed data."""
    sink, generator = MemorySink(), torch.Generator().manual_seed(3)
    dtype = next(model.parameters()).dtype
    with Recorder(model, sink, sample_count=SAMPLES, **settings) as recorder:  # type: ignore[arg-type]
        recorder.record(0)
        for step in range(1, batches + 1):
            x = torch.randn(32, 28, generator=generator).to(dtype)
            y = torch.randint(CLASSES, (32,), generator=generator)
            optimizer.zero_grad()
            cross_entropy(model(x), y).backward()
            recorder.observe(optimizer)
            optimizer.step()
            recorder.record(step)
    return sink


def seeded(build: Callable[[], nn.Module]) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(4)
        return build()


def test_convolutions_attention_and_tied_weights_are_recorded() -> None:
    model = seeded(Mixed)
    sink = follow(model, torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9))
    last = sink.records[-1].layers
    assert list(last) == [
        "conv", "attention.in_proj", "attention.out_proj", "qkv", "first", "head"
    ]  # fmt: skip
    exact = torch.linalg.svdvals(model.get_submodule("conv").weight.detach().flatten(1))  # type: ignore[operator]
    np.testing.assert_allclose(last["conv"].singular_values, exact.numpy(), rtol=1e-5)
    # p = n vectors: the tracker is exact, so it has seen every change of the weight
    np.testing.assert_allclose(last["conv"].trajectories["subspace"], exact[:8].numpy(), rtol=1e-4)
    assert last["conv"].noise is None
    assert last["qkv"].noise is not None


def test_a_stacked_projection_can_be_recorded_in_its_three_parts() -> None:
    """The parts' squared singular values make up those of the whole in sum; so does their noise."""
    model = seeded(Mixed)
    whole = weight_matrices(model)
    parts = {part.name: part for part in split_qkv(whole["qkv"])}
    optimizer = torch.optim.SGD(model.parameters(), lr=RATE)
    last = follow(model, optimizer, matrices={**whole, **parts}).records[-1].layers
    energy = [float((last[name].singular_values.astype(float) ** 2).sum()) for name in ("qkv", *parts)]
    assert energy[0] == pytest.approx(sum(energy[1:]), rel=1e-5)
    noises = [last[name].noise for name in ("qkv", *parts)]
    beta1 = [noise.beta1 for noise in noises if noise is not None]
    assert len(beta1) == 4
    assert beta1[0] == pytest.approx(sum(beta1[1:]), rel=1e-4)
    for name, part in parts.items():
        exact = torch.linalg.svdvals(part.tensor())[:8].numpy()
        np.testing.assert_allclose(last[name].trajectories["subspace"], exact, rtol=1e-4)


@pytest.mark.parametrize("build", [torch.optim.Adam, torch.optim.SGD])
def test_measured_updates_of_other_optimizers_and_of_half_precision(
    build: Callable[..., torch.optim.Optimizer],
) -> None:
    """Weights of bfloat16 lose most of each change to rounding; trackers follow what they become."""
    model = seeded(lambda: nn.Linear(28, CLASSES).bfloat16())
    sink = follow(model, build(model.parameters(), lr=0.01))
    exact = torch.linalg.svdvals(model.weight.detach().float())[:8].numpy()  # type: ignore[operator]
    np.testing.assert_allclose(sink.records[-1].layers["linear"].trajectories["subspace"], exact, rtol=1e-4)
    modes = sink.records[-1].layers["linear"].modes
    assert modes is not None
    assert modes.noise_variance is None


def test_reanchored_predictors_are_exact_one_batch_after() -> None:
    """first_order drifts over ten batches, and is back to within second order after the anchor."""

    def errors(reanchor_every: int) -> list[float]:
        model = seeded(mlp)
        sink = follow(
            model, torch.optim.SGD(model.parameters(), lr=1.0), batches=21,
            predictors=("first_order",), reanchor_every=reanchor_every,
        )  # fmt: skip
        layers = [record.layers["0"] for record in sink.records]
        return [
            float(np.abs(one.trajectories["first_order"] - one.singular_values[:8]).max()) for one in layers
        ]

    free, anchored = errors(0), errors(10)
    assert anchored[:11] == free[:11]
    assert anchored[11] < 0.3 * free[11]
    assert anchored[21] < 0.3 * free[21]


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(28, 40), nn.ReLU(), nn.Linear(40, CLASSES))


def test_modes_on_a_cadence() -> None:
    model = seeded(mlp)
    sink = follow(model, torch.optim.SGD(model.parameters(), lr=RATE), batches=7, modes_every=3)
    assert [record.step for record in sink.records if record.layers["0"].modes] == [1, 4, 7]


@pytest.mark.parametrize(("optimizer", "rate"), [(torch.optim.SGD, 0.05), (torch.optim.Adam, 0.003)])
def test_modes_before_and_after_a_batch_tell_its_change(
    optimizer: Callable[..., torch.optim.Optimizer], rate: float
) -> None:
    """Their mean leaves less than a third of what first order leaves of the changes of the top values."""
    model = seeded(mlp)
    sink = follow(model, optimizer(model.parameters(), lr=rate), batches=20)
    layers = [record.layers["0"] for record in sink.records]
    values = np.array([layer.singular_values[:4] for layer in layers], np.float64)
    first = np.array([layer.modes.projected[:4] for layer in layers[1:]], np.float64)
    turned = np.array([layer.modes.turned[:4] for layer in layers[1:]], np.float64)
    observed = np.diff(values, axis=0)
    left = np.abs(observed - (first + turned) / 2).mean()
    assert left < np.abs(observed - first).mean() / 3
    assert left < 0.05 * np.abs(observed).mean()
