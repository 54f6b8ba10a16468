"""Health and versions."""

from __future__ import annotations

import platform
from importlib.metadata import version

from fastapi import APIRouter
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from backend.deps import EngineDep, QueueDep
from backend.queue import Queue
from backend.storage import runs
from sigmascope.errors import BrokerUnavailableError
from sigmascope.schemas import Component, System

router = APIRouter(tags=["system"])

PACKAGES = ("sigmascope", "fastapi", "celery", "sqlalchemy", "numpy", "scipy")


@router.get("/health")
def health() -> dict[str, str]:
    """Answers as soon as the server serves."""
    return {"status": "ok"}


@router.get("/system")
def system(engine: EngineDep, queue: QueueDep) -> System:
    """Which parts answer, what each worker has and does, what waits. Never an error itself."""
    database, counts = _database(engine)
    broker = _broker(queue)
    return System(
        version=version("sigmascope"),
        versions={"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        components=[database, broker],
        workers=queue.workers() if broker.ok else [],
        waiting=queue.waiting() if broker.ok else {},
        queued=counts.get("queued", 0),
        running=counts.get("running", 0),
    )


def _database(engine: Engine) -> tuple[Component, dict[str, int]]:
    """Whether it answers, and how many runs there are in each status."""
    try:
        with runs.reading_session(engine) as session:
            counts = runs.count_by_status(session)
    except SQLAlchemyError as error:
        reason = str(error).splitlines()[0]
        detail = f"{engine.dialect.name} does not answer: {reason}; start it, or set SIGMASCOPE_DATABASE_URL"
        return Component(name="database", ok=False, detail=detail), {}
    number = ".".join(str(part) for part in getattr(engine.dialect, "server_version_info", None) or ())
    return Component(name="database", ok=True, detail=f"{engine.dialect.name} {number}".strip()), counts


def _broker(queue: Queue) -> Component:
    try:
        queue.ping()
    except BrokerUnavailableError as error:
        return Component(name="broker", ok=False, detail=str(error))
    return Component(name="broker", ok=True, detail="takes messages")
