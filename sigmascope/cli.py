"""The command line: start the service, submit runs, look at them, take their data away."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from sigmascope.client import DEFAULT_SERVER, Client
from sigmascope.errors import InvalidValueError, SigmascopeError
from sigmascope.presets import QUICK, preset_kind
from sigmascope.reproduction.command import reproduce
from sigmascope.schemas import CheckedClaim, ExportFormat, Metrics, Run, RunStatus

app = typer.Typer(
    help="Singular-value spectra of neural networks, live during training.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)

Server = Annotated[str, typer.Option("--server", envvar="SIGMASCOPE_SERVER", help="Address of the service.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, as `sigmascope runs` lists it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
WIDE = 136  # what the table of claims takes
VERDICTS = {
    "holds": "green",
    "holds to leading order": "cyan",
    "heuristic": "yellow",
    "does not hold as printed": "red",
}
COLOURS = {"running": "cyan", "finished": "green", "failed": "red", "cancelled": "yellow"}


app.command("reproduce")(reproduce)


def main() -> None:
    """Entry point: errors made on purpose are one line, not a trace."""
    for command in entry_points(group="sigmascope.commands"):
        _add(command.name, command)
    try:
        app()
    except SigmascopeError as error:
        Console(stderr=True, highlight=False).print(f"[red]error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(1)


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
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Print the run's id and return.")] = False,
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
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Print the run's id and return.")] = False,
    server: Server = DEFAULT_SERVER,
) -> None:
    """Simulate an ensemble of the paper's equations; Ctrl-C stops watching, not the run."""
    _submit({"kind": "simulate", **overrides(fields or [])}, server, detach=detach)


@app.command()
def claims(
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="ID", help="Such as theorem-3.1; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of every measurement.")] = 0,
    as_json: AsJson = False,
    as_markdown: Annotated[bool, typer.Option("--markdown", help="The page docs/theory.md.")] = False,
) -> None:
    """Check the paper's claims here and now, as printed and exact; no service is needed.

    The exit status is 1 when an exact form does not hold.
    """
    from sigmascope.claims_report import markdown  # numpy and scipy are slow to import

    checked = _check(only or None, seed=seed, quiet=as_json or as_markdown)
    if as_json:
        print(json.dumps([one.model_dump(mode="json") for one in checked], indent=2, ensure_ascii=False))
    elif as_markdown:
        print(markdown(checked, seed=seed), end="")
    else:
        _print_claims(checked)
    if any(one.exact.verdict == "does not hold" for one in checked):
        raise typer.Exit(1)


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
            run.id, escape(run.name), _coloured(run), f"{run.step}/{run.total_steps}", _rate(run),
            run.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
        )  # fmt: skip
    console.print(table if found else "no runs yet; `sigmascope submit demo` makes one")


@app.command()
def show(run_id: RunId, as_json: AsJson = False, server: Server = DEFAULT_SERVER) -> None:
    """Show a run: its status, its loss and accuracy, and each layer's laws and skills at the last step."""
    with Client(server) as client:
        run = client.run(run_id)
        reached = _newest(client.metrics(run_id))
        rows = [_summary(client, run_id, layer.name, layer.m, layer.n) for layer in client.layers(run_id)]
    if as_json:
        print(json.dumps({"run": run.model_dump(mode="json"), "metrics": reached, "layers": rows}, indent=2))
        return
    progress = f"step {run.step}/{run.total_steps}  {_rate(run)}"
    console.print(f"[bold]{escape(run.name)}[/]  {run.id}  {_coloured(run)}  {progress}")
    if run.error:
        console.print(f"[red]{escape(run.error)}[/]")
    if rows:
        console.print("  ".join(f"{name} {value:.4g}" for name, value in reached.items()))
        table = Table(*rows[0], box=None, header_style="dim")
        for row in rows:
            table.add_row(*(_figure(value) for value in row.values()))
        console.print(table)


@app.command()
def cancel(run_id: RunId, server: Server = DEFAULT_SERVER) -> None:
    """Cancel a run; what it recorded stays."""
    with Client(server) as client:
        run = client.cancel(run_id)
    if run.status.final:
        console.print(f"run {run.id} is {_coloured(run)}")
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
    """Write what a run has recorded: npz holds all of it, parquet and csv the values and predictions."""
    from sigmascope.export import export as write  # pyarrow is slow to import

    path = out or Path(f"{run_id}.{form}")
    try:
        with Client(server) as client:
            write(client, run_id, path, form)
    except OSError as error:
        reason = f"cannot write {path}: {error.strerror}; choose another with --out"
        raise InvalidValueError(reason) from error
    console.print(f"{path}  {path.stat().st_size / 1e6:.1f} MB")


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


def _submit(spec: dict[str, Any], server: str, *, detach: bool) -> None:
    with Client(server) as client:
        run = client.submit(spec)
        console.print(f"run {run.id}  {client.server}/runs/{run.id}")
        if detach:
            return
        try:
            _watch(client, run)
        except KeyboardInterrupt:
            console.print(f"run {run.id} goes on; `sigmascope cancel {run.id}` ends it")


def _check(only: list[str] | None, *, seed: int, quiet: bool) -> list[CheckedClaim]:
    from sigmascope.claims import as_checked
    from sigmascope.theory.claims import check, find

    chosen = find(only)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    checked = []
    # progress is for eyes: what a program reads on the standard output stays clean
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet) as progress:
        task = progress.add_task("", total=len(chosen))
        for claim in chosen:
            progress.update(task, description=escape(claim.statement))
            checked.append(as_checked(check(claim, seed=seed, clock=time.perf_counter)))
            progress.advance(task)
    return checked


def _print_claims(checked: list[CheckedClaim]) -> None:
    from sigmascope.claims_report import deviation, digits, measured, summary, telling

    # piped, there is no width to fit; a narrow terminal gets what matters most
    width = console.width if console.is_terminal else WIDE
    columns: dict[str, Callable[[CheckedClaim], str]] = {
        "claim": lambda one: one.id,
        "verdict": lambda one: f"[{VERDICTS[one.verdict]}]{one.verdict.removesuffix(' as printed')}[/]",
        "measured": lambda one: measured(telling(one)),
        "as printed": lambda one: digits(telling(one).printed),
        "exact": lambda one: digits(telling(one).exact),
        "printed off by": lambda one: deviation(one.printed),
        "exact off by": lambda one: deviation(one.exact),
    }
    if width < WIDE:
        columns = {head: columns[head] for head in ("claim", "verdict", "printed off by", "exact off by")}
    table = Table(box=None, header_style="dim")
    for head in columns:
        table.add_column(head, no_wrap=True)
    for one in checked:
        table.add_row(*(cell(one) for cell in columns.values()))
    Console(highlight=False, width=width).print(table)
    console.print(summary(checked), soft_wrap=True)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _add(name: str, command: Any) -> None:
    try:
        app.command(name)(command.load())
    except ModuleNotFoundError as missing:
        reason = f"`sigmascope {name}` needs {missing.name!r}: pip install 'sigmascope[server]'"

        @app.command(name, help="(needs the extra `server`)")
        def explain() -> None:
            raise InvalidValueError(reason)


def _watch(client: Client, run: Run) -> None:
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
    console.print(f"{_coloured(run)}{': ' + escape(run.error) if run.error else ''}")
    if run.status is not RunStatus.finished:
        raise typer.Exit(1)


def _note(run: Run) -> str:
    left = f"{run.seconds_left:.0f} s left" if run.seconds_left is not None else ""
    return f"{_rate(run)} {left}".strip() or str(run.status)


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


def _coloured(run: Run) -> str:
    colour = COLOURS.get(run.status)
    return f"[{colour}]{run.status}[/]" if colour else str(run.status)


def _rate(run: Run) -> str:
    return f"{run.batches_per_second:.1f}/s" if run.batches_per_second else ""


def _figure(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
