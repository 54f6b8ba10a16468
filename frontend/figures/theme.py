"""The two palettes. One hue a thing, the same on every page; dash patterns carry the same meaning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from plotly.colors import sample_colorscale

ThemeName = Literal["light", "dark"]


@dataclass(frozen=True, slots=True)
class Theme:
    """Colours of one theme.

    Marks keep a contrast of at least 3 against ``panel``, text at least 4.5 (WCAG AA). ``modes`` is the
    part of Viridis that does so: its first end is the largest singular value.
    """

    name: ThemeName
    panel: str
    ink: str
    muted: str
    grid: str
    data: str
    data_fill: str
    marchenko_pastur: str
    tracy_widom: str
    gamma: str
    outlier: str
    train: str
    test: str
    drift: str
    noise: str
    turning: str
    modes: tuple[float, float]

    def mode_colours(self, count: int) -> list[str]:
        """``count`` colours, from the largest singular value down."""
        start, end = self.modes
        places = [start + (end - start) * i / max(count - 1, 1) for i in range(count)]
        colours: list[str] = sample_colorscale("Viridis", places)
        return colours


LIGHT = Theme(
    name="light",
    panel="#ffffff",
    ink="#1b2430",
    muted="#566373",
    grid="#e9edf1",
    data="#607084",
    data_fill="rgba(120, 138, 158, 0.34)",
    marchenko_pastur="#c92a2a",
    tracy_widom="#23803a",
    gamma="#6741d9",
    outlier="#d9730d",
    train="#607084",
    test="#1864ab",
    drift="#0b7285",
    noise="#c2255c",
    turning="#7d6200",
    modes=(0.0, 0.58),
)

DARK = Theme(
    name="dark",
    panel="#171c23",
    ink="#e4e9ef",
    muted="#98a5b3",
    grid="#272f39",
    data="#8fa0b4",
    data_fill="rgba(143, 160, 180, 0.28)",
    marchenko_pastur="#ff7b7b",
    tracy_widom="#56cf6e",
    gamma="#b197fc",
    outlier="#ffb454",
    train="#8fa0b4",
    test="#74c0fc",
    drift="#3bc9db",
    noise="#faa2c1",
    turning="#e0c766",
    modes=(0.98, 0.4),
)

THEMES: tuple[Theme, Theme] = (LIGHT, DARK)
