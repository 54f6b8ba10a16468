"""The life of a run, on SQLite and PostgreSQL: claims, fences, releases and reaping."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
from sqlalchemy import Engine

from backend.storage import results, runs
from backend.storage.results import Window
from backend.storage.runs import Claim
from backend.storage.tables import RunRow
from sigmascope.errors import LeaseLostError
from tests.samples import LAYERS, step_record

LEASE = 20.0


def new_run(engine: Engine) -> str:
    with engine.begin() as connection:
        return runs.create(
            connection, kind="train", name="test", spec={"device": "cpu"}, total_steps=9, now=0.0
        )


def claim(engine: Engine, run_id: str, *, owner: str = "one", now: float = 1.0) -> Claim | None:
    with engine.begin() as connection:
        return runs.claim(
            connection, run_id, owner=owner, now=now, lease_seconds=LEASE, versions={"torch": "2"}
        )


def row(engine: Engine, run_id: str) -> RunRow:
    with runs.reading_session(engine) as session:
        return session.get_one(RunRow, run_id)


def test_claimed_once_even_by_many_at_once(engine: Engine) -> None:
    run_id = new_run(engine)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda i: claim(engine, run_id, owner=f"worker {i}"), range(8)))
    assert sum(one is not None for one in claims) == 1
    assert row(engine, run_id).status == "running"
    assert row(engine, run_id).attempt == 1


def test_a_living_lease_is_respected_and_a_dead_one_taken_over(engine: Engine) -> None:
    run_id = new_run(engine)
    first = claim(engine, run_id, now=0.0)
    assert first is not None
    assert claim(engine, run_id, owner="two", now=LEASE - 0.1) is None
    second = claim(engine, run_id, owner="two", now=LEASE + 0.1)
    assert second is not None
    assert second.attempt == 2
    with pytest.raises(LeaseLostError, match="attempt 1"), engine.begin() as connection:
        runs.advance(connection, first, lease_until=99.0, step=5)
    with engine.begin() as connection:
        assert not runs.finish(connection, first, status="finished", error=None, now=30.0)
        assert runs.finish(connection, second, status="finished", error=None, now=31.0)
    assert row(engine, run_id).status == "finished"


def test_a_lost_attempt_leaves_no_trace_and_the_next_starts_clean(engine: Engine) -> None:
    run_id = new_run(engine)
    first = claim(engine, run_id, now=0.0)
    assert first is not None
    with engine.begin() as connection:
        results.write_layers(connection, run_id, LAYERS)
        runs.advance(connection, first, lease_until=LEASE, step=1)
        results.write_steps(connection, run_id, [step_record(0), step_record(1)])
    second = claim(engine, run_id, now=LEASE + 1)
    assert second is not None
    with engine.connect() as connection:
        results.write_steps(connection, run_id, [step_record(2)])
        with pytest.raises(LeaseLostError):
            runs.advance(connection, first, lease_until=99.0, step=2)
        connection.rollback()
    with engine.connect() as connection:
        assert results.layers(connection, run_id) == []
        assert len(results.spectra(connection, run_id, "head", Window()).steps) == 0
    assert row(engine, run_id).step == 0


def test_release_requeues_and_counts_no_crash(engine: Engine) -> None:
    run_id = new_run(engine)
    held = claim(engine, run_id, owner="laptop")
    assert held is not None
    with engine.begin() as connection:
        assert runs.release(connection, owner="someone else", now=2.0) == []
        assert runs.release(connection, owner="laptop", now=2.0) == [run_id]
    assert (row(engine, run_id).status, row(engine, run_id).crashes) == ("queued", 0)
    with pytest.raises(LeaseLostError), engine.begin() as connection:
        runs.advance(connection, held, lease_until=99.0)


def test_reaping_caps_crashes(engine: Engine) -> None:
    run_id, now = new_run(engine), 0.0
    for crash in (1, 2, 3):
        assert claim(engine, run_id, now=now) is not None
        with engine.begin() as connection:
            assert runs.reap(connection, now=now + LEASE - 1, max_crashes=3) == []
            requeued = runs.reap(connection, now=now + LEASE + 1, max_crashes=3)
        assert requeued == ([(run_id, "cpu")] if crash < 3 else [])
        now += LEASE + 2
    assert row(engine, run_id).status == "failed"
    assert "died 3 times" in str(row(engine, run_id).error)


def test_cancel_queued_running_ended_and_orphaned(engine: Engine) -> None:
    queued, running, orphan = (new_run(engine) for _ in range(3))
    held = claim(engine, running)
    assert held is not None
    assert claim(engine, orphan) is not None
    with engine.begin() as connection:
        for run_id in (queued, running, orphan):
            runs.request_cancel(connection, run_id, now=2.0)
    assert row(engine, queued).status == "cancelled"
    assert claim(engine, queued) is None
    with engine.begin() as connection:
        assert runs.advance(connection, held, lease_until=99.0)
        runs.finish(connection, held, status="cancelled", error=None, now=3.0)
        runs.request_cancel(connection, running, now=4.0)
        assert runs.reap(connection, now=50.0, max_crashes=3) == []
    assert row(engine, running).finished_at == 3.0
    assert row(engine, orphan).status == "cancelled"


def test_waiting_runs_are_found_once(engine: Engine) -> None:
    run_id = new_run(engine)
    with engine.begin() as connection:
        found = partial(runs.waiting, connection, on=lambda device: device == "cpu")
        assert found(queued_before=-1.0, now=5.0) == []
        assert runs.waiting(connection, queued_before=0.0, now=5.0, on=lambda _: False) == []
        assert found(queued_before=0.0, now=5.0) == [(run_id, "cpu")]
        assert found(queued_before=4.0, now=6.0) == []


def test_a_cancellation_is_kept_through_release_and_reaping(engine: Engine) -> None:
    released, reaped = new_run(engine), new_run(engine)
    for run_id in (released, reaped):
        assert claim(engine, run_id, owner=run_id, now=0.0) is not None
        with engine.begin() as connection:
            runs.request_cancel(connection, run_id, now=1.0)
    with engine.begin() as connection:
        assert runs.release(connection, owner=released, now=2.0) == []
        assert runs.reap(connection, now=LEASE + 1, max_crashes=1) == []
    for run_id, at in ((released, 2.0), (reaped, LEASE + 1)):
        assert (row(engine, run_id).status, row(engine, run_id).finished_at) == ("cancelled", at)


def test_taking_over_a_dead_lease_counts_as_a_crash(engine: Engine) -> None:
    run_id = new_run(engine)
    assert claim(engine, run_id, now=0.0) is not None
    assert row(engine, run_id).crashes == 0
    assert claim(engine, run_id, now=LEASE + 1) is not None
    assert row(engine, run_id).crashes == 1
