"""The page of a sweep: what is said of it, its tables, and what it says when there is little to say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from frontend import sweep_table
from frontend.pages import run as run_page
from frontend.pages import runs, sweep
from sigmascope.schemas import Run, RunStatus, Sweep
from tests.frontend.service import answers, api, make_run, silent
from tests.frontend.sweeps import NOTHING, SPEC, found, job, line, point, service
from tests.frontend.test_pages import ids_of, text_of

NOW = datetime(2026, 1, 1, 0, 2, tzinfo=UTC)


def said_of(run: Run, sweep_found: Sweep) -> str:
    return text_of(sweep.status(run, SPEC, sweep_found, now=NOW))


class TestPage:
    async def test_it_has_a_panel_a_layer_with_its_numbers(self) -> None:
        page = await run_page.layout(api(service(job(), found())), "0123abcd", origin="http://here")
        plots = [c for c in page._traverse() if getattr(c, "className", "") == "plot"]
        properties = [plot.to_plotly_json()["props"] for plot in plots]
        assert [one["data-layer"] for one in properties] == ["hidden.0", "head"]
        assert json.loads(properties[0]["data-found"])["log-log"]["traces"]["seed:0"]["x"] == [0.01, 0.1, 1.0]
        assert set(json.loads(page.to_plotly_json()["props"]["data-figures"])) == {"light", "dark"}
        assert "player" not in ids_of(page)

    async def test_points_and_slopes_can_be_taken_away(self) -> None:
        page = await run_page.layout(api(service(job(), found())), "0123abcd", origin="http://here")
        links = [getattr(c, "href", None) for c in page._traverse()]
        for path in ("", "/points.csv", "/slopes.csv"):
            assert f"/api/v1/runs/0123abcd/sweep{path}" in links

    async def test_an_ended_sweep_is_not_asked_about_again(self) -> None:
        for run, ended in ((job(), True), (job(status=RunStatus.running, step=2), False)):
            page = await run_page.layout(api(service(run, found())), "0123abcd", origin="http://here")
            parts = {getattr(c, "id", None): c for c in page._traverse()}
            assert parts["sweep-clock"].disabled is ended
            assert parts["cancel-sweep"].hidden is ended

    async def test_a_silent_service_is_said(self) -> None:
        assert "does not answer" in text_of(await run_page.layout(api(silent()), "0123abcd", origin="x"))

    async def test_a_run_of_a_sweep_leads_back_to_it(self) -> None:
        page = await run_page.layout(
            api(answers([make_run(parent="fedcba9876")])), "0123abcd", origin="http://here"
        )
        assert "/runs/fedcba9876" in [getattr(c, "href", None) for c in page._traverse()]
        alone = await run_page.layout(api(answers([make_run()])), "0123abcd", origin="http://here")
        assert "run-sweep" not in ids_of(alone)


class TestStatus:
    def test_progress_counts_runs_that_ended_and_those_at_work(self) -> None:
        points = [point(0.01, 3), point(0.1, 3, status="running"), point(1.0, 3, status="queued", spread={})]
        running = job(status=RunStatus.running, step=1, total_steps=3)
        assert "1 of 3 runs have ended, 1 at work" in said_of(running, found(points=points))
        assert "none at work yet" in said_of(job(status=RunStatus.running, step=0), NOTHING)

    def test_a_cancellation_is_said_while_and_after(self) -> None:
        cancelling = job(status=RunStatus.running, cancel_requested=True)
        assert "being cancelled" in said_of(cancelling, found())
        assert "Cancelled with 6 of 6 runs finished" in said_of(job(status=RunStatus.cancelled), found())

    def test_a_sweep_of_which_nothing_finished_says_why(self) -> None:
        points = [point(0.1, 3, status="failed", error="training diverged at step 4", spread={})]
        failed = job(status=RunStatus.failed, error="none of its runs finished, 1 failed; each says why")
        said = said_of(failed, found(points=points, slopes=[], critical={}))
        assert "No run has finished" in said
        assert "training diverged at step 4" in said

    def test_single_failures_are_counted(self) -> None:
        points = [*found().points[:4], point(1.0, 3, status="failed", error="diverged")]
        assert "1 run has failed" in said_of(job(), found(points=points))

    def test_nothing_drawn_is_explained(self) -> None:
        assert "when the first run has recorded" in text_of(sweep.panels(NOTHING, SPEC.seeds))
        ended = found(points=[point(0.1, 3, status="cancelled", spread={})], slopes=[], critical={})
        assert "No run has recorded anything" in text_of(sweep.panels(ended, SPEC.seeds))

    def test_what_is_shown_changes_with_every_step_of_a_run(self) -> None:
        one, other = (found(points=[point(0.1, 3, status="running", step=step)]) for step in (4, 5))
        assert sweep._state(job(), one) != sweep._state(job(), other)
        assert sweep._state(job(), one) == sweep._state(job(), one)


class TestTables:
    def test_the_sentence_holds_slopes_and_where_the_spread_falls(self) -> None:
        said = sweep_table.summary(found())
        assert "grows with learning_rate in all 2 layers; log-log slopes from 0.500 to 1.00" in said
        assert "Its mean over seeds falls beyond 0.1 in 1 of 2 layers." in said

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            (
                {"slopes": [line("head", "log-log", -0.5)]},
                "shrinks with learning_rate in the one layer; log-log slopes −0.500",
            ),
            (
                {"slopes": [line("head", "log-log", 0.05), line("hidden.0", "log-log", 1.0)]},
                "grows with learning_rate in 1 of 2 layers, is undecided in 1; log-log",
            ),
            (
                {"slopes": [line("head", "log-log", 0.05)]},
                "is undecided against learning_rate in the one layer",
            ),
            (
                {"slopes": [line("head", "log-log", 0.05, low=None, high=None)]},
                "grows with learning_rate in the one layer; log-log slopes 0.0500",
            ),
            ({"critical": {"head": None}}, "does not fall within these values"),
            (
                {"slopes": [], "points": [point(0.1, 3), point(0.1, 7)]},
                "One value of learning_rate makes no line",
            ),
            ({"slopes": [], "points": [point(0.1, 3), point(1, 7)]}, "Too few runs have finished"),
        ],
        ids=("falling", "mixed", "undecided", "one seed", "no critical value", "one value", "too few"),
    )
    def test_the_sentence_says_what_there_is(self, changes: dict[str, Any], said: str) -> None:
        assert said in sweep_table.summary(found(**changes))

    def test_slopes_have_intervals_on_both_axes(self) -> None:
        table = sweep_table.slopes(
            found(slopes=[line("head", "log-log", 0.5), line("head", "linear", 2, low=None)])
        )
        said = text_of(table)
        for part in ("head", "0.500", "0.400 … 0.600", "2.00", "0.1"):
            assert part in said
        assert "None" not in said

    def test_the_interval_lies_on_the_scale_of_all_layers(self) -> None:
        table = sweep_table.slopes(found())
        styles = [c.style for c in table._traverse() if getattr(c, "className", "") == "slope-interval"]
        # from 0 to 1.1, the upper end of the steepest
        assert [style["left"] for style in styles] == ["81.82%", "36.36%"]
        assert [style["width"] for style in styles] == ["18.18%", "18.18%"]

    def test_runs_are_listed_under_their_value_with_links_and_reasons(self) -> None:
        points = [
            point(0.01, 3),
            point(0.01, 7),
            point(1.0, 3, status="failed", step=4, error="diverged at 5"),
        ]
        table = sweep_table.runs(found(points=points))
        spans = [c.rowSpan for c in table._traverse() if getattr(c, "scope", None) == "rowgroup"]
        assert spans == [2, 1]
        assert "/runs/r1s3" in [getattr(c, "href", None) for c in table._traverse()]
        for part in ("failed", "diverged at 5", "4 of 40"):
            assert part in text_of(table)


@pytest.mark.parametrize(
    ("value", "said"),
    [(128, "128"), (10_000.0, "10,000"), (0.00316228, "0.003162"), (1e-9, "1e-09"), (0, "0")],
)
def test_values_are_written_short_and_whole(value: float, said: str) -> None:
    assert sweep_table.written(value) == said


def test_the_list_shows_a_sweep_as_one_entry() -> None:
    row = text_of(runs.table([job(step=2)], now=NOW))
    for part in ("sweep", "learning_rate, 3 values, 2 seeds", "MLP 3 × 256", "2 of 6 runs", "demo"):
        assert part in row
