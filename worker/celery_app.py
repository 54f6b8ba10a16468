"""The worker as a Celery application, and its one task."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery, Task, bootsteps
from celery.signals import worker_before_create_process, worker_shutting_down
from sqlalchemy import Engine

from backend.processes import end_with_parent
from backend.settings import JOB_TASK, Settings
from backend.storage import checkpoints, runs
from backend.storage.runs import Claim
from backend.storage.session import open_engine
from worker import (
    jobs,
    report,  # noqa: F401 - a command that Celery finds once it is imported
)
from worker.lease import Heartbeat
from worker.versions import versions

REPLACEMENT_SECONDS = 0.2


class PromptReplacement(bootsteps.StartStopStep):  # type: ignore[misc]
    """Has a process that ended replaced within a moment, so that the next run need not wait.

    Celery looks when the pipes of the process close, when it is often not gone yet, and then again only after
    five seconds.
    """

    requires = frozenset({"celery.worker.components:Pool"})

    def register_with_event_loop(self, worker: Any, hub: Any) -> None:
        """Called by Celery before its loop begins."""
        hub.call_repeatedly(REPLACEMENT_SECONDS, worker.pool.maintain_pool)


def create_celery(settings: Settings) -> Celery:
    """A Celery application that runs jobs as ``settings`` say."""
    app = Celery("sigmascope", config_source=settings.celery())
    app.steps["worker"].add(PromptReplacement)
    app.conf.update(worker_log_format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    class JobTask(Task):  # type: ignore[misc]
        held: Claim | None = None  # one task at a time in a process

        def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
            """An error nobody foresaw ends the run with its name; its trace is in the worker's log."""
            if self.held is None:
                return
            what = f"unexpected {type(exc).__name__}: {str(exc).rstrip('.')}"
            error = f"{what}. What was recorded before is kept; the worker's log has the trace"
            with _database(settings) as engine:
                jobs.fail(engine, self.held, settings, error)

    @app.task(name=JOB_TASK, bind=True, base=JobTask, shared=False)
    def run_job(task: JobTask, run_id: str) -> None:
        end_with_parent(signal.SIGKILL)  # no run goes on without a worker that answers for it
        with _database(settings) as engine:
            task.held = _claim(engine, run_id, settings, owner=task.request.hostname)
            if task.held is not None:
                with Heartbeat(engine, task.held, lease_seconds=settings.lease_seconds):
                    # CUDA starts here, in the child, for it does not survive a fork
                    jobs.execute(engine, task.held, settings)

    @worker_before_create_process.connect(weak=False)
    def load(**_: Any) -> None:
        # Should it fail, Celery logs why, and runs fail one by one when they load for themselves
        if sys.platform == "linux":  # elsewhere forks of what has loaded the system's frameworks may crash
            jobs.load()

    @worker_shutting_down.connect(weak=False)
    def release(sender: str, **_: Any) -> None:
        # An orderly stop: runs go back to the queue now and count no crash; their next write ends them here
        with _database(settings) as engine, engine.begin() as connection:
            runs.release(connection, owner=sender, now=time.time())

    return app


@contextmanager
def _database(settings: Settings) -> Iterator[Engine]:
    engine = open_engine(settings.database)
    try:
        yield engine
    finally:
        engine.dispose()


def _claim(engine: Engine, run_id: str, settings: Settings, *, owner: str) -> Claim | None:
    with engine.begin() as connection:
        checkpoints.tidy(settings.checkpoints, connection)
        return runs.claim(
            connection,
            run_id,
            owner=owner,
            now=time.time(),
            lease_seconds=settings.lease_seconds,
            versions=versions(),
            checkpoint=checkpoints.newest(settings.checkpoints, run_id),
        )
