"""The page of the service's state: what answers, who works on what, and what is said when a part is down."""

from __future__ import annotations

from typing import Any

import httpx

from frontend.pages import system as page
from sigmascope.schemas import Component, DeviceMemory, System, Worker
from tests.frontend.service import api, silent
from tests.frontend.test_pages import ids_of, text_of

WORKER = Worker(
    name="gpu-1@server",
    queues=["gpu"],
    runs=["0123abcdef"],
    devices=[
        DeviceMemory(name="NVIDIA L4", kind="cuda", memory_free=3 * 2**30, memory_total=24 * 2**30),
        DeviceMemory(name="16 CPU cores", kind="cpu", memory_free=2**30, memory_total=64 * 2**30),
    ],
    versions={"torch": "2.13.0"},
)


def make_system(**changes: Any) -> System:
    fields: dict[str, Any] = {
        "version": "0.1.0",
        "versions": {"python": "3.11.7"},
        "components": [
            Component(name="database", ok=True, detail="postgresql 17.2"),
            Component(name="broker", ok=True, detail="takes messages"),
        ],
        "workers": [WORKER],
        "waiting": {"cpu": 0, "gpu": 2},
        "queued": 2,
        "running": 1,
    }
    return System.model_validate({**fields, **changes})


def test_a_service_that_is_well() -> None:
    said = text_of(page.picture(make_system()))
    for part in (
        "All parts answer; 1 worker, 1 running, 2 queued.",
        "postgresql 17.2",
        "python 3.11.7",
        "gpu-1@server",
        "NVIDIA L4",
        "3.0 GiB of 24.0 GiB",
        "torch 2.13.0",
    ):
        assert part in said
    assert page.troubles(make_system()) == []


def test_the_run_that_a_worker_works_on_is_a_link() -> None:
    links = [getattr(one, "href", None) for part in page.picture(make_system()) for one in part._traverse()]
    assert "/runs/0123abcdef" in links


def test_a_broker_that_is_down_is_the_one_thing_said() -> None:
    down = Component(name="broker", ok=False, detail="the broker at redis://here does not answer")
    (said,) = page.troubles(make_system(components=[down], workers=[], waiting={}))
    assert said.startswith("The broker is down: the broker at redis://here does not answer")
    picture = page.picture(make_system(components=[down], workers=[], waiting={}))
    assert getattr(picture[0], "role", None) == "alert"
    assert "All parts answer" not in text_of(picture)


def test_a_database_that_is_down() -> None:
    down = Component(name="database", ok=False, detail="sqlite does not answer: no file")
    (said,) = page.troubles(make_system(components=[down]))
    assert "sqlite does not answer: no file" in said


def test_no_worker_and_how_to_start_one() -> None:
    (said,) = page.troubles(make_system(workers=[]))
    assert "python -m worker" in said


def test_a_queue_that_nobody_serves() -> None:
    (said,) = page.troubles(make_system(waiting={"cpu": 1, "gpu": 5}))
    assert said.startswith("1 run waits in the queue cpu, and no worker takes from it")
    assert "python -m worker -Q cpu" in said
    assert page.troubles(make_system(waiting={"cpu": 0, "gpu": 5})) == []


def test_a_worker_that_says_nothing_of_itself_is_listed() -> None:
    assert "old@server" in text_of(page.picture(make_system(workers=[Worker(name="old@server")])))


async def test_the_page_renews_itself() -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/api/v1/system"
        return httpx.Response(200, json=make_system().model_dump(mode="json"))

    layout = await page.layout(api(httpx.MockTransport(handle)))
    assert {"system", "system-clock"} <= ids_of(layout)
    assert "gpu-1@server" in text_of(layout)


async def test_a_silent_server_is_said() -> None:
    said = text_of(await page.layout(api(silent())))
    assert "does not answer" in said
