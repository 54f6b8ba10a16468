"""What the list of runs says of a job before it has begun."""

from __future__ import annotations

from sigmascope.errors import InvalidValueError, NotFoundError
from sigmascope.schemas import ClaimsSpec, Job, SimulateSpec, TrainSpec
from sigmascope.theory.claims import find


def total_steps(spec: Job) -> int:
    """How far the job has to go: batches, time steps, claims.

    Raises:
        InvalidValueError: a claim of that id does not exist.
    """
    if isinstance(spec, TrainSpec):
        return spec.batches
    if isinstance(spec, SimulateSpec):
        return spec.steps
    if isinstance(spec, ClaimsSpec):
        return _count_claims(spec)
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
    return "claims"
