"""The training loop: reproducible, unmoved by the recorder, honest about divergence."""

from __future__ import annotations

import os

import pytest
import torch

from sigmascope.errors import DivergedError, InvalidValueError
from sigmascope.schemas import TrainSpec
from sigmascope.sinks import MemorySink
from worker.building import build_model, choose_device, make_recorder
from worker.datasets.images import Images, load
from worker.training import Unwatched, train
from worker.training_job import thread_count

SPEC = TrainSpec.model_validate({"model": {"width": 32, "depth": 2}, "batches": 25, "batch_size": 32})


@pytest.fixture(scope="module")
def data() -> Images:
    return load("mnist-builtin")


def trained(spec: TrainSpec, data: Images, *, record: bool) -> tuple[torch.nn.Module, MemorySink]:
    model, sink = build_model(spec, data), MemorySink()
    if record:
        with make_recorder(spec, model, data, sink) as recorder:
            train(spec, model, data, watcher=recorder, stop=lambda: False)
    else:
        train(spec, model, data, watcher=Unwatched(), stop=lambda: False)
    return model, sink


def test_recording_leaves_the_weights_bit_identical(data: Images) -> None:
    watched, sink = trained(SPEC, data, record=True)
    bare, _ = trained(SPEC, data, record=False)
    for name, weight in bare.state_dict().items():
        assert torch.equal(weight, watched.state_dict()[name]), name
    assert sink.steps.tolist() == list(range(26))


def test_every_batch_has_exact_spectra(data: Images) -> None:
    model, sink = trained(SPEC, data, record=True)
    assert list(sink.records[0].layers) == ["hidden.0", "hidden.1", "head"]
    for name in sink.records[-1].layers:
        weight = model.get_parameter(f"{name}.weight").detach().double()
        seen = torch.from_numpy(sink.singular_values(name)[-1]).double()
        assert torch.allclose(seen, torch.linalg.svdvals(weight), atol=2e-4 * float(seen[0]))
    assert sink.metric("loss")[-1] < sink.metric("loss")[1]
    assert sink.metric("test_accuracy")[-1] > 0.2


def test_initialisation_is_the_papers(data: Images) -> None:
    spec = TrainSpec.model_validate({"model": {"width": 512}})
    model = build_model(spec, data)
    for name, weight in model.named_parameters():
        if name.endswith("bias"):
            assert not weight.any()
        elif weight.numel() > 100_000:
            assert weight.var().item() * weight.shape[1] == pytest.approx(1, abs=0.02)
    assert torch.equal(build_model(spec, data).head.weight, model.head.weight)  # type: ignore[union-attr, arg-type]


def test_divergence_names_step_rate_and_remedy(data: Images) -> None:
    spec = SPEC.model_copy(update={"learning_rate": 1e4})
    model, sink = build_model(spec, data), MemorySink()
    with (
        make_recorder(spec, model, data, sink) as recorder,
        pytest.raises(DivergedError, match=r"at step \d+ with learning_rate 10000: .*(loss|NaN)"),
    ):
        train(spec, model, data, watcher=recorder, stop=lambda: False)
    assert sink.steps.tolist() == list(range(len(sink.records)))
    assert len(sink.records) >= 2


def test_stop_is_asked_after_every_batch(data: Images) -> None:
    sink = MemorySink()
    model = build_model(SPEC, data)
    with make_recorder(SPEC, model, data, sink) as recorder:
        train(SPEC, model, data, watcher=recorder, stop=lambda: len(sink.records) > 3)
    assert sink.steps.tolist() == [0, 1, 2, 3]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_cuda_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"'cuda' is not available.*'cpu' or 'auto'"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


def test_small_spectra_take_one_thread() -> None:
    assert thread_count([256, 512, 10]) == 1
    assert thread_count([784, 1024]) == os.cpu_count()
