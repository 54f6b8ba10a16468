"""The largest singular values over the steps: true, predicted, the residual between them, and a forecast."""

from __future__ import annotations

import plotly.graph_objects as go

from frontend.figures.frame import axis, figure
from frontend.figures.theme import Theme


def trajectories(theme: Theme, *, k: int) -> go.Figure:
    """Skeleton of k modes: true solid, predicted dashed, one hue a mode; residuals below on the same steps.

    ``meta`` is ``true:i``, ``predicted:i`` or ``residual:i`` with i from 0, the largest; of a forecast
    ``band90:i``, ``band50:i`` and its ``median:i``. Truth is drawn over the bands, the median over all.
    """
    colours = theme.mode_colours(k)
    traces = [
        *(_band("band90", i, colour, 0.13) for i, colour in enumerate(colours)),
        *(_band("band50", i, colour, 0.24) for i, colour in enumerate(colours)),
        *(_mode("true", i, colour, width=1.6) for i, colour in enumerate(colours)),
        *(_mode("predicted", i, colour, width=1.6, dash="5px,4px") for i, colour in enumerate(colours)),
        *(_mode("residual", i, colour, width=1.2, yaxis="y2") for i, colour in enumerate(colours)),
        *(_mode("median", i, colour, width=2, dash="9px,4px") for i, colour in enumerate(colours)),
    ]
    axes = {
        "xaxis": axis(theme, "step (batches)", anchor="y2", showgrid=False),
        "yaxis": axis(theme, "singular value σ<sub>k</sub>", domain=[0.39, 1.0], nticks=6),
        "yaxis2": axis(
            theme,
            "residual",
            domain=[0.0, 0.29],
            nticks=5,
            zeroline=True,
            zerolinecolor=theme.muted,
            zerolinewidth=1,
            exponentformat="power",
        ),
    }
    margin = {"l": 72, "r": 16, "t": 10, "b": 42}
    return figure(theme, traces, axes, margin=margin)


def _mode(
    what: str, i: int, colour: str, *, width: float, dash: str = "solid", yaxis: str = "y"
) -> go.Scatter:
    return go.Scatter(
        meta=f"{what}:{i}",
        mode="lines",
        line={"color": colour, "width": width, "dash": dash},
        yaxis=yaxis,
        hovertemplate=f"σ<sub>{i + 1}</sub> {what} %{{y:.5g}} at step %{{x}}<extra></extra>",
    )


def _band(what: str, i: int, colour: str, opacity: float) -> go.Scatter:
    faint = colour.replace("rgb(", "rgba(").replace(")", f", {opacity})")
    return go.Scatter(
        meta=f"{what}:{i}",
        mode="lines",
        fill="toself",
        fillcolor=faint,
        line={"color": faint, "width": 0},
        hoverinfo="skip",
    )
