"""Specification of a training run: model, data, optimiser, and what is recorded."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import ConfigDict, Field, model_validator

from sigmascope.divisors import nearest_divisors
from sigmascope.presets import preset_fields
from sigmascope.schemas.base import Frozen, Job
from sigmascope.schemas.spectra import Predictor

MOST_HEADS = 64


class MlpSpec(Frozen):
    """A multilayer perceptron with ReLU: W ~ N(0, 1/fan_in), zero biases."""

    kind: Literal["mlp"] = "mlp"
    width: int = Field(256, ge=1, le=8192, title="Width", description="units in each hidden layer")
    depth: int = Field(3, ge=1, le=16, title="Hidden layers", description="number of hidden layers")


class VitSpec(Frozen):
    """A vision transformer: patches, a class token, pre-norm encoder layers, a linear head.

    The paper's N(0, 1/sqrt(H_dim)) for the head is read as one of standard deviation 1/sqrt(width): variance
    1/fan_in, which the other matrices have too.
    """

    kind: Literal["vit"] = "vit"
    width: int = Field(256, ge=4, le=4096, title="Width", description="of each token")
    layers: int = Field(2, ge=1, le=48, title="Layers", description="encoder layers")
    heads: int = Field(
        4, ge=1, le=MOST_HEADS, title="Heads", description="of attention; they divide the width"
    )
    ffn_ratio: int = Field(2, ge=1, le=16, title="FFN ratio", description="hidden units over width")
    patch: int = Field(7, ge=1, le=32, title="Patch", description="pixels; divides the image size")

    @model_validator(mode="after")
    def _heads_divide(self) -> VitSpec:
        check_heads(self.width, self.heads)
        return self


class GptSpec(Frozen):
    """A decoder-only transformer over characters."""

    kind: Literal["gpt"] = "gpt"
    width: int = Field(256, ge=4, le=4096, title="Width", description="of each token")
    layers: int = Field(4, ge=1, le=48, title="Layers", description="decoder layers")
    heads: int = Field(
        4, ge=1, le=MOST_HEADS, title="Heads", description="of attention; they divide the width"
    )
    context: int = Field(256, ge=2, le=4096, title="Context", description="characters that are seen at once")

    @model_validator(mode="after")
    def _heads_divide(self) -> GptSpec:
        check_heads(self.width, self.heads)
        return self


def check_heads(width: int, heads: int) -> None:
    """ValueError unless heads divide the width; the message names the nearest that do."""
    if width % heads:
        raise ValueError(
            f"heads must divide the width, got heads={heads} and width={width}; choose "
            f"{nearest_divisors(width, heads, most=MOST_HEADS)}"
        )


def merge_model(base: Any, changes: Any) -> Any:
    """``changes`` over the preset's model when both are of one kind; an MLP where none is named."""
    if not isinstance(changes, dict):
        return changes
    base = base if isinstance(base, dict) else {"kind": "mlp"}
    kind = changes.get("kind", base["kind"])
    return {**(base if kind == base["kind"] else {}), **changes, "kind": kind}


ModelSpec = Annotated[MlpSpec | VitSpec | GptSpec, Field(discriminator="kind")]
ImageSet = Literal["mnist-builtin", "gaussian-teacher", "mnist", "fashion-mnist", "cifar10", "cifar100"]
TextSet = Literal["python-stdlib", "shakespeare"]
DatasetName = Literal[ImageSet, TextSet]
MODEL_KINDS = ("mlp", "vit", "gpt")
# of the numbers that have one, for the JSON Schema; all else is a count or a ratio
UNITS = {
    "batches": "batches",
    "batch_size": "samples",
    "learning_rate": "weight per gradient",
    "final_learning_rate": "weight per gradient",
    "weight_decay": "gradient per weight",
    "decay_every": "batches",
    "warmup": "batches",
    "clip_norm": "gradient norm",
    "evaluate_every": "batches",
    "noise_every": "batches",
    "modes_every": "batches",
    "reanchor_every": "batches",
    "top_k": "singular values",
}
# pixels of a side; the Gaussian teacher has none
IMAGE_SIDE = {"mnist-builtin": 28, "mnist": 28, "fashion-mnist": 28, "cifar10": 32, "cifar100": 32}


def add_units(schema: dict[str, Any], units: dict[str, str]) -> None:
    """Write ``unit`` into the properties of a JSON Schema that ``units`` names."""
    for name, unit in units.items():
        schema["properties"][name]["unit"] = unit


class TrainSpec(Job):
    """A training run whose spectra are recorded after every batch.

    ``{"preset": "demo", "batches": 50}`` takes the preset's fields and overrides one of them.
    """

    model_config = ConfigDict(json_schema_extra=lambda schema: add_units(schema, UNITS))

    kind: Literal["train"] = "train"
    preset: str | None = Field(None, title="Preset", description="starting point for all other fields")
    model: ModelSpec = Field(default_factory=MlpSpec, title="Model")
    dataset: DatasetName = Field(
        "mnist-builtin",
        title="Data set",
        description="mnist-builtin, gaussian-teacher and python-stdlib need no download",
    )
    batches: int = Field(400, ge=1, le=1_000_000, title="Batches", description="optimisation steps")
    batch_size: int = Field(128, ge=2, le=10_000, title="Batch size", description="images a batch")
    learning_rate: float = Field(
        0.05, gt=0, le=1e6, allow_inf_nan=False, title="Learning rate", description="of SGD, at its highest"
    )
    momentum: float = Field(
        0.0, ge=0, lt=1, allow_inf_nan=False, title="Momentum", description="0: plain SGD"
    )
    nesterov: bool = Field(False, title="Nesterov", description="look ahead; needs momentum")
    weight_decay: float = Field(
        0.0, ge=0, le=10, allow_inf_nan=False, title="Weight decay", description="added to the gradient"
    )
    schedule: Literal["constant", "cosine", "step"] = Field(
        "constant", title="Schedule", description="of the learning rate, after the warm-up"
    )
    final_learning_rate: float = Field(
        0.0, ge=0, le=1e6, allow_inf_nan=False, title="Final learning rate", description="of the cosine"
    )
    decay_every: int = Field(
        200, ge=1, le=1_000_000, title="Decay every", description="batches between two steps down"
    )
    decay_factor: float = Field(
        0.1, gt=0, le=1, allow_inf_nan=False, title="Decay factor", description="of a step down"
    )
    warmup: int = Field(0, ge=0, le=1_000_000, title="Warm-up", description="batches of linear rise")
    clip_norm: float = Field(
        0.0, ge=0, le=1e6, allow_inf_nan=False, title="Clip norm", description="of all gradients; 0: off"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="of initialisation and batch order")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", title="Device", description="auto: a GPU where there is one"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", title="Precision", description="of the forward pass; weights stay float32"
    )
    top_k: int = Field(8, ge=1, le=64, title="Tracked values", description="largest values to predict")
    evaluate_every: int = Field(
        50, ge=1, title="Evaluate every", description="batches between two evaluations on the test split"
    )
    spectra: Literal["auto", "svd", "gram", "gram64", "adaptive", "slq"] = Field(
        "auto",
        title="Spectra by",
        description="auto: exact, by shape; adaptive: cheapest, seconds late; slq: for the largest layers",
    )
    predictors: tuple[Predictor, ...] = Field(
        ("algorithm1", "subspace"),
        max_length=4,
        title="Predictors",
        description="trackers of the largest values; forces need subspace",
    )
    projections: Literal["whole", "split", "both"] = Field(
        "whole",
        title="Query, key, value",
        description="recorded as the one matrix they are multiplied as, as three, or both ways",
    )
    reanchor_every: int = Field(
        0,
        ge=0,
        le=1_000_000,
        title="Re-anchor every",
        description="batches after which predictors start anew at the true weights; 0: never",
    )
    noise_every: int = Field(
        1, ge=0, le=1_000_000, title="Noise every", description="batches between measurements; 0: never"
    )
    modes_every: int = Field(
        1,
        ge=0,
        le=1_000_000,
        title="Forces every",
        description="batches between looks at the change along the top modes; 0: never",
    )

    @model_validator(mode="after")
    def _fits_together(self) -> TrainSpec:
        self._check_data()
        if self.nesterov and self.momentum == 0:
            raise ValueError("nesterov needs momentum, got momentum=0; try 0.9")
        if self.schedule == "cosine" and self.final_learning_rate > self.learning_rate:
            raise ValueError(
                f"final_learning_rate must be at most learning_rate = {self.learning_rate:g}, got "
                f"{self.final_learning_rate:g}"
            )
        if self.warmup >= self.batches:
            raise ValueError(f"warmup must be below batches = {self.batches}, got {self.warmup}")
        return self

    def _check_data(self) -> None:
        text, images = get_args(TextSet), tuple(IMAGE_SIDE)
        if (self.model.kind == "gpt") != (self.dataset in text):
            fitting = text if self.model.kind == "gpt" else get_args(ImageSet)
            raise ValueError(
                f"dataset {self.dataset!r} does not fit a model of kind {self.model.kind!r}; choose one of "
                f"{', '.join(fitting)}"
            )
        if isinstance(self.model, VitSpec):
            side = IMAGE_SIDE.get(self.dataset)
            if side is None:
                raise ValueError(f"a vit needs images, got {self.dataset!r}; choose {', '.join(images)}")
            if side % self.model.patch:
                raise ValueError(
                    f"patch must divide the image size {side} of {self.dataset}, got {self.model.patch}; "
                    f"choose {nearest_divisors(side, self.model.patch, most=side)}"
                )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        merged: dict[str, Any] = preset_fields(str(data["preset"])) if data.get("preset") else {}
        if merged.get("kind", "train") != "train":
            raise ValueError(
                f"preset {data['preset']!r} is of kind {merged['kind']!r}; submit it as that kind"
            )
        for key, value in data.items():
            merged[key] = merge_model(merged.get(key), value) if key == "model" else value
        return merged
