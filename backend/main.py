"""The API as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import uvicorn
from fastapi import APIRouter, Depends, FastAPI
from starlette.exceptions import HTTPException

from backend import problems
from backend.deps import only_known_parameters
from backend.queue import Queue
from backend.reaper import reap_until
from backend.routes import (
    claims,
    ensembles,
    forces,
    forecasts,
    law_fits,
    laws,
    metrics,
    predictions,
    runs,
    spectra,
    spectrum_metrics,
    sweeps,
    system,
)
from backend.settings import Settings
from backend.storage.session import migrate, open_engine

PREFIX = "/api/v1"
NOUNS = (
    runs,
    spectra,
    predictions,
    law_fits,
    metrics,
    spectrum_metrics,
    forces,
    forecasts,
    ensembles,
    claims,
    laws,
    sweeps,
    system,
)


def create_app(settings: Settings) -> FastAPI:
    """The API under ``/api/v1``; the database is brought up to date when it starts."""
    app = FastAPI(
        title="sigmascope",
        version=version("sigmascope"),
        summary="Singular-value spectra of neural networks, live during training.",
        lifespan=_lifespan,
        max_body_size=1_000_000,  # a specification is a few hundred bytes
    )
    app.state.settings = settings
    app.state.engine = open_engine(settings.database)
    app.state.queue = Queue(settings)
    for noun in NOUNS:
        app.include_router(noun.router, prefix=PREFIX, dependencies=[Depends(only_known_parameters)])
    app.include_router(_guard())
    problems.install(app)
    return app


def serve(app: FastAPI, settings: Settings) -> None:
    """Serve until told to stop."""
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning", timeout_graceful_shutdown=3)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    state = app.state
    migrate(state.engine)
    stop = asyncio.Event()
    reaper = asyncio.create_task(reap_until(stop, state.engine, state.queue, state.settings))
    yield
    stop.set()
    await reaper
    state.engine.dispose()


def _guard() -> APIRouter:
    # The dashboard answers every path it does not know with a page; an API client wants a 404.
    router = APIRouter(include_in_schema=False)

    @router.api_route("/api/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def unknown(path: str) -> None:
        raise HTTPException(404, f"there is no /api/{path}; GET /openapi.json lists what there is")

    return router


if __name__ == "__main__":
    environment = Settings()
    serve(create_app(environment), environment)
