"""From a specification to what trains: network and recorder."""

from __future__ import annotations

import torch
from torch import nn

from sigmascope.errors import InvalidValueError
from sigmascope.recorder import Recorder
from sigmascope.schemas import GptSpec, MlpSpec, TrainSpec
from sigmascope.sinks import Sink
from sigmascope.spectra import WeightMatrix, split_qkv, weight_matrices
from sigmascope.spectra.adaptive_layer import LAG
from worker.datasets.images import Images
from worker.datasets.text import Text
from worker.models.gpt import Gpt
from worker.models.mlp import Mlp
from worker.models.vit import Vit

Data = Images | Text
# additions and multiplications of training in some two seconds on two cores
SECONDS_OF_WORK = 2e11


def build_model(spec: TrainSpec, data: Data) -> nn.Module:
    """The network of ``spec``; its seed alone decides the initial weights.

    Raises:
        InvalidValueError: the model does not fit the data.
    """
    generator = torch.Generator().manual_seed(spec.seed)
    model = spec.model
    if isinstance(model, GptSpec):
        return Gpt(
            vocabulary=data.classes,
            context=model.context,
            width=model.width,
            depth=model.layers,
            heads=model.heads,
            generator=generator,
        )
    if not isinstance(data, Images):
        raise InvalidValueError(f"a model of kind {model.kind!r} needs images, got {spec.dataset!r}")
    if isinstance(model, MlpSpec):
        return Mlp(
            features=data.features,
            classes=data.classes,
            width=model.width,
            depth=model.depth,
            generator=generator,
        )
    return Vit(
        image_shape=data.image_shape,
        classes=data.classes,
        patch=model.patch,
        width=model.width,
        depth=model.layers,
        heads=model.heads,
        ratio=model.ffn_ratio,
        generator=generator,
    )


def make_recorder(spec: TrainSpec, model: nn.Module, data: Data, sink: Sink) -> Recorder:
    """The recorder that ``spec`` asks for."""
    matrices = recorded_matrices(spec, model)
    return Recorder(
        model,
        sink,
        matrices=matrices,
        top_k=spec.top_k,
        spectra=spec.spectra,
        predictors=spec.predictors,
        reanchor_every=spec.reanchor_every,
        noise_every=spec.noise_every,
        modes_every=spec.modes_every,
        sample_count=data.sample_count,
        learning_rate=spec.learning_rate,
        lag=_lag(spec, data, entries=sum(matrix.tensor().numel() for matrix in matrices.values())),
    )


def positions(spec: TrainSpec, data: Data) -> int:
    """Positions of a sample: characters, or patches with the class token."""
    model = spec.model
    if isinstance(model, GptSpec):
        return model.context
    if isinstance(model, MlpSpec) or not isinstance(data, Images):
        return 1
    _, height, width = data.image_shape
    return 1 + (height // model.patch) * (width // model.patch)


def _lag(spec: TrainSpec, data: Data, *, entries: int) -> int:
    """Batches that adaptive spectra may come late: some two seconds, by the work of a batch.

    The clock has no say, so that two runs of one specification are the same. Where a batch takes long,
    decompositions weigh little beside it, and may be more frequent.
    """
    work = 6 * entries * spec.batch_size * positions(spec, data)
    return max(2, min(LAG, round(SECONDS_OF_WORK / work)))


def recorded_matrices(spec: TrainSpec, model: nn.Module) -> dict[str, WeightMatrix]:
    """The matrices to record; the parts of a fused projection stand where it stands, or after it."""
    found: list[WeightMatrix] = []
    for name, matrix in weight_matrices(model).items():
        fused = name.rpartition(".")[2] == "qkv"
        if not fused or spec.projections != "split":
            found.append(matrix)
        if fused and spec.projections != "whole":
            found += split_qkv(matrix)
    return {matrix.name: matrix for matrix in found}
