"""What is recorded is the same, bit for bit, whatever precision the training around it asks of torch."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from sigmascope.apart import apart_from_training
from sigmascope.prediction import PREDICTORS, make_predictor
from sigmascope.recorder import Recorder
from sigmascope.sinks import MemorySink
from sigmascope.spectra import exact_spectra, exact_spectrum, slq_spectrum
from sigmascope.spectra.adaptive import AdaptiveSpectra

PRODUCTS = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)


@contextmanager
def autocast() -> Iterator[None]:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        yield


@contextmanager
def short_products() -> Iterator[None]:
    """bfloat16 on a CPU that has it, TF32 on a GPU."""
    torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("highest")


SETTINGS = {"autocast": autocast, "short products": short_products}


def matrix(rows: int, columns: int, *, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) / math.sqrt(columns)


def tracked(name: str) -> torch.Tensor:
    tracker = make_predictor(name, k=4)
    tracker.start(matrix(120, 90))
    for seed in range(1, 5):
        tracker.step(matrix(120, 90, seed=seed), scale=0.01)
    return tracker.singular_values


def adaptive() -> torch.Tensor:
    reader, found = AdaptiveSpectra(method="gram"), {}
    for step in range(3):
        found |= reader.read({"W": matrix(120, 90) * (1 + 1e-4 * step)}, step=step)
    found |= reader.settle({"W": matrix(120, 90) * (1 + 2e-4)})
    return torch.cat([one["W"].values for one in found.values()])


def recorded() -> torch.Tensor:
    """Trained outside of the setting, as far as that goes; recorded inside of it."""
    model = nn.Sequential(nn.Linear(100, 90), nn.ReLU(), nn.Linear(90, 10))
    with torch.no_grad():
        for seed, parameter in enumerate(model.parameters()):
            parameter.copy_(matrix(len(parameter), parameter[0].numel(), seed=seed).view_as(parameter))
    sink = MemorySink()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = matrix(32, 100, seed=9), torch.arange(32) % 10
    with Recorder(model, sink, sample_count=64, spectra="gram", predictors=list(PREDICTORS)) as recorder:
        for step in range(1, 4):
            optimizer.zero_grad()
            plainly(lambda: cross_entropy(model(x), y).backward())
            recorder.observe(optimizer)
            plainly(optimizer.step)
            recorder.record(step)
    found: list[float] = []
    for one in sink.records:
        for layer in one.layers.values():
            assert layer.noise is not None
            assert layer.modes is not None
            found += [*layer.singular_values, layer.noise.beta1, *layer.modes.projected]
            found += [value for trajectory in layer.trajectories.values() for value in trajectory]
    return torch.tensor(found)


def plainly(work: Callable[[], object]) -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    with torch.autocast("cpu", enabled=False):
        work()
    torch.set_float32_matmul_precision(before)


WORKS: dict[str, Callable[[], torch.Tensor]] = {
    "exact_spectrum": lambda: exact_spectrum(matrix(120, 90), method="gram").values,
    "exact_spectra": lambda: exact_spectra({"a": matrix(120, 90)}, method="gram")["a"].values,
    "slq_spectrum": lambda: slq_spectrum(matrix(600, 540)).values,
    "adaptive": adaptive,
    "recorder": recorded,
    **{name: lambda name=name: tracked(name) for name in PREDICTORS},  # type: ignore[misc]
}


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize("work", WORKS)
def test_nothing_recorded_is_shortened(work: str, setting: str) -> None:
    plain = WORKS[work]()
    with SETTINGS[setting]():
        assert torch.equal(WORKS[work](), plain)


def test_settings_are_left_as_they_were() -> None:
    """Also where an error ends the work, and to whoever reads them by torch's older names."""

    @apart_from_training
    def fails() -> None:
        assert not torch.is_grad_enabled()
        assert not torch.is_autocast_enabled("cpu")
        assert [products.fp32_precision for products in PRODUCTS] == ["ieee", "ieee"]
        raise ZeroDivisionError

    with short_products(), autocast():
        with pytest.raises(ZeroDivisionError):
            fails()
        assert torch.is_grad_enabled()
        assert torch.is_autocast_enabled("cpu")
        assert torch.get_float32_matmul_precision() == "medium"
        assert [products.fp32_precision for products in PRODUCTS] == ["tf32", "bf16"]
