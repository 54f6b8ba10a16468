"""Specifications: what a user asks for. One class a kind of job; ``JobSpec`` is any of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from sigmascope.presets import preset_fields
from sigmascope.schemas.base import NAME, Frozen

# what a simulation may hold: entries of W over all paths, and stored singular values
MOST_ENTRIES = 50_000_000
MOST_STORED = 100_000_000


class Job(Frozen):
    """What every job has. Each kind adds ``kind``, ``device`` and ``seed``."""

    name: str = Field(
        "",
        max_length=120,
        pattern=NAME,
        title="Name",
        description="yours to choose; shown in the list",
    )


class MlpSpec(Frozen):
    """A multilayer perceptron with ReLU: W ~ N(0, 1/fan_in), zero biases."""

    kind: Literal["mlp"] = "mlp"
    width: int = Field(256, ge=1, le=8192, title="Width", description="units in each hidden layer")
    depth: int = Field(3, ge=1, le=16, title="Hidden layers", description="number of hidden layers")


class TrainSpec(Job):
    """A training run whose spectra are recorded after every batch.

    ``{"preset": "demo", "batches": 50}`` takes the preset's fields and overrides one of them.
    """

    kind: Literal["train"] = "train"
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


class SimulateSpec(Job):
    """An ensemble of W (m x n) under dW = -kappa W dt + sqrt(2 eta D) dB, from a Gaussian start.

    ``matrix`` moves W itself and decomposes it at each recorded step; ``eigenvalue`` moves the singular
    values alone, by the exact equation or by the printed one; ``ornstein_uhlenbeck`` moves W by its exact
    transition, whatever dt.
    """

    kind: Literal["simulate"] = "simulate"
    process: Literal["eigenvalue", "matrix", "ornstein_uhlenbeck"] = Field(
        "eigenvalue", title="Process", description="what moves: singular values alone, or W"
    )
    form: Literal["exact", "as_printed"] = Field(
        "exact", title="Form", description="of the repulsion; as_printed for the process eigenvalue only"
    )
    m: int = Field(128, ge=1, le=4096, title="Rows m", description="at least n")
    n: int = Field(64, ge=1, le=1024, title="Columns n", description="as many singular values")
    start_variance: float = Field(
        1 / 128,
        ge=0,
        le=1e6,
        allow_inf_nan=False,
        title="Start variance",
        description="of the entries of W at step 0",
    )
    learning_rate: float = Field(
        0.1, gt=0, le=1e6, allow_inf_nan=False, title="Learning rate", description="eta"
    )
    diffusion: float = Field(
        1e-4, ge=0, le=1e6, allow_inf_nan=False, title="Diffusion", description="D; a step adds 2 eta D dt"
    )
    restoring_rate: float = Field(
        0.0,
        ge=0,
        le=1e3,
        allow_inf_nan=False,
        title="Restoring rate",
        description="kappa; beta1 of Theorem 3.2 is 2 kappa",
    )
    dt: float = Field(1.0, gt=0, le=1e6, allow_inf_nan=False, title="Time step", description="in batches")
    steps: int = Field(400, ge=1, le=1_000_000, title="Steps", description="of length dt")
    paths: int = Field(64, ge=1, le=10_000, title="Paths", description="independent copies")
    record_every: int = Field(10, ge=1, le=1_000_000, title="Record every", description="steps")
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="of start and noise")
    device: Literal["cpu"] = Field("cpu", title="Device")

    @model_validator(mode="after")
    def _fits_together(self) -> SimulateSpec:
        if self.m < self.n:
            raise ValueError(f"m must be at least n, got m={self.m}, n={self.n}; transpose W")
        if self.process == "eigenvalue" and self.start_variance == 0:
            raise ValueError(
                "start_variance must be positive for the process 'eigenvalue', whose repulsion diverges at "
                "W = 0; choose the process 'matrix'"
            )
        if self.process != "eigenvalue" and self.form != "exact":
            raise ValueError(
                f"form 'as_printed' is of the process 'eigenvalue', got {self.process!r}: W itself has no "
                "printed form"
            )
        if self.process == "ornstein_uhlenbeck" and self.restoring_rate == 0:
            raise ValueError("restoring_rate must be positive for 'ornstein_uhlenbeck', got 0; try 0.01")
        entries, stored = self.paths * self.m * self.n, self.paths * self.n * self.records
        if self.process != "eigenvalue" and entries > MOST_ENTRIES:
            raise ValueError(
                f"paths * m * n must be at most {MOST_ENTRIES:,}, got {entries:,}; take fewer paths, or the "
                "process 'eigenvalue'"
            )
        if stored > MOST_STORED:
            raise ValueError(
                f"{stored:,} values to store exceed {MOST_STORED:,}; raise record_every or take fewer paths"
            )
        return self

    @property
    def records(self) -> int:
        """How many steps are recorded, the first included."""
        return -(-self.steps // self.record_every) + 1


class ClaimsSpec(Job):
    """A check of the paper's claims, all or some."""

    kind: Literal["claims"] = "claims"
    only: tuple[str, ...] | None = Field(
        None, title="Claims", description="ids such as theorem-3.1; all when left out", max_length=200
    )
    seed: int = Field(0, ge=0, le=2**31 - 1, title="Seed", description="of every measurement")
    device: Literal["cpu"] = Field("cpu", title="Device")


KINDS = ("train", "simulate", "claims")


def kind_of(spec: Any) -> Any:
    """The kind that ``spec`` names; ``train`` where it names none."""
    return spec.get("kind", "train") if isinstance(spec, dict) else getattr(spec, "kind", "train")


JobSpec = Annotated[
    Annotated[TrainSpec, Tag("train")]
    | Annotated[SimulateSpec, Tag("simulate")]
    | Annotated[ClaimsSpec, Tag("claims")],
    Discriminator(
        kind_of,
        custom_error_type="unknown_kind",
        custom_error_message=f"kind must be one of {', '.join(KINDS)}",
    ),
]
