"""The recorder in loops that are not plain SGD on parameters, with a record after each batch."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import parametrizations, parametrize, prune
from torch.nn.utils import weight_norm as old_weight_norm

from sigmascope.errors import InvalidValueError
from sigmascope.recorder import Recorder
from sigmascope.sinks import MemorySink
from sigmascope.spectra.matrices import weight_matrices

Optimizer = Callable[[nn.Module], torch.optim.Optimizer]
SAMPLES, BATCH = 256, 32


def data(dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(SAMPLES, 30, generator=generator).to(dtype)
    return x, torch.randint(10, (SAMPLES,), generator=generator)


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 10))


def follow(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    *,
    every: int = 1,
    batches: int = 40,
    **options: object,
) -> MemorySink:
    """Train, recording every so many batches."""
    sink = MemorySink()
    dtype = next(model.parameters()).dtype
    x, y = data(dtype)
    with Recorder(model, sink, sample_count=SAMPLES, **options) as recorder:  # type: ignore[arg-type]
        recorder.record(0)
        for step in range(1, batches + 1):
            chosen = torch.arange(step * BATCH, (step + 1) * BATCH) % SAMPLES
            optimizer.zero_grad()
            cross_entropy(model(x[chosen]).float(), y[chosen]).backward()
            recorder.observe(optimizer)
            optimizer.step()
            if step % every == 0:
                recorder.record(step)
    return sink


def assert_tracked(sink: MemorySink, model: nn.Module, *, rtol: float) -> None:
    """The last record is of the weights as they are, and the tracker has come along."""
    last = sink.records[-1].layers
    for name, matrix in weight_matrices(model).items():
        true = np.linalg.svd(matrix.tensor().double().numpy(), compute_uv=False)
        np.testing.assert_allclose(last[name].singular_values, true, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(last[name].trajectories["subspace"][:3], true[:3], rtol=rtol)
        moved = np.abs(last[name].singular_values - sink.records[0].layers[name].singular_values)
        assert moved.max() > 20 * rtol * true[0]


def test_float64_is_recorded_like_float32() -> None:
    records = []
    for dtype in (torch.float32, torch.float64):
        model = net().to(dtype)
        sink = follow(model, torch.optim.SGD(model.parameters(), lr=0.1))
        assert_tracked(sink, model, rtol=1e-3)
        records.append(sink.records[-1].layers)
    for name, single in records[0].items():
        double = records[1][name]
        assert single.noise is not None
        assert double.noise is not None
        assert single.modes is not None
        assert double.modes is not None
        assert double.noise.beta1 == pytest.approx(single.noise.beta1, rel=1e-3)
        np.testing.assert_allclose(
            double.modes.projected[:3], single.modes.projected[:3], rtol=0.1, atol=1e-5
        )


@pytest.mark.parametrize("spectra", ["auto", "adaptive"])
def test_records_may_be_fewer_than_batches(spectra: str) -> None:
    """Also where a change only shows when it is made."""
    model = net()
    sink = follow(model, torch.optim.AdamW(model.parameters(), lr=0.01), every=10, spectra=spectra)
    assert len(sink.records) == 5
    assert_tracked(sink, model, rtol=2e-3)


def test_half_precision_with_fewer_records() -> None:
    model = net().to(torch.bfloat16)
    sink = follow(model, torch.optim.SGD(model.parameters(), lr=0.5), every=10)
    assert_tracked(sink, model, rtol=5e-3)


def _old(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch prefers the newer way
        return old_weight_norm(layer)


@pytest.mark.parametrize(
    "computed",
    [
        parametrizations.weight_norm,
        _old,
        lambda layer: prune.random_unstructured(layer, "weight", 0.3),
    ],
    ids=["weight_norm", "older weight_norm", "prune"],
)
def test_computed_weights_are_followed(computed: Callable[[nn.Module], nn.Module]) -> None:
    torch.manual_seed(0)
    model = nn.Sequential(computed(nn.Linear(30, 40)), nn.ReLU(), nn.Linear(40, 10))
    sink = follow(model, torch.optim.SGD(model.parameters(), lr=0.5))
    assert_tracked(sink, model, rtol=2e-3)


@pytest.mark.parametrize(
    ("options", "factor"),
    [
        ({"momentum": 0.9}, 1.0),
        ({"momentum": 0.9, "dampening": 0.5}, 0.25),
        ({"momentum": 0.9, "nesterov": True}, 1.9**2),
    ],
)
def test_noise_along_modes_is_that_of_the_step(options: dict[str, float], factor: float) -> None:
    """The share that this batch's gradient has in G, squared; of two batches, so that a buffer is there."""
    variances = []
    for settings in ({}, options):
        model = net()
        sink = MemorySink()
        x, y = data()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, **settings)  # type: ignore[arg-type]
        optimizer.zero_grad()
        cross_entropy(model(x[:BATCH]), y[:BATCH]).backward()
        kept = [parameter.detach().clone() for parameter in model.parameters()]
        optimizer.step()
        with torch.no_grad():  # the same weights for all, and a buffer
            for parameter, before in zip(model.parameters(), kept, strict=True):
                parameter.copy_(before)
        with Recorder(model, sink, sample_count=SAMPLES) as recorder:
            optimizer.zero_grad()
            cross_entropy(model(x[BATCH : 2 * BATCH]), y[BATCH : 2 * BATCH]).backward()
            recorder.observe(optimizer)
            recorder.record(1)
        modes = sink.records[0].layers["0"].modes
        assert modes is not None
        assert modes.noise_variance is not None
        variances.append(modes.noise_variance)
    np.testing.assert_allclose(variances[1], factor * variances[0], rtol=1e-3)


def test_each_layer_has_the_rate_of_its_group() -> None:
    diffusions = []
    for rate in (0.1, 1e-3):
        model = net()
        optimizer = torch.optim.SGD([{"params": model[0].parameters(), "lr": rate},  # type: ignore[index]
                                     {"params": model[2].parameters(), "lr": 0.1}])  # type: ignore[index]  # fmt: skip
        noise = [one.noise for one in follow(model, optimizer, batches=1).records[-1].layers.values()]
        diffusions.append([one.diffusion for one in noise if one is not None])
    assert diffusions[1][1] == pytest.approx(diffusions[0][1], rel=1e-6)
    assert diffusions[1][0] == pytest.approx(diffusions[0][0] / 100, rel=1e-6)


def test_a_layer_that_is_replaced_or_removed_is_named() -> None:
    model = net()
    recorder = Recorder(model, MemorySink(), sample_count=SAMPLES, learning_rate=0.1)
    recorder.record(0)
    model[2] = nn.Linear(40, 10)  # type: ignore[operator]
    for call in (recorder.observe, lambda: recorder.record(1)):
        with pytest.raises(InvalidValueError, match="layer 2 is no part of the model any more"):
            call()


def test_built_in_inference_mode() -> None:
    model = net()
    with torch.inference_mode():
        recorder = Recorder(model, MemorySink(), sample_count=SAMPLES, learning_rate=0.1)
    x, y = data()
    for step in (1, 2):
        model.zero_grad()
        cross_entropy(model(x), y).backward()
        recorder.observe()
        recorder.record(step)


def test_steps_ascend() -> None:
    recorder = Recorder(net(), MemorySink(), sample_count=SAMPLES)
    recorder.record(5)
    for step in (5, 3):
        with pytest.raises(InvalidValueError, match=f"greater than 5, which is recorded already, got {step}"):
            recorder.record(step)


def test_adaptive_without_gradients_takes_nothing_from_trackers() -> None:
    """They still have the first weights; a spectrum with those on top would be wrong."""
    model, sink = net(), MemorySink()
    recorder = Recorder(model, sink, sample_count=SAMPLES, spectra="adaptive")
    for step in range(6):
        recorder.record(step)
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(1.01)
    for layer in (0, 2):
        first, last = (one.layers[str(layer)].singular_values for one in (sink.records[0], sink.records[-1]))
        np.testing.assert_allclose(last[:3], 1.01**5 * first[:3], rtol=1e-2)


class Dropped(nn.Module):
    """A parametrization that asks for chance each time."""

    def forward(self, W: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(W, 0.3, self.training)


def normalised() -> nn.Module:
    model = net()
    parametrizations.spectral_norm(model[0])  # type: ignore[index]
    parametrize.register_parametrization(model[2], "weight", Dropped(), unsafe=True)  # type: ignore[index]
    return model


def test_parametrizations_train_the_same_bit_for_bit() -> None:
    ends = []
    for settings in (None, {}):
        model = normalised()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        if settings is None:
            x, y = data()
            for step in range(1, 11):
                chosen = torch.arange(step * BATCH, (step + 1) * BATCH) % SAMPLES
                optimizer.zero_grad()
                cross_entropy(model(x[chosen]), y[chosen]).backward()
                optimizer.step()
        else:
            follow(model, optimizer, batches=10)
        ends.append((model.state_dict(), torch.get_rng_state()))
    assert torch.equal(ends[0][1], ends[1][1])
    assert all(torch.equal(value, ends[1][0][name]) for name, value in ends[0][0].items())


def test_models_are_copied_and_saved_while_they_are_recorded() -> None:
    """A copy is not watched: what it computes is of no other model."""
    x, noise = data()[0], []
    for copied in (False, True):
        model, sink = net(), MemorySink()
        with Recorder(model, sink, sample_count=SAMPLES, learning_rate=0.1) as recorder:
            model(x[:BATCH]).sum().backward()
            if copied:
                file = io.BytesIO()
                torch.save(model, file)
                file.seek(0)
                for other in (copy.deepcopy(model), torch.load(file, weights_only=False)):
                    other(x[BATCH : 2 * BATCH]).sum().backward()
            recorder.observe()
            recorder.record(1)
        noise.append(sink.records[0].layers["0"].noise)
    assert noise[0] is not None
    assert noise[0] == noise[1]


def test_gradients_stored_without_their_zeros_are_whole_ones() -> None:
    records = []
    for sparse in (True, False):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Embedding(50, 12, sparse=sparse), nn.Flatten(), nn.Linear(36, 10))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
        matrices, sink = weight_matrices(model, kinds=("linear", "embedding")), MemorySink()
        with Recorder(model, sink, sample_count=SAMPLES, matrices=matrices) as recorder:
            recorder.record(0)
            for step in range(1, 6):
                chosen = torch.randint(50, (BATCH, 3), generator=torch.Generator().manual_seed(step))
                optimizer.zero_grad()
                cross_entropy(model(chosen), chosen[:, 0] % 10).backward()
                recorder.observe(optimizer if step % 2 else None, learning_rate=None if step % 2 else 0.5)
                optimizer.step()
                recorder.record(step)
        records.append(sink.records[-1].layers["0"])
    for one in records:
        np.testing.assert_allclose(one.trajectories["subspace"], one.singular_values[:8], rtol=1e-4)
    np.testing.assert_allclose(records[0].singular_values, records[1].singular_values, rtol=1e-5)
