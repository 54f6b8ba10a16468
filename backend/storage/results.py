"""What a run recorded: written a batch of steps at a time, read back whole or from a step on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, LargeBinary, func, insert, select
from sqlalchemy.orm import InstrumentedAttribute

from backend.storage.tables import (
    LawFitRow,
    LayerRow,
    MetricsRow,
    ModeUpdateRow,
    NoiseRow,
    SpectrumRow,
    TrajectoryRow,
)
from sigmascope.records import LayerShape, StepRecord

LITTLE_ENDIAN_FLOAT32 = np.dtype("<f4")
METRICS = ("loss", "accuracy", "test_loss", "test_accuracy", "learning_rate", "seconds")
FITS = tuple(
    column.name for column in LawFitRow.__table__.columns if column.name not in ("run_id", "layer", "step")
)


@dataclass(frozen=True, slots=True)
class Frames:
    """Rows of float32 values, one a step: ``values`` has shape (len(steps), width)."""

    steps: NDArray[np.int64]
    values: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Window:
    """Which steps to read: after < step, first <= step <= last, and every ``every``-th of them."""

    after: int = -1
    first: int = 0
    last: int | None = None
    every: int = 1

    def where(self, step: Any) -> list[Any]:
        """SQL conditions on a step column."""
        conditions = [step > self.after, step >= self.first]
        if self.last is not None:
            conditions.append(step <= self.last)
        if self.every > 1:
            conditions.append((step - self.first) % self.every == 0)
        return conditions


def write_layers(connection: Connection, run_id: str, layers: Sequence[LayerShape]) -> None:
    """Store the layers of a run, in network order."""
    connection.execute(
        insert(LayerRow),
        [{"run_id": run_id, "position": i, **asdict(layer)} for i, layer in enumerate(layers)],
    )


def count_rows(record: StepRecord) -> int:
    """How many rows ``record`` becomes."""
    layers = record.layers.values()
    return 1 + sum(
        1 + len(one.trajectories) + bool(one.law_fit) + bool(one.noise) + bool(one.modes) for one in layers
    )


def write_steps(connection: Connection, run_id: str, records: Iterable[StepRecord]) -> None:
    """Store recorded steps; call it in the transaction that advances the run."""
    rows: dict[type, list[dict[str, Any]]] = {}
    for record in records:
        at = {"run_id": run_id, "step": record.step}
        metrics = {name: record.metrics.get(name) for name in METRICS}
        rows.setdefault(MetricsRow, []).append({**at, **metrics})
        for name, one in record.layers.items():
            here = {**at, "layer": name}
            rows.setdefault(SpectrumRow, []).append(
                {
                    **here,
                    "singular_values": to_bytes(one.singular_values),
                    "method": one.method,
                    "error_bound": one.error_bound,
                }
            )
            for predictor, values in one.trajectories.items():
                rows.setdefault(TrajectoryRow, []).append(
                    {**here, "predictor": predictor, "singular_values": to_bytes(values)}
                )
            if one.law_fit is not None:
                rows.setdefault(LawFitRow, []).append({**here, **asdict(one.law_fit)})
            if one.noise is not None:
                rows.setdefault(NoiseRow, []).append({**here, **asdict(one.noise)})
            if one.modes is not None:
                updates = {
                    name: None if values is None else to_bytes(values)
                    for name, values in asdict(one.modes).items()
                }
                rows.setdefault(ModeUpdateRow, []).append({**here, **updates})
    for table, of_table in rows.items():
        connection.execute(insert(table), of_table)


def layers(connection: Connection, run_id: str) -> list[LayerShape]:
    """The layers of a run, in network order."""
    table = LayerRow
    query = select(table.name, table.m, table.n, table.entry_variance).where(table.run_id == run_id)
    return [LayerShape(*row) for row in connection.execute(query.order_by(table.position))]


def spectra(connection: Connection, run_id: str, layer: str, window: Window) -> Frames:
    """All singular values of a layer, a row a step."""
    return _frames(
        connection,
        select(SpectrumRow.step, SpectrumRow.singular_values)
        .where(SpectrumRow.run_id == run_id, SpectrumRow.layer == layer, *window.where(SpectrumRow.step))
        .order_by(SpectrumRow.step),
    )


def spectra_at(connection: Connection, run_id: str, step: int) -> dict[str, NDArray[np.float32]]:
    """All singular values of every layer at one step, layers in network order."""
    query = (
        select(SpectrumRow.layer, SpectrumRow.singular_values)
        .join(LayerRow, (LayerRow.run_id == SpectrumRow.run_id) & (LayerRow.name == SpectrumRow.layer))
        .where(SpectrumRow.run_id == run_id, SpectrumRow.step == step)
        .order_by(LayerRow.position)
    )
    found = connection.execute(query).all()
    return {row.layer: np.frombuffer(row.singular_values, LITTLE_ENDIAN_FLOAT32) for row in found}


def top_values(connection: Connection, run_id: str, layer: str, *, k: int, window: Window) -> Frames:
    """The k largest singular values of a layer, a row a step."""
    values = func.substr(
        SpectrumRow.singular_values, 1, LITTLE_ENDIAN_FLOAT32.itemsize * k, type_=LargeBinary
    )
    return _frames(
        connection,
        select(SpectrumRow.step, values)
        .where(SpectrumRow.run_id == run_id, SpectrumRow.layer == layer, *window.where(SpectrumRow.step))
        .order_by(SpectrumRow.step),
    )


def count_spectra(connection: Connection, run_id: str, layer: str, window: Window) -> int:
    """How many spectra a window holds."""
    query = select(func.count()).where(SpectrumRow.run_id == run_id, SpectrumRow.layer == layer)
    return connection.execute(query.where(*window.where(SpectrumRow.step))).scalar_one()


def accuracy_of_spectra(
    connection: Connection, run_id: str, layer: str, window: Window
) -> list[tuple[str, float]]:
    """The method and error bound of each spectrum, aligned with :func:`spectra`."""
    query = (
        select(SpectrumRow.method, SpectrumRow.error_bound)
        .where(SpectrumRow.run_id == run_id, SpectrumRow.layer == layer, *window.where(SpectrumRow.step))
        .order_by(SpectrumRow.step)
    )
    return [(row.method, row.error_bound) for row in connection.execute(query)]


def trajectory(connection: Connection, run_id: str, layer: str, predictor: str, window: Window) -> Frames:
    """A predictor's top-k singular values of a layer, a row a step."""
    table = TrajectoryRow
    return _frames(
        connection,
        select(table.step, table.singular_values)
        .where(table.run_id == run_id, table.layer == layer, table.predictor == predictor)
        .where(*window.where(table.step))
        .order_by(table.step),
    )


class ModeFrames(NamedTuple):
    """As sigmascope.records.ModeUpdate; fewer rows of what is not known for every batch."""

    projected: Frames
    noise_variance: Frames
    turned: Frames


def mode_updates(connection: Connection, run_id: str, layer: str, window: Window) -> ModeFrames:
    """What each batch did along a layer's top modes."""
    table = ModeUpdateRow
    here = (table.run_id == run_id, table.layer == layer, *window.where(table.step))

    def known(column: InstrumentedAttribute[Any]) -> Frames:
        query = select(table.step, column).where(*here, column.is_not(None))
        return _frames(connection, query.order_by(table.step))

    return ModeFrames(known(table.projected), known(table.noise_variance), known(table.turned))


def last_step(connection: Connection, run_id: str) -> int | None:
    """The last step recorded; None when there is none."""
    return connection.execute(
        select(func.max(MetricsRow.step)).where(MetricsRow.run_id == run_id)
    ).scalar_one()


def predictors(connection: Connection, run_id: str, layer: str) -> list[str]:
    """Names of the predictors recorded for a layer."""
    query = select(TrajectoryRow.predictor).where(
        TrajectoryRow.run_id == run_id, TrajectoryRow.layer == layer
    )
    return sorted(connection.scalars(query.distinct()))


def columns(
    connection: Connection, table: Any, names: Sequence[str], where: Sequence[Any]
) -> dict[str, list[Any]]:
    """Columns of a table by step, as lists; ``step`` is among the keys."""
    wanted = ("step", *names)
    query = select(*(getattr(table, name) for name in wanted)).where(*where).order_by(table.step)
    rows = connection.execute(query).all()
    lists = zip(*rows, strict=True) if rows else ((),) * len(wanted)
    return {name: list(values) for name, values in zip(wanted, lists, strict=True)}


def to_bytes(values: NDArray[np.floating[Any]]) -> bytes:
    """float32, little-endian."""
    return np.ascontiguousarray(values, dtype=LITTLE_ENDIAN_FLOAT32).tobytes()


def _frames(connection: Connection, query: Any) -> Frames:
    rows = connection.execute(query).all()
    if not rows:
        return Frames(np.empty(0, np.int64), np.empty((0, 0), np.float32))
    steps = np.fromiter((row[0] for row in rows), np.int64, len(rows))
    values = np.frombuffer(b"".join(row[1] for row in rows), LITTLE_ENDIAN_FLOAT32)
    return Frames(steps, values.reshape(len(rows), -1))
