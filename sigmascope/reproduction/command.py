"""The command ``sigmascope reproduce``."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from sigmascope.client import DEFAULT_SERVER, Client
from sigmascope.errors import InvalidValueError, ServiceError
from sigmascope.schemas import Run

if TYPE_CHECKING:
    from sigmascope.reproduction.figure import Reproduction

console = Console(highlight=False)

NAMES = ("fig1", "fig2", "fig3", "fig4", "fig5")
COLOURS = {"agrees": "green", "differs": "red", "undecided": "yellow"}


def reproduce(
    figures: Annotated[
        list[str] | None, typer.Argument(help="fig1 ... fig5; all five when none is named.")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Small networks on built-in data: under a minute a figure.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for PNG, SVG, CSV and JSON.")] = Path(
        "reproduction"
    ),
    layer: Annotated[
        str | None, typer.Option("--layer", help="The weight matrix to draw; left out, the preset's.")
    ] = None,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", help="Take this finished run, one for each of the figure's presets, in order."),
    ] = None,
    page: Annotated[
        Path | None,
        typer.Option("--page", help="Also write this Markdown page, of all figures in the folder."),
    ] = None,
    page_only: Annotated[
        bool,
        typer.Option("--page-only", help="Run nothing: write --page, and draw again, from the JSON there."),
    ] = False,
    server: Annotated[
        str, typer.Option("--server", envvar="SIGMASCOPE_SERVER", help="Address of the service.")
    ] = DEFAULT_SERVER,
) -> None:
    """Make the paper's figures anew, each statement about them with a verdict.

    The presets run on the service (`sigmascope up` starts one); their results are read back and drawn here.
    """
    chosen = find(figures or list(NAMES))
    if page_only and page is None:
        raise InvalidValueError("--page-only needs --page FILE; for example --page docs/reproduction.md")
    if run and (len(chosen) > 1 or len(run) != len(chosen[0].presets)):
        needed = ", ".join(chosen[0].presets)
        raise InvalidValueError(f"--run takes one figure and a run for each of its presets: {needed}")
    if not page_only:
        with Client(server) as client:
            require(client)
            for figure in chosen:
                make(client, figure, out, layer=layer, quick=quick, taken=run or [])
    if page is not None:
        write_page(page, out, redraw=page_only)


def find(names: list[str]) -> list[Reproduction]:
    """The figures of these names, each once.

    Raises:
        InvalidValueError: one is unknown, or matplotlib is not installed.
    """
    for name in names:
        if name not in NAMES:
            raise InvalidValueError(f"there is no figure {name!r}; choose from {', '.join(NAMES)}")
    if importlib.util.find_spec("matplotlib") is None:
        raise InvalidValueError("`sigmascope reproduce` needs 'matplotlib': pip install 'sigmascope[server]'")
    from sigmascope.reproduction.figures import FIGURES  # matplotlib and scipy are slow to import

    return [FIGURES[name] for name in dict.fromkeys(names)]


def require(client: Client) -> None:
    """ServiceError with what to do, unless the service answers."""
    if not client.healthy():
        raise ServiceError(
            f"no service at {client.server}; start one with `sigmascope up` in another terminal (it trains, "
            "and keeps the runs), or name one with --server"
        )


def make(
    client: Client, figure: Reproduction, out: Path, *, layer: str | None, quick: bool, taken: list[str]
) -> None:
    """Run a figure's presets, or take the runs ``taken``, and write its files."""
    from sigmascope.reproduction.document import document, write
    from sigmascope.reproduction.service import names, results, submit, wait

    console.print(f"[bold]{figure.name}[/]  {escape(figure.title)}")
    presets = names(figure, quick=quick)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        submitted = [client.run(one) for one in taken] or submit(client, presets)
        tasks = {run.id: progress.add_task(escape(run.name), total=run.total_steps) for run in submitted}

        def show(run: Run) -> None:
            progress.update(tasks[run.id], completed=run.step)

        runs = [wait(client, run, show) for run in submitted]
    told = document(figure, results(client, figure, presets, runs), runs, layer=layer)
    report(told, write(figure, told, out))


def report(told: dict[str, Any], paths: list[Path]) -> None:
    """The points and the files, for eyes."""
    for point in told["points"]:
        colour = COLOURS[point["verdict"]]
        console.print(f"  [{colour}]{point['verdict']:<9}[/] {escape(point['statement'])}")
        console.print(f"            [dim]{escape(point['found'])}[/]")
    console.print("  " + "  ".join(escape(str(path)) for path in paths))


def write_page(page: Path, folder: Path, *, redraw: bool) -> None:
    """The page from the JSON files in ``folder``, its images drawn again when asked for."""
    from sigmascope.reproduction.document import write
    from sigmascope.reproduction.figures import FIGURES
    from sigmascope.reproduction.page import load, markdown

    documents = load(folder, NAMES)
    for told in documents if redraw else []:
        told["points"] = points_of(told)
        write(FIGURES[told["figure"]], told, folder)
    images = Path(os.path.relpath(folder, page.parent)).as_posix()
    try:
        page.write_text(markdown(documents, images=images))
    except OSError as error:
        raise InvalidValueError(
            f"cannot write {page}: {error.strerror}; choose another with --page"
        ) from error
    console.print(str(page))


def points_of(told: dict[str, Any]) -> list[dict[str, Any]]:
    """The points judged anew from the numbers."""
    from dataclasses import asdict

    from sigmascope.reproduction.figures import FIGURES

    return [asdict(point) for point in FIGURES[told["figure"]].points(told["numbers"])]
