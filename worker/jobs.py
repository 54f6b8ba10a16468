"""From a claimed run to its end."""

from __future__ import annotations

import time
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage import checkpoints, runs, sweeps
from backend.storage.runs import Claim
from sigmascope.errors import InvalidValueError, LeaseLostError, SigmascopeError
from sigmascope.schemas import ClaimsSpec, ForecastSpec, JobSpec, RunStatus, SimulateSpec, TrainSpec

_SPEC: TypeAdapter[Any] = TypeAdapter(JobSpec)


def execute(engine: Engine, held: Claim, settings: Settings) -> None:
    """Run the job and store how it ended; silent when the run was lost to another attempt."""
    try:
        status = _run(engine, held, settings)
    except LeaseLostError:
        return
    except SigmascopeError as error:
        fail(engine, held, settings, str(error))
        return
    _end(engine, held, settings, status, error=None)


def fail(engine: Engine, held: Claim, settings: Settings, error: str) -> None:
    """End the run as failed; what it recorded stays."""
    _end(engine, held, settings, RunStatus.failed, error=error)


def _end(engine: Engine, held: Claim, settings: Settings, status: RunStatus, *, error: str | None) -> None:
    with engine.begin() as connection:
        ended = runs.finish(connection, held, status=status, error=error, now=time.time())
        sweeps.settle(connection, now=time.time())
    if ended:  # and not lost to an attempt that may need them
        checkpoints.remove(settings.checkpoints, held.run_id)


def _run(engine: Engine, held: Claim, settings: Settings) -> RunStatus:
    # Each kind loads what it needs and no more: torch takes seconds, and only training needs it.
    spec = _SPEC.validate_python(held.spec)
    if isinstance(spec, SimulateSpec):
        from worker import simulation_job

        return simulation_job.run(engine, held, settings, spec)
    if isinstance(spec, ClaimsSpec):
        from worker import claims_job

        return claims_job.run(engine, held, settings, spec)
    if isinstance(spec, ForecastSpec):
        from worker import forecast_job

        return forecast_job.run(engine, held, settings, spec)
    if not isinstance(spec, TrainSpec):
        raise InvalidValueError(f"no worker works on a job of kind {spec.kind!r}")
    from worker import training_job

    return training_job.run(engine, held, settings, spec)
