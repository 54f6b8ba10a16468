"""Where a job writes: results and progress, in one transaction."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from backend.storage import results, runs
from backend.storage.runs import Claim
from sigmascope.errors import LeaseLostError
from sigmascope.records import StepRecord

log = logging.getLogger("sigmascope.sink")

ROWS_PER_COMMIT = 512
SECONDS_PER_COMMIT = 0.5


class HasStep(Protocol):
    """A record of a step."""

    @property
    def step(self) -> int:
        """The run's progress once this is stored."""
        ...


Record = TypeVar("Record", bound=HasStep)


class DatabaseSink(Generic[Record]):
    """Buffers records, one a step; ``commit_when_due`` commits them every 512 rows or half a second.

    The same transaction advances the run and renews its lease, so that progress never tells of results that
    are not there. ``cancel_requested`` is what the last commit saw. Leaving it as a context manager commits
    what is pending, whatever the error that ends the job.

    Args:
        engine: of the database.
        held: the run.
        lease_seconds: how long a commit holds the run.
        store: inserts records, as :func:`backend.storage.results.write_steps` does.
        weigh: how many rows a record counts for.

    Raises (from ``commit_when_due`` and ``flush``):
        LeaseLostError: another attempt owns the run; nothing of this commit was kept.
    """

    def __init__(
        self,
        engine: Engine,
        held: Claim,
        *,
        lease_seconds: float,
        store: Callable[[Connection, str, Sequence[Record]], None],
        weigh: Callable[[Record], int],
    ) -> None:
        self._engine, self._held, self._lease_seconds = engine, held, lease_seconds
        self._store, self._weigh = store, weigh
        self._pending: list[Record] = []
        self._rows = 0
        self._step = held.step
        self._looked_at = self._committed_at = time.monotonic()
        self._committed_step: int | None = None
        self._reached = held.step
        self._rate: float | None = None
        self.cancel_requested = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.flush()
        elif not isinstance(error, LeaseLostError):
            self._rescue()

    def _rescue(self) -> None:
        # Beside the error that ends the job, that of a database that does not answer is a line in the log
        try:
            self.flush()
        except SQLAlchemyError as error:
            log.warning("run %s: the last steps are not stored: %s", self._held.run_id, error)

    def write(self, record: Record) -> None:
        """Take one step."""
        self._pending.append(record)
        self._rows += self._weigh(record)

    def reach(self, step: int) -> None:
        """The job is so far, with nothing to store; told by the next commit that is due."""
        self._reached = step

    def start_pace_anew(self) -> None:
        """What follows takes another time: nobody knows yet how long it will take."""
        self._rate, self._committed_step = None, None
        with self._engine.begin() as connection:
            self._advance(connection, rate=None)

    def commit_when_due(self) -> None:
        """Commit what is pending once it is much, or a while ago; with nothing pending, only have a look."""
        if self._rows >= ROWS_PER_COMMIT or time.monotonic() - self._looked_at >= SECONDS_PER_COMMIT:
            if self._pending:
                self.flush()
            else:
                with self._engine.begin() as connection:
                    self._advance(connection, **self._progress())

    def flush(self) -> None:
        """Commit what is pending."""
        if not self._pending:
            return
        step = self._pending[-1].step
        with self._engine.begin() as connection:
            self._advance(connection, step=step, rate=self._update_rate(step))
            self._store(connection, self._held.run_id, self._pending)
        self._pending, self._rows, self._step = [], 0, step

    def hand_over(self) -> bool:
        """Commit what is pending to a run that was released meanwhile.

        False where that comes too late: once another attempt has begun, nothing is committed.
        """
        step = self._pending[-1].step if self._pending else self._step
        with self._engine.begin() as connection:
            if not runs.leave(connection, self._held, step=step):
                return False
            self._store(connection, self._held.run_id, self._pending)
        self._pending, self._rows, self._step = [], 0, step
        return True

    def _advance(self, connection: Connection, **progress: float | None) -> None:
        self.cancel_requested = runs.advance(
            connection, self._held, lease_until=time.time() + self._lease_seconds, **progress
        )
        self._looked_at = time.monotonic()

    def _progress(self) -> dict[str, float | None]:
        """Of a job that has come farther than what it has stored."""
        if self._reached <= self._step:
            return {}
        self._step = self._reached
        return {"step": self._step, "rate": self._update_rate(self._step)}

    def _update_rate(self, step: int) -> float | None:
        # Steps a second, averaged over the last few seconds
        now = time.monotonic()
        if self._committed_step is not None and now > self._committed_at:
            seconds = now - self._committed_at
            latest = (step - self._committed_step) / seconds
            weight = min(1.0, seconds / 3)
            self._rate = latest if self._rate is None else (1 - weight) * self._rate + weight * latest
        self._committed_at, self._committed_step = now, step
        return self._rate


def recording_sink(engine: Engine, held: Claim, *, lease_seconds: float) -> DatabaseSink[StepRecord]:
    """Where the recorder of a training run writes."""
    return DatabaseSink(
        engine, held, lease_seconds=lease_seconds, store=results.write_steps, weigh=results.count_rows
    )
