"""Commands that start a job and watch it to its end."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from sigmascope.cli.found import print_scores, print_slopes
from sigmascope.cli.shared import Detach, RunId, Server, app, coloured, console, rate
from sigmascope.client import DEFAULT_SERVER, Client
from sigmascope.errors import InvalidValueError
from sigmascope.number_list import read_numbers
from sigmascope.presets import QUICK, preset_kind
from sigmascope.schemas import Run, RunStatus


@app.command()
def submit(
    preset: Annotated[str, typer.Argument(help="A preset's name: demo, mlp-mnist, fig2.")] = "demo",
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set", "-s", metavar="FIELD=VALUE", help="Override a field; `model.width=64` for inner ones."
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="The preset's small version: seconds.")] = False,
    detach: Detach = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Submit a run, or a sweep, and watch it to its end; Ctrl-C stops watching, not the run."""
    name = preset + QUICK if quick and not preset.endswith(QUICK) else preset
    spec = {"kind": preset_kind(name), "preset": name, **overrides(fields or [])}
    _submit(spec, server, detach=detach)


@app.command()
def simulate(
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="FIELD=VALUE", help="Set a field, such as m=256 or paths=200."),
    ] = None,
    detach: Detach = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Simulate an ensemble of the paper's equations; Ctrl-C stops watching, not the run."""
    _submit({"kind": "simulate", **overrides(fields or [])}, server, detach=detach)


@app.command()
def sweep(
    preset: Annotated[str, typer.Option("--preset", "-p", help="What all runs share.")] = "demo",
    field: Annotated[
        str, typer.Option("--field", "-f", help="The number that differs, such as model.width.")
    ] = "learning_rate",
    values: Annotated[
        str, typer.Option("--values", help="1e-3,3e-3,1e-2; or a range, `log 1e-3 1e-1 5`.")
    ] = "log 0.01 0.3 4",
    seeds: Annotated[str, typer.Option("--seeds", help="Each value runs with each seed.")] = "0",
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="FIELD=VALUE", help="Override a field of all runs."),
    ] = None,
    detach: Detach = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Run a preset for many values of one number, and show how the spread of each layer follows it.

    Ctrl-C stops watching, not the runs.
    """
    chosen = overrides(fields or [])
    spec = {
        "kind": "sweep",
        "name": chosen.pop("name", ""),
        "base": {"preset": preset, **chosen},
        "field": field,
        "values": _numbers("--values", values),
        "seeds": _numbers("--seeds", seeds),
    }
    _submit(spec, server, detach=detach)


@app.command()
def forecast(
    run_id: RunId,
    fields: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", metavar="FIELD=VALUE", help="Set a field, such as horizon=50."),
    ] = None,
    detach: Detach = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Score every forecaster on a training run, from all origins; Ctrl-C stops watching, not the job."""
    _submit({"kind": "forecast", "run": run_id, **overrides(fields or [])}, server, detach=detach)


def overrides(fields: list[str]) -> dict[str, Any]:
    """``["batches=50", "model.width=64"]`` as ``{"batches": 50, "model": {"width": 64}}``.

    Raises:
        InvalidValueError: one is not FIELD=VALUE.
    """
    result: dict[str, Any] = {}
    for field in fields:
        name, equals, value = field.partition("=")
        if not equals or not name:
            raise InvalidValueError(f"--set takes FIELD=VALUE, got {field!r}; for example --set batches=50")
        *outer, last = name.split(".")
        place = result
        for part in outer:
            place = place.setdefault(part, {})
            if not isinstance(place, dict):
                raise InvalidValueError(
                    f"--set {field}: {part!r} already has a value of its own; set one of both"
                )
        place[last] = _value(value)
    return result


def _numbers(option: str, text: str) -> list[float]:
    try:
        return read_numbers(text)
    except InvalidValueError as error:
        raise InvalidValueError(f"{option}: {error}") from error


def _submit(spec: dict[str, Any], server: str, *, detach: bool) -> None:
    with Client(server) as client:
        run = client.submit(spec)
        console.print(f"run {run.id}  {client.server}/runs/{run.id}")
        if detach:
            return
        try:
            ended = _watch(client, run)
        except KeyboardInterrupt:
            console.print(f"run {run.id} goes on; `sigmascope cancel {run.id}` ends it")
            return
        _print_found(client, ended)
        if ended.status is not RunStatus.finished:
            raise typer.Exit(1)


def _print_found(client: Client, run: Run) -> None:
    """The numbers of a job whose result is a table; others have a page."""
    if run.kind == "sweep":
        print_slopes(client.sweep(run.id))
    elif run.kind == "forecast":
        print_scores(client.forecast_scores(run.id))


def _watch(client: Client, run: Run) -> Run:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(escape(run.name), total=run.total_steps, note="queued")
        for run in client.follow(run.id):  # noqa: B020 - the same run, later
            progress.update(task, completed=run.step, note=_note(run))
    console.print(f"{coloured(run)}{': ' + escape(run.error) if run.error else ''}")
    return run


def _note(run: Run) -> str:
    left = f"{run.seconds_left:.0f} s left" if run.seconds_left is not None else ""
    return f"{rate(run)} {left}".strip() or str(run.status)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
