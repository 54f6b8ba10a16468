"""Runs: submit, list, look at, cancel."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query

from backend.deps import EngineDep, QueueDep, RunDep, SessionDep
from backend.jobs import default_name, total_steps
from backend.storage import runs, sweeps
from backend.storage.tables import RunRow
from sigmascope.errors import BrokerUnavailableError, InvalidValueError
from sigmascope.presets import PRESETS
from sigmascope.schemas import KINDS, JobSpec, Preset, Run, RunStatus, SweepSpec, preset_of

router = APIRouter(tags=["runs"])


@router.get("/presets")
def list_presets() -> list[Preset]:
    """Named starting points: the full specification of each, its small version, and their JSON Schema."""
    return [preset_of(name) for name in PRESETS]


@router.post("/runs", status_code=201)
def submit_run(spec: JobSpec, engine: EngineDep, queue: QueueDep) -> Run:
    """Queue a run. 422 names the field that is wrong; 503: the queue is down, the run `failed`."""
    now, name = time.time(), spec.name.strip() or default_name(spec)
    with engine.begin() as connection:
        if isinstance(spec, SweepSpec):
            run_id, to_send = sweeps.create(connection, spec, name=name, now=now)
        else:
            run_id = runs.create(
                connection,
                kind=spec.kind,
                name=name,
                spec=spec.model_dump(mode="json"),
                total_steps=total_steps(spec, connection),
                now=now,
            )
            to_send = [run_id]
    try:
        for one in to_send:
            queue.send(one, spec.device)
    except BrokerUnavailableError as error:
        with engine.begin() as connection:
            for one in to_send:
                runs.fail_queued(connection, one, error=str(error), now=time.time())
            sweeps.settle(connection, now=time.time())
        raise
    return _reload(engine, run_id)


@router.get("/runs")
def list_runs(
    session: SessionDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="at most so many")] = 100,
    status: Annotated[RunStatus | None, Query(description="only runs in this status")] = None,
    kind: Annotated[str | None, Query(description=f"only runs of this kind: {', '.join(KINDS)}")] = None,
) -> list[Run]:
    """Runs, newest first; those of a sweep are at /runs/{id}/sweep."""
    if kind is not None and kind not in KINDS:
        raise InvalidValueError(f"kind must be one of {', '.join(KINDS)}, got {kind!r}")
    return [as_schema(row) for row in runs.newest(session, limit=limit, status=status, kind=kind)]


@router.get("/runs/{run_id}")
def get_run(run: RunDep) -> Run:
    """404 if absent; safe to poll."""
    return as_schema(run)


@router.post("/runs/{run_id}/cancel")
def cancel_run(run: RunDep, engine: EngineDep) -> Run:
    """Cancel at once when queued, at its next commit when running; what was recorded stays."""
    with engine.begin() as connection:
        if run.kind == "sweep":
            sweeps.cancel(connection, run.id, now=time.time())
        else:
            runs.request_cancel(connection, run.id, now=time.time())
            sweeps.settle(connection, now=time.time())
    return _reload(engine, run.id)


def as_schema(row: RunRow) -> Run:
    """The answer for a row."""
    running = row.status == RunStatus.running
    rate = row.rate if running else None
    return Run.model_validate(
        {
            **{name: getattr(row, name) for name in Run.model_fields if hasattr(row, name)},
            "batches_per_second": rate,
            "seconds_left": (row.total_steps - row.step) / rate if rate else None,
        }
    )


def _reload(engine: EngineDep, run_id: str) -> Run:
    # A connection of its own: the request's may still read the state before the write.
    with runs.reading_session(engine) as session:
        row = session.get_one(RunRow, run_id)
        return as_schema(row)
