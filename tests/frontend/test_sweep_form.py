"""The part of the form that makes a sweep of a run: what it sends, and whom the service's words blame."""

from __future__ import annotations

from typing import Any

import pytest

from frontend import new_run
from frontend.api import RefusedError
from frontend.form import form_fields
from frontend.pages import runs
from frontend.sweep_form import UnreadableError, blamed, sweep_inputs, sweep_spec
from sigmascope.schemas import Problem, SweepSpec, TrainSpec
from tests.frontend.service import answers, api
from tests.frontend.test_pages import ids_of, text_of

FIELDS = form_fields(TrainSpec.model_json_schema())


def problem(field: str, message: str) -> Problem:
    return Problem(error="InvalidValueError", detail=message, fields=[{"field": field, "message": message}])


def test_every_number_but_the_seed_can_be_swept() -> None:
    _, inputs = sweep_inputs(FIELDS)
    offered = {one["value"]: one["label"] for one in inputs.children[0].data}
    assert {"learning_rate", "batch_size", "model.width", "momentum"} <= offered.keys()
    assert not {"seed", "name", "dataset", "nesterov"} & offered.keys()
    assert offered["model.width"] == "Width (model)"


async def test_the_drawer_holds_the_sweep_folded_away() -> None:
    page = await runs.layout(api(answers([])))
    assert {"sweep-on", "sweep-inputs", "sweep-field", "sweep-values", "sweep-seeds"} <= ids_of(page)
    assert next(c for c in page._traverse() if getattr(c, "id", None) == "sweep-inputs").hidden


def test_what_is_typed_becomes_a_valid_sweep() -> None:
    base = {"preset": "demo", "name": "rates", "batches": 20}
    spec = sweep_spec(base, field="learning_rate", values="1e-3, 3e-3", seeds="0, 1")
    assert spec["name"] == "rates"
    assert SweepSpec.model_validate(spec).values == (0.001, 0.003)


def test_what_is_no_number_is_named_beside_its_field() -> None:
    with pytest.raises(UnreadableError, match="'x' is no number") as caught:
        sweep_spec({}, field="learning_rate", values="0.1", seeds="0, x")
    assert caught.value.field == "seeds"


@pytest.mark.parametrize(
    ("field", "message", "swept", "names"),
    [
        ("values", "Tuple should have at least 1 item", "learning_rate", ["values"]),
        ("seeds.1", "Input should be a valid integer", "learning_rate", ["seeds"]),
        ("body", "values must differ from each other, got [1, 1]", "learning_rate", ["values"]),
        ("body", "values times seeds make 202 runs", "learning_rate", ["values"]),
        ("body", "field 'model.heads' is no number of the base", "model.heads", ["field"]),
        ("body", "learning_rate: Input should be greater than 0", "learning_rate", ["values"]),
        ("body", "model: heads must divide the width", "model.width", ["values"]),
        ("base.batches", "Input should be greater than 0", "learning_rate", []),
        ("body", "batches: something else", "learning_rate", []),
    ],
)
def test_the_words_of_the_service_stand_by_the_input_to_blame(
    field: str, message: str, swept: str, names: list[str]
) -> None:
    assert blamed(problem(field, message), field=swept) == dict.fromkeys(names, message)


@pytest.mark.parametrize(
    ("error", "asked", "alert"),
    [
        (UnreadableError("values", "'x' is no number"), True, False),
        (RefusedError(problem("values", "too short")), True, False),
        (RefusedError(problem("base.batches", "too few")), True, True),
        (RefusedError(problem("batches", "too few")), False, True),
        (RefusedError(Problem(error="E", detail="the queue is down")), True, True),
    ],
)
def test_an_alert_says_what_no_input_of_the_sweep_is_to_blame_for(
    error: Any, asked: bool, alert: bool
) -> None:
    inputs = {"field": "learning_rate", "values": "x", "seeds": "0"} if asked else None
    first, *beside = new_run._refusal(error, inputs)
    assert bool(first) is alert
    assert any(beside) is not alert
    if alert:
        assert str(error) in text_of(first)
