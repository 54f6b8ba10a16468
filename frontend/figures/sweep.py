"""One layer of a sweep: spread against the value that was swept, a symbol a seed, and the least-squares line.

:func:`sweep_panel` says how it looks, :func:`drawn` what is drawn in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import plotly.graph_objects as go

from frontend.figures.frame import axis, figure
from frontend.figures.theme import Theme
from frontend.figures.ticks import linear_ticks, log_ticks
from sigmascope.schemas import Sweep, SweepPoint, SweepSlope

Axes = Literal["log-log", "linear"]
AXES: tuple[Axes, ...] = ("log-log", "linear")
# seeds beyond the last begin anew; hovering tells them apart
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "triangle-down", "pentagon", "star", "hexagon")
# of the length of an axis, left free at both ends
MARGIN = 0.07


def sweep_panel(theme: Theme, *, field: str) -> go.Figure:
    """Skeleton of one layer's panel. ``seed:i`` are runs that finished, ``open:i`` those that did not."""
    traces = [
        go.Scatter(
            meta="critical",
            mode="lines",
            line={"color": theme.muted, "width": 1.2, "dash": "dot"},
            hovertemplate="the mean spread falls beyond %{x:.4g}<extra></extra>",
        ),
        go.Scatter(
            meta="line",
            mode="lines",
            line={"color": theme.ink, "width": 1.6, "dash": "solid"},
            hoverinfo="skip",
        ),
    ]
    for i, symbol in enumerate(SYMBOLS):
        traces += [
            _points(f"open:{i}", f"{symbol}-open", theme, field=field),
            _points(f"seed:{i}", symbol, theme, field=field),
        ]
    axes = {
        "xaxis": axis(theme, field, showgrid=False),
        "yaxis": axis(theme, "σ<sub>max</sub> − σ<sub>med</sub>"),
    }
    return figure(theme, traces, axes, margin={"l": 58, "r": 12, "t": 8, "b": 40})


def _points(meta: str, symbol: str, theme: Theme, *, field: str) -> go.Scatter:
    return go.Scatter(
        meta=meta,
        mode="markers",
        marker={
            "symbol": symbol,
            "size": 8,
            "color": theme.test,
            "opacity": 0.85,
            "line": {"width": 1.4, "color": theme.test},
        },
        hovertemplate=f"%{{y:.4g}} at {field} %{{x:.4g}}, %{{customdata}}<extra></extra>",
    )


def drawn(found: Sweep, layer: str, *, seeds: Sequence[int]) -> dict[Axes, dict[str, Any]]:
    """Traces and axes of a layer's panel: ``{"log-log": {"traces": {meta: {x, y}}, "axes": {...}}, ...}``.

    All panels share the values' axis. On log-log axes all show equally many decades of spread, so that equal
    slopes look equal; on linear ones each begins at 0.
    """
    return {kind: _on(kind, found, layer, seeds) for kind in AXES}


def _on(kind: Axes, found: Sweep, layer: str, seeds: Sequence[int]) -> dict[str, Any]:
    points = [one for one in found.points if _shown(one, layer, kind)]
    xaxis, (low, high) = _value_axis(found, kind), _spread_range(found, layer, kind)
    traces: dict[str, Any] = {}
    for one in points:
        name = "seed" if one.status == "finished" else "open"
        place = traces.setdefault(
            f"{name}:{seeds.index(one.seed) % len(SYMBOLS)}", {"x": [], "y": [], "customdata": []}
        )
        place["x"].append(one.value)
        place["y"].append(one.spread[layer])
        place["customdata"].append(_about(one))
    line = next((one for one in found.slopes if (one.layer, one.axes) == (layer, kind)), None)
    finished = [one.value for one in points if one.status == "finished"]
    if line and finished:
        traces["line"] = _line(line, min(finished), max(finished))
    critical = found.critical.get(layer)
    if critical is not None and (kind == "linear" or critical > 0):
        ends = (10**low, 10**high) if kind == "log-log" else (low, high)
        traces["critical"] = {"x": [critical, critical], "y": list(ends)}
    ticks = log_ticks(low, high) if kind == "log-log" else linear_ticks(low, high)
    yaxis = {"type": _TYPES[kind], "range": [low, high], **ticks}
    return {"traces": traces, "axes": {"xaxis": xaxis, "yaxis": yaxis}}


_TYPES = {"log-log": "log", "linear": "linear"}


def _shown(one: SweepPoint, layer: str, kind: Axes) -> bool:
    """Nought has no logarithm, and weights about to overflow say nothing: runs that failed are left out."""
    return (
        one.status != "failed"
        and layer in one.spread
        and (kind == "linear" or (one.value > 0 and one.spread[layer] > 0))
    )


def _about(one: SweepPoint) -> str:
    said = f"seed {one.seed}"
    return said if one.status == "finished" else f"{said}, {one.status}, step {one.step:,}"


def _line(line: SweepSlope, first: float, last: float) -> dict[str, list[float]]:
    """Straight on the axes that it was fitted on: two points are enough."""
    if line.axes == "linear":
        return {"x": [first, last], "y": [line.intercept + line.slope * x for x in (first, last)]}
    heights = [10 ** (line.intercept + line.slope * math.log10(x)) for x in (first, last)]
    return {"x": [first, last], "y": heights}


def _value_axis(found: Sweep, kind: Axes) -> dict[str, Any]:
    """The axis of the values, those of runs that have not begun included: it keeps its range."""
    values = sorted({one.value for one in found.points})
    if kind == "log-log":
        logs = [math.log10(value) for value in values if value > 0]
        low, high = _widened(logs or [0.0], least=0.2)
        return {"type": "log", "range": [low, high], **log_ticks(low, high)}
    low, high = _widened(values or [0.0], least=1e-9)
    return {"type": "linear", "range": [low, high], **linear_ticks(low, high)}


def _spread_range(found: Sweep, layer: str, kind: Axes) -> tuple[float, float]:
    if kind == "linear":
        spreads = [one.spread[layer] for one in found.points if _shown(one, layer, kind)]
        return 0.0, (max(spreads, default=0.0) or 1.0) * (1 + MARGIN)
    ends = {name: _widened(logs, least=0.2) for name, logs in _log_spreads(found).items()}
    if layer not in ends:
        return -1.0, 0.0
    half = max(high - low for low, high in ends.values()) / 2
    middle = sum(ends[layer]) / 2
    return middle - half, middle + half


def _log_spreads(found: Sweep) -> dict[str, list[float]]:
    """Logarithms of what each panel has to hold: its points, and the ends of its line."""
    logs: dict[str, list[float]] = {}
    for one in found.points:
        for layer in one.spread:
            if _shown(one, layer, "log-log"):
                logs.setdefault(layer, []).append(math.log10(one.spread[layer]))
    for line in found.slopes:
        values = [one.value for one in found.points if one.status == "finished" and one.value > 0]
        if line.axes == "log-log" and line.layer in logs:
            ends = (math.log10(value) for value in (min(values), max(values)))
            logs[line.layer] += [line.intercept + line.slope * end for end in ends]
    return logs


def _widened(values: Sequence[float], *, least: float) -> tuple[float, float]:
    """From the least to the largest with a margin, over a length of at least ``least``."""
    low, high = min(values), max(values)
    missing = max(0.0, least - (high - low)) / 2
    low, high = low - missing, high + missing
    margin = MARGIN * (high - low)
    return low - margin, high + margin
