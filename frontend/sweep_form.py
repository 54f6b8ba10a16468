"""What turns the run that is being set up into a sweep: a field, its values, and seeds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import html

from frontend.form import FormField
from sigmascope.errors import InvalidValueError
from sigmascope.number_list import ADVICE, read_numbers
from sigmascope.schemas import Problem

# the inputs, by the names that the service gives their fields
INPUTS = ("field", "values", "seeds")


def sweep_inputs(fields: Sequence[FormField]) -> list[Any]:
    """A switch, and what it unfolds. ``fields`` are those of the run: its numbers can be swept."""
    about = "many runs that differ in one number; its own value and the seed above then do not count"
    switch = dmc.Switch(id="sweep-on", label="Sweep", description=about, checked=False, mt="md")
    return [switch, html.Div(_inputs(fields), id="sweep-inputs", className="form-grid", hidden=True)]


def _inputs(fields: Sequence[FormField]) -> list[Any]:
    numbers = [field for field in fields if field.kind in ("integer", "number") and field.path != "seed"]
    return [
        dmc.Select(
            id=input_id("field"),
            label="Swept field",
            description="a number of the run",
            data=[{"value": field.path, "label": _label(field)} for field in numbers],
            value="learning_rate",
            searchable=True,
            allowDeselect=False,
            size="sm",
        ),
        dmc.TextInput(
            id=input_id("seeds"),
            label="Seeds",
            description="each value runs with each",
            value="0, 1, 2",
            size="sm",
        ),
        dmc.TextInput(
            id=input_id("values"),
            label="Values",
            description=ADVICE,
            placeholder="1e-3, 3e-3, 1e-2",
            size="sm",
            className="form-wide",
        ),
    ]


def _label(field: FormField) -> str:
    parent, dot, _ = field.path.rpartition(".")
    return f"{field.title} ({parent})" if dot else field.title


def input_id(name: str) -> str:
    """The Dash id of an input of the sweep."""
    return f"sweep-{name}"


class UnreadableError(InvalidValueError):
    """What was typed into ``field`` of the sweep is no list of numbers."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


def sweep_spec(base: dict[str, Any], *, field: str, values: str, seeds: str) -> dict[str, Any]:
    """The specification that the service judges. UnreadableError where there is no number."""
    return {
        "kind": "sweep",
        "name": base.get("name", ""),
        "base": base,
        "field": field,
        "values": _read("values", values),
        "seeds": _read("seeds", seeds),
    }


def sweep_values(spec: dict[str, Any]) -> dict[str, str]:
    """What the inputs show for a specification of a sweep, by their names."""
    lists = {name: ", ".join(f"{value:g}" for value in spec[name]) for name in ("values", "seeds")}
    return {"field": spec["field"], **lists}


def _read(name: str, text: str) -> list[float]:
    try:
        return read_numbers(text or "")
    except InvalidValueError as error:
        raise UnreadableError(name, str(error)) from error


def blamed(problem: Problem, *, field: str) -> dict[str, str]:
    """The service's words for each input of the sweep; what it blames nothing of the sweep for is not there.

    A rule over several fields is told by its first words: ``values must differ``, or the path of the swept
    field, whose values are then at fault.
    """
    found: dict[str, str] = {}
    for one in problem.fields:
        head, message = str(one["field"]).split(".")[0], str(one["message"])
        name = head if head in INPUTS else _blamed_by(message, field) if head == "body" else None
        if name:
            found.setdefault(name, message)
    return found


def _blamed_by(message: str, field: str) -> str | None:
    word, (path, colon, _) = message.split(" ")[0], message.partition(": ")
    if word in INPUTS:
        return word
    return "values" if colon and f"{field}.".startswith(f"{path}.") else None
