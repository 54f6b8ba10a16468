"""What a sweep has found: the spread of every weight matrix against the value that was swept."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray
from sqlalchemy import Connection

from backend.deps import ReadDep, RunDep, require_kind
from backend.storage import results, runs
from backend.storage.results import Window
from sigmascope.schemas import Sweep, SweepPoint, SweepSlope, SweepSpec
from sigmascope.theory.slopes import critical_value, slope_over_seeds

router = APIRouter(prefix="/runs/{run_id}/sweep", tags=["sweeps"])

AXES: tuple[Literal["log-log", "linear"], ...] = ("log-log", "linear")


@router.get("")
def get_sweep(run: RunDep, connection: ReadDep) -> Sweep:
    """Partial while it runs: points of runs that have begun, lines through those that finished."""
    require_kind(run, "sweep")
    spec = SweepSpec.model_validate(run.spec)
    points = [_point(connection, child, spec) for child in runs.children(connection, run.id)]
    done = [point for point in points if point.status == "finished"]
    layers = list(dict.fromkeys(layer for point in done for layer in point.spread))
    slopes = [slope for layer in layers for axes in AXES for slope in _slope(done, layer, axes)]
    return Sweep(
        field=spec.field,
        points=points,
        slopes=slopes,
        critical={layer: critical_value(*_series(done, layer)) for layer in layers},
    )


def _point(connection: Connection, child: Any, spec: SweepSpec) -> SweepPoint:
    value: Any = child.spec
    for part in spec.field.split("."):
        value = value[part]
    return SweepPoint(
        run=child.id,
        value=value,
        seed=child.spec["seed"],
        status=child.status,
        step=child.step,
        spread=_spreads(connection, child.id),
    )


def _spreads(connection: Connection, run_id: str) -> dict[str, float]:
    """sigma_max - sigma_med of each layer at the last recorded step."""
    last = results.last_step(connection, run_id)
    if last is None:
        return {}
    found = {}
    for layer in results.layers(connection, run_id):
        frames = results.spectra(connection, run_id, layer.name, Window(first=last, last=last))
        if len(frames.steps):
            found[layer.name] = float(frames.values[0, 0] - np.median(frames.values[0]))
    return found


def _series(points: list[SweepPoint], layer: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    pairs = [(point.value, point.spread[layer]) for point in points if layer in point.spread]
    x, y = np.array(pairs, dtype=np.float64).reshape(-1, 2).T
    return x, y


def _slope(points: list[SweepPoint], layer: str, axes: Literal["log-log", "linear"]) -> list[SweepSlope]:
    lines = []
    for seed in dict.fromkeys(point.seed for point in points):
        x, y = _series([point for point in points if point.seed == seed], layer)
        if axes == "log-log":
            shown = (x > 0) & (y > 0)
            x, y = np.log10(x[shown]), np.log10(y[shown])
        lines.append((x, y))
    line = slope_over_seeds(lines)
    if line is None:
        return []
    return [
        SweepSlope(
            layer=layer,
            axes=axes,
            slope=line.slope,
            low=line.low,
            high=line.high,
            intercept=line.intercept,
        )
    ]
