"""Forces, metrics and forecasts on the page of a run, and the page of forecast scores."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from sigmascope.schemas import Run
from tests.browser.player import open_run, state, wait_until
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.service]

PARTS = ("drift", "noise", "repulsion", "turning", "remainder")


@pytest.fixture(scope="session")
def longer(service: Stack) -> Run:
    """A run long enough to be scored: 330 steps of small layers."""
    with service.client() as client:
        spec = {"preset": "demo", "name": "longer", "batches": 330, "model": {"width": 40}}
        ended = client.wait(client.submit(spec).id, timeout=150)
    assert ended.status == "finished", ended.error
    return ended


def ask(page: Page, path: str) -> Any:
    answer = page.request.get(f"/api/v1{path}")
    assert answer.ok, answer.text()
    return answer.json()


def drawn(page: Page, plot: str, name: str) -> dict[str, list[Any]]:
    """x and y that Plotly holds for a trace."""
    found: dict[str, list[Any]] = page.evaluate(
        "([plot, name]) => { const found = document.querySelector(plot).data.find(t => t.meta === name);"
        " return {x: Array.from(found.x), y: Array.from(found.y)}; }",
        [f"#{plot}-plot", name],
    )
    return found


def listen(page: Page) -> list[str]:
    """The addresses that are asked for from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "favicon" not in request.url else None)
    return asked


class TestForces:
    def test_sums_on_the_page_are_those_of_the_api_and_add_up(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?layer=hidden.1&panel=forces&step=40&mode=2")
        shown = wait_until(page, "state.forces !== null")
        forces = ask(page, f"/runs/{finished.id}/layers/hidden.1/forces")
        rows = [i for i, step in enumerate(forces["steps"]) if step <= 40]
        for part in ("observed", *PARTS, "repulsion_as_printed"):
            known = [forces[part][i][1] or 0.0 for i in rows]
            assert shown["forces"][part] == pytest.approx(sum(known), abs=1e-9)
        total = sum(shown["forces"][part] for part in PARTS)
        # the spectra are float32: forty of them may be off by so much
        assert total == pytest.approx(shown["forces"]["observed"], abs=1e-5)
        expect(page.locator("#forces-reading")).to_contain_text("At step 40 drift has moved σ₂ by")
        expect(page.locator("#forces-reading")).to_contain_text("as printed")
        line = drawn(page, "forces", "drift")
        assert (line["x"][0], line["y"][0]) == (0, 0)
        assert line["y"][line["x"].index(40)] == pytest.approx(shown["forces"]["drift"])

    def test_single_batches_are_the_data_as_they_are(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?panel=forces&step=30")
        wait_until(page, "state.forces !== null")
        page.get_by_role("button", name="per batch").click()
        expect(page.locator("#forces-reading")).to_contain_text("In batch 30")
        forces = ask(page, f"/runs/{finished.id}/layers/hidden.0/forces")
        assert drawn(page, "forces", "noise")["y"] == pytest.approx([row[0] for row in forces["noise"]])
        page.wait_for_url("**forces=batch*")

    def test_a_part_can_be_hidden(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?panel=forces")
        wait_until(page, "state.forces !== null")
        page.locator("#forces-legend").get_by_role("button", name="noise").click()
        assert drawn(page, "forces", "noise")["x"] == []
        assert drawn(page, "forces", "drift")["x"] != []

    def test_playing_asks_for_nothing(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?panel=forces&step=0")
        wait_until(page, "state.forces === null && state.panel === 'forces'")
        page.wait_for_function("() => document.querySelector('#forces-plot').data?.[0].x.length > 0")
        asked = listen(page)
        page.click("[data-do=play]")
        wait_until(page, "!state.playing && state.step === 60")
        assert asked == []

    def test_a_run_without_updates_says_so(self, page: Page, finished: Run) -> None:
        page.route(
            "**/forces?*",
            lambda route: route.fulfill(
                status=404,
                content_type="application/json",
                body='{"error": "NotFoundError", "detail": "no updates"}',
            ),
        )
        open_run(page, finished.id, "?panel=forces")
        expect(page.locator("#forces-reading")).to_have_text("no updates")


class TestTabs:
    def test_a_tab_is_fetched_when_it_is_opened_and_once(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?step=20")
        asked = listen(page)
        for name in ("Forces", "Training", "Forces"):
            page.get_by_role("tab", name=name).click()
            wait_until(page, f"state.panel === '{name.lower()}'")
        wait_until(page, "state.forces !== null")
        page.wait_for_url("**panel=forces*")
        page.wait_for_timeout(500)
        assert len([url for url in asked if "/forces" in url.split("?")[0]]) == 1

    def test_arrows_move_between_tabs_and_leave_the_clock(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?step=20")
        page.get_by_role("tab", name="Training").focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name="Metrics")).to_be_focused()
        assert state(page)["panel"] == "metrics"
        assert state(page)["step"] == 20

    def test_an_unknown_tab_in_the_address_opens_the_first(self, page: Page, finished: Run) -> None:
        assert open_run(page, finished.id, "?panel=nope")["panel"] == "training"


class TestMetrics:
    def test_lines_are_those_of_the_api(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?layer=hidden.1&panel=metrics&metric=stable_rank&step=33")
        page.wait_for_function("() => document.querySelector('#metrics-plot').data?.[1].x.length > 0")
        metrics = ask(page, f"/runs/{finished.id}/layers/hidden.1/metrics")
        line = drawn(page, "metrics", "picked")
        expected = metrics["values"]["stable_rank"]
        assert line["x"][:-1] == metrics["steps"]
        assert line["y"][:-1] == pytest.approx(expected)
        value = f"{expected[metrics['steps'].index(33)]:.4g}"
        expect(page.locator("#metrics-reading")).to_contain_text(f"stable rank of hidden.1 is {value}")
        # three other layers, with the pen lifted after each
        page.wait_for_function(
            "() => document.querySelector('#metrics-plot').data[0].y.filter(y => y === null).length === 3"
        )

    def test_every_metric_can_be_picked_and_explained(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?panel=metrics&step=10")
        infos = ask(page, "/spectrum-metrics")
        options = page.locator("#metric-picker option").all_inner_texts()
        assert sorted(options) == sorted(one["title"] for one in infos)
        page.select_option("#metric-picker", "effective_rank")
        page.get_by_role("button", name="About this metric").click()
        expect(page.locator("#metric-about")).to_contain_text("Roy and Vetterli")
        page.keyboard.press("Escape")
        expect(page.locator("#metric-about")).to_be_hidden()
        page.wait_for_url("**metric=effective_rank*")

    def test_costly_metrics_are_worked_out_where_the_clock_rests(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?panel=metrics&metric=alpha&step=20")
        expect(page.locator("#metrics-reading")).to_contain_text("At step 20 the power-law alpha")
        expect(page.locator("#metrics-reading")).not_to_contain_text("once the clock rests", timeout=15_000)
        asked = listen(page)
        page.click("[data-do=play]")
        wait_until(page, "!state.playing && state.step === 60")
        assert [url for url in asked if "/metrics/" in url and not url.endswith("/metrics/60")] == []

    def test_this_layer_alone_has_a_frame_of_its_own(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?panel=metrics&metric=effective_rank")
        page.wait_for_function(
            "() => document.querySelector('#metrics-plot').data?.[0].y.filter(y => y === null).length === 3"
        )
        span = (
            "() => { const [a, b] = document.querySelector('#metrics-plot')._fullLayout.yaxis.range;"
            " return b - a; }"
        )
        wide = page.evaluate(span)
        page.get_by_role("button", name="this one").click()
        assert page.evaluate(span) < wide
        assert drawn(page, "metrics", "others")["x"] == []


class TestForecast:
    def test_a_forecast_starts_where_the_clock_rests_and_is_that_of_the_api(
        self, page: Page, longer: Run
    ) -> None:
        open_run(page, longer.id, "?layer=hidden.1&step=210")
        page.select_option("#forecast-picker", "linear")
        shown = wait_until(page, "state.forecast !== null")["forecast"]
        assert (shown["method"], shown["origin"], shown["score"]["steps"]) == ("linear", 210, 100)
        path = f"/runs/{longer.id}/layers/hidden.1/forecast?method=linear&origin=210&horizon=100"
        forecast = ask(page, path)
        line = drawn(page, "trajectories", "median:0")
        assert line["x"][0] == 210
        assert line["y"][1:] == pytest.approx([row[0] for row in forecast["median"]])
        truth = drawn(page, "trajectories", "true:0")
        assert line["y"][0] == pytest.approx(truth["y"][truth["x"].index(210)])
        expect(page.locator("#trajectories-reading")).to_contain_text("has seen nothing after it")
        inside = shown["score"]["inside90"]
        truths = np.array(ask(page, f"/runs/{longer.id}/layers/hidden.1/predictions")["true"])
        ahead = truths[211:311]
        held = (ahead >= np.array(forecast["low90"])) & (ahead <= np.array(forecast["high90"]))
        assert inside == pytest.approx(held.mean(), abs=0.01)

    def test_it_follows_the_resting_clock_but_never_the_playing_one(self, page: Page, longer: Run) -> None:
        open_run(page, longer.id, "?step=200&forecast=persistence")
        wait_until(page, "state.forecast?.origin === 200")
        page.keyboard.press("Shift+ArrowRight")
        wait_until(page, "state.forecast?.origin === 210")
        asked = listen(page)
        page.click("[data-do=play]")
        wait_until(page, "state.playing && state.step > 215")
        assert asked == []
        page.click("[data-do=play]")
        rested = wait_until(page, "!state.playing && state.forecast?.origin === state.step")
        assert rested["step"] > 215
        assert len([url for url in asked if "/forecast?" in url]) == 1

    def test_none_takes_it_away(self, page: Page, longer: Run) -> None:
        open_run(page, longer.id, "?step=200&forecast=persistence")
        wait_until(page, "state.forecast !== null")
        page.select_option("#forecast-picker", "none")
        wait_until(page, "state.forecast === null")
        assert drawn(page, "trajectories", "median:0")["x"] == []
        assert "forecast" not in page.url

    def test_at_the_last_step_nothing_is_left(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id, "?step=60&forecast=persistence")
        expect(page.locator("#trajectories-reading")).to_contain_text("Nothing is left to forecast")

    def test_a_run_too_short_to_be_scored_says_why(self, page: Page, finished: Run) -> None:
        open_run(page, finished.id)
        expect(page.get_by_role("button", name="Score forecasts")).to_be_disabled()
        expect(page.locator("#score-reason")).to_have_text("needs 300 recorded steps")

    def test_scoring_fills_a_table_and_leads_back(self, page: Page, longer: Run, screenshots: Path) -> None:
        open_run(page, longer.id, "?step=210&forecast=damped_trend&panel=forces")
        wait_until(page, "state.forecast !== null && state.forces !== null")
        page.screenshot(path=screenshots / "run-forecast.png")
        page.get_by_role("button", name="Score forecasts").click()
        expect(page.get_by_role("heading", name="Forecasts of")).to_be_visible()
        expect(page.locator(".forecast-table tbody tr").first).to_be_visible(timeout=120_000)
        expect(page.locator(".claims-summary")).to_contain_text("Best on average", timeout=240_000)
        scores = ask(page, f"/runs/{page.url.split('/runs/')[1]}/forecast-scores")
        assert page.locator(".forecast-table tbody tr").count() == len(scores)
        for one in scores:
            row = page.locator(f"[data-layer='{one['layer']}'][data-method='{one['method']}']")
            expect(row).to_contain_text(f"{100 * one['coverage_90']:.1f} %")
            marked = row.locator(".coverage-off").count() == 1
            assert marked == (not 0.85 <= one["coverage_90"] <= 0.95)
        page.screenshot(path=screenshots / "forecast-scores.png")
        page.get_by_role("button", name="What can be foreseen at all?").click()
        expect(page.locator("[data-method='continued_training']").first).to_be_visible(timeout=120_000)
        expect(page.locator(".claims-summary")).to_contain_text("Training continued with other batches has")
        page.screenshot(path=screenshots / "forecast-scores-continued.png")
        page.get_by_role("link", name="The run that is forecast").click()
        page.wait_for_url(f"**/runs/{longer.id}")


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("panel", ["forces", "metrics"])
def test_nothing_is_wider_than_the_window(
    page: Page, finished: Run, screenshots: Path, panel: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    open_run(page, finished.id, f"?panel={panel}&step=30")
    page.wait_for_function(f"() => document.querySelector('#{panel}-plot').data?.some(t => t.x.length > 0)")
    page.screenshot(path=screenshots / f"run-{panel}-{width}.png", full_page=width < 600)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
