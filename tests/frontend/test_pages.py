"""Layouts build from what the service says, and say what is wrong when it says nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from dash.development.base_component import Component

from frontend import run_words
from frontend.api import RefusedError
from frontend.components import problem_alert
from frontend.pages import run, runs
from sigmascope.schemas import ClaimsSpec, ForecastSpec, Job, Problem, RunStatus, SimulateSpec, TrainSpec
from sigmascope.schemas.training import GptSpec
from tests.frontend.service import answers, api, make_run, silent

NOW = datetime(2026, 1, 1, 0, 2, tzinfo=UTC)


def text_of(component: Any) -> str:
    """All text in a layout, as one string."""
    if isinstance(component, Component):
        return text_of(getattr(component, "children", None))
    if isinstance(component, list | tuple):
        return " ".join(text_of(child) for child in component)
    return "" if component is None else str(component)


def ids_of(layout: Component) -> set[str]:
    found = {str(getattr(child, "id", "")) for child in layout._traverse() if isinstance(child, Component)}
    return found | {str(getattr(layout, "id", ""))}


def test_an_empty_list_says_what_to_do() -> None:
    said = text_of(runs.table([], now=NOW))
    assert "New run" in said
    assert "sigmascope submit demo" in said


def test_a_row_shows_progress_pace_and_time_left_and_links_to_the_run() -> None:
    table = runs.table([make_run()], now=NOW)
    said = text_of(table)
    for part in ("a run", "running", "25 %", "12.3", "24 s", "2 min ago"):
        assert part in said
    assert "/runs/0123abcd" in [getattr(child, "href", None) for child in table._traverse()]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (TrainSpec(preset="demo"), ("training", "MLP 3 × 256", "100 of 400 batches", "12.3 batches/s")),
        (
            SimulateSpec(n=8),
            ("simulation", "W 128 × 8, 64 paths", "singular values alone, exact", "100 of 400 steps"),
        ),
        (ClaimsSpec(seed=3), ("claims", "all claims of the paper", "seed 3", "100 of 400 claims")),
        (ClaimsSpec(only=("theorem-3.1",)), ("1 of the paper's claims",)),
        (
            ForecastSpec(run="0123456789"),
            ("forecasts of run 0123456789", "100 batches ahead", "100 of 400 scores"),
        ),
        (
            TrainSpec(model=GptSpec(), dataset="python-stdlib"),
            ("training", "GPT 4 × 256", "python-stdlib"),
        ),
    ],
    ids=("train", "simulate", "claims", "one claim", "forecast", "gpt"),
)
def test_every_kind_says_what_it_is_about_in_its_own_unit(spec: Job, said: tuple[str, ...]) -> None:
    row = text_of(runs.table([make_run(kind=spec.kind, spec=spec)], now=NOW))  # type: ignore[attr-defined]
    for part in said:
        assert part in row


def test_a_run_without_a_name_shows_its_id() -> None:
    assert "0123abcd" in text_of(runs.table([make_run(name="")], now=NOW))


def test_a_failed_run_shows_its_reason() -> None:
    failed = make_run(status=RunStatus.failed, error="loss is NaN at step 7", seconds_left=None)
    assert "loss is NaN at step 7" in text_of(runs.table([failed], now=NOW))


@pytest.mark.parametrize(
    ("age", "said"),
    [(1, "just now"), (50, "50 s ago"), (600, "10 min ago"), (7200, "2.0 h ago"), (200_000, "2 d ago")],
)
def test_ago_speaks_in_one_unit(age: int, said: str) -> None:
    assert run_words.ago(NOW - timedelta(seconds=age), now=NOW) == said


def test_ago_of_what_has_not_come_is_a_dash() -> None:
    assert run_words.ago(None, now=NOW) == "–"


async def test_the_list_page_has_a_form_with_the_first_preset_filled_in() -> None:
    page = await runs.layout(api(answers([make_run()])))
    inputs = {c.id["path"]: c.value for c in page._traverse() if isinstance(getattr(c, "id", None), dict)}
    assert inputs["batches"] == 400
    assert inputs["model.width"] == 256


async def test_the_form_lists_every_preset() -> None:
    page = await runs.layout(api(answers([make_run()])))
    (picker,) = [c for c in page._traverse() if getattr(c, "id", None) == "preset"]
    assert {"demo", "gpt2", "fig1", "fig3-vit", "fig5"} <= set(picker.data)


async def test_a_silent_service_is_said_on_the_list_page() -> None:
    assert "does not answer" in text_of(await runs.layout(api(silent())))


async def test_the_run_page_has_everything_that_the_player_fills() -> None:
    page = await run.layout(api(answers([make_run()])), "0123abcd", origin="http://here:80")
    needed = {
        *(
            "player",
            "transport",
            "layer-picker",
            "predictor-picker",
            "spectrum-view",
            "spectrum-legend",
            "waiting",
        ),
        *(
            f"{panel}-{part}"
            for panel in ("spectrum", "trajectories", "training", "forces", "metrics")
            for part in ("plot", "reading")
        ),
        *("strip", "forecast-picker", "score-forecasts", "mode-picker", "forces-view", "metric-picker"),
        *(
            f"run-{part}"
            for part in ("status", "percent", "bar", "steps", "rate", "left", "cancel", "problem")
        ),
    }
    assert needed <= ids_of(page)
    figures = json.loads(page.to_plotly_json()["props"]["data-figures"])
    assert set(figures) == {"light", "dark"}
    assert len(figures["light"]["trajectories"]["data"]) == 6 * 8


async def test_true_values_that_move_as_a_tracker_says_are_called_so() -> None:
    for spectra in ("auto", "adaptive"):
        shown = make_run(spec=TrainSpec(preset="demo", spectra=spectra))
        page = await run.layout(api(answers([shown])), "0123abcd", origin="http://here:80")
        assert ("Judge predictors by runs with exact spectra" in text_of(page)) == (spectra == "adaptive")


async def test_settings_tell_what_a_run_is_made_of() -> None:
    note = "attempt 2 goes on after step 80"
    told = make_run(
        provenance={"source": "/data/mnist", "sha256": "ab" * 32, "licence": "MIT"},
        notes=[note],
        memory={"needed": 3 * 2**20, "free": 2**30, "total": 2**31},
    )
    said = text_of(await run.layout(api(answers([told])), told.id, origin=""))
    memory = "memory about 3.0 MiB needed, 1.0 GiB of 2.0 GiB free at the start"
    for part in ("data from /data/mnist", "SHA-256 of data " + "ab" * 32, memory, f"note {note}"):
        assert part in said


async def test_an_unknown_run_is_named() -> None:
    page = await run.layout(api(answers([])), "nope", origin="http://here:80")
    assert "nope" in text_of(page)
    assert "player" not in ids_of(page)


async def test_a_silent_service_is_said_on_the_run_page() -> None:
    assert "does not answer" in text_of(await run.layout(api(silent()), "0123abcd", origin="http://here:80"))


def test_a_refusal_names_field_and_reason_once() -> None:
    fields = [{"field": "learning_rate", "message": "must be above 0, got 0"}]
    problem = Problem(error="InvalidValueError", detail="The specification is refused.", fields=fields)
    said = text_of(problem_alert(RefusedError(problem), title="Not started"))
    assert said.count("learning_rate: must be above 0, got 0") == 1
