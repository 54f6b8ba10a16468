"""What the list of runs says of a job before it has begun."""

from __future__ import annotations

from sqlalchemy import Connection

from backend.storage.forecasts import steps_of
from sigmascope.errors import InvalidValueError, NotFoundError
from sigmascope.schemas import ClaimsSpec, ForecastSpec, Job, SimulateSpec, SweepSpec, TrainSpec
from sigmascope.theory.claims import find


def total_steps(spec: Job, connection: Connection) -> int:
    """How far the job has to go: batches, time steps, claims, forecasts.

    Raises:
        InvalidValueError: a claim of that id does not exist, or a run cannot be forecast so.
    """
    if isinstance(spec, TrainSpec):
        return spec.batches
    if isinstance(spec, SimulateSpec):
        return spec.steps
    if isinstance(spec, ClaimsSpec):
        return _count_claims(spec)
    if isinstance(spec, ForecastSpec):
        return steps_of(spec, connection)
    raise InvalidValueError(f"a {type(spec).__name__} cannot be queued")


def _count_claims(spec: ClaimsSpec) -> int:
    try:
        chosen = find(spec.only)
    except NotFoundError as error:
        raise InvalidValueError(f"only: {error}") from error
    if not chosen:
        raise InvalidValueError("only is empty, so nothing would be checked; leave it out to check all")
    return len(chosen)


def default_name(spec: Job) -> str:
    """The name of a job whose owner gave none."""
    if isinstance(spec, TrainSpec):
        return spec.preset or spec.model.kind
    if isinstance(spec, SimulateSpec):
        form = ", as printed" if spec.form == "as_printed" else ""
        return f"{spec.process.replace('_', '-')} {spec.m}x{spec.n}{form}"
    if isinstance(spec, SweepSpec):
        return spec.preset or f"{spec.base.preset or spec.base.model.kind} over {spec.field}"
    return f"Forecasts of {spec.run}" if isinstance(spec, ForecastSpec) else "claims"
