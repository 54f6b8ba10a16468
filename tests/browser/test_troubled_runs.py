"""Runs that diverge, start again, or end between two requests; layers that cannot be fetched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from sigmascope.schemas import Run
from tests.browser.player import open_run, state, trace, wait_until
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.service]


def pretend(page: Page, address: str, change: Callable[[Any], Any]) -> list[str]:
    """Let ``change`` rewrite the answers at ``address``; the addresses asked for, as they come."""
    asked: list[str] = []

    def answer(route: Route) -> None:
        asked.append(route.request.url)
        real = route.fetch()
        route.fulfill(status=200, content_type="application/json", body=json.dumps(change(real.json())))

    page.route(address, answer)
    return asked


def test_a_diverged_run_is_drawn_and_says_why_it_failed(
    page: Page, service: Stack, screenshots: Path
) -> None:
    with service.client() as client:
        spec = {"preset": "demo", "batches": 40, "model": {"width": 48}, "learning_rate": 1e5}
        failed = client.wait(client.submit(spec).id, timeout=150)
        _, values = client.spectra(failed.id, "head")
    assert failed.status == "failed"
    assert failed.error is not None
    assert values.max() > 1e9

    ended = open_run(page, failed.id, "?layer=head")
    assert ended["step"] == ended["lastStep"] == failed.step
    expect(page.locator("#run-problem")).to_have_text(failed.error)
    expect(page.locator("#run-problem")).to_be_visible()
    drawn = trace(page, "histogram")
    upper = drawn["x"][-1]
    assert 24 < len(drawn["x"]) <= 800
    beyond = int((values[-1] >= upper).sum())
    assert beyond > 0
    expect(page.locator("#spectrum-reading")).to_contain_text(f"{beyond} of {values.shape[1]} values")
    expect(page.locator("#spectrum-reading")).to_contain_text("right of the plot")
    page.screenshot(path=screenshots / "run-diverged.png")
    page.get_by_role("button", name="edge", exact=True).click()
    page.locator("#transport [data-do=start]").click()
    wait_until(page, "state.step === 0")
    expect(page.locator("#spectrum-reading")).not_to_contain_text("right of the plot")


def test_laws_that_came_late_are_fetched_still(page: Page, finished: Run) -> None:
    """The last commit fell between the requests: the spectra have it, the laws do not."""

    def shorten(laws: Any) -> Any:
        if laws["steps"] and laws["steps"][0] == 0:
            laws["steps"] = laws["steps"][:-5]
        return laws

    pretend(page, "**/layers/hidden.0/laws?*", shorten)
    open_run(page, finished.id)
    assert wait_until(page, "state.fit !== null")["step"] == 60
    expect(page.locator("#spectrum-reading")).not_to_contain_text("No law was fitted")


def test_laws_that_never_come_are_not_asked_for_for_ever(page: Page, finished: Run) -> None:
    def shorten(laws: Any) -> Any:
        kept = [step for step in laws["steps"] if step < 50]
        return {**laws, "steps": kept}

    asked = pretend(page, "**/layers/hidden.0/laws?*", shorten)
    open_run(page, finished.id)
    page.wait_for_timeout(3000)
    assert 1 <= len(asked) <= 3
    assert state(page)["fit"] is None


def test_a_run_that_starts_again_is_fetched_again(page: Page, finished: Run) -> None:
    now = {"status": "running", "attempt": 1}
    begun = {"layers": True}
    pretend(page, f"**/api/v1/runs/{finished.id}", lambda run: {**run, **now})
    pretend(page, "**/layers", lambda layers: layers if begun["layers"] else [])
    open_run(page, finished.id, "?layer=hidden.1")
    assert wait_until(page, "state.step === 60")["follow"]
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    now["attempt"], begun["layers"] = 2, False
    expect(page.locator("#player")).to_have_attribute("data-state", "waiting")
    assert state(page)["steps"] == 0
    begun["layers"] = True
    again = wait_until(page, "state.ready && state.steps === 61")
    assert (again["layer"], again["follow"], again["step"]) == ("hidden.1", True, 60)
    expect(page.locator("#player")).to_have_attribute("data-state", "ready")
    for _ in range(50):  # they are asked for on their own, and the last may come after the page is ready
        fresh = [url.rsplit("/", 1)[1] for url in asked if "after=-1" in url]
        if len(fresh) >= 4:
            break
        page.wait_for_timeout(100)
    assert sorted(fresh) == [
        "laws?after=-1",
        "metrics?after=-1",
        "predictions?after=-1",
        "spectra.f32?after=-1",
    ]


def test_a_layer_that_cannot_be_fetched_leaves_the_shown_one(page: Page, finished: Run) -> None:
    pretend(page, f"**/api/v1/runs/{finished.id}", lambda run: {**run, "status": "running"})
    open_run(page, finished.id)
    page.route("**/layers/hidden.1/**", lambda route: route.abort())
    polls: list[str] = []
    page.select_option("#layer-picker", "hidden.1")
    expect(page.locator("#run-problem")).to_contain_text("Layer hidden.1 cannot be shown")
    expect(page.locator("#layer-picker")).to_have_value("hidden.0")
    page.wait_for_timeout(3500)  # longer than the page waits before it tries a broken loop again
    page.on(
        "request", lambda request: polls.append(request.url) if request.url.endswith(finished.id) else None
    )
    page.wait_for_timeout(3000)
    assert 1 <= len(polls) <= 5  # one loop asks every 0.7 s
    expect(page.locator("#run-problem")).to_be_visible()
    page.unroute("**/layers/hidden.1/**")
    page.select_option("#layer-picker", "hidden.1")
    wait_until(page, "state.layer === 'hidden.1'")
    expect(page.locator("#run-problem")).to_be_hidden()


@pytest.mark.parametrize(("address", "times"), [("**/plotly-*.min.js", 2), ("**/metrics?*", 2)])
def test_what_did_not_come_is_asked_for_again(page: Page, finished: Run, address: str, times: int) -> None:
    failed: list[str] = []

    def fail(route: Route) -> None:
        failed.append(route.request.url)
        route.abort()

    page.route(address, fail, times=times)
    open_run(page, finished.id, "?step=30")
    assert len(failed) == times
    assert len(trace(page, "histogram")["x"]) > 10
    expect(page.locator("#run-problem")).to_be_hidden()


def test_an_address_that_cannot_be_decoded_is_no_run(page: Page) -> None:
    page.goto("/runs/%zz")
    expect(page.locator("#message-page")).to_contain_text("No such run")
    assert state(page) is None


FOLLOW = """() => new Promise((resolve) => {
    const steps = [];
    document.querySelector('[data-do=follow]').click();
    const look = () => {
        steps.push(window.sigmascope.player.state().step);
        if (steps.length < 12) requestAnimationFrame(look);
        else resolve(steps);
    };
    requestAnimationFrame(look);
})"""


@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_with_reduced_motion_following_jumps(
    browser: Browser, service: Stack, finished: Run, motion: Any
) -> None:
    context = browser.new_context(base_url=service.url, reduced_motion=motion)
    page = context.new_page()
    pretend(page, f"**/api/v1/runs/{finished.id}", lambda run: {**run, "status": "running"})
    open_run(page, finished.id, "?step=0")
    assert state(page)["step"] == 0
    between = [step for step in page.evaluate(FOLLOW) if 0 < step < 60]
    assert bool(between) == (motion == "no-preference")
    assert wait_until(page, "state.step === 60")["follow"]
    context.close()
