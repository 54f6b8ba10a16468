"""What a sweep has found as comma-separated values: one table of points, one of slopes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from sigmascope.schemas import Sweep

Cell = str | float | None


def points_table(found: Sweep) -> str:
    """A row a run and layer; a run that has recorded nothing has one row, without layer and spread."""
    head = ("run", found.field, "seed", "status", "step", "layer", "spread")
    rows: list[Sequence[Cell]] = []
    for one in found.points:
        about = (one.run, one.value, one.seed, one.status, one.step)
        rows += [(*about, layer, spread) for layer, spread in one.spread.items()] or [(*about, None, None)]
    return _written(head, rows)


def slopes_table(found: Sweep) -> str:
    """A row a layer and kind of axes; empty cells where there is no interval or nothing falls."""
    head = ("layer", "axes", "slope", "low", "high", "intercept", "critical_value")
    rows = [
        (one.layer, one.axes, one.slope, one.low, one.high, one.intercept, found.critical.get(one.layer))
        for one in found.slopes
    ]
    return _written(head, rows)


def _written(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(head)
    table.writerows(rows)
    return text.getvalue()
