"""What the recorder writes of layers of all kinds, under other optimizers, and of what moves their values."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from sigmascope.recorder import Recorder
from sigmascope.sinks import MemorySink
from sigmascope.spectra import split_qkv, weight_matrices
from sigmascope.spectra.adaptive_layer import BINS

SAMPLES, CLASSES, RATE = 256, 10, 0.1


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


@pytest.mark.parametrize("seed", [0, 2])
def test_adaptive_spectra_keep_to_their_tolerance_under_weight_decay(seed: int) -> None:
    """Values beyond the k that are tracked catch up by jumps, which nobody may take for those of W."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = nn.Sequential(
            nn.Linear(28, 96), nn.ReLU(), nn.Linear(96, 64), nn.ReLU(), nn.Linear(64, CLASSES)
        )
    truth: list[np.ndarray] = []

    def keep(*_: object) -> None:
        truth.append(torch.linalg.svdvals(model[2].get_parameter("weight").detach().double()).numpy())

    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True, weight_decay=0.02)
    optimizer.register_step_post_hook(keep)
    sink = follow(model, optimizer, batches=110, spectra="adaptive", noise_every=0, modes_every=0)
    seen = sink.singular_values("2")[1:]
    off = np.abs(seen - truth).max(axis=1) / (np.array(truth)[:, 0] / BINS)
    assert off.max() < 0.25
    assert np.median(off) < 0.05
