"""Named simulations to start from, each with the sentence that says what to look for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sigmascope.schemas import SimulateSpec


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """``fields`` differ from the defaults of :class:`SimulateSpec`; ``look`` says what will be seen."""

    name: str
    look: str
    fields: dict[str, Any]

    @property
    def spec(self) -> SimulateSpec:
        """The whole specification."""
        return SimulateSpec.model_validate(self.fields)


STARTING_POINTS = (
    StartingPoint(
        "Dyson repulsion from Marchenko-Pastur",
        "Pure noise, no gradient: singular values repel each other, the bulk widens, and Marchenko-Pastur "
        "widens with it.",
        {"name": "Dyson repulsion", "process": "eigenvalue", "steps": 400, "record_every": 4, "paths": 64},
    ),
    StartingPoint(
        "Ornstein-Uhlenbeck to Marchenko-Pastur",
        "A force pulls W back: the bulk contracts and comes to rest on Marchenko-Pastur, not on the printed "
        "gamma law.",
        {
            "name": "Ornstein-Uhlenbeck",
            "process": "ornstein_uhlenbeck",
            "restoring_rate": 0.01,
            "diffusion": 4e-4,
            "start_variance": 1 / 64,
            "steps": 300,
            "record_every": 3,
            "paths": 48,
        },
    ),
    StartingPoint(
        "One particle: the gamma law",
        "With n = 1 there is nothing to repel. The squared value comes to rest on a gamma law of shape m/2, "
        "not on the printed one of shape (m − n + 3)/4.",
        {
            "name": "one particle",
            "process": "ornstein_uhlenbeck",
            "m": 8,
            "n": 1,
            "restoring_rate": 0.02,
            "diffusion": 4e-3,
            "start_variance": 0.04,
            "steps": 200,
            "record_every": 2,
            "paths": 4000,
        },
    ),
    StartingPoint(
        "Printed against exact",
        "The repulsion as printed is about half of the true one: the bulk lags behind Marchenko-Pastur, and "
        "the sum of eigenvalues grows too slowly.",
        {
            "name": "as printed",
            "process": "eigenvalue",
            "form": "as_printed",
            "steps": 400,
            "record_every": 4,
            "paths": 64,
        },
    ),
)
