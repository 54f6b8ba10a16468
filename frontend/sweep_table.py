"""What a sweep has found as text and tables: the sentence, slopes by layer, and the runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dash import dcc, html

from frontend.figures.sweep import AXES, Axes
from frontend.numbers import UNKNOWN, significant
from sigmascope.schemas import Sweep, SweepPoint, SweepSlope

SLOPE_COLUMNS = (
    ("layer", "Layer"),
    ("number", "Log-log slope"),
    ("number", "95 % interval"),
    ("strip", "Log-log slopes side by side"),
    ("number", "Linear slope"),
    ("number", "95 % interval"),
    ("number", "Spread falls beyond"),
)
RUN_COLUMNS = (
    ("number", "Seed"),
    ("run", "Run"),
    ("status", "Status"),
    ("number", "Step"),
    ("number", "Mean spread"),
)


def lines_of(found: Sweep, axes: Axes) -> dict[str, SweepSlope]:
    """The least-squares line of each layer that has one."""
    return {one.layer: one for one in found.slopes if one.axes == axes}


def layers_of(found: Sweep) -> list[str]:
    """Layers of all runs that have begun, in network order."""
    return list(dict.fromkeys(layer for point in found.points for layer in point.spread))


def summary(found: Sweep) -> str:
    """What the slopes say, in one sentence, or why there are none."""
    lines = lines_of(found, "log-log") or lines_of(found, "linear")
    if not lines:
        return _without_lines(found)
    kind = next(iter(lines.values())).axes
    slopes = f"{kind} slopes {_span([line.slope for line in lines.values()])}"
    return f"The spread {_directions(found.field, list(lines.values()))}; {slopes}. {_falls(found)}"


def _directions(field: str, lines: Sequence[SweepSlope]) -> str:
    """In how many layers it grows; a slope whose interval holds 0 is neither."""
    rising = sum((line.slope if line.low is None else line.low) > 0 for line in lines)
    falling = sum((line.slope if line.high is None else line.high) < 0 for line in lines)
    neither = len(lines) - rising - falling
    counted = [
        (said, count)
        for said, count in (
            ("grows with", rising),
            ("shrinks with", falling),
            ("is undecided against", neither),
        )
        if count
    ]
    (said, count), *others = counted
    first = f"{said} {field} in {_share(count, len(lines))}"
    return ", ".join([first, *(f"{said.rsplit(' ', 1)[0]} in {count}" for said, count in others)])


def _share(count: int, of: int) -> str:
    if of == 1:
        return "the one layer"
    return f"all {of} layers" if count == of else f"{count} of {of} layers"


def _without_lines(found: Sweep) -> str:
    if not any(point.status == "finished" for point in found.points):
        return "No run has finished."
    if len({point.value for point in found.points}) == 1:
        return f"One value of {found.field} makes no line; sweep over several."
    return f"Too few runs have finished to draw a line: it takes two values of {found.field} with one seed."


def _span(slopes: Sequence[float]) -> str:
    low, high = significant(min(slopes)), significant(max(slopes))
    return low if low == high else f"from {low} to {high}"


def _falls(found: Sweep) -> str:
    falling = [value for value in found.critical.values() if value is not None]
    if not falling:
        return "It does not fall within these values."
    low, high = written(min(falling)), written(max(falling))
    place = low if low == high else f"{low} to {high}"
    return f"Its mean over seeds falls beyond {place} in {_share(len(falling), len(found.critical))}."


def written(value: float) -> str:
    """A value that was swept: whole numbers in full, others to four digits."""
    return f"{value:,.0f}" if value == int(value) and abs(value) < 1e9 else f"{value:.4g}"


def interval(line: SweepSlope) -> str:
    """The 95 % interval of a slope over seeds; a dash for one seed."""
    if line.low is None or line.high is None:
        return UNKNOWN
    return f"{significant(line.low)} … {significant(line.high)}"


def caption(found: Sweep, layer: str) -> list[Any]:
    """Slope and interval, on the axes that are shown."""
    said = []
    for axes in AXES:
        line = lines_of(found, axes).get(layer)
        slope = [] if line is None else [html.Span("slope ", className="muted"), significant(line.slope)]
        if line is not None and line.low is not None:
            slope.append(html.Span(f" ({interval(line)})", className="muted"))
        said.append(html.Span(slope, className="figure sweep-caption", **{"data-on": axes}))
    return said


def slopes(found: Sweep) -> html.Table:
    """A row a layer."""
    scale = _scale(found)
    rows = [_slope_row(found, layer, scale) for layer in found.critical]
    return html.Table([_head(SLOPE_COLUMNS), html.Tbody(rows)], className="sweep-table slopes-table")


def _slope_row(found: Sweep, layer: str, scale: tuple[float, float]) -> html.Tr:
    log, linear = (lines_of(found, axes).get(layer) for axes in AXES)
    critical = found.critical[layer]
    return html.Tr(
        [
            html.Th(layer, scope="row", className="column-layer"),
            *_slope_cells(log),
            html.Td([] if log is None else _lane(log, scale), className="column-strip"),
            *_slope_cells(linear),
            html.Td(UNKNOWN if critical is None else written(critical), className="figure column-number"),
        ],
        **{"data-layer": layer},
    )


def _slope_cells(line: SweepSlope | None) -> list[html.Td]:
    cells = (UNKNOWN, UNKNOWN) if line is None else (significant(line.slope), interval(line))
    return [html.Td(cell, className="figure column-number") for cell in cells]


def _scale(found: Sweep) -> tuple[float, float]:
    """From the least to the largest end of all intervals of log-log slopes, 0 among them."""
    lines = lines_of(found, "log-log").values()
    ends = [0.0, *(end for line in lines for end in (line.low, line.slope, line.high) if end is not None)]
    low, high = min(ends), max(ends)
    return (low, high) if high > low else (low, low + 1.0)


def _lane(line: SweepSlope, scale: tuple[float, float]) -> html.Span:
    """A slope with its interval on the scale of all layers, and a mark at 0."""
    low, high = scale

    def share(value: float) -> str:
        return f"{100 * (value - low) / (high - low):.2f}%"

    marks = [html.Span(className="skill-nought", style={"left": share(0.0)})]
    if line.low is not None and line.high is not None:
        width = f"{100 * (line.high - line.low) / (high - low):.2f}%"
        marks.append(html.Span(className="slope-interval", style={"left": share(line.low), "width": width}))
    marks.append(html.Span(className="slope-mark", style={"left": share(line.slope)}))
    label = f"slope {significant(line.slope)}, interval {interval(line)}"
    return html.Span(marks, className="skill-lane", role="img", title=label, **{"aria-label": label})


def runs(found: Sweep) -> html.Table:
    """A row a run, under the value that it takes."""
    head = _head((("number", found.field), *RUN_COLUMNS))
    counts = Counter(point.value for point in found.points)
    bodies = []
    for value, count in counts.items():
        of = [point for point in found.points if point.value == value]
        bodies.append(html.Tbody([_run_row(one, span=count if i == 0 else 0) for i, one in enumerate(of)]))
    return html.Table([head, *bodies], className="sweep-table sweep-runs")


def _run_row(one: SweepPoint, *, span: int) -> html.Tr:
    value = (
        [html.Th(written(one.value), scope="rowgroup", rowSpan=span, className="figure column-number")]
        if span
        else []
    )
    mean = sum(one.spread.values()) / len(one.spread) if one.spread else None
    status = html.Span(one.status, className="status", **{"data-status": one.status})
    reason = [html.Span(one.error, className="row-error", title=one.error)] if one.error else []
    return html.Tr(
        [
            *value,
            html.Td(str(one.seed), className="figure column-number"),
            html.Td(dcc.Link(one.run, href=f"/runs/{one.run}"), className="column-run"),
            html.Td([status, *reason], className="column-status"),
            html.Td(f"{one.step:,} of {one.total_steps:,}", className="figure column-number"),
            html.Td(significant(mean), className="figure column-number"),
        ],
        **{"data-run": one.run},
    )


def _head(columns: Sequence[tuple[str, str]]) -> html.Thead:
    return html.Thead(
        html.Tr([html.Th(name, scope="col", className=f"column-{kind}") for kind, name in columns])
    )
