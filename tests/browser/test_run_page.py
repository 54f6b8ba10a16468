"""The instrument on a run that has ended: what it draws, how it is driven, how it looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from sigmascope.schemas import Run
from tests.browser.player import open_run, outlines, state, trace, wait_until
from tests.stack import Stack

pytestmark = [pytest.mark.browser, pytest.mark.service]


def settled(page: Page) -> None:
    """Until Plotly has taken over what the last frame drew."""
    page.wait_for_timeout(300)


def density(outline: dict[str, list[float]]) -> tuple[np.ndarray, np.ndarray]:
    """Edges and heights of the histogram whose steps are in ``outline``."""
    x, y = np.array(outline["x"]), np.array(outline["y"])
    return np.append(x[::2], x[-1]), y[::2]


def test_the_histogram_is_that_of_the_values_of_the_api(page: Page, service: Stack, finished: Run) -> None:
    open_run(page, finished.id, "?layer=hidden.1&step=33")
    with service.client() as client:
        steps, values = client.spectra(finished.id, "hidden.1")
    edges, heights = density(trace(page, "histogram"))
    row = values[list(steps).index(33)].astype(np.float64)
    expected, _ = np.histogram(row, edges)
    assert heights == pytest.approx(expected / (row.size * np.diff(edges)), rel=1e-6)
    assert (heights * np.diff(edges)).sum() == pytest.approx(1)


def test_the_laws_lie_where_the_fit_of_the_step_puts_them(page: Page, service: Stack, finished: Run) -> None:
    fit = open_run(page, finished.id, "?layer=hidden.1&step=33")["fit"]
    with service.client() as client:
        laws = client.laws(finished.id, "hidden.1")
    deviation = np.sqrt(fit["entry_variance"])
    bulk = trace(page, "marchenko_pastur")
    assert bulk["x"] == pytest.approx([deviation * x for x in laws.marchenko_pastur.x])
    assert bulk["y"] == pytest.approx([p / deviation for p in laws.marchenko_pastur.pdf])
    edge = trace(page, "tracy_widom")
    assert np.trapezoid(edge["y"], edge["x"]) == pytest.approx(1 / 48, rel=1e-2)  # one value of 48
    assert trace(page, "edge")["x"] == [fit["edge"]] * 2
    assert max(bulk["x"]) == pytest.approx(fit["mp_upper"], rel=1e-6)


def test_every_layer_can_be_picked_and_keeps_the_step(page: Page, finished: Run) -> None:
    open_run(page, finished.id, "?step=20")
    names = page.locator("#layer-picker option").all_inner_texts()
    assert names == ["hidden.0", "hidden.1", "hidden.2", "head"]
    for name in names:
        page.select_option("#layer-picker", name)
        assert wait_until(page, f"state.layer === '{name}'")["step"] == 20
        expect(page.locator("#spectrum-reading")).to_contain_text("Step 20")


def test_an_unknown_layer_in_the_address_shows_the_first(page: Page, finished: Run) -> None:
    assert open_run(page, finished.id, "?layer=nope")["layer"] == "hidden.0"


def test_playing_draws_frames_without_asking_the_server(page: Page, finished: Run) -> None:
    open_run(page, finished.id, "?step=0")
    before = state(page)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "favicon" not in request.url else None)
    page.click("[data-do=play]")
    after = wait_until(page, "!state.playing && state.step === 60")
    assert after["framesDrawn"] - before["framesDrawn"] >= 15
    assert after["requests"] == before["requests"]
    assert asked == []


def test_the_page_fits_the_screen(page: Page, finished: Run) -> None:
    for query in ("", "?panel=forces", "?panel=metrics&forecast=damped_trend&step=55"):
        open_run(page, finished.id, query)
        assert page.evaluate("() => document.documentElement.scrollHeight - window.innerHeight") <= 0


def test_outlines_drawn_while_moving_are_those_that_plotly_draws(page: Page, finished: Run) -> None:
    open_run(page, finished.id, "?layer=hidden.0&step=0")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    wait_until(page, "state.drawn === 3")
    moving = outlines(page)
    settled(page)
    resting = outlines(page)
    # Plotly leaves out points within 3/4 of a pixel of a straight line
    for mine, its in zip(moving, resting, strict=True):
        if len(its) > 2:
            assert np.max(mine, axis=0) == pytest.approx(np.max(its, axis=0), abs=0.75)
            assert np.min(mine, axis=0) == pytest.approx(np.min(its, axis=0), abs=0.75)


def test_axes_keep_their_range_while_playing(page: Page, finished: Run) -> None:
    open_run(page, finished.id, "?step=0")
    ranges = (
        "() => ['xaxis', 'yaxis'].map(a => document.querySelector('#spectrum-plot')._fullLayout[a].range)"
    )
    before = page.evaluate(ranges)
    page.click("[data-do=end]")
    wait_until(page, "state.step === 60")
    settled(page)
    assert page.evaluate(ranges) == before


def test_the_keyboard_drives_the_clock(page: Page, finished: Run) -> None:
    open_run(page, finished.id, "?step=10")
    page.keyboard.press("ArrowRight")
    wait_until(page, "state.step === 11")
    page.keyboard.press("Shift+ArrowRight")
    wait_until(page, "state.step === 21")
    page.keyboard.press("Home")
    wait_until(page, "state.step === 0")
    page.keyboard.press("Space")
    wait_until(page, "state.playing")
    page.keyboard.press("Space")
    assert not wait_until(page, "!state.playing")["playing"]


def test_a_step_can_be_typed_and_the_address_follows(page: Page, finished: Run) -> None:
    open_run(page, finished.id)
    page.fill("#transport-step", "42")
    page.keyboard.press("Enter")
    wait_until(page, "state.step === 42")
    page.wait_for_url("**step=42*")
    page.fill("#transport-step", "9999")
    page.keyboard.press("Enter")
    wait_until(page, "state.step === 60")


def test_looping_starts_again(page: Page, finished: Run) -> None:
    open_run(page, finished.id, "?step=50")
    page.click("[data-do=loop]")
    page.click("[data-do=play]")
    assert wait_until(page, "state.step < 40")["playing"]


def test_the_predictor_can_be_picked(page: Page, service: Stack, finished: Run) -> None:
    shown = open_run(page, finished.id)
    assert shown["predictor"] == "subspace"
    page.get_by_role("button", name="Algorithm 1").click()
    assert wait_until(page, "state.predictor === 'algorithm1'")
    with service.client() as client:
        predictions = client.predictions(finished.id, "hidden.0")
    drawn = page.evaluate(
        "() => document.querySelector('#trajectories-plot').data.find(t => t.meta === 'predicted:0').y"
    )
    assert drawn == pytest.approx([row[0] for row in predictions.predicted["algorithm1"]])


def test_a_click_in_the_trajectories_moves_the_clock(page: Page, finished: Run) -> None:
    open_run(page, finished.id)
    box = page.locator("#trajectories-plot .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    assert abs(wait_until(page, "state.step !== 60")["step"] - 30) <= 1


def test_a_law_can_be_hidden(page: Page, finished: Run) -> None:
    open_run(page, finished.id)
    page.get_by_role("button", name="Marchenko-Pastur").click()
    settled(page)
    assert trace(page, "marchenko_pastur")["x"] == []


def test_the_edge_can_be_looked_at_closely(page: Page, finished: Run) -> None:
    fit = open_run(page, finished.id)["fit"]
    page.get_by_role("button", name="edge", exact=True).click()
    settled(page)
    low, high = page.evaluate("() => document.querySelector('#spectrum-plot')._fullLayout.xaxis.range")
    assert 0.5 * fit["edge"] < low < fit["edge"] < high


def test_help_explains_a_panel(page: Page, finished: Run) -> None:
    open_run(page, finished.id)
    page.get_by_role("button", name="About: Spectrum").click()
    expect(page.get_by_text("Untrained weights follow the Marchenko-Pastur law")).to_be_visible()


def test_light_and_dark_change_page_and_figures_and_are_remembered(
    page: Page, finished: Run, screenshots: Path
) -> None:
    open_run(page, finished.id)
    ground = "() => getComputedStyle(document.body).backgroundColor"
    paper = "() => document.querySelector('#spectrum-plot')._fullLayout.paper_bgcolor"
    light = (state(page)["theme"], page.evaluate(ground), page.evaluate(paper))
    page.screenshot(path=screenshots / "run-light.png")
    page.locator("#theme-toggle").click()
    wait_until(page, "state.theme === 'dark'")
    page.wait_for_function(f"() => ({paper})() !== '{light[2]}'")
    dark = ("dark", page.evaluate(ground), page.evaluate(paper))
    page.screenshot(path=screenshots / "run-dark.png")
    assert light[0] == "light"
    assert all(one != other for one, other in zip(light, dark, strict=True))
    page.reload()
    assert wait_until(page, "state.ready")["theme"] == "dark"


def test_the_theme_of_the_system_is_respected(browser: Browser, service: Stack, finished: Run) -> None:
    context = browser.new_context(base_url=service.url, color_scheme="dark")
    page = context.new_page()
    assert open_run(page, finished.id)["theme"] == "dark"
    context.close()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_nothing_is_wider_than_the_window(
    page: Page, finished: Run, screenshots: Path, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    open_run(page, finished.id)
    page.screenshot(path=screenshots / f"run-{width}.png")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    expect(page.locator("#transport")).to_be_in_viewport()


def test_the_demo_plays_from_noise_to_outliers(page: Page, service: Stack, screenshots: Path) -> None:
    """The run of `make up`, in the picture that the README shows."""
    with service.client() as client:
        demo = client.wait(client.runs(limit=1000)[-1].id, timeout=150)
        fits = client.laws(demo.id, "hidden.0").fits
    start = open_run(page, demo.id, "?layer=hidden.0&step=0")
    assert start["outliers"] == fits["outliers"][0] == 0
    page.locator("#transport").get_by_role("button", name="Play").click()
    wait_until(page, "state.step > 20 && state.framesDrawn > 10")
    end = open_run(page, demo.id, "?layer=hidden.0&step=400")
    page.wait_for_timeout(300)  # the last figure settles
    page.screenshot(path=screenshots / "readme.png")
    assert end["outliers"] == fits["outliers"][-1]
    assert end["outliers"] >= 5
    assert end["fit"]["gamma_shape"] == fits["gamma_shape"][-1] > 0
    assert end["skill"]["subspace"] > 0.98
