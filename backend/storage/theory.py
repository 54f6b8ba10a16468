"""Simulated ensembles and checked claims: written as they come, read by step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, LargeBinary, func, insert, select

from backend.storage.results import LITTLE_ENDIAN_FLOAT32, Window, to_bytes
from backend.storage.tables import ClaimRow, SnapshotRow
from sigmascope.theory.ensembles import Snapshot

VALUES_PER_ROW = 1024  # a snapshot of so many values weighs as much in a commit as a spectrum


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """The ``step``-th checked claim, its result as JSON."""

    step: int
    claim_id: str
    result: dict[str, Any]


@dataclass(frozen=True, slots=True)
class StoredSnapshot:
    """Singular values (paths, n) at a step, float32."""

    step: int
    time: float
    singular_values: NDArray[np.float32]


def snapshot_weight(snapshot: Snapshot) -> int:
    """How many rows of a spectrum a snapshot weighs."""
    return 1 + snapshot.singular_values.size // VALUES_PER_ROW


def write_snapshots(connection: Connection, run_id: str, snapshots: Iterable[Snapshot]) -> None:
    """Store snapshots; call it in the transaction that advances the run."""
    rows = [
        {
            "run_id": run_id,
            "step": one.step,
            "time": one.time,
            "singular_values": to_bytes(one.singular_values),
        }
        for one in snapshots
    ]
    connection.execute(insert(SnapshotRow), rows)


def write_claims(connection: Connection, run_id: str, records: Iterable[CheckedRecord]) -> None:
    """Store checked claims; call it in the transaction that advances the run."""
    rows = [
        {"run_id": run_id, "step": one.step, "claim_id": one.claim_id, "result": one.result}
        for one in records
    ]
    connection.execute(insert(ClaimRow), rows)


def times(connection: Connection, run_id: str, window: Window) -> list[tuple[int, float]]:
    """The recorded (step, time), ascending."""
    table = SnapshotRow
    query = select(table.step, table.time).where(table.run_id == run_id, *window.where(table.step))
    return [(row.step, row.time) for row in connection.execute(query.order_by(table.step))]


def snapshots(
    connection: Connection, run_id: str, window: Window, *, n: int, first_paths: int | None = None
) -> Iterator[StoredSnapshot]:
    """The ensemble step by step, of all paths or the first so many: never more than one step in memory."""
    table = SnapshotRow
    stored: Any = table.singular_values
    if first_paths is not None:
        stored = func.substr(stored, 1, LITTLE_ENDIAN_FLOAT32.itemsize * n * first_paths, type_=LargeBinary)
    query = select(table.step, table.time, stored).where(table.run_id == run_id, *window.where(table.step))
    for step, time, values in connection.execute(query.order_by(table.step)).yield_per(16):
        yield StoredSnapshot(step, time, np.frombuffer(values, LITTLE_ENDIAN_FLOAT32).reshape(-1, n))


def claims(connection: Connection, run_id: str) -> Sequence[dict[str, Any]]:
    """The results of checked claims, in the order of checking."""
    query = select(ClaimRow.result).where(ClaimRow.run_id == run_id).order_by(ClaimRow.step)
    return connection.scalars(query).all()
