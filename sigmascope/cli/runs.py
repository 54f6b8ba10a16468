"""Commands about runs that exist: list, show, cancel, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from sigmascope.cli.found import print_points, print_scores, print_slopes
from sigmascope.cli.shared import AsJson, RunId, Server, app, coloured, console, figure, rate
from sigmascope.client import DEFAULT_SERVER, Client
from sigmascope.errors import InvalidValueError
from sigmascope.schemas import ExportFormat, Metrics, Run, RunStatus


@app.command("runs")
def list_runs(
    limit: Annotated[int, typer.Option(help="At most so many.")] = 20,
    status: Annotated[RunStatus | None, typer.Option(help="Only runs in this status.")] = None,
    as_json: AsJson = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """List runs, newest first."""
    with Client(server) as client:
        found = client.runs(limit=limit, status=status)
    if as_json:
        print(json.dumps([run.model_dump(mode="json") for run in found], indent=2))
        return
    table = Table("run", "name", "status", "step", "batches/s", "created", box=None, header_style="dim")
    for run in found:
        table.add_row(
            run.id, escape(run.name), coloured(run), f"{run.step}/{run.total_steps}", rate(run),
            run.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        )  # fmt: skip
    console.print(table if found else "no runs yet; `sigmascope submit demo` makes one")


@app.command()
def show(run_id: RunId, as_json: AsJson = False, server: Server = DEFAULT_SERVER) -> None:
    """Show a run: its status, its data, its loss and accuracy, and each layer's laws and skills at last.

    Of a sweep, slopes and runs; of a forecast, the scores.
    """
    with Client(server) as client:
        run = client.run(run_id)
        if not as_json:
            _print_head(run)
        SHOWN.get(run.kind, _show_layers)(client, run, as_json=as_json)


def _print_head(run: Run) -> None:
    progress = f"step {run.step}/{run.total_steps}  {rate(run)}"
    console.print(f"[bold]{escape(run.name)}[/]  {run.id}  {coloured(run)}  {progress}")
    if run.error:
        console.print(f"[red]{escape(run.error)}[/]")
    for origin in _origins(run):
        console.print(f"[dim]{escape(origin)}[/]")


def _origins(run: Run) -> list[str]:
    """Where the run computed and on which data, and how its attempts began."""
    made = "  ".join([run.device or "", *(f"{name} {number}" for name, number in run.versions.items())])
    data = "  ".join(f"{name} {value}" for name, value in run.provenance.items())
    return [line for line in (made.strip(), data and f"data: {data}", *run.notes) if line]


def _show_layers(client: Client, run: Run, *, as_json: bool) -> None:
    rows = [_summary(client, run.id, layer.name, layer.m, layer.n) for layer in client.layers(run.id)]
    reached = _newest(client.metrics(run.id))
    if as_json:
        _print_json(run, metrics=reached, layers=rows)
    elif rows:
        console.print("  ".join(f"{name} {value:.4g}" for name, value in reached.items()))
        table = Table(*rows[0], box=None, header_style="dim")
        for row in rows:
            table.add_row(*(figure(value) for value in row.values()))
        console.print(table)


def _show_sweep(client: Client, run: Run, *, as_json: bool) -> None:
    found = client.sweep(run.id)
    if as_json:
        _print_json(run, sweep=found.model_dump(mode="json"))
    else:
        print_slopes(found)
        print_points(found.points)


def _show_scores(client: Client, run: Run, *, as_json: bool) -> None:
    scores = client.forecast_scores(run.id)
    if as_json:
        _print_json(run, scores=[one.model_dump(mode="json") for one in scores])
    else:
        print_scores(scores)


SHOWN = {"sweep": _show_sweep, "forecast": _show_scores}


def _print_json(run: Run, **found: Any) -> None:
    print(json.dumps({"run": run.model_dump(mode="json"), **found}, indent=2))


@app.command()
def cancel(run_id: RunId, server: Server = DEFAULT_SERVER) -> None:
    """Cancel a run; what it recorded stays."""
    with Client(server) as client:
        run = client.cancel(run_id)
    if run.status.final:
        console.print(f"run {run.id} is {coloured(run)}")
    else:
        console.print(f"run {run.id} ends after its current batch")


@app.command()
def export(
    run_id: RunId,
    form: Annotated[
        ExportFormat, typer.Option("--format", "-f", help="npz, parquet or csv.")
    ] = ExportFormat.npz,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write; default RUN.FORMAT.")
    ] = None,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Write what a run has recorded: parquet and csv values and predictions; npz laws, noise, forces too."""
    from sigmascope.export import export as write  # pyarrow is slow to import

    path = out or Path(f"{run_id}.{form}")
    try:
        with Client(server) as client:
            write(client, run_id, path, form)
    except OSError as error:
        reason = f"cannot write {path}: {error.strerror}; choose another with --out"
        raise InvalidValueError(reason) from error
    console.print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


def _summary(client: Client, run_id: str, layer: str, m: int, n: int) -> dict[str, Any]:
    laws = client.laws(run_id, layer, after=-1)
    skill = client.predictions(run_id, layer).skill
    fits = {name: values[-1] for name, values in laws.fits.items() if values}
    return {
        "layer": layer,
        "shape": f"{m} x {n}",
        "outliers": fits.get("outliers"),
        "p": fits.get("p_value"),
        "edge": fits.get("edge"),
        "KS": fits.get("ks"),
        **{f"skill {name}": (values[-1] if values else None) for name, values in skill.items()},
    }


def _newest(metrics: Metrics) -> dict[str, float]:
    """The last value that was measured of each metric."""
    series = {
        name: [value for value in values if value is not None] for name, values in metrics.values.items()
    }
    return {name: values[-1] for name, values in series.items() if values}
