"""What a reproduced figure is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from sigmascope.reproduction.results import Need, RunResult

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Verdict = Literal["agrees", "differs", "undecided"]
Numbers = dict[str, Any]
Table = tuple[Sequence[str], Sequence[Sequence[Any]]]


@dataclass(frozen=True, slots=True)
class Point:
    """One statement of the paper, what was found, and whether the two agree.

    Attributes:
        statement: what the paper says, in its words or close to them.
        found: the numbers that decide, in one or two sentences.
        criterion: what the verdict was decided by.
        verdict: ``undecided`` where the run has too little to tell.
    """

    statement: str
    found: str
    criterion: str
    verdict: Verdict


def verdict(agrees: bool | None) -> Verdict:
    """``agrees`` or ``differs``; ``undecided`` for None."""
    return "undecided" if agrees is None else "agrees" if agrees else "differs"


@dataclass(frozen=True, slots=True)
class Reproduction:
    """A figure of the paper: the presets to run, and pure functions from results to what is shown.

    Attributes:
        name: ``fig1`` to ``fig5``.
        title: what it shows.
        caption: how to read the drawing.
        presets: of the runs it takes, by their full names.
        needs: what is read of each run beside its spectra.
        numbers: runs, in the order of ``presets``, and the layer to draw (None: the preset's) to plain data.
        points: the paper's statements, judged from the numbers.
        draw: the figure, from the numbers.
        table: the figure's data as a header and rows, from the numbers.
    """

    name: str
    title: str
    caption: str
    presets: tuple[str, ...]
    needs: frozenset[Need]
    numbers: Callable[[Sequence[RunResult], str | None], Numbers]
    points: Callable[[Numbers], list[Point]]
    draw: Callable[[Numbers], Figure]
    table: Callable[[Numbers], Table]
