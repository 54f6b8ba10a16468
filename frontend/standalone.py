"""The dashboard as a server of its own, in front of a backend elsewhere: ``python -m frontend.standalone``.

Browsers know one address: ``/api`` is streamed to the backend and back, so no cross-origin rules are needed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from frontend.main import create_dashboard
from sigmascope.schemas import Problem

# Headers that speak of one connection, not of the message (RFC 9110, 7.6.1)
HOP_BY_HOP = frozenset(
    {"connection", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Settings(BaseSettings):
    """Read from ``SIGMASCOPE_API_URL``, ``SIGMASCOPE_HOST`` and ``SIGMASCOPE_PORT``."""

    model_config = SettingsConfigDict(env_prefix="SIGMASCOPE_", frozen=True, extra="ignore")

    api_url: str = Field("http://127.0.0.1:8050", description="where the backend is, without /api/v1")
    host: str = Field("127.0.0.1", description="address the dashboard listens on")
    port: int = Field(8050, ge=1, le=65535, description="port the dashboard listens on")


def create_app(settings: Settings, *, transport: httpx.AsyncBaseTransport | None = None) -> FastAPI:
    """The dashboard at ``/`` and the backend's API, streamed, at ``/api``."""
    backend = httpx.AsyncClient(
        base_url=settings.api_url, timeout=httpx.Timeout(60, connect=5), transport=transport, trust_env=False
    )

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with backend:
            yield

    app = FastAPI(
        title="sigmascope dashboard", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )

    @app.api_route("/api/{path:path}", methods=METHODS, include_in_schema=False)
    async def proxy(request: Request, path: str) -> Response:
        return await _forward(backend, request)

    create_dashboard(app, api_url=settings.api_url)
    return app


async def _forward(backend: httpx.AsyncClient, request: Request) -> Response:
    outgoing = backend.build_request(
        request.method,
        httpx.URL(path=request.url.path, query=request.url.query.encode()),
        headers=[(k, v) for k, v in request.headers.items() if k not in HOP_BY_HOP],
        content=request.stream() if request.method != "GET" else None,
    )
    try:
        answer = await backend.send(outgoing, stream=True)
    except httpx.TransportError as error:
        detail = f"The backend at {backend.base_url} does not answer ({type(error).__name__}); is it running?"
        return JSONResponse(Problem(error="ServiceError", detail=detail).model_dump(), status_code=502)
    return StreamingResponse(_chunks(answer), status_code=answer.status_code, headers=_end_to_end(answer))


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for chunk in answer.aiter_raw():
            yield chunk
    finally:
        await answer.aclose()


def _end_to_end(answer: httpx.Response) -> dict[str, str]:
    return {k: v for k, v in answer.headers.items() if k not in HOP_BY_HOP}


if __name__ == "__main__":
    environment = Settings()
    uvicorn.run(create_app(environment), host=environment.host, port=environment.port, log_level="warning")
