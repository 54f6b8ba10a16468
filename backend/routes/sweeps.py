"""What a sweep has found: the spread of every weight matrix against the value that was swept."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Response
from fastapi.responses import PlainTextResponse
from numpy.typing import NDArray
from sqlalchemy import Connection

from backend.deps import ReadDep, RunDep, require_kind
from backend.storage import results, runs
from backend.storage.tables import RunRow
from backend.sweep_tables import points_table, slopes_table
from sigmascope.schemas import Sweep, SweepPoint, SweepSlope, SweepSpec
from sigmascope.theory.slopes import critical_value, slope_over_seeds

router = APIRouter(prefix="/runs/{run_id}/sweep", tags=["sweeps"])

AXES: tuple[Literal["log-log", "linear"], ...] = ("log-log", "linear")


@router.get("")
def get_sweep(run: RunDep, connection: ReadDep) -> Sweep:
    """Partial while it runs: points of runs that have begun, lines through those that finished."""
    return _found(run, connection)


@router.get("/points.csv", response_class=PlainTextResponse)
def get_points(run: RunDep, connection: ReadDep) -> Response:
    """A row a run and layer: run, the value of the field, seed, status, step, layer, spread."""
    return _csv(points_table(_found(run, connection)), name=f"{run.id}-points")


@router.get("/slopes.csv", response_class=PlainTextResponse)
def get_slopes(run: RunDep, connection: ReadDep) -> Response:
    """A row a layer and kind of axes: slope, its 95 % interval, intercept, critical value."""
    return _csv(slopes_table(_found(run, connection)), name=f"{run.id}-slopes")


def _csv(text: str, *, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def _found(run: RunRow, connection: Connection) -> Sweep:
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
        total_steps=child.total_steps,
        error=child.error,
        spread=_spreads(connection, child.id),
    )


def _spreads(connection: Connection, run_id: str) -> dict[str, float]:
    """sigma_max - sigma_med of each layer at the last recorded step."""
    last = results.last_step(connection, run_id)
    if last is None:
        return {}
    spectra = results.spectra_at(connection, run_id, last)
    return {
        layer: float(values[0] - np.median(values))
        for layer, values in spectra.items()
        if np.isfinite(values).all()
    }


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
