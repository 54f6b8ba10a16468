"""One look for all figures: the product's light palette, quiet axes, type that survives print."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

INK, MUTED, GRID = "#1b2430", "#566373", "#e9edf1"
DATA, DATA_FILL = "#607084", "#cfd7df"
MARCHENKO_PASTUR, TRACY_WIDOM, GAMMA = "#c92a2a", "#23803a", "#6741d9"
OUTLIER, DRIFT, NOISE, TEST = "#d9730d", "#0b7285", "#c2255c", "#1864ab"
MODES = (0.0, 0.58)
TEXT = {
    "font.family": "sans-serif",
    "font.sans-serif": ["Inter", "Helvetica Neue", "Arial", "DejaVu Sans"],
    "font.size": 8,
    "mathtext.fontset": "dejavusans",
    "text.color": INK,
    "svg.hashsalt": "sigmascope",
}


def canvas(rows: int, columns: int, *, width: float, height: float, **options: Any) -> tuple[Figure, Any]:
    """A figure of so many inches, and its axes as a (rows, columns) array."""
    with rc_context(TEXT):  # type: ignore[arg-type]
        figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
        axes = figure.subplots(rows, columns, squeeze=False, **options)
    for one in axes.flat:
        quiet(one)
    return figure, axes


def quiet(axes: Axes) -> None:
    """Outside ticks, a hairline grid, no box."""
    axes.tick_params(labelsize=7, colors=MUTED, width=0.6, length=3)
    axes.tick_params(which="minor", length=1.5, width=0.4, colors="#b9c2cc")
    axes.grid(visible=True, color=GRID, linewidth=0.6)
    axes.set_axisbelow(True)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#b9c2cc")
        spine.set_linewidth(0.6)


def head(axes: Axes, title: str, note: str = "") -> None:
    """A title at the left, and under it a line that reads the panel."""
    axes.set_title(title, loc="left", fontsize=8.5, fontweight="bold", color=INK, pad=16 if note else 6)
    if note:
        axes.annotate(
            note,
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 4),
            textcoords="offset points",
            fontsize=7,
            color=MUTED,
            in_layout=False,
        )


def label(axes: Axes, *, x: str = "", y: str = "") -> None:
    """Axis titles."""
    axes.set_xlabel(x, fontsize=7.5, color=MUTED)
    axes.set_ylabel(y, fontsize=7.5, color=MUTED)


def legend(figure: Figure, source: Axes, *, columns: int, handles: Sequence[Any] | None = None) -> None:
    """One legend for the figure, above it."""
    found, names = source.get_legend_handles_labels()
    shown = list(handles) if handles is not None else found
    figure.legend(
        shown,
        [str(one.get_label()) for one in shown] if handles is not None else names,
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=7.5,
        labelcolor=INK,
        handlelength=2.2,
        columnspacing=1.6,
    )


def mode_colours(count: int) -> list[str]:
    """``count`` colours of Viridis, from the largest singular value down."""
    start, end = MODES
    viridis = colormaps["viridis"]
    return [to_hex(viridis(start + (end - start) * i / max(count - 1, 1))) for i in range(count)]
