"""All figures, by name."""

from __future__ import annotations

from sigmascope.reproduction.fig1 import FIG1
from sigmascope.reproduction.fig2 import FIG2
from sigmascope.reproduction.fig3 import FIG3
from sigmascope.reproduction.fig4 import FIG4
from sigmascope.reproduction.fig5 import FIG5
from sigmascope.reproduction.figure import Reproduction

FIGURES: dict[str, Reproduction] = {one.name: one for one in (FIG1, FIG2, FIG3, FIG4, FIG5)}
