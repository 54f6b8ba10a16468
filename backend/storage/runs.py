"""The life of a run, as transactions.

A run is *claimed* by a worker with a lease and an attempt number. Every later write names that attempt and
has no effect once another attempt has begun: queues may deliver twice and workers may die, results appear
once. ``now`` is always an argument, in seconds since the epoch.

    queued ──claim──> running ──finish──> finished | failed | cancelled
       ^                 │
       └──release, reap──┘

An attempt after the first goes on from the newest checkpoint on its machine, where there is one that is not
ahead of what was committed: later steps are removed, and recorded again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, and_, case, delete, func, insert, or_, select, true, update
from sqlalchemy.orm import Session

from backend.storage.session import reading
from backend.storage.tables import (
    ClaimRow,
    ForecastRow,
    LawFitRow,
    LayerRow,
    MetricsRow,
    ModeUpdateRow,
    NoiseRow,
    RunRow,
    SnapshotRow,
    SpectrumRow,
    TrajectoryRow,
)
from sigmascope.amounts import in_bytes
from sigmascope.errors import LeaseLostError

RECORDED = (
    SpectrumRow,
    TrajectoryRow,
    LawFitRow,
    NoiseRow,
    ModeUpdateRow,
    MetricsRow,
    SnapshotRow,
    ClaimRow,
    ForecastRow,
)

NOBODY = {"lease_until": None, "owner": None}
NO_CHECKPOINT = "there was no checkpoint to go on from"


@dataclass(frozen=True, slots=True)
class Claim:
    """The right to work on a run: what to do, and the attempt number that fences every write.

    ``step`` is that of the checkpoint to go on from, up to which everything is recorded; 0: begin.
    ``notes`` are those of earlier attempts.
    """

    run_id: str
    attempt: int
    spec: dict[str, Any]
    step: int = 0
    notes: tuple[str, ...] = ()


def create(
    connection: Connection,
    *,
    kind: str,
    name: str,
    spec: dict[str, Any],
    total_steps: int,
    now: float,
    parent: str | None = None,
) -> str:
    """Insert a queued run and return its id; ``parent`` is the sweep that it belongs to."""
    run_id = secrets.token_hex(5)
    connection.execute(
        insert(RunRow).values(
            id=run_id, kind=kind, parent=parent, name=name, spec=spec, status="queued", attempt=0,
            crashes=0, queued_at=now, cancel_requested=False, step=0,
            total_steps=total_steps, created_at=now, versions={},
        )
    )  # fmt: skip
    return run_id


def get(session: Session, run_id: str) -> RunRow | None:
    """The run, or None."""
    return session.get(RunRow, run_id)


def replan(connection: Connection, held: Claim, *, total_steps: int) -> None:
    """How far the run has to go, where that is known better once it has begun."""
    mine = (RunRow.id == held.run_id, RunRow.attempt == held.attempt)
    connection.execute(update(RunRow).where(*mine).values(total_steps=total_steps))


def newest(
    session: Session, *, limit: int, status: str | None = None, kind: str | None = None
) -> Sequence[RunRow]:
    """Runs, newest first, those of sweeps left out."""
    query = select(RunRow).where(RunRow.parent.is_(None)).order_by(RunRow.created_at.desc(), RunRow.id)
    if status:
        query = query.where(RunRow.status == status)
    if kind:
        query = query.where(RunRow.kind == kind)
    return session.scalars(query.limit(limit)).all()


def children(connection: Connection, run_id: str) -> Sequence[Any]:
    """(id, spec, status, step, total_steps, error) of a sweep's runs, in the order of creation."""
    columns = (RunRow.id, RunRow.spec, RunRow.status, RunRow.step, RunRow.total_steps, RunRow.error)
    query = select(*columns).where(RunRow.parent == run_id)
    return connection.execute(query.order_by(RunRow.created_at, RunRow.id)).all()


def unfinished(connection: Connection, ids: Collection[str]) -> set[str]:
    """Those of ``ids`` that are queued or running."""
    query = select(RunRow.id).where(RunRow.id.in_(ids), RunRow.status.in_(("queued", "running")))
    return set(connection.scalars(query))


def count_by_status(session: Session) -> dict[str, int]:
    """How many runs there are in each status."""
    rows = session.execute(select(RunRow.status, func.count()).group_by(RunRow.status))
    return {row[0]: row[1] for row in rows}


def claim(
    connection: Connection,
    run_id: str,
    *,
    owner: str,
    now: float,
    lease_seconds: float,
    versions: dict[str, str],
    checkpoint: int | None = None,
) -> Claim | None:
    """Take a queued run, or one whose lease ran out; None when it is not to be had.

    ``checkpoint`` is the step of the newest checkpoint at hand. What an earlier attempt recorded after it is
    removed in the same transaction; all of it where there is no checkpoint, or one of steps that were never
    committed: the run then starts clean. The run's notes say which.
    """
    free = or_(RunRow.status == "queued", and_(RunRow.status == "running", RunRow.lease_until < now))
    row = connection.execute(
        update(RunRow)
        .where(RunRow.id == run_id, free, RunRow.cancel_requested.is_(False))
        .values(
            status="running", owner=owner, attempt=RunRow.attempt + 1,
            crashes=RunRow.crashes + case((RunRow.status == "running", 1), else_=0),
            lease_until=now + lease_seconds,
            started_at=func.coalesce(RunRow.started_at, now), rate=None, versions=versions,
        )
        .returning(RunRow.attempt, RunRow.spec, RunRow.step, RunRow.notes)
    ).one_or_none()  # fmt: skip
    if row is None:
        return None
    step = checkpoint if checkpoint is not None and checkpoint <= row.step else 0
    held = Claim(run_id, row.attempt, row.spec, step, tuple(row.notes))
    if row.attempt > 1:
        said = f"goes on after step {step}" if step else f"starts at step 0: {NO_CHECKPOINT}"
        _rewind(connection, held, step, said)
    return held


def start_clean(connection: Connection, held: Claim, *, why: str) -> None:
    """Remove all that was recorded, for the checkpoint will not do; the run's notes say ``why``.

    Call it in the transaction that advances the run.
    """
    _rewind(connection, held, 0, f"starts at step 0: {why}")


def _rewind(connection: Connection, held: Claim, step: int, said: str) -> None:
    """Take back everything after ``step``; with 0, step 0 and the layers too."""
    for table in RECORDED:
        later = table.step > step if step else true()
        connection.execute(delete(table).where(table.run_id == held.run_id, later))
    if not step:
        connection.execute(delete(LayerRow).where(LayerRow.run_id == held.run_id))
    notes = [*held.notes, f"attempt {held.attempt} {said}"]
    connection.execute(update(RunRow).where(RunRow.id == held.run_id).values(step=step, notes=notes))


def advance(connection: Connection, held: Claim, *, lease_until: float, **values: Any) -> bool:
    """Renew the lease and set columns of the run; True when its cancellation was asked for.

    Raises:
        LeaseLostError: another attempt owns the run, or it ended; roll the transaction back.
    """
    row = connection.execute(
        update(RunRow)
        .where(RunRow.id == held.run_id, RunRow.attempt == held.attempt, RunRow.status == "running")
        .values(lease_until=lease_until, **values)
        .returning(RunRow.cancel_requested)
    ).one_or_none()
    if row is None:
        raise LeaseLostError(f"run {held.run_id}, attempt {held.attempt}: another attempt owns it now")
    return bool(row.cancel_requested)


def leave(connection: Connection, held: Claim, *, step: int) -> bool:
    """Last words of an attempt whose run was released; False when they come too late, and nothing is changed.

    Until another attempt begins, the run may still be given the steps that were made before its worker knew.
    """
    result = connection.execute(
        update(RunRow)
        .where(RunRow.id == held.run_id, RunRow.attempt == held.attempt, RunRow.status == "queued")
        .values(step=step)
    )
    return result.rowcount == 1


def finish(connection: Connection, held: Claim, *, status: str, error: str | None, now: float) -> bool:
    """End the run; False when this attempt no longer owned it."""
    result = connection.execute(
        update(RunRow)
        .where(RunRow.id == held.run_id, RunRow.attempt == held.attempt, RunRow.status == "running")
        .values(status=status, error=error, finished_at=now, lease_until=None, owner=None)
    )
    return result.rowcount == 1


def fail_queued(connection: Connection, run_id: str, *, error: str, now: float) -> None:
    """Fail a run that never reached the queue."""
    connection.execute(
        update(RunRow)
        .where(RunRow.id == run_id, RunRow.status == "queued")
        .values(status="failed", error=error, finished_at=now)
    )


def request_cancel(connection: Connection, run_id: str, *, now: float) -> None:
    """Cancel: at once when queued, at its next commit when running; nothing when it has ended."""
    connection.execute(
        update(RunRow)
        .where(RunRow.id == run_id, RunRow.status.in_(("queued", "running")))
        .values(
            cancel_requested=True,
            status=case((RunRow.status == "queued", "cancelled"), else_=RunRow.status),
            finished_at=case((RunRow.status == "queued", now), else_=RunRow.finished_at),
        )
    )


def release(connection: Connection, *, owner: str, now: float) -> list[str]:
    """Put every run that ``owner`` works on back into the queue, and return their ids.

    For an orderly stop: it counts as no crash. The owner's next write fails and so ends its work. A run whose
    cancellation was asked for is cancelled.
    """
    rows = connection.execute(
        update(RunRow)
        .where(RunRow.status == "running", RunRow.owner == owner)
        .values(queued_at=now, **_given_up(now))
        .returning(RunRow.id, RunRow.status)
    )
    return [row.id for row in rows if row.status == "queued"]


def reap(connection: Connection, *, now: float, max_crashes: int) -> list[tuple[str, str]]:
    """Deal with runs whose lease ran out; the (id, device) of those that are queued again.

    One whose cancellation was asked for is cancelled; one whose worker died ``max_crashes`` times is failed.
    """
    expired = (RunRow.status == "running", RunRow.lease_until < now)
    hopeless = (*expired, RunRow.crashes + 1 >= max_crashes, RunRow.cancel_requested.is_(False))
    ended = {"status": "failed", "crashes": RunRow.crashes + 1, "finished_at": now, **NOBODY}
    for row in connection.execute(select(RunRow.id, RunRow.memory).where(*hopeless)).all():
        error = _died(max_crashes, row.memory)
        connection.execute(update(RunRow).where(RunRow.id == row.id, *hopeless).values(error=error, **ended))
    rows = connection.execute(
        update(RunRow)
        .where(*expired)
        .values(crashes=RunRow.crashes + 1, queued_at=now, **_given_up(now))
        .returning(RunRow.id, RunRow.status, RunRow.spec)
    )
    return [(row.id, row.spec["device"]) for row in rows if row.status == "queued"]


def _given_up(now: float) -> dict[str, Any]:
    # What becomes of a running run that its worker leaves: the queue, or its end if that was asked for
    return {
        "status": case((RunRow.cancel_requested.is_(True), "cancelled"), else_="queued"),
        "finished_at": case((RunRow.cancel_requested.is_(True), now), else_=None),
        **NOBODY,
    }


def _died(times: int, memory: dict[str, int] | None) -> str:
    """Why a run is not tried again, with what is known of its memory: the kernel that kills says nothing."""
    known = ""
    if memory is not None:
        needed, free, total = (in_bytes(memory[name]) for name in ("needed", "free", "total"))
        known = f": this run needs about {needed}, and {free} of {total} were free when it last began"
    return (
        f"its worker died {times} times while running it; the worker's log may say why. One that the system "
        f"kills for want of memory says nothing{known}. Try a smaller batch_size or model"
    )


def waiting(
    connection: Connection, *, queued_before: float, now: float, on: Callable[[str], bool]
) -> list[tuple[str, str]]:
    """The (id, device) of runs queued since before ``queued_before`` on a device that ``on`` accepts.

    Their wait starts anew with ``now``. For sending again what a broker may have lost; a message too many
    does nothing.
    """
    overdue = (RunRow.status == "queued", RunRow.queued_at <= queued_before)
    rows = connection.execute(select(RunRow.id, RunRow.spec).where(*overdue)).all()
    found = [(row.id, row.spec["device"]) for row in rows if on(row.spec["device"])]
    ids = [run_id for run_id, _ in found]
    connection.execute(update(RunRow).where(*overdue, RunRow.id.in_(ids)).values(queued_at=now))
    return found


def reading_session(engine: Engine) -> Session:
    """A session over :func:`backend.storage.session.reading`; use it in a ``with`` statement."""
    return Session(reading(engine))
