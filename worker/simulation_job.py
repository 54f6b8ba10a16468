"""The job ``simulate``: an ensemble's singular values, into the database as they come."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage.runs import Claim
from backend.storage.theory import snapshot_weight, write_snapshots
from sigmascope.schemas import RunStatus, SimulateSpec
from sigmascope.theory.ensembles import Snapshot, eigenvalue_sde, matrix_sde, ornstein_uhlenbeck
from worker.database_sink import DatabaseSink


def run(engine: Engine, held: Claim, settings: Settings, spec: SimulateSpec) -> RunStatus:
    """Simulate as ``spec`` says; ``finished``, or ``cancelled`` when that was asked for."""
    with DatabaseSink[Snapshot](
        engine,
        held,
        lease_seconds=settings.lease_seconds,
        store=write_snapshots,
        weigh=snapshot_weight,
    ) as sink:
        for snapshot in ensemble(spec):
            sink.write(snapshot)
            sink.commit_when_due()
            if sink.cancel_requested:
                break
    return RunStatus.cancelled if sink.cancel_requested else RunStatus.finished


def ensemble(spec: SimulateSpec) -> Iterator[Snapshot]:
    """The process that ``spec`` names, all paths from one Gaussian W."""
    rng = np.random.default_rng(spec.seed)
    start = np.sqrt(spec.start_variance) * rng.standard_normal((spec.m, spec.n))
    # the process with its start, and what is its own
    if spec.process == "matrix":
        move: Any = partial(matrix_sde, start)
    elif spec.process == "ornstein_uhlenbeck":
        move = partial(ornstein_uhlenbeck, start)
    else:
        values = np.linalg.svd(start, compute_uv=False)
        move = partial(eigenvalue_sde, values, m=spec.m, form=spec.form)
    snapshots: Iterator[Snapshot] = move(
        learning_rate=spec.learning_rate,
        diffusion=spec.diffusion,
        restoring_rate=spec.restoring_rate,
        dt=spec.dt,
        steps=spec.steps,
        paths=spec.paths,
        every=spec.record_every,
        rng=rng,
    )
    return snapshots
