"""What only an NVIDIA GPU can show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from sigmascope.errors import OutOfMemoryError
from sigmascope.schemas import TrainSpec
from sigmascope.sinks import MemorySink
from worker.building import build_model, make_recorder
from worker.checkpoints import Checkpoints, Training
from worker.datasets.catalogue import load
from worker.devices import choose_device, make_repeatable
from worker.memory import device_memory, memory_explained
from worker.optimisation import make_optimizer
from worker.training import train

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no NVIDIA GPU here"),
]
GPT = {"kind": "gpt", "width": 64, "layers": 2, "context": 64}


@pytest.fixture
def repeatable() -> Iterator[torch.device]:
    device = choose_device("auto").device
    make_repeatable(device)
    yield device
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_two_runs_are_bit_identical(repeatable: torch.device, precision: str) -> None:
    spec = TrainSpec.model_validate(
        {"model": GPT, "dataset": "python-stdlib", "batches": 10, "batch_size": 8, "precision": precision}
    )
    data = load(spec.dataset, context=64).to(repeatable)
    states = []
    for _ in range(2):
        model, sink = build_model(spec, data).to(repeatable), MemorySink()
        with make_recorder(spec, model, data, sink) as recorder:
            train(spec, model, data, watcher=recorder, stop=lambda: False)
        states.append(model.state_dict())
        assert sink.metric("loss")[-1] < sink.metric("loss")[1]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


@pytest.mark.parametrize("spectra", ["adaptive", "auto"])
def test_a_training_that_goes_on_is_bit_identical(
    repeatable: torch.device, spectra: str, tmp_path: Path
) -> None:
    spec = TrainSpec.model_validate(
        {"model": {"width": 128, "depth": 2}, "batches": 16, "momentum": 0.9, "spectra": spectra}
    )
    data = load(spec.dataset, context=1).to(repeatable)
    kept = Checkpoints(tmp_path, "run", {})

    def trained(*, after: int, stop_at: int) -> MemorySink:
        model, sink = build_model(spec, data).to(repeatable), MemorySink()
        with make_recorder(spec, model, data, sink) as recorder:
            training = Training(model, make_optimizer(spec, model), recorder)
            if after:
                training.load_state_dict(kept.read(after))
            train(
                spec,
                model,
                data,
                watcher=recorder,
                stop=lambda: sink.records[-1].step == stop_at,
                optimizer=training.optimizer,
                after=after,
            )
            if stop_at < spec.batches:
                kept.write(stop_at, training.state_dict())
        return sink

    whole = trained(after=0, stop_at=16)
    trained(after=0, stop_at=9)
    rest = trained(after=9, stop_at=16)
    assert rest.steps.tolist() == list(range(10, 17))
    for ours, theirs in zip(rest.records, whole.records[10:], strict=True):
        assert ours.metrics["loss"] == theirs.metrics["loss"]
        for name, layer in theirs.layers.items():
            assert ours.layers[name].law_fit == layer.law_fit
            assert ours.layers[name].noise == layer.noise
            np.testing.assert_array_equal(ours.layers[name].singular_values, layer.singular_values)
            for predictor, values in layer.trajectories.items():
                np.testing.assert_array_equal(ours.layers[name].trajectories[predictor], values)


def test_the_device_has_a_name_and_memory() -> None:
    placement = choose_device("cuda")
    assert placement.describe() == torch.cuda.get_device_name()
    free, total = device_memory(placement.device)
    assert 0 < free <= total


def test_a_gpu_that_is_full_says_what_was_asked_for() -> None:
    device = choose_device("cuda").device
    with (
        pytest.raises(OutOfMemoryError, match=r"out of memory on cuda: .* GiB asked for, .* of .* free"),
        memory_explained(device),
    ):
        torch.empty(2**50, dtype=torch.uint8, device=device)
