"""What a specification needs, beside what torch says of the model that it builds."""

from __future__ import annotations

from typing import Any

import pytest

from sigmascope.errors import OutOfMemoryError
from sigmascope.schemas import GptSpec, TrainSpec
from sigmascope.spectra import weight_matrices
from worker.building import build_model
from worker.datasets.catalogue import load
from worker.memory import Room
from worker.memory_needs import memory_needs, require, unrecorded, weight_shapes

GPT = {"model": {"kind": "gpt", "width": 64, "layers": 2, "context": 32}, "dataset": "python-stdlib"}
MODELS: dict[str, dict[str, Any]] = {
    "mlp": {"model": {"width": 96, "depth": 3}},
    "vit": {"model": {"kind": "vit", "width": 64, "layers": 2, "patch": 7, "ffn_ratio": 3}},
    "gpt": GPT,
}


def spec_of(**fields: Any) -> TrainSpec:
    return TrainSpec.model_validate(fields)


@pytest.mark.parametrize("fields", MODELS.values(), ids=MODELS)
def test_shapes_are_those_of_the_model(fields: dict[str, Any]) -> None:
    spec = spec_of(**fields)
    data = load(spec.dataset, context=spec.model.context if isinstance(spec.model, GptSpec) else 1)
    model = build_model(spec, data)
    shapes = [matrix.shape for matrix in weight_matrices(model).values()]
    assert weight_shapes(spec, data) == shapes
    counted = sum(rows * columns for rows, columns in shapes) + unrecorded(spec, data)
    # biases and norms are left out: so many numbers as a matrix has rows, and some
    assert counted == pytest.approx(sum(one.numel() for one in model.parameters()), rel=0.03)


def test_parts_follow_the_specification() -> None:
    data = load("mnist-builtin", context=1)
    plain = memory_needs(spec_of(**MODELS["mlp"]), data)
    assert plain.total == plain.weights + plain.predictors + plain.batch + plain.data
    heavy = memory_needs(spec_of(**MODELS["mlp"], momentum=0.9), data)
    assert heavy.weights == pytest.approx(1.5 * plain.weights)
    blind = memory_needs(spec_of(**MODELS["mlp"], predictors=("hold",)), data)
    assert blind.predictors == 0
    assert plain.predictors > plain.weights / 2
    wide = memory_needs(spec_of(**MODELS["mlp"], batch_size=1280), data)
    assert wide.batch == 10 * plain.batch
    assert plain.data == 12_000 * (784 * 4 + 8)
    longer = spec_of(**{**GPT, "model": {**GPT["model"], "context": 64}})
    text = [load("python-stdlib", context=context) for context in (32, 64)]
    assert memory_needs(longer, text[1]).batch == 2 * memory_needs(spec_of(**GPT), text[0]).batch


def test_what_is_largest_is_what_to_change() -> None:
    data = load("mnist-builtin", context=1)
    needs = memory_needs(spec_of(batch_size=10_000, model={"width": 4096, "depth": 2}), data)
    require(needs, Room("cpu", free=0, total=needs.total))
    with pytest.raises(
        OutOfMemoryError, match=r"has 1\.0 KiB of 1\.0 MiB free\. Choose a smaller batch_size"
    ):
        require(needs, Room("cpu", free=2**10, total=2**20))
