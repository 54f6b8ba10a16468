"""Sweeps: a row that no worker works on, and the training runs that belong to it.

A sweep runs while one of its runs is queued or running. :func:`settle` brings the rows of sweeps up to date
with their runs; it is called where runs end and where sweeps are read.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select, update

from backend.storage import runs
from backend.storage.tables import RunRow
from sigmascope.schemas import SweepSpec, TrainSpec

FINAL = ("finished", "failed", "cancelled")


def create(connection: Connection, spec: SweepSpec, *, name: str, now: float) -> tuple[str, list[str]]:
    """Insert a sweep and its queued runs; its id and theirs."""
    chosen: Sequence[TrainSpec] = spec.runs()
    sweep = runs.create(
        connection,
        kind=spec.kind,
        name=name,
        spec=spec.model_dump(mode="json"),
        total_steps=len(chosen),
        now=now,
    )
    connection.execute(
        update(RunRow).where(RunRow.id == sweep).values(status="running", started_at=now, attempt=1)
    )
    ids = [
        runs.create(
            connection,
            kind=one.kind,
            name=one.name,
            spec=one.model_dump(mode="json"),
            total_steps=one.batches,
            # in the order of the values
            now=now + 1e-6 * position,
            parent=sweep,
        )
        for position, one in enumerate(chosen, start=1)
    ]
    return sweep, ids


def cancel(connection: Connection, sweep: str, *, now: float) -> None:
    """Cancel a sweep's runs: those that wait at once, those that run at their next commit."""
    for child in runs.children(connection, sweep):
        runs.request_cancel(connection, child.id, now=now)
    connection.execute(
        update(RunRow).where(RunRow.id == sweep, RunRow.status == "running").values(cancel_requested=True)
    )
    settle(connection, now=now)


def settle(connection: Connection, *, now: float) -> None:
    """Bring all sweeps that run up to date: ``step`` counts the runs that have ended.

    A sweep whose runs have all ended is ``cancelled`` when that was asked for, ``failed`` when no run
    finished, and otherwise ``finished``.
    """
    open_sweeps = select(RunRow.id, RunRow.cancel_requested, RunRow.total_steps).where(
        RunRow.kind == "sweep", RunRow.status == "running"
    )
    for sweep in connection.execute(open_sweeps).all():
        counts = select(RunRow.status, func.count()).where(RunRow.parent == sweep.id)
        by_status = {row[0]: row[1] for row in connection.execute(counts.group_by(RunRow.status))}
        ended = sum(by_status.get(status, 0) for status in FINAL)
        change: dict[str, object] = {"step": ended}
        if ended == sweep.total_steps:
            change |= {"finished_at": now, **outcome(by_status, cancelled=sweep.cancel_requested)}
        connection.execute(update(RunRow).where(RunRow.id == sweep.id).values(**change))


def outcome(by_status: dict[str, int], *, cancelled: bool) -> dict[str, object]:
    """Status and error of a sweep whose runs have all ended."""
    if cancelled:
        return {"status": "cancelled"}
    failed = by_status.get("failed", 0)
    if not by_status.get("finished"):
        return {"status": "failed", "error": f"none of its runs finished, {failed} failed; each says why"}
    return {"status": "finished"}
