"""A browser a module, closed with it: playwright's loop must not outlive the tests that need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from benchmarks.browser import chromium
from sigmascope.schemas import Run
from tests.stack import Stack

VIEWPORT = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def page(browser: Browser, service: Stack) -> Iterator[Page]:
    """A fresh visitor. Any error that a script throws, and any request to another host, fails the test."""
    context = browser.new_context(viewport=VIEWPORT, base_url=service.url)  # type: ignore[arg-type]
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.on(
        "request", lambda request: errors.append(request.url) if _is_foreign(request.url, service) else None
    )
    yield opened
    context.close()
    assert errors == []


def _is_foreign(url: str, service: Stack) -> bool:
    return not url.startswith((service.url, "data:", "blob:"))


@pytest.fixture(scope="session")
def finished(service: Stack) -> Run:
    """A small run that has ended: four layers, 61 steps."""
    with service.client() as client:
        spec = {
            "preset": "demo",
            "name": "small",
            "batches": 60,
            "model": {"width": 48},
            "evaluate_every": 20,
        }
        ended = client.wait(client.submit(spec).id, timeout=150)
    assert ended.status == "finished", ended.error
    return ended


@pytest.fixture(scope="session")
def screenshots(request: pytest.FixtureRequest) -> Path:
    """Where pictures of the pages are left to be looked at: .pytest_cache/d/screenshots."""
    return request.config.cache.mkdir("screenshots")
