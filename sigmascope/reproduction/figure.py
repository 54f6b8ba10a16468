"""What a reproduced figure is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        verdict: ``agrees`` where what was found lies where the paper says, ``differs`` where it lies
            elsewhere, ``undecided`` where it leaves room for both. A test that finds nothing decides nothing.
    """

    statement: str
    found: str
    criterion: str
    verdict: Verdict


def verdict(agrees: bool | None) -> Verdict:
    """``agrees`` or ``differs``; ``undecided`` for None."""
    return "undecided" if agrees is None else "agrees" if agrees else "differs"


def within(interval: tuple[float, float], low: float, high: float) -> bool | None:
    """True for an interval inside of low to high, False for one outside, None for one that is partly both.

    >>> within((1, 2), 0, 3), within((4, 5), 0, 3), within((2, 4), 0, 3)
    (True, False, None)
    """
    if interval[1] < low or interval[0] > high:
        return False
    return True if low <= interval[0] and interval[1] <= high else None


def every(told: Iterable[bool | None]) -> bool | None:
    """Whether all are true: one that is false suffices against it, one that is open leaves it open.

    >>> every([True, True]), every([True, None, False]), every([True, None]), every([])
    (True, False, None, None)
    """
    parts = list(told)
    return False if False in parts else None if None in parts or not parts else True


def some(told: Iterable[bool | None]) -> bool | None:
    """Whether one is true at least.

    >>> some([None, True]), some([False, False]), some([False, None]), some([])
    (True, False, None, None)
    """
    parts = list(told)
    return True if True in parts else None if None in parts or not parts else False


def most(told: Iterable[bool | None]) -> bool | None:
    """Whether more than half are true: None where those that are open could turn it.

    >>> most([True, True, None]), most([False, False, True, None]), most([True, None, None]), most([])
    (True, False, None, None)
    """
    parts = list(told)
    if 2 * parts.count(True) > len(parts):
        return True
    return False if parts and 2 * parts.count(False) >= len(parts) else None


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
