"""A sweep from the form to its slopes: points appear as runs finish, and the page needs no reload."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_runs_page import fill, open_form
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.service]

STATE = "window.sigmascope?.sweep?.state()"
TINY = {"preset": "demo", "model": {"width": 16, "depth": 1}, "batch_size": 16}


def wait_until(page: Page, condition: str) -> dict[str, Any]:
    """Wait until ``condition``, JavaScript over ``state``, holds; the state then."""
    page.wait_for_function(
        f"() => {{ const state = {STATE}; return state && ({condition}); }}", timeout=90_000
    )
    found: dict[str, Any] = page.evaluate(f"() => {STATE}")
    return found


def open_sweep_form(page: Page) -> None:
    open_form(page)
    page.get_by_role("switch", name="Sweep").check()
    expect(page.get_by_label("Values", exact=True)).to_be_visible()


def test_a_sweep_started_from_the_page_shows_its_points_as_they_come(page: Page, service: Stack) -> None:
    open_sweep_form(page)
    fill(page, "Name", "widths")
    fill(page, "Batches", "60")
    page.get_by_role("dialog").locator("#sweep-field").click()
    page.get_by_role("option", name="Width (model)").click()
    fill(page, "Values", "linear 16 32 2")
    fill(page, "Seeds", "0, 1")
    page.get_by_role("button", name="Start sweep").click()
    page.wait_for_url("**/runs/*")
    run_id = page.url.split("/runs/")[1].split("?")[0]

    early = wait_until(page, "state.points.head?.length > 0")
    assert early["axes"] == "log-log"
    wait_until(page, "state.points.head?.length === 4")
    expect(page.locator("#sweep-head .status")).to_have_text("finished")
    expect(page.locator("#cancel-sweep")).to_be_hidden()

    with service.client() as client:
        sweep = client.run(run_id)
        found = client.sweep(run_id)
        children = [client.run(point.run) for point in found.points]
    assert (sweep.name, sweep.step) == ("widths", 4)
    assert [child.spec.model.width for child in children] == [16, 16, 32, 32]
    rows = page.locator(".slopes-table tbody tr")
    assert rows.count() == len(found.critical)
    assert page.locator(".sweep-runs tbody tr").count() == 4

    page.locator("#sweep-axes button[data-axes='linear']").click()
    drawn = page.evaluate("() => document.querySelector('.plot[data-layer=head]')._fullLayout.xaxis.type")
    assert drawn == "linear"
    page.get_by_role("link", name=found.points[0].run).click()
    page.wait_for_url(f"**/runs/{found.points[0].run}*")
    page.get_by_role("link", name="Its sweep").click()
    expect(page.get_by_role("heading", name="widths")).to_be_visible()

    page.route("**/plotly-*.min.js", lambda route: route.abort(), times=1)
    page.reload()
    wait_until(page, "state.points.head?.length === 4")


def test_the_list_holds_the_sweep_and_not_its_runs(page: Page, service: Stack) -> None:
    with service.client() as client:
        spec = {"kind": "sweep", "name": "one entry", "base": {**TINY, "batches": 2}, "values": [0.1, 0.2]}
        sweep = client.wait(client.submit(spec).id, timeout=60)
        children = [point.run for point in client.sweep(sweep.id).points]
    page.goto("/")
    expect(page.locator(f"tr[data-run='{sweep.id}']")).to_contain_text("2 of 2 runs")
    for child in children:
        expect(page.locator(f"tr[data-run='{child}']")).to_have_count(0)


def test_a_sweep_is_cancelled_from_its_page_and_keeps_its_points(page: Page, service: Stack) -> None:
    with service.client() as client:
        base = {**TINY, "batches": 4000}
        sweep = client.submit({"kind": "sweep", "base": base, "values": [0.01, 0.02, 0.03]})
        page.goto(f"/runs/{sweep.id}")
        expect(page.locator(".sweep-panel")).to_have_count(2, timeout=60_000)
        page.get_by_role("button", name="Cancel").click()
        expect(page.locator("#sweep-head .status")).to_have_text("cancelled")
        assert client.run(sweep.id).status == "cancelled"
    expect(page.locator("#sweep-head")).to_contain_text("Cancelled with 0 of 3 runs finished")
    expect(page.locator(".sweep-panel")).to_have_count(2)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("0.1, x", "'x' is no number"),
        ("-1", "greater than 0"),
        ("0.1, 0.1", "must differ"),
        ("", "at least 1"),
    ],
)
def test_bad_values_are_refused_beside_their_input(page: Page, values: str, said: str) -> None:
    open_sweep_form(page)
    fill(page, "Values", values)
    page.get_by_role("button", name="Start sweep").click()
    expect(page.get_by_role("dialog").locator(".mantine-TextInput-error")).to_contain_text(said)
    assert page.url.endswith("/")
