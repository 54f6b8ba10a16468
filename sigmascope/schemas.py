"""Every type that crosses a process border, once: requests, answers and job specifications."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sigmascope.presets import preset_fields

Predictor = Literal["algorithm1", "subspace"]


# no control characters, and none that turn the direction of the text after them
NAME = r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$"


class Frozen(BaseModel):
    """Immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


# Specifications: what a user asks for


class MlpSpec(Frozen):
    """A multilayer perceptron with ReLU: W ~ N(0, 1/fan_in), zero biases."""

    kind: Literal["mlp"] = "mlp"
    width: int = Field(256, ge=1, le=8192, title="Width", description="units in each hidden layer")
    depth: int = Field(3, ge=1, le=16, title="Hidden layers", description="number of hidden layers")


class TrainSpec(Frozen):
    """A training run whose spectra are recorded after every batch.

    ``{"preset": "demo", "batches": 50}`` takes the preset's fields and overrides one of them.
    """

    kind: Literal["train"] = "train"
    name: str = Field(
        "",
        max_length=120,
        pattern=NAME,
        title="Name",
        description="yours to choose; shown in the list",
    )
    preset: str | None = Field(None, title="Preset", description="starting point for all other fields")
    model: MlpSpec = Field(default_factory=MlpSpec, title="Model")
    dataset: Literal["mnist-builtin"] = Field(
        "mnist-builtin",
        title="Data set",
        description="12,000 images of MNIST, shipped with sigmascope",
    )
    batches: int = Field(400, ge=1, le=1_000_000, title="Batches", description="optimisation steps")
    batch_size: int = Field(128, ge=2, le=10_000, title="Batch size", description="images a batch")
    learning_rate: float = Field(
        0.05, gt=0, le=1e6, allow_inf_nan=False, title="Learning rate", description="of plain SGD"
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="of initialisation and batch order")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", title="Device")
    top_k: int = Field(8, ge=1, le=64, title="Tracked values", description="largest values to predict")
    evaluate_every: int = Field(
        50, ge=1, title="Evaluate every", description="batches between two evaluations on the test split"
    )
    spectra: Literal["auto", "svd", "gram"] = Field(
        "auto", title="Spectra by", description="svd: most accurate; gram: fastest; auto: by shape"
    )

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("preset"):
            return data
        merged: dict[str, Any] = preset_fields(str(data["preset"]))
        for key, value in data.items():
            base = merged.get(key)
            merged[key] = {**base, **value} if isinstance(base, dict) and isinstance(value, dict) else value
        return merged


# Answers: what the service tells


class RunStatus(StrEnum):
    """Where a run stands; the last three are final."""

    queued = "queued"
    running = "running"
    finished = "finished"
    failed = "failed"
    cancelled = "cancelled"

    @property
    def final(self) -> bool:
        """True when nothing will change any more."""
        return self in (RunStatus.finished, RunStatus.failed, RunStatus.cancelled)


class ExportFormat(StrEnum):
    """File formats of an export.

    ``npz`` holds everything: arrays ``{layer}/singular_values`` (steps, n) with ``{layer}/steps``,
    ``{layer}/{predictor}`` (steps, k), ``{layer}/laws/...``, ``metrics/...``, and the run itself as JSON in
    ``run``. ``parquet`` and ``csv`` are one long table of singular values: layer, step, k (from 1, the
    largest), the value, and what predictors said of it.
    """

    npz = "npz"
    parquet = "parquet"
    csv = "csv"


class Run(BaseModel):
    """A run as the service knows it."""

    id: str
    name: str
    kind: str
    status: RunStatus
    spec: TrainSpec
    step: int = Field(description="last recorded step")
    total_steps: int
    batches_per_second: float | None
    seconds_left: float | None
    attempt: int
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    device: str | None
    versions: dict[str, str]


class Layer(BaseModel):
    """A recorded weight matrix, oriented so that m >= n; it has n singular values."""

    name: str
    m: int
    n: int
    q: float = Field(description="aspect ratio n / m")
    entry_variance: float = Field(description="variance of the entries before the first step")


class Preset(BaseModel):
    """A named starting point, with the full specification it stands for."""

    name: str
    title: str
    spec: TrainSpec


class Metrics(BaseModel):
    """Training metrics, one array a quantity, aligned with ``steps``; null where it was not measured."""

    steps: list[int]
    values: dict[str, list[float | None]]


class Spectra(BaseModel):
    """Singular values of one layer, descending, one row a step."""

    layer: str
    steps: list[int]
    singular_values: list[list[float]]
    method: list[str]
    error_bound: list[float]


class Curve(BaseModel):
    """A law's density in its own unit, to be shifted and scaled by the parameters of a step."""

    x: list[float]
    pdf: list[float]


class LawFits(BaseModel):
    """The laws over one layer's spectrum, one entry a step.

    ``marchenko_pastur`` is the singular-value density at unit entry variance: at a step with entry variance
    s^2 it is (s x, pdf / s). ``tracy_widom`` is F_1': the largest singular value of pure noise lies at
    sqrt(tw_center + tw_scale x) with density pdf 2 sigma / tw_scale.
    ``fits`` holds the fields of :class:`sigmascope.theory.law_fit.LawFit`, by name, aligned with ``steps``,
    and ``printed_log_norm``, which is to the printed gamma law what ``gamma_log_norm`` is to the fitted one.
    """

    layer: str
    marchenko_pastur: Curve
    tracy_widom: Curve
    steps: list[int]
    fits: dict[str, list[float | None]]


class Predictions(BaseModel):
    """Predicted and true top-k singular values of one layer.

    ``skill`` is 1 - MAE(predictor) / MAE(hold) over all steps up to the one it stands at, and over the k
    values; ``hold`` is sigma(0) for ever. Trackers see each batch's gradient before they speak.
    """

    layer: str
    k: int
    steps: list[int]
    true: list[list[float]]
    predicted: dict[str, list[list[float]]]
    skill: dict[str, list[float | None]]


class Noise(BaseModel):
    """Gradient noise of one layer by step: norm of the gradient, beta1 (Lemma 6.19), direct D."""

    layer: str
    steps: list[int]
    gradient_norm: list[float]
    beta1: list[float]
    diffusion: list[float]


class Component(BaseModel):
    """One part of the service and whether it answers."""

    name: str
    ok: bool
    detail: str


class System(BaseModel):
    """Health and versions of the service."""

    version: str
    components: list[Component]
    workers: list[str]
    queued: int
    running: int


class Problem(BaseModel):
    """The body of every error: its kind, and one sentence that names the value and the remedy."""

    error: str
    detail: str
    fields: list[dict[str, Any]] = []


JobSpec = Annotated[TrainSpec, Field(description="what to run")]
