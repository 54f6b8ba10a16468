"""From a claimed run to its end."""

from __future__ import annotations

import time
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage import checkpoints, runs, sweeps
from backend.storage.runs import Claim
from sigmascope.errors import InvalidValueError, LeaseLostError, SigmascopeError
from sigmascope.schemas import ClaimsSpec, ForecastSpec, JobSpec, RunStatus, SimulateSpec, TrainSpec

_SPEC: TypeAdapter[Any] = TypeAdapter(JobSpec)
# whose run() does the work of a kind
_MODULES: Mapping[type, str] = MappingProxyType(
    {
        TrainSpec: "worker.training_job",
        ForecastSpec: "worker.forecast_job",
        SimulateSpec: "worker.simulation_job",
        ClaimsSpec: "worker.claims_job",
    }
)


def load() -> None:
    """Import all that jobs need, torch above all, which takes seconds: forks of this process have it then.

    It starts neither CUDA nor threads of torch, which do not survive a fork.
    """
    for module in _MODULES.values():
        import_module(module)
    torch = import_module("torch")
    torch.optim.SGD([torch.nn.Parameter(torch.empty(0))], lr=1.0)  # with the first one comes half of torch


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
    spec = _SPEC.validate_python(held.spec)
    module = _MODULES.get(type(spec))
    if module is None:
        raise InvalidValueError(f"no worker works on a job of kind {spec.kind!r}")
    # loaded here where it was not before: each kind what it needs and no more
    status: RunStatus = import_module(module).run(engine, held, settings, spec)
    return status
