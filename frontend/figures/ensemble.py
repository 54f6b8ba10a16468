"""A simulated ensemble: the pooled spectrum at one step, mean trajectories, and the sum of eigenvalues."""

from __future__ import annotations

import plotly.graph_objects as go

from frontend.figures.frame import axis, figure
from frontend.figures.theme import Theme


def ensemble_spectrum(theme: Theme) -> go.Figure:
    """Skeleton of the histogram over all paths with its standard errors, and the laws laid over it.

    All traces are densities over all values of all paths; ``errors`` are strokes of one standard error up and
    down from the middle of each bin.
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
        go.Scatter(
            meta="errors",
            mode="lines",
            connectgaps=False,
            line={"color": theme.data, "width": 1, "simplify": False},
            hoverinfo="skip",
        ),
        _law("marchenko_pastur", theme.marchenko_pastur, dash="dash"),
        _law("gamma_printed", theme.gamma, dash="dot"),
        _law("gamma_exact", theme.gamma, dash="dashdot"),
    ]
    axes = {
        "xaxis": axis(theme, "singular value σ of W", showgrid=False),
        "yaxis": axis(theme, "density over all paths", rangemode="nonnegative", nticks=6),
    }
    return figure(theme, traces, axes)


def _law(name: str, colour: str, *, dash: str) -> go.Scatter:
    return go.Scatter(
        meta=name, mode="lines", line={"color": colour, "width": 2, "dash": dash}, hoverinfo="skip"
    )


def ensemble_means(theme: Theme, *, k: int) -> go.Figure:
    """Skeleton of the means over the paths of k largest values (``mean:i``) in their bands (``band:i``)."""
    colours = theme.mode_colours(k)
    bands = [_band(i, colour) for i, colour in enumerate(colours)]
    means = [
        go.Scatter(
            meta=f"mean:{i}",
            mode="lines",
            line={"color": colour, "width": 1.6},
            hovertemplate=f"mean σ<sub>{i + 1}</sub> %{{y:.5g}} at step %{{x}}<extra></extra>",
        )
        for i, colour in enumerate(colours)
    ]
    axes = {
        "xaxis": axis(theme, "step", showgrid=False),
        "yaxis": axis(theme, "mean of σ<sub>k</sub> over the paths", nticks=7),
    }
    return figure(theme, [*bands, *means], axes, margin={"l": 72, "r": 16, "t": 10, "b": 42})


def _band(i: int, colour: str) -> go.Scatter:
    faint = colour.replace("rgb(", "rgba(").replace(")", ", 0.24)")
    return go.Scatter(
        meta=f"band:{i}",
        mode="lines",
        fill="toself",
        fillcolor=faint,
        line={"color": faint, "width": 0},
        hoverinfo="skip",
    )


def eigenvalue_sum(theme: Theme) -> go.Figure:
    """Skeleton: the mean sum of eigenvalues beside the exact one, and their difference in standard errors."""
    traces = [
        go.Scatter(
            meta="expected",
            mode="lines",
            line={"color": theme.ink, "width": 1.8, "dash": "9px,5px"},
            hovertemplate="exact %{y:.5g} at step %{x}<extra></extra>",
        ),
        go.Scatter(
            meta="sum",
            mode="lines",
            line={"color": theme.test, "width": 2},
            hovertemplate="mean over paths %{y:.5g} at step %{x}<extra></extra>",
        ),
        go.Scatter(
            meta="tolerance",
            mode="lines",
            fill="toself",
            fillcolor=theme.data_fill,
            line={"color": theme.data, "width": 0},
            xaxis="x2",
            yaxis="y2",
            hoverinfo="skip",
        ),
        go.Scatter(
            meta="off",
            mode="lines",
            line={"color": theme.test, "width": 1.4},
            xaxis="x2",
            yaxis="y2",
            hovertemplate="%{y:.3g} standard errors at step %{x}<extra></extra>",
        ),
    ]
    axes = {
        "xaxis": axis(theme, "step", domain=[0.0, 0.465], showgrid=False),
        "xaxis2": axis(theme, "step", domain=[0.535, 1.0], anchor="y2", showgrid=False),
        "yaxis": axis(theme, "Σ σ<sub>k</sub>²", nticks=5),
        "yaxis2": axis(theme, "off, standard errors", anchor="x2", nticks=5),
    }
    return figure(theme, traces, axes)
