"""What all commands share: the application, options that recur, words for a run."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from sigmascope.schemas import Run

app = typer.Typer(
    help="Singular-value spectra of neural networks, live during training.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
console = Console(highlight=False)

Server = Annotated[str, typer.Option("--server", envvar="SIGMASCOPE_SERVER", help="Address of the service.")]
RunId = Annotated[str, typer.Argument(metavar="RUN", help="A run's id, as `sigmascope runs` lists it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Print the run's id and return.")]
COLOURS = {"running": "cyan", "finished": "green", "failed": "red", "cancelled": "yellow"}


def coloured(run: Run) -> str:
    """Its status, in colour."""
    return coloured_status(run.status)


def coloured_status(status: str) -> str:
    """The word, in its colour."""
    colour = COLOURS.get(status)
    return f"[{colour}]{status}[/]" if colour else str(status)


def rate(run: Run) -> str:
    """Its pace, or nothing."""
    return f"{run.batches_per_second:.1f}/s" if run.batches_per_second else ""


def figure(value: Any) -> str:
    """A value in a table: three significant digits, a dash for the unknown."""
    if value is None:
        return "–"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
