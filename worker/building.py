"""From a specification to what trains: network and recorder."""

from __future__ import annotations

import torch
from torch import nn

from sigmascope.errors import InvalidValueError
from sigmascope.recorder import Recorder
from sigmascope.schemas import GptSpec, MlpSpec, TrainSpec
from sigmascope.sinks import Sink
from sigmascope.spectra import WeightMatrix, split_qkv, weight_matrices
from worker.datasets.images import Images
from worker.datasets.text import Text
from worker.models.gpt import Gpt
from worker.models.mlp import Mlp
from worker.models.vit import Vit

Data = Images | Text


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
    return Recorder(
        model,
        sink,
        matrices=_matrices(model, spec.projections),
        top_k=spec.top_k,
        spectra=spec.spectra,
        predictors=spec.predictors,
        reanchor_every=spec.reanchor_every,
        noise_every=spec.noise_every,
        modes_every=spec.modes_every,
        sample_count=data.sample_count,
        learning_rate=spec.learning_rate,
    )


def _matrices(model: nn.Module, projections: str) -> dict[str, WeightMatrix]:
    """The matrices to record; the parts of a fused projection stand where it stands, or after it."""
    found: list[WeightMatrix] = []
    for name, matrix in weight_matrices(model).items():
        fused = name.rpartition(".")[2] == "qkv"
        if not fused or projections != "split":
            found.append(matrix)
        if fused and projections != "whole":
            found += split_qkv(matrix)
    return {matrix.name: matrix for matrix in found}
