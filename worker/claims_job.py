"""The job ``claims``: the paper's claims checked one after another, into the database."""

from __future__ import annotations

import time

from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage.runs import Claim
from backend.storage.theory import CheckedRecord, write_claims
from sigmascope.claims import as_checked
from sigmascope.schemas import ClaimsSpec, RunStatus
from sigmascope.theory.claims import check_all
from worker.database_sink import DatabaseSink

CLAIMS_WEIGH = 10_000  # more than a commit holds: each claim is stored as soon as it is checked


def run(engine: Engine, held: Claim, settings: Settings, spec: ClaimsSpec) -> RunStatus:
    """Check the claims that ``spec`` names; ``finished``, or ``cancelled`` when that was asked for."""
    sink = DatabaseSink[CheckedRecord](
        engine,
        held,
        lease_seconds=settings.lease_seconds,
        store=write_claims,
        weigh=lambda _: CLAIMS_WEIGH,
    )
    results = check_all(spec.only, seed=spec.seed, clock=time.perf_counter)
    for step, result in enumerate(results, start=1):
        checked = as_checked(result)
        sink.write(CheckedRecord(step, checked.id, checked.model_dump(mode="json")))
        sink.commit_when_due()
        if sink.cancel_requested:
            return RunStatus.cancelled
    return RunStatus.finished
