"""A reproduced figure as files: PNG, SVG, CSV, and a JSON with all numbers, of which the page is made."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from matplotlib import rc_context

from sigmascope.errors import InvalidValueError
from sigmascope.reproduction.figure import Reproduction
from sigmascope.reproduction.results import RunResult
from sigmascope.reproduction.style import TEXT
from sigmascope.schemas import Run

DIGITS = 7
DPI = 200
FORMS = ("png", "svg", "csv", "json")


def document(
    figure: Reproduction, results: Sequence[RunResult], runs: Sequence[Run], *, layer: str | None
) -> dict[str, Any]:
    """Everything of one figure as plain data: the runs it is made of, its numbers, the paper's points."""
    found = rounded(figure.numbers(results, layer))
    return {
        "figure": figure.name,
        "title": figure.title,
        "caption": figure.caption,
        "runs": [run_record(result, run) for result, run in zip(results, runs, strict=True)],
        "points": [asdict(point) for point in figure.points(found)],
        "numbers": found,
    }


def run_record(result: RunResult, run: Run) -> dict[str, Any]:
    """What a run was, so that it can be repeated."""
    seconds = None
    if run.started_at and run.finished_at:
        seconds = round((run.finished_at - run.started_at).total_seconds(), 1)
    return {
        "preset": result.preset,
        "seconds": seconds,
        "device": run.device,
        "versions": run.versions,
        "spec": result.spec.model_dump(mode="json"),
        "data": dict(result.provenance),
    }


def rounded(value: Any) -> Any:
    """``value`` with floats of 7 digits, and null for NaN and infinity, which JSON has not."""
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def write(figure: Reproduction, told: dict[str, Any], folder: Path) -> list[Path]:
    """Write the four files into ``folder``; InvalidValueError where that cannot be."""
    paths = {form: folder / f"{figure.name}.{form}" for form in FORMS}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with rc_context(TEXT):  # type: ignore[arg-type]
            drawn = figure.draw(told["numbers"])
            drawn.savefig(paths["png"], dpi=DPI)
            # the date would make every drawing of the same numbers another file
            drawn.savefig(paths["svg"], metadata={"Date": None})
        header, rows = figure.table(told["numbers"])
        with paths["csv"].open("w", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])
        paths["json"].write_text(json.dumps(told, ensure_ascii=False, separators=(",", ":")) + "\n")
    except OSError as error:
        reason = f"cannot write to {folder}: {error.strerror}; choose another folder with --out"
        raise InvalidValueError(reason) from error
    return list(paths.values())
