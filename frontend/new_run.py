"""The drawer that starts a run or a sweep: a preset, what one changes of it, and what is wrong with that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, dcc, html, no_update

from frontend.api import Api, RefusedError
from frontend.components import problem_alert
from frontend.form import FormField, at_path, control, control_id, form_fields, nested, shown
from frontend.sweep_form import (
    INPUTS,
    UnreadableError,
    blamed,
    input_id,
    sweep_inputs,
    sweep_spec,
    sweep_values,
)
from sigmascope.errors import SigmascopeError
from sigmascope.presets import QUICK
from sigmascope.schemas import Preset, TrainSpec

# What one chooses for nearly every run; the rest is folded under "All settings".
MAIN_FIELDS = ("name", "batches", "learning_rate", "model.width", "batch_size", "seed")


async def drawer(api: Api) -> dmc.Drawer:
    """The drawer, closed; in place of the form what went wrong where there are no presets to be had."""
    try:
        content: list[Any] = _form(await api.presets())
    except SigmascopeError as error:
        content = [problem_alert(error, title="The presets cannot be read")]
    return dmc.Drawer(
        content,
        id="new-run-drawer",
        title="New run",
        position="right",
        size=460,
        padding="lg",
        closeButtonProps={"aria-label": "Close"},
    )


def _form(presets: list[Preset]) -> list[Any]:
    first = presets[0].spec.model_dump(mode="json") if presets else {}
    fields = {field.path: _filled(field, first) for field in form_fields(TrainSpec.model_json_schema())}
    main = [fields.pop(path) for path in MAIN_FIELDS if path in fields]
    rest = list(fields.values())
    return [
        dcc.Store(
            id="presets",
            data={p.name: p.model_dump(mode="json", include={"title", "spec", "quick"}) for p in presets},
        ),
        dmc.Select(
            id="preset",
            label="Preset",
            description=presets[0].title if presets else "",
            data=[preset.name for preset in presets],
            value=presets[0].name if presets else None,
            searchable=True,
            allowDeselect=False,
        ),
        dmc.Switch(
            id="preset-quick",
            label="Small version",
            description="a small network on built-in data: seconds, and nothing to download",
            checked=False,
            mt="sm",
        ),
        html.Div([control(field) for field in main], className="form-grid"),
        *sweep_inputs([*main, *rest]),
        html.Details(
            [html.Summary("All settings"), html.Div([control(f) for f in rest], className="form-grid")]
        ),
        html.Div(id="submit-problem", role="alert"),
        dmc.Button("Start run", id="submit-run", fullWidth=True, mt="md"),
    ]


def _filled(field: FormField, spec: dict[str, Any]) -> FormField:
    return field if not spec or field.path == "name" else replace(field, default=at_path(spec, field.path))


def filled(
    preset: dict[str, Any], paths: Sequence[str], old: Sequence[Any], *, small: bool
) -> tuple[list[Any], dict[str, str] | None]:
    """What the controls at ``paths`` show for ``preset``, and its sweep, if it is one.

    ``old`` is what they show now; a name that was typed stays.
    """
    spec = preset["quick" if small else "spec"]
    run = spec.get("base", spec)
    values = [o if path == "name" else shown(at_path(run, path)) for path, o in zip(paths, old, strict=True)]
    return values, sweep_values(spec) if spec["kind"] == "sweep" else None


def specification(
    preset: str, kind: str, fields: dict[str, Any], sweep: dict[str, str] | None
) -> dict[str, Any]:
    """What is sent: ``fields`` of the run by path, over ``preset``, which is of ``kind``.

    A sweep may start from a preset of a run; of a preset that is a sweep one run takes what the form shows.
    """
    chosen = nested(fields)
    if not sweep:
        return {"kind": "train", **({"preset": preset} if kind == "train" else {}), **chosen}
    if kind == "train":
        return sweep_spec({"preset": preset, **chosen}, **sweep)
    return {"preset": preset, **sweep_spec(chosen, **sweep)}


def register(app: Dash, api: Api) -> None:
    """The callbacks of the drawer."""

    @app.callback(Output("new-run-drawer", "opened"), Input("new-run", "n_clicks"), prevent_initial_call=True)
    async def open_drawer(clicks: int | None) -> bool:
        return bool(clicks)

    @app.callback(
        Output(control_id(ALL), "value"),  # type: ignore[arg-type]
        Output("preset", "description"),
        Output("sweep-on", "checked"),
        *(Output(input_id(name), "value") for name in INPUTS),
        Input("preset", "value"),
        Input("preset-quick", "checked"),
        State("presets", "data"),
        State(control_id(ALL), "id"),  # type: ignore[arg-type]
        State(control_id(ALL), "value"),  # type: ignore[arg-type]
        State(input_id("values"), "value"),
        prevent_initial_call=True,
    )
    async def fill(
        name: str, small: bool, presets: dict[str, Any], ids: list[dict[str, str]], old: list[Any], swept: str
    ) -> Any:
        preset = presets[name]
        values, sweep = filled(preset, [i["path"] for i in ids], old, small=small)
        if sweep:
            return values, preset["title"], True, *(sweep[name] for name in INPUTS)
        # a sweep that was typed stays; one that came with the preset before goes with it
        on = False if swept in _preset_values(presets) else no_update
        return values, preset["title"], on, *[no_update] * len(INPUTS)

    @app.callback(
        Output("sweep-inputs", "hidden"),
        Output("submit-run", "children"),
        Input("sweep-on", "checked"),
        prevent_initial_call=True,
    )
    async def unfold(sweeping: bool) -> tuple[bool, str]:
        return not sweeping, "Start sweep" if sweeping else "Start run"

    @app.callback(
        Output("location", "pathname"),
        Output("submit-problem", "children"),
        *(Output(input_id(name), "error") for name in INPUTS),
        Input("submit-run", "n_clicks"),
        State("preset", "value"),
        State("preset-quick", "checked"),
        State("presets", "data"),
        State(control_id(ALL), "id"),  # type: ignore[arg-type]
        State(control_id(ALL), "value"),  # type: ignore[arg-type]
        State("sweep-on", "checked"),
        *(State(input_id(name), "value") for name in INPUTS),
        running=[(Output("submit-run", "loading"), True, False)],
        prevent_initial_call=True,
    )
    async def submit(
        clicks: int | None,
        preset: str,
        small: bool,
        presets: dict[str, Any],
        ids: list[dict[str, str]],
        values: list[Any],
        sweeping: bool,
        *sweep: str,
    ) -> Any:
        if not clicks:  # Dash calls once when the button appears: its outputs were there before it
            return (no_update,) * (2 + len(INPUTS))
        asked = dict(zip(INPUTS, sweep, strict=True)) if sweeping else None
        fields = {i["path"]: v for i, v in zip(ids, values, strict=True)}
        name = preset + QUICK if small else preset
        try:
            run = await api.submit(specification(name, presets[preset]["spec"]["kind"], fields, asked))
        except SigmascopeError as error:
            return no_update, *_refusal(error, asked)
        return f"/runs/{run.id}", None, *[None] * len(INPUTS)


def _preset_values(presets: dict[str, Any]) -> set[str]:
    specs = (preset[size] for preset in presets.values() for size in ("spec", "quick"))
    return {sweep_values(spec)["values"] for spec in specs if spec["kind"] == "sweep"}


def _refusal(error: SigmascopeError, asked: dict[str, str] | None) -> list[Any]:
    """The words for each input of the sweep that is to blame, after an alert for what else is wrong."""
    what, found, blameless = ("sweep" if asked else "run"), {}, True
    if asked and isinstance(error, UnreadableError):
        found, blameless = {error.field: str(error)}, False
    elif asked and isinstance(error, RefusedError):
        found = blamed(error.problem, field=asked["field"])
        blameless = len(found) < max(1, len(error.problem.fields))
    alert = problem_alert(error, title=f"The {what} was not started") if blameless else None
    return [alert, *(found.get(name) for name in INPUTS)]
