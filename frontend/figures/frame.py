"""What all figures share: margins, type, axes."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go

from frontend.figures.theme import Theme

FONT = "Inter, 'Segoe UI', system-ui, -apple-system, 'Helvetica Neue', Arial, sans-serif"


def axis(theme: Theme, title: str, **more: Any) -> dict[str, Any]:
    """A quiet axis: outside ticks, hairline grid, a title that names quantity and scaling."""
    return {
        "title": {"text": title, "standoff": 10, "font": {"size": 12, "color": theme.muted}},
        "tickfont": {"size": 11, "color": theme.muted},
        "gridcolor": theme.grid,
        "linecolor": theme.grid,
        "showline": True,
        "zeroline": False,
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": theme.grid,
        "automargin": False,
        "autorange": False,
        "fixedrange": False,
        **more,
    }


def figure(theme: Theme, traces: list[go.Scatter], axes: dict[str, Any], **more: Any) -> go.Figure:
    """A figure without template, legend or title: those live in the page around it."""
    layout: dict[str, Any] = {
        "template": "none",
        "font": {"family": FONT, "size": 12, "color": theme.ink},
        "paper_bgcolor": theme.panel,
        "plot_bgcolor": theme.panel,
        "margin": {"l": 62, "r": 16, "t": 10, "b": 42},
        "showlegend": False,
        "hovermode": "closest",
        "hoverlabel": {
            "bgcolor": theme.panel,
            "bordercolor": theme.muted,
            "font": {"family": FONT, "size": 12, "color": theme.ink},
        },
        "dragmode": "zoom",
        **axes,
        **more,
    }
    return go.Figure(data=traces, layout=layout)
