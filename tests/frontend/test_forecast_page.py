"""The page of forecast scores: what is said of them, where they lie, and what is marked as off."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from frontend import forecast_table
from frontend.pages import forecast
from frontend.pages import run as run_page
from sigmascope.schemas import CONTINUED, FORECASTERS, ForecastScore, ForecastSpec, Run, RunStatus
from tests.frontend.service import answers, api, make_run, silent
from tests.frontend.test_pages import ids_of, text_of

NOW = datetime(2026, 1, 1, 0, 2, tzinfo=UTC)
SPEC = ForecastSpec(run="0123456789")


def score(**changes: Any) -> ForecastScore:
    fields: dict[str, Any] = {
        "layer": "hidden.0",
        "method": "damped_trend",
        "horizon": 100,
        "origins": 101,
        "k": 2,
        "mae": 0.0123,
        "skill": 0.7126,
        "crps": 0.0088,
        "coverage_50": 0.507,
        "coverage_90": 0.912,
        "skill_by_mode": [0.8, -3.0],
    }
    return ForecastScore.model_validate({**fields, **changes})


BASE = score(method="persistence", skill=0.0, mae=0.0428)


def job(**changes: Any) -> Run:
    fields = {"kind": "forecast", "name": "", "spec": SPEC, "step": 16, "total_steps": 16}
    return make_run(**{**fields, "status": RunStatus.finished, **changes})


def service(run: Run, scores: list[ForecastScore]) -> httpx.MockTransport:
    rest = answers([run])

    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/forecast-scores"):
            return httpx.Response(200, json=[one.model_dump() for one in scores])
        return rest.handle_request(request)

    return httpx.MockTransport(handle)


class TestTable:
    def test_every_forecaster_has_a_name_and_says_what_it_does(self) -> None:
        assert set(forecast_table.METHODS) == {*FORECASTERS, CONTINUED}
        assert all(method.about for method in forecast_table.METHODS.values())

    def test_an_unknown_forecaster_keeps_its_own_name(self) -> None:
        assert forecast_table.method_of("gaussian_process").name == "gaussian process"

    @pytest.mark.parametrize(
        ("coverage", "said"),
        [(0.849, "too narrow"), (0.85, ""), (0.9, ""), (0.95, ""), (0.951, "too wide")],
    )
    def test_a_band_is_off_outside_of_85_to_95_percent(self, coverage: float, said: str) -> None:
        assert forecast_table.off(coverage) == said
        row = text_of(forecast_table.table([score(coverage_90=coverage)]))
        assert (" off " in row) == bool(said)

    def test_a_row_holds_the_numbers_of_its_score(self) -> None:
        said = text_of(forecast_table.table([score()]))
        for part in ("hidden.0", "damped trend", "0.713", "0.0123", "0.00880", "50.7 %", "91.2 %", "101"):
            assert part in said

    def test_a_layer_is_named_once_for_all_its_methods(self) -> None:
        # continued training is scored when all others are
        scores = [BASE, score(), score(layer="head"), score(method=CONTINUED)]
        table = forecast_table.table(scores)
        spans = [c.rowSpan for c in table._traverse() if getattr(c, "scope", None) == "rowgroup"]
        assert spans == [3, 1]

    def test_modes_are_dots_and_the_far_worse_ones_point_beyond(self) -> None:
        classes = [getattr(c, "className", "") for c in forecast_table.table([score()])._traverse()]
        assert classes.count("skill-dot") == 1
        assert classes.count("skill-dot beyond") == 1

    @pytest.mark.parametrize(("skill", "share"), [(-7.0, 0.0), (-1.0, 0.0), (0.0, 0.5), (1.0, 1.0)])
    def test_the_scale_runs_from_minus_one_to_one(self, skill: float, share: float) -> None:
        assert forecast_table.place(skill) == pytest.approx(share)

    @pytest.mark.parametrize(
        ("skill", "said"),
        [
            (None, "–"),
            (0.99999, "0.999"),
            (1.0, "1.000"),
            (-0.25, "−0.250"),
            (-0.0001, "0.000"),
            (-1e5, "−1.00×10⁵"),
        ],
    )
    def test_a_skill_never_rounds_up_to_a_perfect_one(self, skill: float | None, said: str) -> None:
        assert forecast_table._skill(skill) == said


class TestSummary:
    def test_the_best_is_named_with_its_skill_and_coverage(self) -> None:
        said = forecast_table.summary([BASE, score(), score(method="linear", skill=0.5)])
        assert "damped trend, skill 0.713" in said
        assert "holds 91.2 %" in said
        assert "as it should" in said

    def test_a_best_whose_band_is_off_is_not_praised(self) -> None:
        assert "which is too narrow" in forecast_table.summary([score(coverage_90=0.6)])

    def test_means_are_over_the_layers_whose_skill_is_known(self) -> None:
        assert forecast_table.mean_skill(
            [score(skill=0.2), score(skill=None), score(skill=0.4)]
        ) == pytest.approx(0.3)
        assert "over 2 layers" in forecast_table.summary([score(), score(layer="head")])

    def test_continued_training_is_the_limit_and_not_the_best(self) -> None:
        said = forecast_table.summary([BASE, score(), score(method=CONTINUED, skill=0.9)])
        assert said.startswith("Best of those that do not train on, on average over 1 layer: damped trend, ")
        assert said.endswith("continued with other batches has skill 0.900: the rest is mostly chance.")
        # five members know the limit badly
        below = forecast_table.summary([BASE, score(), score(method=CONTINUED, skill=0.6)])
        assert below.endswith("Training continued with other batches has skill 0.600.")
        alone = forecast_table.summary([BASE, score(method=CONTINUED, skill=0.9)])
        assert alone == (
            "Training continued with other batches has skill 0.900 over persistence, 100 batches ahead."
        )

    def test_nothing_is_said_of_nothing(self) -> None:
        assert forecast_table.summary([]) == "Nothing is scored yet."
        assert "no method has a skill" in forecast_table.summary([score(skill=None)])


class TestPage:
    async def test_it_shows_scores_and_the_way_to_the_run(self) -> None:
        page = await run_page.layout(api(service(job(), [BASE, score()])), "0123abcd", origin="http://here")
        assert "Best on average" in text_of(page)
        links = [getattr(c, "href", None) for c in page._traverse()]
        assert "/runs/0123456789" in links
        assert "/api/v1/runs/0123abcd/forecast-scores" in links
        assert "player" not in ids_of(page)

    async def test_training_is_continued_where_it_was_not(self) -> None:
        for spec, offered in ((SPEC, True), (SPEC.model_copy(update={"continued_training": True}), False)):
            page = await run_page.layout(api(service(job(spec=spec), [])), "0123abcd", origin="http://here")
            assert ("continue-training" in ids_of(page)) is offered
            assert ("training goes on 5 times from every 100th step, on cpu" in text_of(page)) is not offered

    async def test_an_ended_run_is_not_asked_about_again(self) -> None:
        for run, ended in ((job(), True), (job(status=RunStatus.running), False)):
            page = await run_page.layout(api(service(run, [])), "0123abcd", origin="http://here")
            clock = next(c for c in page._traverse() if getattr(c, "id", None) == "forecast-clock")
            assert clock.disabled is ended

    def test_progress_is_said_while_it_runs_and_the_queue_before(self) -> None:
        running, queued = job(status=RunStatus.running, step=5), job(status=RunStatus.queued, step=0)
        assert "5 of 16 scores" in text_of(forecast.results(running, SPEC, [], now=NOW))
        assert "In the queue" in text_of(forecast.results(queued, SPEC, [], now=NOW))

    def test_a_failed_run_says_why(self) -> None:
        failed = job(status=RunStatus.failed, error="run 0123456789 has no step 200")
        assert "has no step 200" in text_of(forecast.results(failed, SPEC, [], now=NOW))

    def test_nothing_is_drawn_before_the_first_score(self) -> None:
        assert forecast.scored([]) == []
        assert len(forecast.scored([score()])) == 2

    async def test_a_silent_service_is_said(self) -> None:
        page = await run_page.layout(api(silent()), "0123abcd", origin="http://here")
        assert "does not answer" in text_of(page)

    async def test_the_button_of_a_run_submits_the_defaults_of_the_job(self) -> None:
        page = await run_page.layout(api(answers([make_run()])), "0123abcd", origin="http://here")
        assert json.loads(page.to_plotly_json()["props"]["data-forecast"]) == {
            "horizon": SPEC.horizon,
            "first_origin": SPEC.first_origin,
        }
