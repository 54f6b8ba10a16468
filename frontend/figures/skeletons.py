"""All figures of the run page in both themes, as the JSON that the player reads."""

from __future__ import annotations

import json
from typing import Any

from frontend.figures.spectrum import spectrum
from frontend.figures.theme import THEMES
from frontend.figures.training import training
from frontend.figures.trajectories import trajectories


def skeletons(*, k: int) -> dict[str, dict[str, Any]]:
    """``{"light": {"spectrum": {"data", "layout"}, ...}, "dark": ...}`` for k tracked modes."""
    return {
        theme.name: {
            name: json.loads(figure.to_json())
            for name, figure in (
                ("spectrum", spectrum(theme)),
                ("trajectories", trajectories(theme, k=k)),
                ("training", training(theme)),
            )
        }
        for theme in THEMES
    }
