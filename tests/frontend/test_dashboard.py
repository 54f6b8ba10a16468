"""The dashboard as a browser first meets it, on its own and in front of a backend."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI, Response

from frontend import plotly_script
from frontend.main import RUN_ADDRESS, _links, create_dashboard
from frontend.standalone import Settings, create_app


@pytest.fixture
async def page() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    create_dashboard(app, api_url="http://127.0.0.1:1")
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client,
    ):
        yield client


async def test_the_index_loads_the_player_and_nothing_from_afar(page: httpx.AsyncClient) -> None:
    html = (await page.get("/")).text
    assert "/assets/player/80-player.js" in html
    assert "/assets/theory/10-claims.js" in html
    assert "/assets/sigmascope.css" in html
    sources = [part.split('"')[0] for part in html.split('src="')[1:]]
    assert sources
    assert all(source.startswith("/") for source in sources)


@pytest.mark.parametrize(
    ("address", "current"),
    [
        ("/", "Runs"),
        ("/runs/0123abcd", "Runs"),
        ("/theory", "Theory"),
        ("/theory/", "Theory"),
        ("/system", "System"),
        ("/nowhere", None),
    ],
)
def test_the_link_of_the_page_is_marked(address: str, current: str | None) -> None:
    marked = [
        link.children.children for link in _links(address) if "aria-current" in link.to_plotly_json()["props"]
    ]
    assert marked == ([current] if current else [])


async def test_every_asset_of_the_index_is_served(page: httpx.AsyncClient) -> None:
    html = (await page.get("/")).text
    for part in html.split('src="')[1:]:
        assert (await page.get(part.split('"')[0])).status_code == 200


async def test_plotly_is_served_here_compressed_and_for_ever(page: httpx.AsyncClient) -> None:
    answer = await page.get(plotly_script.ADDRESS)
    assert answer.headers["content-encoding"] == "gzip"
    assert "immutable" in answer.headers["cache-control"]
    assert "window.Plotly" in answer.text
    plain = await page.get(plotly_script.ADDRESS, headers={"Accept-Encoding": "identity"})
    assert plain.text == answer.text


async def test_floats_are_not_compressed_in_vain() -> None:
    app = FastAPI()

    @app.get("/blob")
    async def blob() -> Response:
        return Response(bytes(100_000), media_type="application/octet-stream")

    create_dashboard(app, api_url="http://127.0.0.1:1")
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        assert "content-encoding" not in (await client.get("/blob")).headers


async def _stream(content: bytes) -> AsyncIterator[bytes]:
    yield content


class Backend:
    """Remembers what reached it."""

    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.seen.append(request)
        headers = {"X-Shape": "2,3", "X-Steps": "0-1", "Content-Type": "application/octet-stream"}
        return httpx.Response(
            201 if request.method == "POST" else 200, content=_stream(b"\x00" * 24), headers=headers
        )


async def through(backend: httpx.AsyncBaseTransport) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(Settings(api_url="http://backend"), transport=backend)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client,
    ):
        yield client


async def test_the_api_is_streamed_with_query_body_and_headers() -> None:
    backend = Backend()
    async for client in through(httpx.MockTransport(backend)):
        blob = await client.get("/api/v1/runs/a/layers/b.0/spectra.f32?after=-1")
        assert (blob.content, blob.headers["X-Shape"]) == (b"\x00" * 24, "2,3")
        assert (await client.post("/api/v1/runs", json={"preset": "demo"})).status_code == 201
    get, post = backend.seen
    assert str(get.url) == "http://backend/api/v1/runs/a/layers/b.0/spectra.f32?after=-1"
    assert post.content == b'{"preset":"demo"}'


async def test_a_backend_that_is_down_is_said_by_name() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async for client in through(httpx.MockTransport(refuse)):
        answer = await client.get("/api/v1/runs")
        assert answer.status_code == 502
        assert "http://backend" in answer.json()["detail"]


def test_a_sweep_has_an_address_of_its_name_too() -> None:
    for address in ("/runs/abc", "/sweeps/abc/"):
        found = RUN_ADDRESS.fullmatch(address)
        assert found is not None
        assert found["run_id"] == "abc"
