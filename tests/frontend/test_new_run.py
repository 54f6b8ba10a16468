"""The form of a new run: what a preset fills in, and what is sent."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from frontend.form import form_fields
from frontend.new_run import filled, specification
from sigmascope.presets import PRESETS, QUICK, preset_kind
from sigmascope.schemas import JobSpec, SweepSpec, TrainSpec, preset_of

PATHS = [field.path for field in form_fields(TrainSpec.model_json_schema())]
JOB: TypeAdapter[Any] = TypeAdapter(JobSpec)


def offered(name: str) -> dict[str, Any]:
    return preset_of(name).model_dump(mode="json", include={"title", "spec", "quick"})


def sent(name: str, *, small: bool, **sweep: str) -> dict[str, Any]:
    """What goes out when the form is left as ``name`` fills it."""
    values, found = filled(offered(name), PATHS, [""] * len(PATHS), small=small)
    full = name + QUICK if small else name
    return specification(full, preset_kind(name), dict(zip(PATHS, values, strict=True)), sweep or found)


@pytest.mark.parametrize("small", [False, True], ids=["full", "small"])
@pytest.mark.parametrize("name", PRESETS)
def test_a_form_left_as_the_preset_fills_it_is_the_preset(name: str, small: bool) -> None:
    preset = preset_of(name)
    expected = preset.quick if small else preset.spec
    assert JOB.validate_python(sent(name, small=small)) == expected


def test_a_sweep_may_start_from_a_preset_of_a_run() -> None:
    spec = JOB.validate_python(sent("demo", small=False, field="batch_size", values="16, 32", seeds="3"))
    assert isinstance(spec, SweepSpec)
    assert (spec.base.preset, spec.field, spec.values, spec.seeds) == ("demo", "batch_size", (16, 32), (3,))


def test_one_run_of_a_preset_that_is_a_sweep() -> None:
    values, _ = filled(offered("fig5"), PATHS, [""] * len(PATHS), small=False)
    spec = JOB.validate_python(specification("fig5", "sweep", dict(zip(PATHS, values, strict=True)), None))
    assert isinstance(spec, TrainSpec)
    assert (spec.model.kind, spec.dataset, spec.batches) == ("vit", "mnist", 200)


def test_a_typed_name_stays() -> None:
    values, _ = filled(offered("fig1"), ["batches", "name"], [5, "mine"], small=False)
    assert values == [400, "mine"]
