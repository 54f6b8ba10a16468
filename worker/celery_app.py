"""The worker as a Celery application, and its one task."""

from __future__ import annotations

import signal
import time
from typing import Any

from celery import Celery, Task
from celery.signals import worker_shutting_down

from backend.processes import end_with_parent
from backend.settings import JOB_TASK, Settings
from backend.storage import runs
from backend.storage.runs import Claim
from backend.storage.session import open_engine
from worker import report  # noqa: F401 - a command that Celery finds once it is imported
from worker.lease import Heartbeat
from worker.versions import versions


def create_celery(settings: Settings) -> Celery:
    """A Celery application that runs jobs as ``settings`` say."""
    app = Celery("sigmascope", config_source=settings.celery())
    app.conf.update(worker_log_format="%(asctime)s %(levelname)s %(name)s: %(message)s")

    class JobTask(Task):  # type: ignore[misc]
        held: Claim | None = None  # one task at a time in a process

        def on_failure(self, exc: Exception, task_id: str, args: Any, kwargs: Any, einfo: Any) -> None:
            """An error nobody foresaw ends the run with its name; its trace is in the worker's log."""
            if self.held is None:
                return
            engine = open_engine(settings.database)
            error = f"unexpected {type(exc).__name__}: {exc}; the worker's log has the trace"
            with engine.begin() as connection:
                runs.finish(connection, self.held, status="failed", error=error, now=time.time())
            engine.dispose()

    @app.task(name=JOB_TASK, bind=True, base=JobTask)
    def run_job(task: JobTask, run_id: str) -> None:
        end_with_parent(signal.SIGKILL)  # no run goes on without a worker that answers for it
        engine = open_engine(settings.database)
        with engine.begin() as connection:
            task.held = runs.claim(
                connection,
                run_id,
                owner=task.request.hostname,
                now=time.time(),
                lease_seconds=settings.lease_seconds,
                versions=versions(),
            )
        if task.held is not None:
            with Heartbeat(engine, task.held, lease_seconds=settings.lease_seconds):
                # torch is loaded here, in the child, for CUDA does not survive a fork; it takes its time
                from worker.jobs import execute

                execute(engine, task.held, settings)
        engine.dispose()

    @worker_shutting_down.connect(weak=False)
    def release(sender: str, **_: Any) -> None:
        # An orderly stop: runs go back to the queue now and count no crash; their next write ends them here
        engine = open_engine(settings.database)
        with engine.begin() as connection:
            runs.release(connection, owner=sender, now=time.time())
        engine.dispose()

    return app
