"""Health and versions."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter
from sqlalchemy.exc import SQLAlchemyError

from backend.deps import EngineDep, QueueDep
from backend.storage import runs
from sigmascope.errors import BrokerUnavailableError
from sigmascope.schemas import Component, System

router = APIRouter(tags=["system"])


@router.get("/health")
def health() -> dict[str, str]:
    """Answers as soon as the server serves."""
    return {"status": "ok"}


@router.get("/system")
def system(engine: EngineDep, queue: QueueDep) -> System:
    """Which parts answer, which workers live, what waits. Never an error itself."""
    counts: dict[str, int] = {}
    try:
        with runs.reading_session(engine) as session:
            counts = runs.count_by_status(session)
        database = Component(name="database", ok=True, detail=engine.dialect.name)
    except SQLAlchemyError as error:
        database = Component(name="database", ok=False, detail=str(error))
    try:
        queue.ping()
        broker = Component(name="broker", ok=True, detail="answers")
    except BrokerUnavailableError as error:
        broker = Component(name="broker", ok=False, detail=str(error))
    return System(
        version=version("sigmascope"),
        components=[database, broker],
        workers=queue.workers() if broker.ok else [],
        queued=counts.get("queued", 0),
        running=counts.get("running", 0),
    )
