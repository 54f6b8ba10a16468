"""The page of the service's state in a browser, found from the bar on top."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.service]


def test_the_page_shows_every_part_and_the_worker(page: Page, screenshots: Path) -> None:
    page.goto("/")
    page.get_by_role("link", name="System").click()
    expect(page.locator(".system-verdict")).to_contain_text("1 worker", timeout=15_000)
    for part in ("server", "database", "broker"):
        expect(page.locator(f"[data-part={part}] .status")).to_have_text("answers")
    expect(page.locator("[data-worker]")).to_contain_text("CPU cores")
    expect(page.locator("[data-queue=gpu]")).to_contain_text("gpu")
    page.screenshot(path=screenshots / "system.png")
