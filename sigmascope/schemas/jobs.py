"""Specifications: what a user asks for. One class a kind of job; ``JobSpec`` is any of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import Discriminator, Field, Tag, model_validator

from sigmascope.schemas.analysis import Forecaster, Scored
from sigmascope.schemas.base import Job
from sigmascope.schemas.sweeps import SweepSpec
from sigmascope.schemas.training import TrainSpec

FORECASTERS: tuple[Forecaster, ...] = get_args(Forecaster)
CONTINUED: Scored = "continued_training"
# of restoring_rate * dt, from which on the Euler steps of the process matrix diverge
UNSTABLE = 2.0
# what a simulation may hold: entries of W over all paths, and stored singular values
MOST_ENTRIES = 50_000_000
MOST_STORED = 100_000_000


class SimulateSpec(Job):
    """An ensemble of W (m x n) under dW = -kappa W dt + sqrt(2 eta D) dB, from a Gaussian start.

    ``matrix`` moves W itself by Euler steps (kappa dt < 2) and decomposes it at each recorded step;
    ``eigenvalue`` moves the singular values alone, by the exact equation or by the printed one;
    ``ornstein_uhlenbeck`` moves W by its exact transition, whatever dt.
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
        if self.process == "matrix" and self.restoring_rate * self.dt >= UNSTABLE:
            raise ValueError(
                f"restoring_rate * dt must be below {UNSTABLE:g} for the process 'matrix', whose Euler steps "
                f"diverge from there on, got {self.restoring_rate * self.dt:g}; take a smaller dt, or the "
                "process 'ornstein_uhlenbeck', which is exact for any dt"
            )
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


class ForecastSpec(Job):
    """A rolling evaluation of forecasts on a stored training run: every origin, nothing seen after it.

    A method is scored on the layers that it has the records of: those named ``sde`` want the gradient noise
    (``noise_every``), the anisotropic ones that along the modes too (``modes_every``).

    ``continued_training`` scores what knows the network, the data and the optimizer too: the run is repeated
    from its first batch, and goes on from every ``continue_every``-th step ``members`` times with other
    batches, until ``horizon`` after the last origin before the next such step. That takes up to ``members``
    times ``horizon + continue_every`` batches of training for each of these steps, and shows what can be
    foreseen at all.
    """

    kind: Literal["forecast"] = "forecast"
    run: str = Field(pattern=r"^[0-9a-f]{10}$", title="Run", description="id of a training run")
    layers: tuple[str, ...] | None = Field(
        None, title="Layers", description="module paths; all when left out", max_length=1000
    )
    methods: tuple[Forecaster, ...] | None = Field(
        None,
        title="Methods",
        description="forecasters to score; all that the run has the records of when left out",
        min_length=1,
        max_length=8,
    )
    horizon: int = Field(100, ge=1, le=100_000, title="Horizon", description="batches ahead")
    first_origin: int = Field(
        200, ge=2, le=1_000_000, title="First origin", description="a recorded step, 50 or later"
    )
    every: int = Field(
        5, ge=1, le=100_000, title="Every", description="steps between two origins of the methods named sde"
    )
    continued_training: bool = Field(
        False, title="Continued training", description="score the training itself too, with other batches"
    )
    continue_every: int = Field(
        100,
        ge=1,
        le=100_000,
        title="Continue every",
        description="steps between two that training is continued from",
    )
    members: int = Field(
        5, ge=2, le=100, title="Members", description="how often training goes on from such a step"
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        title="Seed",
        description="of the methods named sde, and of the batches of continued_training",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "cpu", title="Device", description="of continued_training"
    )


KINDS = ("train", "simulate", "claims", "forecast", "sweep")


def kind_of(spec: Any) -> Any:
    """The kind that ``spec`` names; ``train`` where it names none."""
    return spec.get("kind", "train") if isinstance(spec, dict) else getattr(spec, "kind", "train")


JobSpec = Annotated[
    Annotated[TrainSpec, Tag("train")]
    | Annotated[SimulateSpec, Tag("simulate")]
    | Annotated[ClaimsSpec, Tag("claims")]
    | Annotated[ForecastSpec, Tag("forecast")]
    | Annotated[SweepSpec, Tag("sweep")],
    Discriminator(
        kind_of,
        custom_error_type="unknown_kind",
        custom_error_message=f"kind must be one of {', '.join(KINDS)}",
    ),
]
