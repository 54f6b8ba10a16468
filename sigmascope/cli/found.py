"""What sweeps and forecasts have found, as tables on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sigmascope.cli.shared import coloured_status, console, figure
from sigmascope.schemas import ForecastScore, Sweep, SweepPoint, SweepSlope

WIDE = 160


def print_slopes(found: Sweep) -> None:
    """A row a layer: slopes on both axes with their 95 % intervals over seeds, and where the spread falls."""
    lines = {(one.layer, one.axes): one for one in found.slopes}
    table = _table("layer", "log-log slope (95 %)", "linear slope (95 %)", "falls beyond")
    for layer, critical in found.critical.items():
        cells = [_slope(lines.get((layer, axes))) for axes in ("log-log", "linear")]
        table.add_row(escape(layer), *cells, figure(critical))
    said = f"no line of the spread against {found.field} yet: it takes two values whose runs have finished"
    _print(table if found.slopes else said)


def print_points(points: Sequence[SweepPoint]) -> None:
    """A row a run."""
    table = _table("run", "value", "seed", "status", "step", "")
    for one in points:
        table.add_row(
            one.run, f"{one.value:g}", str(one.seed), coloured_status(one.status),
            f"{one.step}/{one.total_steps}", escape(one.error or ""),
        )  # fmt: skip
    _print(table)


def print_scores(scores: Sequence[ForecastScore]) -> None:
    """A row a layer and method."""
    table = _table("layer", "method", "skill", "MAE", "CRPS", "in 50 %", "in 90 %", "origins")
    for one in scores:
        numbers = (one.skill, one.mae, one.crps, one.coverage_50, one.coverage_90, one.origins)
        table.add_row(escape(one.layer), one.method, *map(figure, numbers))
    _print(table if scores else "nothing is scored yet")


def _slope(line: SweepSlope | None) -> str:
    if line is None:
        return figure(None)
    interval = f" ({figure(line.low)} … {figure(line.high)})" if line.low is not None else ""
    return figure(line.slope) + interval


def _table(*heads: str) -> Table:
    table = Table(box=None, header_style="dim")
    for head in heads:
        table.add_column(head, no_wrap=bool(head))  # reasons, without a head, may be long
    return table


def _print(found: Table | str) -> None:
    # piped, there is no width to fit
    width = console.width if console.is_terminal else WIDE
    Console(highlight=False, width=width).print(found)
