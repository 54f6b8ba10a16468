"""Loss and accuracy over the steps, of the batch and of the test split."""

from __future__ import annotations

import plotly.graph_objects as go

from frontend.figures.frame import axis, figure
from frontend.figures.theme import Theme


def training(theme: Theme) -> go.Figure:
    """Skeleton of two plots side by side. ``meta`` names the metric that each trace shows."""
    traces = [
        _line("loss", theme.train, "x", "y"),
        _points("test_loss", theme.test, "x", "y"),
        _line("accuracy", theme.train, "x2", "y2"),
        _points("test_accuracy", theme.test, "x2", "y2"),
    ]
    axes = {
        "xaxis": axis(theme, "step (batches)", domain=[0.0, 0.465], showgrid=False),
        "xaxis2": axis(theme, "step (batches)", domain=[0.535, 1.0], anchor="y2", showgrid=False),
        "yaxis": axis(theme, "loss (nats)", nticks=5),
        "yaxis2": axis(theme, "accuracy", anchor="x2", nticks=5, tickformat=".0%", range=[0, 1.02]),
    }
    return figure(theme, traces, axes)


def _line(name: str, colour: str, xaxis: str, yaxis: str) -> go.Scatter:
    return go.Scatter(
        meta=name,
        mode="lines",
        line={"color": colour, "width": 1.2},
        xaxis=xaxis,
        yaxis=yaxis,
        hovertemplate=f"{_words(name)} %{{y:.4g}} at step %{{x}}<extra></extra>",
    )


def _points(name: str, colour: str, xaxis: str, yaxis: str) -> go.Scatter:
    return go.Scatter(
        meta=name,
        mode="lines+markers",
        line={"color": colour, "width": 1.8},
        marker={"size": 6, "color": colour},
        xaxis=xaxis,
        yaxis=yaxis,
        hovertemplate=f"{_words(name)} %{{y:.4g}} at step %{{x}}<extra></extra>",
    )


def _words(name: str) -> str:
    return name.replace("_", " ") if name.startswith("test") else f"batch {name}"
