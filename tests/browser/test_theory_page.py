"""The paper's claims and the simulator, as a visitor uses them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from sigmascope.schemas import Run
from tests.browser.player import open_run, state, trace, wait_until
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.service]

# checked in milliseconds: one that holds, and two that do not
QUICK = ("lemma-6.5-gradient", "lemma-6.5", "lemma-6.15")


@pytest.fixture(scope="session")
def checked(service: Stack) -> Run:
    """A run that has checked three claims."""
    with service.client() as client:
        spec = {"kind": "claims", "name": "three claims", "only": list(QUICK)}
        ended = client.wait(client.submit(spec).id, timeout=60)
    assert ended.status == "finished", ended.error
    return ended


@pytest.fixture(scope="session")
def simulated(service: Stack) -> Run:
    """A small ensemble: 40 paths of eight singular values, 41 steps recorded."""
    spec = {
        "kind": "simulate",
        "name": "small ensemble",
        "process": "matrix",
        "m": 16,
        "n": 8,
        "start_variance": 0.0625,
        "diffusion": 0.005,
        "steps": 80,
        "record_every": 2,
        "paths": 40,
    }
    with service.client() as client:
        ended = client.wait(client.submit(spec).id, timeout=60)
    assert ended.status == "finished", ended.error
    return ended


def rows(page: Page) -> list[str]:
    """Ids of the claims that can be seen."""
    found: list[str] = page.evaluate(
        "() => Array.from(document.querySelectorAll('.claims-table tbody[data-claim]'))"
        ".filter(body => body.offsetHeight).map(body => body.dataset.claim)"
    )
    return found


def open_claims(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.locator(".claims-table tbody").first).to_be_visible()


def test_checking_all_claims_fills_the_table_as_results_come(page: Page) -> None:
    open_claims(page, "/theory")
    page.get_by_role("textbox", name="Seed").fill("11")
    page.get_by_role("button", name="Check all claims").click()
    expect(page.locator(".claims-head")).to_contain_text("claims checked", timeout=30_000)
    expect(page.locator("[data-claim='theorem-3.1'] .verdict")).to_have_text("does not hold", timeout=30_000)
    expect(page.locator("[data-claim='theorem-3.1'] .column-measured .figure")).to_contain_text("±")
    expect(page.locator(".claims-facts")).to_contain_text("sigmascope claims --seed 11")
    assert "unchecked" in {
        body.get_attribute("data-verdict") for body in page.locator(".claims-table .claim-row").all()
    }
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".claims-head")).to_contain_text("Cancelled after", timeout=20_000)


def test_what_the_table_says_is_what_the_api_says(page: Page, service: Stack, checked: Run) -> None:
    open_claims(page, f"/theory?run={checked.id}")
    with service.client() as client:
        results = {one.id: one for one in client.checked_claims(checked.id)}
        order = [one.id for one in client.claims()]
    assert rows(page) == order
    assert set(results) == set(QUICK)
    for claim, result in results.items():
        row = page.locator(f"[data-claim='{claim}'] .claim-row")
        expected = "holds" if result.verdict == "holds" else "does not hold"
        expect(row.locator(".verdict")).to_have_text(expected)
    expect(page.locator(".claims-summary")).to_contain_text("every exact form holds")


def test_a_verdict_can_be_looked_at_alone(page: Page, checked: Run) -> None:
    open_claims(page, f"/theory?run={checked.id}")
    page.locator(".verdict-filter").get_by_role("button", name="does not hold").click()
    shown = rows(page)
    assert set(shown) == {"lemma-6.5", "lemma-6.15"}
    assert page.locator(".verdict-filter [data-filter=fails] .count").inner_text() == "2"
    page.locator(".verdict-filter").get_by_role("button", name="all").click()
    assert len(rows(page)) > len(shown)


def test_a_row_opens_by_keyboard_and_the_address_names_it(
    page: Page, checked: Run, screenshots: Path
) -> None:
    open_claims(page, f"/theory?run={checked.id}")
    toggle = page.get_by_role("button", name="Laplacian of a singular value")
    expect(toggle).to_have_attribute("aria-expanded", "false")
    toggle.focus()
    page.keyboard.press("Enter")
    expect(toggle).to_have_attribute("aria-expanded", "true")
    about = page.locator("[data-claim='lemma-6.5'] .claim-details")
    expect(about.locator(".formula-printed")).to_be_visible()
    expect(about.locator(".formula-exact sub").first).to_have_text("W")
    assert about.locator(".measurements tbody tr").count() == 6
    assert page.url.endswith("#lemma-6.5")
    page.screenshot(path=screenshots / "theory.png")
    page.keyboard.press("Enter")
    expect(about).to_be_hidden()
    assert "#" not in page.url


@pytest.mark.parametrize("name", ["#lemma-6.15", "?claim=lemma-6.15"])
def test_an_address_opens_the_row_that_it_names(page: Page, checked: Run, name: str) -> None:
    query = f"?run={checked.id}{name.replace('?', '&')}"
    open_claims(page, f"/theory{query}")
    expect(page.locator("[data-claim='lemma-6.15'] .claim-details")).to_be_visible()
    expect(page.locator("[data-claim='lemma-6.15'] .claim-row")).to_be_in_viewport()


def test_the_page_of_a_claims_run_shows_its_results(page: Page, checked: Run) -> None:
    open_claims(page, f"/runs/{checked.id}")
    expect(page.locator("[data-claim='lemma-6.5'] .verdict")).to_have_text("does not hold")
    expect(page.get_by_role("link", name="All of Theory")).to_be_visible()


def open_simulator(page: Page) -> None:
    page.goto("/theory#simulator")
    expect(page.get_by_role("button", name="Simulate")).to_be_visible()


def test_a_simulation_started_from_the_form_plays(page: Page, service: Stack) -> None:
    open_simulator(page)
    page.get_by_text("One particle: the gamma law").click()
    expect(page.get_by_label("Columns n", exact=True)).to_have_value("1")
    page.get_by_label("Paths", exact=True).fill("300")
    page.get_by_role("button", name="Simulate").click()
    page.wait_for_url("**/runs/*")
    done = wait_until(page, "state.ready && state.status === 'finished' && state.lastStep === 200")
    with service.client() as client:
        run = client.run(done["run"])
    assert (run.kind, run.spec.n, run.spec.paths) == ("simulate", 1, 300)  # type: ignore[union-attr]
    page.click("[data-do=start]")
    before = wait_until(page, "state.step === 0")
    page.click("[data-do=play]")
    after = wait_until(page, "!state.playing && state.step === 200")
    assert after["framesDrawn"] - before["framesDrawn"] >= 10
    assert after["requests"] == before["requests"]
    expect(page.locator("#spectrum-reading")).to_contain_text("gamma law as printed")


def test_what_is_wrong_is_said_in_the_words_of_the_service(page: Page) -> None:
    open_simulator(page)
    page.get_by_label("Rows m", exact=True).fill("3")
    page.get_by_role("button", name="Simulate").click()
    expect(page.locator("[data-problem]")).to_contain_text("m must be at least n, got m=3, n=64")
    expect(page.locator("[data-problem]")).to_be_in_viewport()
    assert page.url.endswith("/theory#simulator")


def test_the_ensemble_on_the_page_is_that_of_the_api(page: Page, service: Stack, simulated: Run) -> None:
    shown = open_run(page, simulated.id, "?step=60")
    with service.client() as client:
        steps, paths = client.paths(simulated.id)
        summary = client.summary(simulated.id)
        ensemble = client.ensemble(simulated.id)
    frame = list(steps).index(60)
    assert (shown["step"], shown["steps"]) == (60, 41)
    drawn = trace(page, "histogram")
    edges, heights = np.append(drawn["x"][::2], drawn["x"][-1]), np.array(drawn["y"][::2])
    values = np.asarray(paths[frame], float).ravel()
    assert values.size == 40 * 8
    expected, _ = np.histogram(values, edges)
    # values are float32: one that lies on an edge may fall on either side
    assert np.abs(heights * values.size * np.diff(edges) - expected).sum() <= 2
    deviation = np.sqrt(ensemble.entry_variance[frame])
    bulk = trace(page, "marchenko_pastur")
    assert np.trapezoid(bulk["y"], bulk["x"]) == pytest.approx(1, abs=0.01)
    assert max(bulk["x"]) == pytest.approx(deviation * (4 + np.sqrt(8)), rel=1e-3)
    assert shown["sum"] == pytest.approx(summary.eigenvalue_sum[frame])
    assert abs(shown["sum"] - shown["expectedSum"]) < 5 * summary.eigenvalue_sum_error[frame]


def test_the_band_can_be_that_of_single_paths(page: Page, simulated: Run, screenshots: Path) -> None:
    open_run(page, simulated.id)
    width = (
        "() => { const band = document.querySelector('#means-plot').data.find(t => t.meta === 'band:0').y;"
        " const n = band.length / 2; return band[n - 1] - band[n]; }"
    )
    narrow = page.evaluate(width)
    page.get_by_role("button", name="± spread").click()
    # two standard errors of 40 paths against one standard deviation on either side
    assert page.evaluate(width) / narrow == pytest.approx(np.sqrt(39) / 2, rel=1e-6)
    assert state(page)["band"] == "spread"
    page.screenshot(path=screenshots / "ensemble.png")


@pytest.mark.parametrize("width", [1440, 420])
def test_nothing_is_wider_than_the_window(
    page: Page, checked: Run, simulated: Run, screenshots: Path, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    wide = "() => document.documentElement.scrollWidth"
    open_claims(page, f"/theory?run={checked.id}#lemma-6.5")
    assert page.evaluate(wide) <= width
    page.screenshot(path=screenshots / f"theory-{width}.png")
    page.get_by_role("tab", name="Simulator").click()
    expect(page.get_by_role("button", name="Simulate")).to_be_in_viewport()
    assert page.evaluate(wide) <= width
    open_run(page, simulated.id)
    assert page.evaluate(wide) <= width
    expect(page.locator("#transport")).to_be_in_viewport()
