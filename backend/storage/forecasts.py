"""Forecast jobs: the layers that they are about, and their scores, in the order of writing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert, select

from backend.storage import results
from backend.storage.tables import ForecastRow
from sigmascope.errors import InvalidValueError
from sigmascope.records import LayerShape
from sigmascope.schemas import ForecastSpec


@dataclass(frozen=True, slots=True)
class ScoreRecord:
    """The ``step``-th score, as JSON."""

    step: int
    result: dict[str, Any]


def chosen_layers(spec: ForecastSpec, connection: Connection) -> list[LayerShape]:
    """The layers that a forecast job asks for, in network order.

    Raises:
        InvalidValueError: the run or a layer is not there.
    """
    layers = results.layers(connection, spec.run)
    if not layers:
        raise InvalidValueError(
            f"run: there is no run {spec.run!r} with recorded layers; GET /api/v1/runs lists runs"
        )
    names = [one.name for one in layers]
    unknown = [name for name in spec.layers or () if name not in names]
    if unknown:
        raise InvalidValueError(
            f"layers: run {spec.run} has no layer {unknown[0]!r}; its layers: {', '.join(names)}"
        )
    return [one for one in layers if spec.layers is None or one.name in spec.layers]


def write_scores(connection: Connection, run_id: str, records: Iterable[ScoreRecord]) -> None:
    """Store scores; call it in the transaction that advances the run."""
    rows = [{"run_id": run_id, "step": one.step, "result": one.result} for one in records]
    connection.execute(insert(ForecastRow), rows)


def scores(connection: Connection, run_id: str) -> Sequence[dict[str, Any]]:
    """The scores of a run of kind ``forecast``."""
    query = select(ForecastRow.result).where(ForecastRow.run_id == run_id).order_by(ForecastRow.step)
    return connection.scalars(query).all()
