"""Sweeps: one training specification, run for many values of one of its numbers and for several seeds."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from sigmascope.presets import merged, preset_fields
from sigmascope.schemas.base import Job
from sigmascope.schemas.training import MODEL_KINDS, TrainSpec, add_units

MOST_RUNS = 200
# for the JSON Schema; ``base`` carries its own
UNITS = {"values": "of the field"}
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]


class SweepSpec(Job):
    """Training runs that differ in one number, ``learning_rate`` or ``model.width``, and in the seed.

    ``{"kind": "sweep", "preset": "fig5", "seeds": [0]}`` takes the preset's fields and overrides one of them.
    """

    model_config = ConfigDict(json_schema_extra=lambda schema: add_units(schema, UNITS))

    kind: Literal["sweep"] = "sweep"
    preset: str | None = Field(None, title="Preset", description="starting point for all other fields")
    base: TrainSpec = Field(title="Base", description="what all runs share")
    field: str = Field(
        "learning_rate", max_length=60, title="Field", description="dotted path of a number in the base"
    )
    values: tuple[float, ...] = Field(
        min_length=1,
        max_length=MOST_RUNS,
        fail_fast=True,
        title="Values",
        description="that the field takes",
    )
    seeds: tuple[Seed, ...] = Field(
        (0,),
        min_length=1,
        max_length=MOST_RUNS,
        fail_fast=True,
        title="Seeds",
        description="each value runs with each seed",
    )

    @field_validator("values", "seeds", mode="before")
    @classmethod
    def _not_too_many(cls, chosen: Any) -> Any:
        # pydantic's own message would print them all
        if isinstance(chosen, list | tuple) and len(chosen) > MOST_RUNS:
            raise ValueError(
                f"a sweep has at most {MOST_RUNS} runs, got {len(chosen)} of these; leave some out"
            )
        return chosen

    @field_validator("values")
    @classmethod
    def _finite(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        wrong = [value for value in values if not math.isfinite(value)]
        if wrong:
            raise ValueError(f"a value must be a finite number, got {wrong[0]}; leave it out")
        return values

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not data.get("preset"):
            return data
        fields = preset_fields(str(data["preset"]))
        if fields.get("kind") != "sweep":
            raise ValueError(f"preset {data['preset']!r} is of kind 'train'; name it in base.preset")
        given = {key: value for key, value in data.items() if key != "base"}
        base = data.get("base", {})
        base = base.model_dump() if isinstance(base, TrainSpec) else base
        return {**fields, **given, "base": merged(fields["base"], base)}

    @model_validator(mode="after")
    def _every_run_is_valid(self) -> SweepSpec:
        count = len(self.values) * len(self.seeds)
        if count > MOST_RUNS:
            raise ValueError(
                f"values times seeds make {count} runs, at most {MOST_RUNS} are allowed; leave some out"
            )
        for name, chosen in (("values", self.values), ("seeds", self.seeds)):
            if len(set(chosen)) < len(chosen):
                raise ValueError(f"{name} must differ from each other, got {list(chosen)}")
        if self.field == "seed":
            raise ValueError("field 'seed' is what seeds is for; choose another number")
        try:
            self.runs()
        except ValidationError as error:
            raise ValueError(self._sentence(error.errors()[0])) from error
        return self

    def _sentence(self, error: ErrorDetails) -> str:
        """What is wrong with one of the runs: the field, the rule and the value."""
        path = ".".join(str(part) for part in error["loc"] if part not in MODEL_KINDS)
        message = error["msg"].removeprefix("Value error, ")
        # a rule over several fields names their values itself
        value = "" if error["type"] == "value_error" else f", got {error['input']:g}; leave it out"
        return f"{path or self.field}: {message}{value}"

    @property
    def device(self) -> str:
        """Where the runs go."""
        return self.base.device

    def runs(self) -> list[TrainSpec]:
        """The specifications of all runs, seed by seed for each value."""
        return [
            TrainSpec.model_validate(self._changed(value, seed))
            for value in self.values
            for seed in self.seeds
        ]

    def _changed(self, value: float, seed: int) -> dict[str, Any]:
        spec = self.base.model_dump(mode="json", exclude={"preset"})
        *parents, leaf = self.field.split(".")
        node: Any = spec
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        old = node.get(leaf) if isinstance(node, dict) else None
        if isinstance(old, bool) or not isinstance(old, int | float):
            raise ValueError(f"field {self.field!r} is no number of the base; try learning_rate")
        node[leaf] = int(value) if isinstance(old, int) and value == int(value) else value
        return {**spec, "seed": seed, "name": f"{leaf} {value:g}, seed {seed}"}


class SweepPoint(BaseModel):
    """One run of a sweep: where it stands, and the spread of each weight matrix at its last step."""

    run: str
    value: float
    seed: int
    status: str
    step: int
    total_steps: int
    error: str | None
    spread: dict[str, float] = Field(
        description="sigma_max - sigma_med by layer, where it is finite; empty before it starts"
    )


class SweepSlope(BaseModel):
    """Least-squares line of one layer's spread against the value, through the mean of each seed's slope.

    ``low`` and ``high`` bound the 95 % confidence interval over seeds (Student's t); null for one seed.
    """

    layer: str
    axes: Literal["log-log", "linear"]
    slope: float
    low: float | None
    high: float | None
    intercept: float


class Sweep(BaseModel):
    """What a sweep has found so far."""

    field: str
    points: list[SweepPoint]
    slopes: list[SweepSlope]
    critical: dict[str, float | None] = Field(
        description="value beyond which the mean spread falls, by layer; null where it never does"
    )
