"""The training loop: reproducible, unmoved by the recorder, honest about divergence."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
import torch

from sigmascope.errors import DivergedError
from sigmascope.schemas import GptSpec, TrainSpec
from sigmascope.sinks import MemorySink
from worker.building import Data, build_model, make_recorder
from worker.datasets.catalogue import load as load_data_set
from worker.datasets.images import Images, batch_indices, load
from worker.training import Unwatched, train
from worker.training_job import thread_count

SPEC = TrainSpec.model_validate({"model": {"width": 32, "depth": 2}, "batches": 25, "batch_size": 32})


@pytest.fixture(scope="module")
def data() -> Images:
    return load("mnist-builtin")


def trained(spec: TrainSpec, data: Data, *, record: bool) -> tuple[torch.nn.Module, MemorySink]:
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


FAMILIES = (
    {"model": {"kind": "mlp", "width": 16, "depth": 2}, "momentum": 0.9, "nesterov": True},
    {"model": {"kind": "vit", "width": 16, "layers": 1, "patch": 14}, "warmup": 2, "clip_norm": 1.0},
    {
        "model": {"kind": "gpt", "width": 16, "layers": 1, "context": 8},
        "dataset": "python-stdlib",
        "schedule": "cosine",
    },
)


@pytest.mark.parametrize("fields", FAMILIES, ids=lambda fields: fields["model"]["kind"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_run_is_a_function_of_its_specification(fields: dict[str, Any], precision: str) -> None:
    spec = TrainSpec.model_validate(
        {"batches": 6, "batch_size": 8, "evaluate_every": 100, "precision": precision, **fields}
    )
    data = load_any(spec)
    weights = trained(spec, data, record=True)[0].state_dict()
    torch.manual_seed(99)  # nothing may draw from the global generator
    again = trained(spec, data, record=False)[0].state_dict()
    often = trained(spec.model_copy(update={"evaluate_every": 2}), data, record=False)[0].state_dict()
    other = trained(spec.model_copy(update={"seed": 1}), data, record=False)[0].state_dict()
    for name, weight in weights.items():
        assert weight.dtype == torch.float32
        assert torch.equal(weight, again[name]), name
        assert torch.equal(weight, often[name]), name
    assert any(not torch.equal(weight, other[name]) for name, weight in weights.items())


def load_any(spec: TrainSpec) -> Data:
    context = spec.model.context if isinstance(spec.model, GptSpec) else 1
    return load_data_set(spec.dataset, context=context)


def test_bfloat16_changes_the_pass_and_not_what_is_recorded_of_it(data: Images) -> None:
    sinks = {}
    for precision in ("float32", "bfloat16"):
        spec = SPEC.model_copy(update={"precision": precision})
        model, sinks[precision] = trained(spec, data, record=True)
        for name in ("hidden.0", "hidden.1", "head"):
            weight = model.get_parameter(f"{name}.weight").detach().double()
            seen = torch.from_numpy(sinks[precision].singular_values(name)[-1]).double()
            assert torch.allclose(seen, torch.linalg.svdvals(weight), atol=2e-4 * float(seen[0])), name
    full, half = (sinks[precision] for precision in ("float32", "bfloat16"))
    assert full.metric("loss")[1] != half.metric("loss")[1]
    # after 25 batches the roundings have led to weights of their own
    assert full.metric("loss")[-1] == pytest.approx(half.metric("loss")[-1], rel=0.1)
    # the first batch has the same weights: its noise differs by the rounding of bfloat16, 2^-8, alone
    for name, layer in full.records[1].layers.items():
        noise, rounded = layer.noise, half.records[1].layers[name].noise
        assert noise is not None
        assert rounded is not None
        assert rounded.gradient_norm == pytest.approx(noise.gradient_norm, rel=0.02)
        assert rounded.beta1 == pytest.approx(noise.beta1, rel=0.02)


def test_the_recorded_loss_and_accuracy_are_those_of_the_batch(data: Images) -> None:
    _, sink = trained(SPEC, data, record=True)
    model = build_model(SPEC, data)
    x, y = data.batch(batch_indices(data.sample_count, batch_size=32, step=1, seed=0))
    scores = model(x)
    assert sink.metric("loss")[1] == torch.nn.functional.cross_entropy(scores, y).item()
    assert sink.metric("accuracy")[1] == (scores.argmax(1) == y).sum().item() / 32


def test_small_spectra_take_one_thread() -> None:
    assert thread_count([256, 512, 10]) == 1
    assert thread_count([784, 1024]) == os.cpu_count()


TINY_VIT = {
    "model": {"kind": "vit", "patch": 7, "width": 16, "layers": 1, "heads": 2},
    "batches": 3,
    "batch_size": 8,
}


@pytest.mark.parametrize(
    ("projections", "expected"),
    [
        ("whole", {"qkv": (48, 16)}),
        ("split", {"qkv.q": (16, 16), "qkv.k": (16, 16), "qkv.v": (16, 16)}),
        ("both", {"qkv": (48, 16), "qkv.q": (16, 16), "qkv.k": (16, 16), "qkv.v": (16, 16)}),
    ],
)
def test_fused_projections_whole_and_in_parts(
    data: Images, projections: str, expected: dict[str, tuple[int, int]]
) -> None:
    spec = TrainSpec.model_validate({**TINY_VIT, "projections": projections})
    model, sink = trained(spec, data, record=True)
    seen = {
        name: values for name, values in sink.records[-1].layers.items() if name.startswith("blocks.0.qkv")
    }
    assert [name.removeprefix("blocks.0.") for name in seen] == list(expected)
    weight = model.get_parameter("blocks.0.qkv.weight").detach().double()
    for name, layer in seen.items():
        part = name.rpartition(".")[2]
        rows = weight if part == "qkv" else weight["qkv".index(part) * 16 :][:16]
        np.testing.assert_allclose(layer.singular_values, torch.linalg.svdvals(rows), atol=1e-5)
        assert layer.trajectories["subspace"] == pytest.approx(layer.singular_values[:8], rel=1e-3)


def test_cadences_of_the_specification_reach_the_recorder(data: Images) -> None:
    fields = {**SPEC.model_dump(), "batches": 6, "spectra": "gram64", "predictors": ("algorithm1",)}
    drifting, anchored = (
        trained(TrainSpec.model_validate({**fields, "reanchor_every": every}), data, record=True)[1]
        for every in (0, 2)
    )
    last = [sink.records[-1].layers["head"] for sink in (drifting, anchored)]
    errors = [abs(one.trajectories["algorithm1"] - one.singular_values[:8]).max() for one in last]
    assert errors[1] < errors[0]
    watched = TrainSpec.model_validate({**fields, "predictors": ("subspace",), "modes_every": 3})
    records = trained(watched, data, record=True)[1].records
    seen = [record.layers["head"].modes is not None for record in records]
    assert seen == [False, True, False, False, True, False, False]
