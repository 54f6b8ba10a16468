"""The library on an NVIDIA GPU: the same figures as on the CPU, and a training that does not notice."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from sigmascope.errors import NumericalError
from sigmascope.prediction import PREDICTORS, make_predictor
from sigmascope.recorder import Recorder
from sigmascope.sinks import MemorySink
from sigmascope.spectra import exact_spectra, exact_spectrum, slq_spectrum
from sigmascope.spectra.adaptive_layer import BINS

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here"),
]
RATE, SAMPLES = 0.1, 512


def matrix(rows: int, columns: int, *, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(rows, columns, generator=generator) / math.sqrt(columns)


def exact(weight: torch.Tensor) -> np.ndarray:
    return np.linalg.svd(weight.cpu().double().numpy(), compute_uv=False)


@pytest.mark.parametrize("precision", ["highest", "high"])
@pytest.mark.parametrize("method", ["auto", "svd", "gram", "gram64"])
@pytest.mark.parametrize("shape", [(10, 7), (300, 200), (512, 700), (900, 800)])
def test_spectra(shape: tuple[int, int], method: str, precision: str) -> None:
    W = matrix(*shape).cuda()
    torch.set_float32_matmul_precision(precision)
    try:
        found = exact_spectrum(W, method=method)
    finally:
        torch.set_float32_matmul_precision("highest")
    assert found.values.device.type == "cpu"
    error = np.abs(found.values.double().numpy() - exact(W)).max()
    assert error <= found.error_bound
    assert error <= 3e-5 * found.values[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions(dtype: torch.dtype) -> None:
    W = matrix(90, 120).cuda().to(dtype)
    np.testing.assert_allclose(exact_spectrum(W).values, exact(W), atol=2e-5)


def test_layers_here_and_there() -> None:
    weights = {"gpu": matrix(70, 80).cuda(), "cpu": matrix(70, 80, seed=1), "too": matrix(80, 70).cuda().T}
    for name, found in exact_spectra(weights).items():
        np.testing.assert_allclose(found.values, exact(weights[name]), atol=2e-5)
    weights["gpu"][3, 4] = math.nan
    with pytest.raises(NumericalError, match=r"gpu.*1 of 5600 weights are NaN"):
        exact_spectra(weights)


def test_layers_too_large_to_decompose() -> None:
    W = matrix(1500, 1400).cuda()
    W += 3 * torch.outer(matrix(1500, 1, seed=1)[:, 0], matrix(1400, 1, seed=2)[:, 0]).cuda() / 1450
    found, true = slq_spectrum(W).values.double().numpy(), exact(W)
    np.testing.assert_allclose(found[:5], true[:5], rtol=1e-5)
    assert np.abs(np.searchsorted(-found, -true) - np.arange(1400)).max() <= 0.02 * 1400


@pytest.mark.parametrize("name", PREDICTORS)
@pytest.mark.parametrize("shape", [(160, 130), (130, 160), (40, 8)])
def test_predictors_say_what_they_say_on_the_cpu(name: str, shape: tuple[int, int]) -> None:
    here, there = make_predictor(name, k=8), make_predictor(name, k=8)
    W0 = matrix(*shape)
    here.start(W0)
    there.start(W0.cuda())
    for seed in range(1, 11):
        G = matrix(*shape, seed=seed)
        here.step(G, scale=0.005)
        there.step(G.cuda(), scale=0.005)
    assert there.singular_values.device.type == "cpu"
    np.testing.assert_allclose(there.singular_values, here.singular_values, rtol=1e-5)


def trained(*, spectra: str | None) -> tuple[nn.Module, torch.Tensor, MemorySink]:
    """The model, the GPU's random state after training, and what was recorded; None for nothing."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(100, 200), nn.ReLU(), nn.Dropout(), nn.Linear(200, 10)).cuda()
    optimizer, sink = torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.5), MemorySink()
    x, y = matrix(SAMPLES, 100, seed=9).cuda() * 10, (torch.arange(SAMPLES) % 10).cuda()
    recorder = spectra and Recorder(
        model, sink, sample_count=SAMPLES, spectra=spectra, predictors=list(PREDICTORS)
    )
    if recorder:
        recorder.record(0)
    for step in range(1, 31):
        batch = torch.randint(SAMPLES, (64,), device="cuda")
        optimizer.zero_grad()
        cross_entropy(model(x[batch]), y[batch]).backward()
        if recorder:
            recorder.observe(optimizer)
        optimizer.step()
        if recorder:
            recorder.record(step)
    return model, torch.cuda.get_rng_state(), sink


@pytest.mark.parametrize("spectra", ["auto", "adaptive"])
def test_training_is_bit_identical_with_and_without(spectra: str) -> None:
    watched, watched_state, sink = trained(spectra=spectra)
    bare, bare_state, _ = trained(spectra=None)
    assert all(torch.equal(a, b) for a, b in zip(watched.parameters(), bare.parameters(), strict=True))
    assert torch.equal(watched_state, bare_state)
    assert len(sink.records) == 31
    for name, layer in sink.records[-1].layers.items():
        true = exact(watched[int(name)].weight.detach())  # type: ignore[index]
        assert np.abs(layer.singular_values - true).max() <= 0.2 * true[0] / BINS
        np.testing.assert_allclose(layer.trajectories["subspace"], true[:8], rtol=1e-3)


def test_noise_and_modes_are_those_of_the_cpu() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(60, 50), nn.Tanh(), nn.Linear(50, 10))
    x, y = matrix(64, 60, seed=3), torch.arange(64) % 10
    records = []
    for device in ("cpu", "cuda"):
        copied, sink = copy.deepcopy(model).to(device), MemorySink()
        with Recorder(copied, sink, sample_count=SAMPLES, learning_rate=RATE) as recorder:
            cross_entropy(copied(x.to(device)), y.to(device)).backward()
            recorder.observe()
            recorder.record(1)
        records.append(sink.records[0].layers)
    for name, here in records[0].items():
        there = records[1][name]
        assert here.noise is not None
        assert there.noise is not None
        assert there.noise.beta1 == pytest.approx(here.noise.beta1, rel=1e-4)
        assert there.noise.diffusion == pytest.approx(here.noise.diffusion, rel=1e-4)
        assert here.modes is not None
        assert there.modes is not None
        np.testing.assert_allclose(there.modes.projected, here.modes.projected, rtol=1e-2, atol=1e-6)
