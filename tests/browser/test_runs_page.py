"""The list of runs: starting one from the page, and being told what is wrong."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from sigmascope.schemas import Run
from tests.browser.player import state, wait_until
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.service]


def fill(page: Page, label: str, value: str) -> None:
    page.get_by_label(label, exact=True).fill(value)


def open_form(page: Page) -> None:
    page.goto("/")
    page.get_by_role("button", name="New run").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_run_started_from_the_page_moves_and_tells_the_truth(
    page: Page, service: Stack, finished: Run
) -> None:
    open_form(page)
    fill(page, "Name", "from the page")
    fill(page, "Batches", "600")
    fill(page, "Width", "40")
    page.get_by_role("button", name="Start run").click()
    page.wait_for_url("**/runs/*")
    run_id = page.url.split("/runs/")[1].split("?")[0]

    first = wait_until(page, "state.steps > 0 && state.fit", timeout=90_000)
    later = wait_until(page, f"state.step > {first['step']} && state.framesDrawn > {first['framesDrawn']}")
    assert later["fit"] != first["fit"]
    ended = wait_until(page, "state.status === 'finished' && state.step === 600 && state.ready")

    with service.client() as client:
        run = client.run(run_id)
        laws = client.laws(run_id, ended["layer"])
        predictions = client.predictions(run_id, ended["layer"])
    assert run.name == "from the page"
    assert run.spec.model.width == 40
    assert ended["steps"] == 601
    assert ended["fit"] == {name: column[-1] for name, column in laws.fits.items()}
    assert ended["skill"] == {predictor: column[-1] for predictor, column in predictions.skill.items()}
    expect(page.locator("#run-percent")).to_have_text("100 %")
    expect(page.locator("#run-status")).to_have_text("finished")


def test_the_list_shows_runs_and_leads_to_them(page: Page, finished: Run) -> None:
    page.goto("/")
    row = page.locator(f"tr[data-run='{finished.id}']")
    expect(row).to_contain_text("finished")
    expect(row).to_contain_text("100 %")
    row.get_by_role("link", name="small").click()
    page.wait_for_url(f"**/runs/{finished.id}*")
    assert wait_until(page, "state.ready")["run"] == finished.id


def test_going_back_ends_the_player(page: Page, finished: Run) -> None:
    page.goto("/")
    page.locator(f"tr[data-run='{finished.id}'] a").click()
    wait_until(page, "state.ready")
    page.get_by_role("link", name="Runs").click()
    expect(page.get_by_role("heading", name="Runs")).to_be_visible()
    page.wait_for_function("() => window.sigmascope.player.state() === null")


@pytest.mark.parametrize(
    ("label", "value", "named"),
    [("Learning rate", "0", "learning_rate"), ("Width", "0", "width"), ("Batches", "-5", "batches")],
)
def test_a_bad_value_is_refused_by_name(page: Page, label: str, value: str, named: str) -> None:
    open_form(page)
    fill(page, label, value)
    page.get_by_role("button", name="Start run").click()
    alert = page.locator("[data-problem]")
    expect(alert).to_contain_text(named)
    expect(alert).to_contain_text(value)
    assert page.url.endswith("/")


def test_looking_at_the_form_starts_nothing(page: Page, service: Stack) -> None:
    with service.client() as client:
        before = [run.id for run in client.runs()]
        open_form(page)
        page.wait_for_timeout(1500)
        assert [run.id for run in client.runs()] == before


def test_another_preset_fills_the_form(page: Page) -> None:
    open_form(page)
    page.get_by_role("dialog").locator("#preset").click()
    page.get_by_role("option", name="mlp-mnist").click()
    expect(page.get_by_label("Width", exact=True)).to_have_value("1,024")
    expect(page.get_by_label("Batches", exact=True)).to_have_value("800")


def test_a_preset_that_is_a_sweep_unfolds_it_and_another_folds_it_away(page: Page) -> None:
    open_form(page)
    page.get_by_role("dialog").locator("#preset").click()
    page.get_by_role("option", name="fig5").click()
    expect(page.get_by_label("Values", exact=True)).to_have_value(
        "0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1"
    )
    page.get_by_role("switch", name="Small version").check()
    expect(page.get_by_label("Values", exact=True)).to_have_value("0.001, 0.1")
    expect(page.get_by_label("Batches", exact=True)).to_have_value("25")
    expect(page.get_by_role("button", name="Start sweep")).to_be_visible()
    page.get_by_role("dialog").locator("#preset").click()
    page.get_by_role("option", name="demo").click()
    expect(page.get_by_role("button", name="Start run")).to_be_visible()


def test_an_unknown_run_is_named(page: Page) -> None:
    page.goto("/runs/no-such-run")
    expect(page.locator("#message-page")).to_contain_text("no-such-run")
    assert state(page) is None


def test_an_unknown_address_is_named(page: Page) -> None:
    page.goto("/nowhere")
    expect(page.locator("#message-page")).to_contain_text("/nowhere")
