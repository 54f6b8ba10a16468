"""Runs and the service that holds them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, Field

from sigmascope.presets import PRESETS, QUICK, preset_kind
from sigmascope.schemas.jobs import JobSpec
from sigmascope.schemas.sweeps import SweepSpec
from sigmascope.schemas.training import TrainSpec


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


class RunMemory(BaseModel):
    """Bytes where a run computes, at the start of its last attempt; ``needed`` is estimated."""

    needed: int
    free: int
    total: int


class Run(BaseModel):
    """A run as the service knows it."""

    id: str
    name: str
    kind: str
    parent: str | None = Field(None, description="the sweep that it belongs to")
    status: RunStatus
    spec: JobSpec
    step: int = Field(description="last recorded step; of claims and sweeps, how many are done")
    total_steps: int
    batches_per_second: float | None = Field(description="steps a second, whatever the kind")
    seconds_left: float | None
    attempt: int
    cancel_requested: bool
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    error: str | None
    device: str | None
    versions: dict[str, str]
    provenance: dict[str, str] = Field(
        {}, description="of the data: source, sha256, licence; empty before they are read"
    )
    notes: list[str] = Field([], description="how each attempt after the first began")
    memory: RunMemory | None = Field(None, description="that training needs, and that was there")


class Preset(BaseModel):
    """A named starting point, with the full specification it stands for, and that of its small version.

    ``json_schema`` is of the specification: titles, units, ranges. ``layer`` is the one that a figure draws.
    """

    name: str
    title: str
    spec: JobSpec
    quick: JobSpec
    layer: str | None
    json_schema: dict[str, Any]


def preset_of(name: str) -> Preset:
    """The preset ``name`` in full; InvalidValueError when there is none."""
    kind: type[TrainSpec] | type[SweepSpec] = SweepSpec if preset_kind(name) == "sweep" else TrainSpec
    return Preset(
        name=name,
        title=PRESETS[name]["title"],
        spec=kind.model_validate({"preset": name}),
        quick=kind.model_validate({"preset": name + QUICK}),
        layer=PRESETS[name].get("layer"),
        json_schema=kind.model_json_schema(),
    )


class Component(BaseModel):
    """One part of the service and whether it answers."""

    name: str
    ok: bool
    detail: str


class DeviceMemory(BaseModel):
    """What a worker computes on, and its memory in bytes at this moment."""

    name: str
    kind: Literal["cpu", "cuda"]
    memory_free: int
    memory_total: int


class Worker(BaseModel):
    """A worker that answers, as it describes itself."""

    name: str
    queues: list[str] = Field([], description="that it takes runs from")
    concurrency: int = Field(1, description="runs at once")
    runs: list[str] = Field([], description="ids of those it works on")
    devices: list[DeviceMemory] = []
    versions: dict[str, str] = {}


class System(BaseModel):
    """Health and versions of the service."""

    version: str
    versions: dict[str, str] = Field(description="what the server is made of")
    components: list[Component]
    workers: list[Worker]
    waiting: dict[str, int] = Field(description="messages in each queue; empty when the broker is down")
    queued: int = Field(description="runs in this status")
    running: int = Field(description="runs in this status")


class Problem(BaseModel):
    """The body of every error: its kind, and one sentence that names the value and the remedy."""

    error: str
    detail: str
    fields: list[dict[str, Any]] = []
