"""The command line: start the service, submit runs, look at them, take their data away."""

from __future__ import annotations

import sys
from importlib.metadata import entry_points
from typing import Any

from rich.console import Console
from rich.markup import escape

from sigmascope.cli import claims, jobs, runs
from sigmascope.cli.shared import app
from sigmascope.errors import InvalidValueError, SigmascopeError
from sigmascope.reproduction.command import reproduce

__all__ = ["app", "claims", "jobs", "main", "runs"]

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


def _add(name: str, command: Any) -> None:
    try:
        app.command(name)(command.load())
    except ModuleNotFoundError as missing:
        reason = f"`sigmascope {name}` needs {missing.name!r}: pip install 'sigmascope[server]'"

        @app.command(name, help="(needs the extra `server`)")
        def explain() -> None:
            raise InvalidValueError(reason)
