"""All figures of a page in both themes, as the JSON that the player reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import plotly.graph_objects as go

from frontend.figures.ensemble import eigenvalue_sum, ensemble_means, ensemble_spectrum
from frontend.figures.spectrum import spectrum
from frontend.figures.strip import forces, metrics
from frontend.figures.sweep import sweep_panel
from frontend.figures.theme import THEMES, Theme
from frontend.figures.training import training
from frontend.figures.trajectories import trajectories

Skeletons = dict[str, dict[str, Any]]


def skeletons(*, k: int) -> Skeletons:
    """``{"light": {"spectrum": {"data", "layout"}, ...}, "dark": ...}`` of a training run with k modes."""
    return _in_both_themes(
        {
            "spectrum": spectrum,
            "trajectories": partial(trajectories, k=k),
            "training": training,
            "forces": forces,
            "metrics": metrics,
        }
    )


def ensemble_skeletons(*, k: int) -> Skeletons:
    """The same of a simulated ensemble, of which the k largest values are followed."""
    return _in_both_themes(
        {"spectrum": ensemble_spectrum, "means": partial(ensemble_means, k=k), "sum": eigenvalue_sum}
    )


def sweep_skeleton(*, field: str) -> dict[str, Any]:
    """``{"light": {"data", "layout"}, "dark": ...}`` of one panel of a sweep over ``field``."""
    both = _in_both_themes({"panel": partial(sweep_panel, field=field)})
    return {theme: figures["panel"] for theme, figures in both.items()}


def _in_both_themes(figures: dict[str, Callable[[Theme], go.Figure]]) -> Skeletons:
    return {
        theme.name: {name: json.loads(draw(theme).to_json()) for name, draw in figures.items()}
        for theme in THEMES
    }
