"""Results and progress in one transaction, on SQLite and PostgreSQL."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import Engine

from backend.storage import results, runs
from backend.storage.results import Window
from backend.storage.runs import Claim
from backend.storage.tables import RunRow
from sigmascope.errors import LeaseLostError
from tests.samples import LAYERS, step_record
from worker import database_sink
from worker.database_sink import ROWS_PER_COMMIT, recording_sink
from worker.lease import Heartbeat

ROWS = results.count_rows(step_record(1))


def claimed(engine: Engine, *, owner: str = "w", lease_seconds: float = 60) -> Claim:
    now = time.time()
    with engine.begin() as connection:
        run_id = runs.create(
            connection, kind="train", name="", spec={"device": "cpu"}, total_steps=99, now=now
        )
        held = runs.claim(connection, run_id, owner=owner, now=now, lease_seconds=lease_seconds, versions={})
        assert held is not None
        results.write_layers(connection, run_id, LAYERS)
    return held


def stored(engine: Engine, held: Claim) -> tuple[int, list[int]]:
    with engine.connect() as connection:
        steps = results.spectra(connection, held.run_id, "head", Window()).steps.tolist()
    with runs.reading_session(engine) as session:
        return session.get_one(RunRow, held.run_id).step, steps


def test_commits_by_rows_and_progress_never_runs_ahead(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database_sink, "SECONDS_PER_COMMIT", 1e9)
    held = claimed(engine)
    batch = -(-ROWS_PER_COMMIT // ROWS)
    records = [step_record(step) for step in range(1, batch + 2)]
    sink = recording_sink(engine, held, lease_seconds=60)
    for record in records[: batch - 1]:
        sink.write(record)
        sink.commit_when_due()
    assert stored(engine, held) == (0, [])
    sink.write(records[batch - 1])
    sink.commit_when_due()
    assert stored(engine, held) == (batch, list(range(1, batch + 1)))
    sink.write(records[batch])
    sink.flush()
    sink.flush()
    assert stored(engine, held) == (batch + 1, list(range(1, batch + 2)))


def test_commits_at_least_twice_a_second(engine: Engine) -> None:
    held = claimed(engine)
    sink = recording_sink(engine, held, lease_seconds=60)
    sink.write(step_record(0))
    time.sleep(0.55)
    sink.write(step_record(1))
    sink.commit_when_due()
    assert stored(engine, held) == (1, [0, 1])


def test_a_look_is_had_though_nothing_is_recorded(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of records that come late: their run is cancelled, or lost, no later for it."""
    monkeypatch.setattr(database_sink, "SECONDS_PER_COMMIT", 0.0)
    held = claimed(engine)
    sink = recording_sink(engine, held, lease_seconds=60)
    with engine.begin() as connection:
        runs.request_cancel(connection, held.run_id, now=time.time())
    sink.commit_when_due()
    assert sink.cancel_requested
    with engine.begin() as connection:
        runs.release(connection, owner="w", now=time.time())
    with pytest.raises(LeaseLostError):
        sink.commit_when_due()


def test_a_fenced_sink_stores_nothing_more(engine: Engine) -> None:
    held = claimed(engine)
    sink = recording_sink(engine, held, lease_seconds=60)
    sink.write(step_record(0))
    sink.flush()
    with engine.begin() as connection:
        runs.release(connection, owner="w", now=time.time())
    sink.write(step_record(1))
    with pytest.raises(LeaseLostError):
        sink.flush()
    assert stored(engine, held) == (0, [0])


def test_a_cancellation_is_seen_at_the_next_commit(engine: Engine) -> None:
    held = claimed(engine)
    sink = recording_sink(engine, held, lease_seconds=60)
    with engine.begin() as connection:
        runs.request_cancel(connection, held.run_id, now=time.time())
    sink.write(step_record(0))
    sink.flush()
    assert sink.cancel_requested


def test_a_heartbeat_outlives_slow_steps_and_ends_with_the_lease(engine: Engine) -> None:
    held = claimed(engine, lease_seconds=0.6)
    with Heartbeat(engine, held, lease_seconds=0.6):
        time.sleep(1.5)
        with engine.begin() as connection:
            assert runs.reap(connection, now=time.time(), max_crashes=3) == []
    time.sleep(0.7)
    with engine.begin() as connection:
        assert runs.reap(connection, now=time.time(), max_crashes=3) == [(held.run_id, "cpu")]
