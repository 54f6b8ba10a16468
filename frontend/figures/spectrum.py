"""The spectrum of one layer at one step, on the singular-value axis, under the laws laid over it."""

from __future__ import annotations

import plotly.graph_objects as go

from frontend.figures.frame import axis, figure
from frontend.figures.theme import Theme


def spectrum(theme: Theme) -> go.Figure:
    """Skeleton of the histogram and its overlays.

    Each trace says in ``meta`` what it holds; the player finds it by that name. All are densities over all
    n singular values, except ``tracy_widom``, the density of the largest one, drawn at weight 1/n, and
    ``outliers``, ticks on the axis.
    """
    traces = [
        go.Scatter(
            meta="histogram",
            mode="lines",
            fill="tozeroy",
            fillcolor=theme.data_fill,
            line={"color": theme.data, "width": 1},
            hoverinfo="skip",
        ),
        _law("marchenko_pastur", theme.marchenko_pastur, dash="dash"),
        _law("tracy_widom", theme.tracy_widom, dash="solid"),
        go.Scatter(
            meta="edge",
            mode="lines",
            line={"color": theme.tracy_widom, "width": 1},
            hovertemplate="edge σ = %{x:.4g}<extra></extra>",
        ),
        _law("gamma_printed", theme.gamma, dash="dot"),
        _law("gamma_fitted", theme.gamma, dash="solid"),
        go.Scatter(
            meta="outliers",
            mode="lines",
            connectgaps=False,
            line={"color": theme.outlier, "width": 2.5, "simplify": False},
            hovertemplate="outlier σ = %{x:.5g}<extra></extra>",
        ),
    ]
    axes = {
        "xaxis": axis(theme, "singular value σ of W", showgrid=False),
        "yaxis": axis(theme, "density over all n values", rangemode="nonnegative", nticks=6),
    }
    return figure(theme, traces, axes)


def _law(name: str, colour: str, *, dash: str) -> go.Scatter:
    return go.Scatter(
        meta=name, mode="lines", line={"color": colour, "width": 2, "dash": dash}, hoverinfo="skip"
    )
