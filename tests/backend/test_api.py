"""The REST interface over a real database; the broker of these tests is down on purpose."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from backend.storage import results, runs
from backend.storage.runs import Claim
from backend.storage.session import open_engine
from sigmascope.client import expand
from sigmascope.theory import laplacian
from tests.databases import one_database
from tests.samples import LAYERS, singular_values, step_record

API = "/api/v1"


@pytest.fixture
def recorded(api: TestClient) -> str:
    """A running run with steps 0 to 4."""
    engine = api.app.state.engine  # type: ignore[attr-defined]
    spec = api.get(f"{API}/presets").json()[0]["spec"]
    with engine.begin() as connection:
        run_id = runs.create(connection, kind="train", name="r", spec=spec, total_steps=10, now=time.time())
        held = runs.claim(connection, run_id, owner="w", now=time.time(), lease_seconds=60, versions={})
        assert held
        results.write_layers(connection, run_id, LAYERS)
        results.write_steps(connection, run_id, [step_record(step) for step in range(5)])
        runs.advance(connection, held, lease_until=time.time() + 60, step=4, rate=2.0)
    return run_id


@one_database
def test_presets_are_full_specifications(api: TestClient) -> None:
    presets = {one["name"]: one["spec"] for one in api.get(f"{API}/presets").json()}
    assert presets["demo"]["model"] == {"kind": "mlp", "width": 256, "depth": 3}
    assert presets["mlp-mnist"]["model"]["width"] == 1024
    assert presets["demo"]["batches"] == 400


def test_broker_down_is_503_and_a_failed_row(api: TestClient) -> None:
    answer = api.post(f"{API}/runs", json={"preset": "demo", "name": "mine"})
    assert answer.status_code == 503
    assert "does not answer" in answer.json()["detail"]
    assert "SIGMASCOPE_BROKER_URL" in answer.json()["detail"]
    (run,) = api.get(f"{API}/runs").json()
    assert (run["status"], run["name"]) == ("failed", "mine")
    assert "does not answer" in run["error"]


@one_database
@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ({"preset": "nosuch"}, ["unknown preset 'nosuch'", "demo", "mlp-mnist"]),
        ({"batches": 0}, ["batches", "got 0"]),
        ({"batches": -3}, ["batches", "got -3"]),
        ({"batch_size": 0}, ["batch_size", "got 0"]),
        ({"learning_rate": 0}, ["learning_rate", "got 0"]),
        ({"learning_rate": -0.1}, ["learning_rate", "got '-0.1'"]),
        ({"model": {"kind": "mlp", "width": 0}}, ["model.width", "got 0"]),
        ({"preset": "demo", "model": {"width": -5}}, ["model.width", "got -5"]),
        ({"dataset": "imagenet"}, ["dataset", "mnist-builtin"]),
        ({"device": "tpu"}, ["device", "cuda", "mps"]),
        ({"precision": "float16"}, ["precision", "float32", "bfloat16"]),
        ({"model": {"kind": "vit", "patch": 5}}, ["patch must divide the image size 28", "got 5"]),
        ({"model": {"kind": "vit", "heads": 3}}, ["heads must divide the width", "heads=3", "width=256"]),
        ({"preset": "gpt2", "model": {"heads": 5}}, ["heads must divide the width", "heads=5"]),
        ({"model": {"kind": "mlp", "hieght": 3}}, ["hieght", "unknown field"]),
        ({"batchs": 3}, ["batchs", "unknown field"]),
        ({"kind": "trian"}, ["kind must be one of train, simulate, claims"]),
        ({"kind": 3}, ["kind must be one of"]),
        ({"top_k": 0}, ["top_k", "got 0"]),
        ({"name": "a\x00b"}, ["name"]),
        ([], ["body"]),
    ],
)
def test_bad_specifications_name_field_and_value(api: TestClient, body: Any, parts: list[str]) -> None:
    answer = api.post(f"{API}/runs", json=body)
    assert answer.status_code == 422
    for part in parts:
        assert part in answer.json()["detail"]
    assert api.get(f"{API}/runs").json() == []


def test_a_run_tells_what_it_is_made_of(api: TestClient, recorded: str) -> None:
    bare = api.get(f"{API}/runs/{recorded}").json()
    assert (bare["provenance"], bare["notes"], bare["memory"]) == ({}, [], None)
    provenance = {"source": "drawn", "sha256": "ab", "licence": "none needed"}
    memory = {"needed": 1, "free": 2, "total": 3}
    with api.app.state.engine.begin() as connection:  # type: ignore[attr-defined]
        held = Claim(recorded, 1, {})
        until = time.time() + 60
        runs.advance(connection, held, lease_until=until, provenance=provenance, memory=memory, notes=["n"])
    told = api.get(f"{API}/runs/{recorded}").json()
    assert (told["provenance"], told["notes"], told["memory"]) == (provenance, ["n"], memory)


def test_a_running_run_tells_its_progress(api: TestClient, recorded: str) -> None:
    run = api.get(f"{API}/runs/{recorded}").json()
    assert (run["status"], run["step"], run["batches_per_second"]) == ("running", 4, 2.0)
    assert run["seconds_left"] == pytest.approx(3.0)
    assert api.get(f"{API}/runs", params={"status": "finished"}).json() == []
    assert len(api.get(f"{API}/runs", params={"status": "running"}).json()) == 1


def test_blob_is_the_json_bit_for_bit(api: TestClient, recorded: str) -> None:
    base = f"{API}/runs/{recorded}/layers/hidden.0"
    blob = api.get(f"{base}/spectra.f32", params={"after": 1})
    assert blob.headers["X-Shape"] == "3,16"
    assert expand(blob.headers["X-Steps"]).tolist() == [2, 3, 4]
    values = np.frombuffer(blob.content, "<f4").reshape(3, 16)
    np.testing.assert_array_equal(values[0], singular_values(LAYERS[0], 2))
    table = api.get(f"{base}/spectra", params={"first": 2}).json()
    np.testing.assert_array_equal(np.array(table["singular_values"], np.float32), values)
    one = api.get(f"{base}/spectra/3").json()
    assert one["steps"] == [3]
    assert one["method"] == ["svd"]
    nothing = api.get(f"{base}/spectra.f32", params={"after": 4})
    assert (nothing.headers["X-Steps"], nothing.content) == ("", b"")


def test_forces_add_up_to_the_observed_change(api: TestClient, recorded: str) -> None:
    base = f"{API}/runs/{recorded}/layers/hidden.0/forces"
    answer = api.get(base).json()
    assert (answer["k"], answer["steps"]) == (4, [1, 2, 3, 4])
    parts = [np.array(answer[name]) for name in ("drift", "noise", "repulsion", "turning", "remainder")]
    true = np.array([singular_values(LAYERS[0], step)[:4] for step in range(5)], np.float64)
    np.testing.assert_allclose(np.array(answer["observed"]), np.diff(true, axis=0), atol=1e-7)
    np.testing.assert_allclose(sum(parts), np.diff(true, axis=0), atol=1e-7)
    exact = laplacian(singular_values(LAYERS[0], 2).astype(np.float64), m=24)[:4] * 0.1 * 1e-4
    np.testing.assert_allclose(answer["repulsion"][2], exact, rtol=1e-5)
    np.testing.assert_allclose(answer["anisotropy"][1], 4 * [1e-4 / (2 * 0.1 * 1e-4)], rtol=1e-5)
    late = api.get(base, params={"after": 2}).json()
    assert late["steps"] == [3, 4]
    np.testing.assert_allclose(late["drift"], answer["drift"][2:])
    assert api.get(base, params={"first": 2, "every": 2}).json()["steps"] == [2, 4]
    assert api.get(base, params={"after": 9}).json()["steps"] == []


def test_forces_of_a_run_that_has_none(api: TestClient) -> None:
    engine = api.app.state.engine  # type: ignore[attr-defined]
    spec = api.get(f"{API}/presets").json()[0]["spec"]
    with engine.begin() as connection:
        run_id = runs.create(connection, kind="train", name="r", spec=spec, total_steps=9, now=time.time())
        results.write_layers(connection, run_id, LAYERS)
    answer = api.get(f"{API}/runs/{run_id}/layers/head/forces")
    assert answer.status_code == 404
    assert "no updates along the modes of head yet" in answer.json()["detail"]


def test_metrics_of_spectra(api: TestClient, recorded: str) -> None:
    known = {one["name"]: one for one in api.get(f"{API}/spectrum-metrics").json()}
    assert known["stable_rank"]["formula"]
    base = f"{API}/runs/{recorded}/layers/hidden.0/metrics"
    answer = api.get(base, params={"after": 1}).json()
    assert answer["steps"] == [2, 3, 4]
    assert set(answer["values"]) <= set(known)
    values = singular_values(LAYERS[0], 3).astype(np.float64)
    assert answer["values"]["stable_rank"][1] == pytest.approx((values**2).sum() / values[0] ** 2)
    assert answer["values"]["outliers"] == [0, 0, 0]
    one = api.get(f"{base}/3").json()
    assert set(one["values"]) == set(known)
    assert one["values"]["stable_rank"] == pytest.approx(answer["values"]["stable_rank"][1])
    missing = api.get(f"{base}/99")
    assert missing.status_code == 404
    assert "no step 99; recorded up to 4" in missing.json()["detail"]
    assert api.get(base, params={"after": 9}).json()["steps"] == []


def test_predictions_carry_skill(api: TestClient, recorded: str) -> None:
    answer = api.get(f"{API}/runs/{recorded}/layers/head/predictions").json()
    assert answer["k"] == 4
    assert answer["skill"]["subspace"] == [None, 1.0, 1.0, 1.0, 1.0]
    assert answer["skill"]["algorithm1"][-1] < 1
    late = api.get(f"{API}/runs/{recorded}/layers/head/predictions", params={"after": 3}).json()
    assert late["steps"] == [4]
    assert late["skill"]["algorithm1"] == answer["skill"]["algorithm1"][-1:]
    blob = api.get(f"{API}/runs/{recorded}/layers/head/predictions/subspace.f32")
    assert blob.headers["X-Shape"] == "5,4"


def test_laws_place_their_unit_curves(api: TestClient, recorded: str) -> None:
    answer = api.get(f"{API}/runs/{recorded}/layers/hidden.0/laws").json()
    curve = answer["marchenko_pastur"]
    assert np.trapezoid(curve["pdf"], curve["x"]) == pytest.approx(1, abs=2e-3)
    scale = answer["fits"]["entry_variance"][0] ** 0.5
    assert curve["x"][-1] * scale == pytest.approx(answer["fits"]["mp_upper"][0], rel=1e-9)
    assert np.trapezoid(answer["tracy_widom"]["pdf"], answer["tracy_widom"]["x"]) == pytest.approx(
        1, abs=1e-3
    )
    assert answer["steps"] == [0, 1, 2, 3, 4]
    assert {len(values) for values in answer["fits"].values()} == {5}
    assert answer["fits"]["printed_log_norm"][0] is None


def test_metrics_and_noise(api: TestClient, recorded: str) -> None:
    metrics = api.get(f"{API}/runs/{recorded}/metrics", params={"after": 2}).json()
    assert metrics["steps"] == [3, 4]
    assert metrics["values"]["loss"] == [0.5, 0.4]
    noise = api.get(f"{API}/runs/{recorded}/layers/head/noise").json()
    assert noise["gradient_norm"] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("runs/none", ["no run 'none'", "/api/v1/runs"]),
        ("runs/none/layers", ["no run 'none'"]),
        ("runs/{run}/layers/nosuch/spectra", ["no layer 'nosuch'", "hidden.0, head"]),
        ("runs/{run}/layers/nosuch/laws", ["no layer 'nosuch'"]),
        ("runs/{run}/layers/head/spectra/99", ["no step 99", "0 to 4"]),
        ("nosuch", ["no /api/v1/nosuch", "openapi.json"]),
    ],
)
def test_what_does_not_exist_is_404_and_says_what_does(
    api: TestClient, recorded: str, path: str, parts: list[str]
) -> None:
    answer = api.get(f"{API}/{path.format(run=recorded)}")
    assert answer.status_code == 404
    for part in parts:
        assert part in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("layers/head/spectra/-1", "no step -1"),
        ("layers/head/spectra/x", "step"),
        ("layers/head/spectra?every=0", "every"),
        ("layers/head/spectra?after=-2", "after"),
        ("layers/head/spectra?after=99999999999999999999", "after"),
        ("layers/head/spectra/99999999999999999999", "step"),
        ("layers/head/predictions/oracle.f32", "predictor"),
    ],
)
def test_bad_queries_name_the_parameter(api: TestClient, recorded: str, path: str, part: str) -> None:
    answer = api.get(f"{API}/runs/{recorded}/{path}")
    assert answer.status_code in (404, 422)
    assert part in answer.json()["detail"]


def test_cancel(api: TestClient, recorded: str) -> None:
    answer = api.post(f"{API}/runs/{recorded}/cancel").json()
    assert (answer["status"], answer["cancel_requested"]) == ("running", True)
    assert api.post(f"{API}/runs/none/cancel").status_code == 404


def test_system_reports_a_broker_that_is_down(api: TestClient, recorded: str) -> None:
    system = api.get(f"{API}/system").json()
    parts = {one["name"]: one["ok"] for one in system["components"]}
    assert parts == {"database": True, "broker": False}
    assert (system["running"], system["workers"], system["waiting"]) == (1, [], {})
    assert system["versions"]["sigmascope"] == system["version"]


def test_system_reports_a_database_that_is_down(api: TestClient, tmp_path: Path) -> None:
    empty = open_engine(f"sqlite:///{tmp_path / 'empty.db'}")
    api.app.state.engine, engine = empty, api.app.state.engine  # type: ignore[attr-defined]
    system = api.get(f"{API}/system").json()
    api.app.state.engine = engine  # type: ignore[attr-defined]
    empty.dispose()
    database = next(one for one in system["components"] if one["name"] == "database")
    assert not database["ok"]
    assert "no such table: runs" in database["detail"]
    assert "SIGMASCOPE_DATABASE_URL" in database["detail"]
    assert "\n" not in database["detail"]


@one_database
@pytest.mark.parametrize("query", ["noise=anisotropic", "origin=3&Origin=4", "origin=3&methods=sde"])
def test_an_unknown_parameter_is_not_ignored(api: TestClient, recorded: str, query: str) -> None:
    answer = api.get(f"{API}/runs/{recorded}/layers/hidden.0/forecast?{query}")
    assert answer.status_code == 422
    assert "unknown parameter; this route has horizon, method, origin, seed" in answer.json()["detail"]
    assert api.get(f"{API}/presets?x=1").json()["detail"] == "x: unknown parameter; this route has none"


@one_database
def test_every_route_is_documented(api: TestClient) -> None:
    for path, methods in api.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), f"{method} {path} has no docstring"


def test_a_specification_of_megabytes_is_refused(api: TestClient) -> None:
    assert api.post(f"{API}/runs", json={"name": "x" * 2_000_000}).status_code == 413
