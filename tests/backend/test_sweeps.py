"""Sweeps: one row, many runs, and what is found when they end."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, update

from backend.storage import results, runs, sweeps
from backend.storage.tables import RunRow, SpectrumRow
from sigmascope.schemas import SweepSpec
from tests.databases import one_database
from tests.samples import LAYERS, step_record

API = "/api/v1"
SPEC: dict[str, Any] = {"kind": "sweep", "base": {"preset": "demo"}, "values": [0.1, 0.2], "seeds": [0, 1]}


def new_sweep(engine: Engine, **changes: Any) -> tuple[str, list[str]]:
    with engine.begin() as connection:
        return sweeps.create(connection, SweepSpec.model_validate(SPEC | changes), name="s", now=time.time())


def work(engine: Engine, run_id: str, *, status: str = "finished", error: str | None = None) -> None:
    """Record steps 0 to 2 and end."""
    with engine.begin() as connection:
        held = runs.claim(connection, run_id, owner="w", now=time.time(), lease_seconds=60, versions={})
        assert held
        results.write_layers(connection, run_id, LAYERS)
        results.write_steps(connection, run_id, [step_record(step) for step in range(3)])
        runs.finish(connection, held, status=status, error=error, now=time.time())
        sweeps.settle(connection, now=time.time())


def row(engine: Engine, run_id: str) -> RunRow:
    with runs.reading_session(engine) as session:
        return session.get_one(RunRow, run_id)


def test_it_ends_with_its_last_run(engine: Engine) -> None:
    sweep, ids = new_sweep(engine)
    assert (row(engine, sweep).status, row(engine, sweep).total_steps, len(ids)) == ("running", 4, 4)
    for one in ids[:3]:
        work(engine, one)
    assert (row(engine, sweep).status, row(engine, sweep).step) == ("running", 3)
    work(engine, ids[3], status="failed")
    assert (row(engine, sweep).status, row(engine, sweep).step) == ("finished", 4)
    assert row(engine, sweep).finished_at is not None


def test_it_fails_when_no_run_finishes(engine: Engine) -> None:
    sweep, ids = new_sweep(engine, values=[0.1], seeds=[0])
    work(engine, ids[0], status="failed")
    assert row(engine, sweep).status == "failed"
    assert "none of its runs finished" in str(row(engine, sweep).error)


def test_cancelling_it_cancels_its_runs(engine: Engine) -> None:
    sweep, ids = new_sweep(engine)
    work(engine, ids[0])
    with engine.begin() as connection:
        sweeps.cancel(connection, sweep, now=time.time())
    assert [row(engine, one).status for one in ids] == ["finished", *["cancelled"] * 3]
    assert (row(engine, sweep).status, row(engine, sweep).step) == ("cancelled", 4)


def test_partial_results_are_served(api: TestClient) -> None:
    engine = api.app.state.engine  # type: ignore[attr-defined]
    sweep, ids = new_sweep(engine, values=[0.1, 0.2, 0.4])
    answer = api.get(f"{API}/runs/{sweep}/sweep").json()
    assert (answer["field"], len(answer["points"]), answer["slopes"]) == ("learning_rate", 6, [])
    for one in ids[:4]:
        work(engine, one)
    answer = api.get(f"{API}/runs/{sweep}/sweep").json()
    assert [(p["value"], p["seed"], p["status"]) for p in answer["points"][:4]] == [
        (0.1, 0, "finished"), (0.1, 1, "finished"), (0.2, 0, "finished"), (0.2, 1, "finished"),
    ]  # fmt: skip
    values = step_record(2).layers["head"].singular_values
    assert answer["points"][0]["spread"]["head"] == pytest.approx(values[0] - np.median(values))
    lines = {(one["layer"], one["axes"]): one for one in answer["slopes"]}
    assert set(lines) == {(layer.name, axes) for layer in LAYERS for axes in ("log-log", "linear")}
    # every run recorded the same, so that nothing rises or falls
    assert lines["head", "linear"]["slope"] == pytest.approx(0.0, abs=1e-9)
    assert lines["head", "linear"]["low"] is not None
    assert [one["id"] for one in api.get(f"{API}/runs").json()] == [sweep]
    assert api.get(f"{API}/runs", params={"kind": "train"}).json() == []
    assert api.get(f"{API}/runs/{ids[0]}").json()["parent"] == sweep


def test_points_and_slopes_come_as_tables(api: TestClient) -> None:
    engine = api.app.state.engine  # type: ignore[attr-defined]
    sweep, ids = new_sweep(engine)
    for one in ids[:3]:
        work(engine, one)
    answer = api.get(f"{API}/runs/{sweep}/sweep").json()
    points = api.get(f"{API}/runs/{sweep}/sweep/points.csv")
    assert points.headers["content-type"].startswith("text/csv")
    assert f'filename="{sweep}-points.csv"' in points.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(points.text)))
    assert [row["run"] for row in rows] == [one for one in ids[:3] for _ in LAYERS] + [ids[3]]
    assert float(rows[0]["spread"]) == answer["points"][0]["spread"][rows[0]["layer"]]
    assert (rows[-1]["learning_rate"], rows[-1]["status"], rows[-1]["spread"]) == ("0.2", "queued", "")
    slopes = list(csv.DictReader(io.StringIO(api.get(f"{API}/runs/{sweep}/sweep/slopes.csv").text)))
    assert [(row["layer"], row["axes"]) for row in slopes] == [
        (one["layer"], one["axes"]) for one in answer["slopes"]
    ]
    assert [float(row["slope"]) for row in slopes] == [one["slope"] for one in answer["slopes"]]
    assert {row["low"] for row in slopes} == {""}  # the line of one seed only


def test_points_say_how_far_their_run_is_and_what_went_wrong(api: TestClient) -> None:
    engine = api.app.state.engine  # type: ignore[attr-defined]
    sweep, ids = new_sweep(engine, values=[0.1], seeds=[0])
    work(engine, ids[0], status="failed", error="training diverged")
    (point,) = api.get(f"{API}/runs/{sweep}/sweep").json()["points"]
    assert (point["total_steps"], point["error"]) == (400, "training diverged")


def test_a_spread_that_is_not_finite_is_left_out(api: TestClient) -> None:
    engine = api.app.state.engine  # type: ignore[attr-defined]
    sweep, ids = new_sweep(engine, values=[0.1], seeds=[0])
    work(engine, ids[0])
    with engine.begin() as connection:
        overflowed = np.full(LAYERS[0].n, np.inf, "<f4").tobytes()
        row = update(SpectrumRow).where(SpectrumRow.layer == LAYERS[0].name)
        connection.execute(row.values(singular_values=overflowed))
    (point,) = api.get(f"{API}/runs/{sweep}/sweep").json()["points"]
    assert list(point["spread"]) == [LAYERS[1].name]


def test_other_kinds_have_no_sweep(api: TestClient) -> None:
    engine = api.app.state.engine  # type: ignore[attr-defined]
    _, ids = new_sweep(engine)
    answer = api.get(f"{API}/runs/{ids[0]}/sweep")
    assert answer.status_code == 404
    assert "only one of kind 'sweep'" in answer.json()["detail"]


def test_a_broker_that_is_down_fails_the_whole_sweep(api: TestClient) -> None:
    assert api.post(f"{API}/runs", json=SPEC).status_code == 503
    (run,) = api.get(f"{API}/runs").json()
    assert (run["status"], run["kind"], run["step"]) == ("failed", "sweep", 4)


@one_database
@pytest.mark.parametrize(
    ("change", "parts"),
    [
        ({"field": "dataset"}, ["field 'dataset' is no number"]),
        ({"field": "model.wdth"}, ["field 'model.wdth' is no number"]),
        ({"field": "seed"}, ["seeds"]),
        ({"field": "model.width", "values": [0.5]}, ["model.width", "integer"]),
        ({"values": [-0.1]}, ["learning_rate", "greater than 0"]),
        ({"values": []}, ["values"]),
        ({"values": [0.1, 0.1]}, ["values must differ"]),
        ({"values": list(range(1, 102)), "seeds": [0, 1]}, ["202 runs", "at most 200"]),
        ({"base": {"preset": "nosuch"}}, ["unknown preset 'nosuch'"]),
        (
            {"values": list(range(1, 302))},
            ["values: a sweep has at most 200 runs", "got 301", "leave some out"],
        ),
        ({"seeds": list(range(250))}, ["seeds: a sweep has at most 200 runs", "got 250"]),
        ({"seeds": [-1]}, ["seeds.0", "greater than or equal to 0", "got -1"]),
        ({"field": "batch_size", "values": [1e300]}, ["batch_size", "10000, got 1e+300; leave it out"]),
        ({"field": "batch_size", "values": [64, 0.5]}, ["batch_size", "integer", "got 0.5; leave it out"]),
    ],
)
def test_bad_sweeps(api: TestClient, change: dict[str, Any], parts: list[str]) -> None:
    answer = api.post(f"{API}/runs", json=SPEC | change)
    assert answer.status_code == 422
    assert len(answer.json()["detail"]) < 250
    for part in parts:
        assert part in answer.json()["detail"]


@one_database
@pytest.mark.parametrize("field", ["batch_size", "learning_rate"])
@pytest.mark.parametrize(("written", "read"), [("1e999", "inf"), ("-1e999", "-inf"), ("NaN", "nan")])
def test_a_value_that_is_not_finite_is_named(api: TestClient, field: str, written: str, read: str) -> None:
    body = f'{{"kind": "sweep", "base": {{}}, "field": "{field}", "values": [64, {written}]}}'
    answer = api.post(f"{API}/runs", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"] == f"values: a value must be a finite number, got {read}; leave it out"


def test_the_schema_tells_units_and_ranges() -> None:
    schema = SweepSpec.model_json_schema()
    values, seeds = (schema["properties"][name] for name in ("values", "seeds"))
    assert (values["unit"], values["minItems"], values["maxItems"]) == ("of the field", 1, 200)
    assert (seeds["items"]["minimum"], seeds["items"]["maximum"]) == (0, 2**31 - 1)
    assert schema["$defs"]["TrainSpec"]["properties"]["batch_size"]["unit"] == "samples"
