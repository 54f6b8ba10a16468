"""The theory page: which run it shows, what it renews, and the form of a simulation."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from dash import no_update

from frontend import simulator
from frontend.form import form_fields, nested
from frontend.pages import run as run_page
from frontend.pages import simulation, theory
from frontend.starting_points import STARTING_POINTS
from sigmascope.schemas import ClaimsSpec, Run, RunStatus, SimulateSpec
from tests.frontend.claims import checked, statement
from tests.frontend.service import answers, api, make_run, silent
from tests.frontend.test_pages import ids_of, text_of

NOW = datetime(2026, 1, 1, 0, 2, tzinfo=UTC)


def claims_run(**changes: Any) -> Run:
    spec = ClaimsSpec(only=changes.pop("only", None), seed=7)
    fields = {
        "kind": "claims",
        "spec": spec,
        "name": "claims",
        "status": "finished",
        "step": 2,
        "total_steps": 2,
    }
    return make_run(**{**fields, **changes})


def service(runs: list[Run]) -> httpx.MockTransport:
    """Runs, two statements, and the result of one of them in every claims run."""
    plain = answers(runs)

    def handle(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/api/v1")
        if path == "/claims":
            both = (statement("2.1"), statement("3.1"))
            return httpx.Response(200, json=[one.model_dump() for one in both])
        if path.endswith("/claims"):
            return httpx.Response(200, json=[checked().model_dump(mode="json")])
        return plain.handle_request(request)

    return httpx.MockTransport(handle)


class TestChoice:
    def test_the_check_that_is_under_way_comes_first(self) -> None:
        runs = [make_run(), claims_run(id="done"), claims_run(id="going", status=RunStatus.running)]
        assert theory.choose(runs).id == "going"  # type: ignore[union-attr]

    def test_else_the_newest_finished_one_of_all_claims(self) -> None:
        some = claims_run(id="some", only=("theorem-3.1",))
        failed = claims_run(id="failed", status=RunStatus.failed)
        runs = [failed, some, claims_run(id="new"), claims_run(id="old")]
        assert theory.choose(runs).id == "new"  # type: ignore[union-attr]
        assert theory.choose([failed, some]).id == "some"  # type: ignore[union-attr]

    def test_without_a_finished_one_there_is_nothing_to_show(self) -> None:
        assert theory.choose([make_run(), claims_run(status=RunStatus.cancelled)]) is None


class TestPage:
    async def test_it_shows_results_seed_and_the_command_that_repeats_them(self) -> None:
        page = await theory.layout(api(service([claims_run()])), "http://here/theory")
        said = text_of(page)
        for part in (
            "1 check of 1 statement",
            "sigmascope claims --seed 7",
            "Theorem 2.1",
            "not checked yet",
        ):
            assert part in said

    async def test_without_a_run_it_shows_the_formulas_and_what_to_do(self) -> None:
        said = text_of(await theory.layout(api(service([])), "http://here/theory"))
        assert "Press Check all claims" in said
        assert "Theorem 3.1" in said

    async def test_the_address_names_run_and_tab(self) -> None:
        newest, older = claims_run(id="newest"), claims_run(id="older")
        here = "http://here/theory?run=older#simulator"
        page = await theory.layout(api(service([newest, older])), here)
        parts = {
            getattr(c, "id", None): c for c in page._traverse() if isinstance(getattr(c, "id", None), str)
        }
        assert parts["claims-run"].data == "older"
        assert parts["theory-tabs"].value == "simulator"

    async def test_a_silent_service_is_said(self) -> None:
        assert "does not answer" in text_of(await theory.layout(api(silent()), "http://here/theory"))

    async def test_an_unknown_run_is_said(self) -> None:
        page = await theory.layout(api(service([])), "http://here/theory?run=nope")
        assert "no run at /runs/nope" in text_of(page)

    async def test_a_run_of_claims_has_its_results_as_its_page(self) -> None:
        page = await run_page.layout(api(service([claims_run()])), "0123abcd", origin="http://here")
        assert "1 check of 1 statement" in text_of(page)
        assert "player" not in ids_of(page)
        assert "check-claims" not in ids_of(page)


def found(run: Run | None, *numbers: str) -> theory.Found:
    return theory.Found([statement("2.1"), statement("3.1")], [checked(one) for one in numbers], run)


class TestRenewal:
    CLAIMS = ("theorem-2.1", "theorem-3.1")

    def changed(self, now: theory.Found, before: theory.Found) -> list[bool]:
        return [one is not no_update for one in theory.changed_rows(now, before.mark, self.CLAIMS)]

    def test_only_what_was_checked_since_is_drawn_again(self) -> None:
        run = claims_run(status=RunStatus.running)
        assert self.changed(found(run, "2.1", "3.1"), found(run, "2.1")) == [False, True]
        assert self.changed(found(run, "2.1"), found(run, "2.1")) == [False, False]

    def test_another_run_clears_what_it_has_not_checked(self) -> None:
        assert self.changed(found(claims_run(id="new")), found(claims_run(), "2.1")) == [True, False]

    def test_progress_is_said_while_it_runs_and_the_queue_before(self) -> None:
        running = found(claims_run(status=RunStatus.running, step=1), "2.1")
        queued = found(claims_run(status=RunStatus.queued, step=0))
        assert "1 of 2 claims checked" in text_of(theory.results(running, now=NOW))
        assert "In the queue" in text_of(theory.results(queued, now=NOW))

    def test_a_failed_check_says_why(self) -> None:
        failed = found(claims_run(status=RunStatus.failed, error="the worker died three times"))
        assert "the worker died three times" in text_of(theory.results(failed, now=NOW))

    def test_some_claims_are_repeated_by_name(self) -> None:
        some = found(claims_run(only=("theorem-3.1",)), "3.1")
        assert "--only theorem-3.1" in text_of(theory.results(some, now=NOW))


class TestSimulator:
    def test_every_field_that_leaves_a_choice_is_in_one_group(self) -> None:
        grouped = [path for _, paths in simulator.GROUPS for path in paths]
        fields = form_fields(SimulateSpec.model_json_schema())
        assert sorted(grouped) == sorted(field.path for field in fields if len(field.choices) != 1)

    def test_the_form_begins_as_the_first_starting_point(self) -> None:
        inputs = {
            c.id["path"]: c.value
            for c in simulator.form()._traverse()
            if isinstance(getattr(c, "id", None), dict)
        }
        spec = SimulateSpec.model_validate(nested(inputs))
        assert spec == STARTING_POINTS[0].spec

    @pytest.mark.parametrize("point", STARTING_POINTS, ids=lambda point: point.name)
    def test_starting_points_are_valid_and_small(self, point: Any) -> None:
        assert point.spec.kind == "simulate"
        # what a laptop simulates in seconds, and a page fetches at once
        assert point.spec.paths * point.spec.n * point.spec.records < 1_000_000
        assert 50 <= point.spec.records <= 200

    async def test_a_run_of_it_has_everything_that_the_player_fills(self) -> None:
        spec = STARTING_POINTS[2].spec
        one = make_run(kind="simulate", spec=spec)
        page = await run_page.layout(api(answers([one])), "0123abcd", origin="http://here:80")
        needed = {f"{panel}-{part}" for panel in ("spectrum", "means", "sum") for part in ("plot", "reading")}
        assert needed | {"player", "transport", "waiting", "run-steps", "run-cancel"} <= ids_of(page)
        assert "gamma, exact" in text_of(page)
        assert "Marchenko-Pastur" not in text_of(page)

    @pytest.mark.parametrize(
        ("steps", "record_every", "every"), [(400, 4, 1), (999, 1, 1), (1000, 1, 2), (100_000, 10, 110)]
    )
    def test_long_runs_are_thinned_by_whole_records(self, steps: int, record_every: int, every: int) -> None:
        spec = SimulateSpec(steps=steps, record_every=record_every, paths=2, n=2, m=4)
        assert simulation._every(spec) == every
