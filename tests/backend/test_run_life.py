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


def claim(
    engine: Engine, run_id: str, *, owner: str = "one", now: float = 1.0, checkpoint: int | None = None
) -> Claim | None:
    with engine.begin() as connection:
        return runs.claim(
            connection,
            run_id,
            owner=owner,
            now=now,
            lease_seconds=LEASE,
            versions={"torch": "2"},
            checkpoint=checkpoint,
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


@pytest.mark.parametrize(("checkpoint", "kept"), [(1, 1), (3, 3), (4, 0), (None, 0)])
def test_the_next_attempt_keeps_what_its_checkpoint_builds_on(
    engine: Engine, checkpoint: int | None, kept: int
) -> None:
    """Steps 0 to 3 were committed: a checkpoint after step 4 is of results that are not there."""
    run_id = new_run(engine)
    first = claim(engine, run_id, now=0.0)
    assert first is not None
    assert (first.step, first.notes) == (0, ())
    with engine.begin() as connection:
        results.write_layers(connection, run_id, LAYERS)
        runs.advance(connection, first, lease_until=LEASE, step=3)
        results.write_steps(connection, run_id, [step_record(step) for step in range(4)])
    second = claim(engine, run_id, now=LEASE + 1, checkpoint=checkpoint)
    assert second is not None
    assert (second.step, row(engine, run_id).step) == (kept, kept)
    with engine.connect() as connection:
        assert results.layers(connection, run_id) == (list(LAYERS) if kept else [])
        found = results.spectra(connection, run_id, "head", Window()).steps.tolist()
    assert found == (list(range(kept + 1)) if kept else [])
    said = f"goes on after step {kept}" if kept else "starts at step 0: there was no checkpoint to go on from"
    assert row(engine, run_id).notes == [f"attempt 2 {said}"]


def test_notes_of_earlier_attempts_stay(engine: Engine) -> None:
    run_id = new_run(engine)
    for attempt in range(3):
        held = claim(engine, run_id, now=(LEASE + 1) * attempt)
    assert held is not None
    with engine.begin() as connection:
        runs.start_clean(connection, held, why="it is damaged")
    first, second = row(engine, run_id).notes
    assert first.startswith("attempt 2 starts at step 0: ")
    assert second == "attempt 3 starts at step 0: it is damaged"


def test_last_words_are_heard_until_the_next_attempt(engine: Engine) -> None:
    run_id = new_run(engine)
    held = claim(engine, run_id, owner="laptop")
    assert held is not None
    with engine.begin() as connection:
        assert not runs.leave(connection, held, step=7)  # it was not released
        runs.release(connection, owner="laptop", now=2.0)
        assert runs.leave(connection, held, step=7)
    assert (row(engine, run_id).status, row(engine, run_id).step) == ("queued", 7)
    assert claim(engine, run_id, now=3.0, checkpoint=7) is not None
    with engine.begin() as connection:
        assert not runs.leave(connection, held, step=8)
        runs.release(connection, owner="one", now=4.0)
        assert not runs.leave(connection, held, step=8)
    assert row(engine, run_id).step == 7


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
    assert str(row(engine, run_id).error).endswith("says nothing. Try a smaller batch_size or model")


def test_a_run_that_may_have_died_of_memory_says_what_is_known(engine: Engine) -> None:
    run_id = new_run(engine)
    held = claim(engine, run_id, now=0.0)
    assert held is not None
    known = {"needed": 3 * 2**30, "free": 2**30, "total": 2**32}
    with engine.begin() as connection:
        runs.advance(connection, held, lease_until=LEASE, memory=known)
        assert runs.reap(connection, now=LEASE + 1, max_crashes=1) == []
    assert "needs about 3.0 GiB, and 1.0 GiB of 4.0 GiB were free when it" in str(row(engine, run_id).error)


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
