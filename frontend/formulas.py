"""Formulas in Unicode set for the eye: real sub- and superscripts, and marks on what the other form lacks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import groupby
from typing import Any

from dash import html

# a script: in braces or parentheses, a number, or a short word; names_with_underscores are no formulas
_PIECE = re.compile(
    r"(?P<mark>[_^])(?:\{(?P<braces>[^{}]*)\}|\((?P<parens>[^()]*)\)|(?P<bare>[−-]?(?:[A-Za-zα-ωΑ-Ω∞]{1,5}(?![A-Za-z])\d*|\d+(?:\.\d+)?)))"
    r"|(?P<word>\d+|[^\W\d_]+)|(?P<space>\s+)|(?P<sign>.)",
)
# where less than this share of the pieces is common, marking what differs would mark everything
_ALIKE = 0.7


def pieces(formula: str) -> list[str]:
    """The formula cut into scripts, words, spaces and signs; joined, it is the formula again."""
    return [found.group() for found in _PIECE.finditer(formula)]


@lru_cache(maxsize=512)
def differing(formula: str, other: str) -> tuple[bool, ...]:
    """For each piece of ``formula``, whether ``other`` lacks it; nothing when the two have little in common.

    What both have is their longest common subsequence of pieces. A space differs between pieces that do.
    """
    mine, its = pieces(formula), pieces(other)
    kept = _common(mine, its)
    if 2 * len(kept) < _ALIKE * (len(mine) + len(its)):
        return (False,) * len(mine)
    off = [i not in kept for i in range(len(mine))]
    for i, piece in enumerate(mine):
        if not piece.strip():
            off[i] = 0 < i < len(mine) - 1 and off[i - 1] and off[i + 1]
    return tuple(off)


def _common(mine: list[str], its: list[str]) -> set[int]:
    """Places in ``mine`` of a longest subsequence that ``its`` has too."""
    lengths = [[0] * (len(its) + 1) for _ in range(len(mine) + 1)]
    for i in reversed(range(len(mine))):
        for j in reversed(range(len(its))):
            same = mine[i] == its[j]
            lengths[i][j] = lengths[i + 1][j + 1] + 1 if same else max(lengths[i + 1][j], lengths[i][j + 1])
    kept, i, j = set(), 0, 0
    while i < len(mine) and j < len(its):
        if mine[i] == its[j]:
            kept.add(i)
            i, j = i + 1, j + 1
        elif lengths[i + 1][j] >= lengths[i][j + 1]:
            i += 1
        else:
            j += 1
    return kept


def formula(text: str, *, other: str) -> html.Span:
    """``text`` set, with the pieces that ``other`` lacks marked."""
    parts: list[Any] = []
    marked = zip(pieces(text), differing(text, other), strict=True)
    for differs, group in groupby(marked, key=lambda pair: pair[1]):
        run = _joined(piece for piece, _ in group)
        parts += [html.Mark(run, className="differs")] if differs else run
    return html.Span(parts, className="formula")


def scripted(text: str) -> list[Any]:
    """Words with real sub- and superscripts, such as the label of a measurement."""
    return _joined(pieces(text))


def _joined(run: Iterable[str]) -> list[Any]:
    """Pieces set, with neighbouring plain ones as one text."""
    parts: list[Any] = []
    for part in map(_set, run):
        if isinstance(part, str) and parts and isinstance(parts[-1], str):
            parts[-1] += part
        else:
            parts.append(part)
    return parts


def _set(piece: str) -> Any:
    found = _PIECE.fullmatch(piece)
    if not found or not found["mark"]:
        return piece
    script = next(text for text in (found["braces"], found["parens"], found["bare"]) if text is not None)
    return html.Sub(script) if found["mark"] == "_" else html.Sup(script)
