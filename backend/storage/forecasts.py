"""Forecast jobs: what they are to score, and their scores, in the order of writing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from backend.storage import results
from backend.storage.histories import noise_strength, spec_of
from backend.storage.results import Window
from backend.storage.tables import ForecastRow, RunRow
from sigmascope.errors import InvalidValueError
from sigmascope.records import LayerShape
from sigmascope.schemas import FORECASTERS, Forecaster, ForecastSpec, RunStatus
from sigmascope.theory.forecasting import EQUATIONS, FEWEST


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """The ``step``-th score, as JSON."""

    step: int
    result: dict[str, Any]


def planned(spec: ForecastSpec, connection: Connection) -> list[tuple[LayerShape, Forecaster]]:
    """What a forecast job scores: layers in network order, and on each the methods that it has records of.

    Raises:
        InvalidValueError: the run or a layer is not there, the run has too few steps, or a method that is
            asked for finds what it needs in none of the layers.
    """
    layers = _layers(spec, connection)
    recorded = _require_steps(spec, connection)
    asked = spec.methods or FORECASTERS
    lacking = {layer.name: _lacking(spec, layer.name, connection, recorded=recorded) for layer in layers}
    for method in spec.methods or ():
        if all(method in missing for missing in lacking.values()):
            raise InvalidValueError(f"methods: {lacking[layers[0].name][method]}")
    return [
        (layer, method)
        for layer in layers
        for method in dict.fromkeys(asked)
        if method not in lacking[layer.name]
    ]


def continued_layers(spec: ForecastSpec, connection: Connection) -> list[LayerShape]:
    """The layers that continued training is scored on, after all else and all at once.

    InvalidValueError: the run or a layer is not there.
    """
    return _layers(spec, connection) if spec.continued_training else []


def steps_of(spec: ForecastSpec, connection: Connection) -> int:
    """How far a forecast job has to go: its scores, and the continuations of the training.

    InvalidValueError: as ``planned``.
    """
    scores, continued = len(planned(spec, connection)), len(continued_layers(spec, connection))
    if not continued:
        return scores
    _, last = _recorded_and_last(spec, connection)
    return scores + continued + spec.members * len(continued_origins(spec, last))


def continued_origins(spec: ForecastSpec, last: int) -> list[range]:
    """All origins of a run that ends at step ``last``; the training is continued from the first of each."""
    every = spec.continue_every
    origins = range(spec.first_origin, last - spec.horizon + 1)
    return [origins[at : at + every] for at in range(0, len(origins), every)]


def _layers(spec: ForecastSpec, connection: Connection) -> list[LayerShape]:
    layers = results.layers(connection, spec.run)
    if not layers:
        raise InvalidValueError(
            f"run: there is no run {spec.run!r} with recorded layers; GET /api/v1/runs lists runs"
        )
    if spec.layers == ():
        raise InvalidValueError(
            "layers is empty, so nothing would be scored; leave it out to score all layers"
        )
    names = [one.name for one in layers]
    unknown = [name for name in spec.layers or () if name not in names]
    if unknown:
        raise InvalidValueError(
            f"layers: run {spec.run} has no layer {unknown[0]!r}; its layers: {', '.join(names)}"
        )
    return [one for one in layers if spec.layers is None or one.name in spec.layers]


def _require_steps(spec: ForecastSpec, connection: Connection) -> bool:
    """Whether the first origin is recorded already.

    InvalidValueError where it is too early, or the run too short, as it is or will be.
    """
    if spec.first_origin < FEWEST:
        raise InvalidValueError(
            f"first_origin must be at least {FEWEST}, got {spec.first_origin}: a forecast needs a past"
        )
    recorded, last = _recorded_and_last(spec, connection)
    if last < spec.first_origin + spec.horizon:
        raise InvalidValueError(
            f"run {spec.run} ends at step {last}, and no origin from first_origin {spec.first_origin} on has "
            f"an outcome horizon {spec.horizon} steps later; choose both so that their sum is at most {last}"
        )
    return recorded >= spec.first_origin


def _recorded_and_last(spec: ForecastSpec, connection: Connection) -> tuple[int, int]:
    """The last step that is recorded, and the last that is or will be."""
    query = select(RunRow.status, RunRow.total_steps).where(RunRow.id == spec.run)
    status, total = connection.execute(query).one()
    recorded = results.last_step(connection, spec.run) or 0
    return recorded, recorded if RunStatus(status).final else total


def _lacking(
    spec: ForecastSpec, layer: str, connection: Connection, *, recorded: bool
) -> dict[Forecaster, str]:
    """The methods that cannot speak of a layer at the first origin, and why.

    Of a run that is not as far as that, those that it was not asked to record for.
    """
    window, asked = Window(last=spec.first_origin), spec_of(connection, spec.run)
    until = f"layer {layer} of run {spec.run} has none up to step {spec.first_origin}"
    if recorded:
        noise = bool(noise_strength(connection, spec.run, layer, window))
        modes = len(results.mode_updates(connection, spec.run, layer, window).noise_variance.steps) > 0
    else:
        noise, modes = asked.noise_every > 0, asked.noise_every > 0 and asked.modes_every > 0
    found: dict[Forecaster, str] = {}
    for method in FORECASTERS:
        equation = EQUATIONS.get(method)
        if equation is None:
            continue
        if not noise:
            found[method] = f"{method!r} needs the gradient noise (noise_every), and {until}"
        elif equation.noise == "anisotropic" and not modes:
            found[method] = f"{method!r} needs the noise along the modes (modes_every), and {until}"
    return found


def write_scores(connection: Connection, run_id: str, records: Iterable[ScoreRecord]) -> None:
    """Store scores; call it in the transaction that advances the run."""
    rows = [{"run_id": run_id, "step": one.step, "result": one.result} for one in records]
    connection.execute(insert(ForecastRow), rows)


def scores(connection: Connection, run_id: str) -> Sequence[dict[str, Any]]:
    """The scores of a run of kind ``forecast``."""
    query = select(ForecastRow.result).where(ForecastRow.run_id == run_id).order_by(ForecastRow.step)
    return connection.scalars(query).all()
