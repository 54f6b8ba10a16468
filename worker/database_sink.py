"""Where a worker's recorder writes: results and progress, in one transaction."""

from __future__ import annotations

import time

from sqlalchemy import Engine

from backend.storage import results, runs
from backend.storage.runs import Claim
from sigmascope.records import StepRecord

ROWS_PER_COMMIT = 512
SECONDS_PER_COMMIT = 0.5


class DatabaseSink:
    """Buffers recorded steps and commits them every 512 rows or half a second, whichever comes first.

    The same transaction advances the run and renews its lease, so that progress never tells of results that
    are not there. ``cancel_requested`` is what the last commit saw.

    Raises (from ``write`` and ``flush``):
        LeaseLostError: another attempt owns the run; nothing of this commit was kept.
    """

    def __init__(self, engine: Engine, held: Claim, *, lease_seconds: float) -> None:
        self._engine, self._held, self._lease_seconds = engine, held, lease_seconds
        self._pending: list[StepRecord] = []
        self._rows = 0
        self._committed_at = time.monotonic()
        self._committed_step: int | None = None
        self._rate: float | None = None
        self.cancel_requested = False

    def write(self, record: StepRecord) -> None:
        """Take one step; commit when it is time."""
        self._pending.append(record)
        self._rows += results.count_rows(record)
        if self._rows >= ROWS_PER_COMMIT or time.monotonic() - self._committed_at >= SECONDS_PER_COMMIT:
            self.flush()

    def flush(self) -> None:
        """Commit what is pending."""
        if not self._pending:
            return
        step = self._pending[-1].step
        with self._engine.begin() as connection:
            self.cancel_requested = runs.advance(
                connection,
                self._held,
                lease_until=time.time() + self._lease_seconds,
                step=step,
                rate=self._update_rate(step),
            )
            results.write_steps(connection, self._held.run_id, self._pending)
        self._pending, self._rows = [], 0

    def _update_rate(self, step: int) -> float | None:
        # Batches a second, averaged over the last few seconds
        now = time.monotonic()
        if self._committed_step is not None and now > self._committed_at:
            seconds = now - self._committed_at
            latest = (step - self._committed_step) / seconds
            weight = min(1.0, seconds / 3)
            self._rate = latest if self._rate is None else (1 - weight) * self._rate + weight * latest
        self._committed_at, self._committed_step = now, step
        return self._rate
