"""Looking into the player of a page, and waiting for it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Error, Page

STATE = "window.sigmascope?.player?.state()"


def state(page: Page) -> dict[str, Any]:
    found: dict[str, Any] = page.evaluate(f"() => {STATE}")
    return found


def wait_until(page: Page, condition: str, *, timeout: float = 60_000) -> dict[str, Any]:
    """Wait until ``condition``, JavaScript over ``state``, holds; the state then."""
    try:
        page.wait_for_function(
            f"() => {{ const state = {STATE}; return state && ({condition}); }}", timeout=timeout
        )
    except Error as error:
        seen = page.evaluate(f"() => {STATE}"), page.locator("body").inner_text()[:500]
        raise AssertionError(f"{page.url} never had {condition}: {seen}") from error
    return state(page)


def open_run(page: Page, run_id: str, query: str = "") -> dict[str, Any]:
    page.goto(f"/runs/{run_id}{query}")
    return wait_until(page, "state.ready")


def trace(page: Page, name: str) -> dict[str, list[float]]:
    """x and y that Plotly holds for a trace of the spectrum."""
    found: dict[str, list[float]] = page.evaluate(
        "name => { const found = document.querySelector('#spectrum-plot').data.find(t => t.meta === name);"
        " return {x: Array.from(found.x), y: Array.from(found.y)}; }",
        name,
    )
    return found


def outlines(page: Page) -> list[list[list[float]]]:
    """The points of all line paths of the spectrum, as drawn on the screen."""
    found: list[list[list[float]]] = page.evaluate(
        "() => Array.from(document.querySelectorAll('#spectrum-plot .scatterlayer .js-line')).map(path =>"
        " path.getAttribute('d').split(/[A-Z]/i).filter(Boolean).map(part => part.split(',').map(Number)))"
    )
    return found
