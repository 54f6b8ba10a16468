"""Keeps runs from being forgotten: leases that ran out, messages that a broker lost."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from functools import partial

from anyio import to_thread
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from backend.queue import Queue
from backend.settings import Settings
from backend.storage import checkpoints, runs, sweeps
from sigmascope.errors import BrokerUnavailableError

log = logging.getLogger("sigmascope.reaper")


DEVICES = ("auto", "cpu", "cuda", "mps")


async def reap_until(stop: asyncio.Event, engine: Engine, queue: Queue, settings: Settings) -> None:
    """Reap at once, then about three times a lease, until ``stop``; an outage is logged and outlived."""
    patience = 0.0
    while not stop.is_set():
        try:
            await to_thread.run_sync(
                partial(reap_once, engine, queue, settings, now=time.time(), patience=patience)
            )
            patience = settings.lease_seconds
        except (BrokerUnavailableError, SQLAlchemyError) as error:
            log.warning("reaper: %s", error)
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), settings.lease_seconds / 3)


def reap_once(engine: Engine, queue: Queue, settings: Settings, *, now: float, patience: float) -> list[str]:
    """Queue again what was lost; return the ids of the runs sent.

    A run that has waited for ``patience`` seconds while no message waits is sent again.
    """
    with engine.begin() as connection:
        lost = runs.reap(connection, now=now, max_crashes=settings.max_crashes)
        sweeps.settle(connection, now=now)
        checkpoints.tidy(settings.checkpoints, connection)
    # Waiting rows but no waiting message: the broker lost them, or a worker is just taking one
    idle = {device for device in DEVICES if queue.empty(device)}
    with engine.begin() as connection:
        lost += runs.waiting(
            connection, queued_before=now - patience, now=now, on=lambda device: device in idle
        )
    for run_id, device in lost:
        queue.send(run_id, device)
        log.info("run %s is queued again", run_id)
    return [run_id for run_id, _ in lost]
