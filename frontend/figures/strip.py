"""The lower strip of the run page: what moved a singular value, and metrics of the spectrum."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from frontend.figures.frame import axis, figure
from frontend.figures.theme import Theme

CLEAR = "rgba(0, 0, 0, 0)"
# names of the lines stand right of the plot
MARGIN = {"l": 84, "r": 126, "t": 8, "b": 40}


def forces(theme: Theme) -> go.Figure:
    """Skeleton of the parts that moved one singular value; ``labels`` names each line at its end.

    ``meta`` is the name of the part in :class:`sigmascope.schemas.Forces`.
    """
    traces = [
        _part("observed", theme.data, width=1.2),
        _part("remainder", theme.ink, width=1.3, dash="dashdot"),
        _part("turning", theme.turning, width=1.8, dash="10px,3px,2px,3px"),
        _part("noise", theme.noise, width=1.6, dash="6px,4px"),
        _part("drift", theme.drift, width=2.2),
        _part("repulsion", theme.gamma, width=1.8),
        _part("repulsion_as_printed", theme.gamma, width=2, dash="dot"),
        _labels(theme),
    ]
    return _strip(theme, traces, "change of σ<sub>k</sub>")


def metrics(theme: Theme) -> go.Figure:
    """Skeleton of one metric: ``picked`` is the layer on show, ``others`` the rest, as one trace with gaps.

    ``seen`` are points of a metric that is worked out only where the clock has rested.
    """
    traces = [
        go.Scatter(
            meta="others",
            mode="lines",
            connectgaps=False,
            line={"color": theme.data, "width": 1.1},
            hovertemplate="%{text}: %{y:.5g} at step %{x}<extra></extra>",
        ),
        go.Scatter(
            meta="picked",
            mode="lines",
            connectgaps=False,
            line={"color": theme.test, "width": 2.2},
            hovertemplate="%{text}: %{y:.5g} at step %{x}<extra></extra>",
        ),
        go.Scatter(
            meta="seen",
            mode="lines+markers",
            line={"color": theme.test, "width": 1, "dash": "dot"},
            marker={"size": 7, "color": theme.test},
            hovertemplate="%{y:.5g} at step %{x}<extra></extra>",
        ),
        _labels(theme),
    ]
    return _strip(theme, traces, "metric")


def _strip(theme: Theme, traces: list[go.Scatter], title: str) -> go.Figure:
    axes: dict[str, Any] = {
        "xaxis": axis(theme, "step (batches)", showgrid=False),
        "yaxis": axis(
            theme,
            title,
            nticks=5,
            zeroline=True,
            zerolinecolor=theme.grid,
            zerolinewidth=1,
            exponentformat="power",
        ),
    }
    return figure(theme, traces, axes, margin=MARGIN)


def _part(name: str, colour: str, *, width: float, dash: str = "solid") -> go.Scatter:
    return go.Scatter(
        meta=name,
        mode="lines",
        connectgaps=False,
        line={"color": colour, "width": width, "dash": dash},
        hovertemplate=f"{name.replace('_', ' ')} %{{y:.4g}} at step %{{x}}<extra></extra>",
    )


def _labels(theme: Theme) -> go.Scatter:
    return go.Scatter(
        meta="labels",
        mode="text",
        textposition="middle right",
        textfont={"size": 11, "color": theme.muted},
        line={"color": CLEAR, "width": 0},
        cliponaxis=False,
        hoverinfo="skip",
    )
