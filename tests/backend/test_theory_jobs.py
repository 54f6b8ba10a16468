"""Simulations and claims as jobs: what is refused, what is stored, what is served."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from pydantic import TypeAdapter
from sqlalchemy import update

from backend.settings import Settings
from backend.storage import runs
from backend.storage.tables import RunRow
from sigmascope.client import expand
from sigmascope.schemas import JobSpec
from sigmascope.theory.claims import CLAIMS
from tests.databases import one_database
from worker.jobs import execute

API = "/api/v1"
SMALL = {
    "kind": "simulate",
    "m": 6,
    "n": 3,
    "start_variance": 0.2,
    "steps": 12,
    "paths": 5,
    "record_every": 5,
}


def ran(api: TestClient, settings: Settings, spec: dict[str, Any], *, total: int = 12) -> str:
    """A run of this specification, executed as a worker would."""
    engine = api.app.state.engine  # type: ignore[attr-defined]
    whole = TypeAdapter(JobSpec).validate_python(spec).model_dump(mode="json")
    with engine.begin() as connection:
        run_id = runs.create(
            connection, kind=spec["kind"], name="", spec=whole, total_steps=total, now=time.time()
        )
        held = runs.claim(connection, run_id, owner="w", now=time.time(), lease_seconds=60, versions={})
    assert held is not None
    execute(engine, held, settings)
    return run_id


@one_database
@pytest.mark.parametrize(
    ("body", "parts"),
    [
        ({"m": 3, "n": 6}, ["m=3, n=6", "transpose"]),
        ({"m": 0}, ["m", "got 0"]),
        ({"process": "levy"}, ["process", "matrix"]),
        ({"process": "matrix", "form": "as_printed"}, ["as_printed", "matrix"]),
        ({"process": "ornstein_uhlenbeck"}, ["restoring_rate"]),
        (
            {"process": "matrix", "restoring_rate": 0.5, "dt": 4.0},
            ["restoring_rate * dt", "got 2", "ornstein_uhlenbeck"],
        ),
        ({"start_variance": 0}, ["start_variance", "matrix"]),
        ({"process": "matrix", "m": 4096, "n": 1024, "paths": 100}, ["paths * m * n", "419,430,400"]),
        ({"n": 128, "paths": 10_000, "steps": 1000, "record_every": 1}, ["record_every"]),
        ({"dt": 0}, ["dt", "got 0"]),
        ({"paths": 0}, ["paths", "got 0"]),
        ({"diffusion": "nan"}, ["diffusion"]),
        ({"batches": 3}, ["batches", "unknown field"]),
        ({"device": "cuda"}, ["device", "cpu"]),
    ],
)
def test_bad_simulations_are_refused_by_name(api: TestClient, body: dict[str, Any], parts: list[str]) -> None:
    answer = api.post(f"{API}/runs", json={"kind": "simulate", **body})
    assert answer.status_code == 422, answer.text
    for part in parts:
        assert part in answer.json()["detail"]


@one_database
@pytest.mark.parametrize(
    ("body", "part"),
    [
        ({"only": ["theorem-9.9"]}, "there is no claim 'theorem-9.9'"),
        ({"only": []}, "only is empty"),
        ({"seed": -1}, "seed"),
    ],
)
def test_bad_claims_jobs_are_refused_by_name(api: TestClient, body: dict[str, Any], part: str) -> None:
    answer = api.post(f"{API}/runs", json={"kind": "claims", **body})
    assert answer.status_code == 422
    assert part in answer.json()["detail"]


def test_names_and_lengths_of_jobs(api: TestClient) -> None:
    """The broker is down, so they fail; their rows tell what they would have been."""
    for body in (SMALL, {"kind": "claims"}, {"kind": "claims", "only": ["lemma-6.5"]}):
        assert api.post(f"{API}/runs", json=body).status_code == 503
    rows = {(row["name"], row["total_steps"], row["kind"]) for row in api.get(f"{API}/runs").json()}
    assert rows == {
        ("eigenvalue 6x3", 12, "simulate"),
        ("claims", len(CLAIMS), "claims"),
        ("claims", 1, "claims"),
    }


def test_a_simulation_is_stored_and_served(api: TestClient, settings: Settings) -> None:
    run_id = ran(api, settings, {**SMALL, "process": "matrix", "diffusion": 0.01})
    run = api.get(f"{API}/runs/{run_id}").json()
    assert (run["status"], run["step"], run["error"]) == ("finished", 12, None)
    base = f"{API}/runs/{run_id}/ensemble"
    about = api.get(base).json()
    assert about["steps"] == [0, 5, 10, 12]
    assert about["times"] == [0.0, 5.0, 10.0, 12.0]
    # 2 eta D t on top of the start
    assert about["entry_variance"] == pytest.approx([0.2 + 2 * 0.1 * 0.01 * t for t in about["times"]])

    blob = api.get(f"{base}/paths.f32")
    assert blob.headers["X-Shape"] == "4,15"
    assert expand(blob.headers["X-Steps"]).tolist() == [0, 5, 10, 12]
    values = np.frombuffer(blob.content, "<f4").reshape(4, 5, 3)
    assert (np.diff(values, axis=-1) <= 0).all()
    some = api.get(f"{base}/paths.f32", params={"k": 2, "paths": 3, "after": 5})
    np.testing.assert_array_equal(np.frombuffer(some.content, "<f4").reshape(2, 3, 2), values[2:, :3, :2])

    shown = api.get(f"{base}/histograms", params={"bins": 20}).json()
    widths = np.diff(shown["edges"])
    np.testing.assert_allclose(np.array(shown["density"]) @ widths, 1.0)
    expected, _ = np.histogram(values[2].ravel(), shown["edges"], density=True)
    np.testing.assert_allclose(shown["density"][2], expected, rtol=1e-9)
    assert shown["law_name"] == "Marchenko-Pastur"
    assert shown["printed_law"] is None

    means = api.get(f"{base}/summary", params={"k": 2}).json()
    np.testing.assert_allclose(means["mean"], values[:, :, :2].astype(float).mean(axis=1), rtol=1e-6)
    assert means["expected_sum"][0] == pytest.approx(means["eigenvalue_sum"][0])
    gained = means["expected_sum"][3] - means["expected_sum"][0]
    assert gained == pytest.approx(2 * 0.1 * 0.01 * 12 * 18)


def test_one_particle_is_laid_under_its_gamma_law(api: TestClient, settings: Settings) -> None:
    spec = {**SMALL, "process": "ornstein_uhlenbeck", "n": 1, "m": 8, "restoring_rate": 0.1}
    run_id = ran(api, settings, spec)
    shown = api.get(f"{API}/runs/{run_id}/ensemble/histograms").json()
    assert shown["law_name"] == "gamma, exact (n = 1)"
    for law in (shown["law"], shown["printed_law"]):
        assert np.trapezoid(law["pdf"], law["x"]) == pytest.approx(1, abs=1e-3)


def test_too_much_for_one_answer_is_said(
    api: TestClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.routes.ensembles.BLOB_LIMIT", 10)
    monkeypatch.setattr("backend.routes.ensembles.JSON_LIMIT", 10)
    base = f"{API}/runs/{ran(api, settings, SMALL)}/ensemble"
    for path, remedy in (
        ("paths.f32", "give k or paths"),
        ("histograms", "lower bins"),
        ("summary", "lower k"),
    ):
        answer = api.get(f"{base}/{path}")
        assert answer.status_code == 422
        assert remedy in answer.json()["detail"]


def test_claims_are_stored_and_served(api: TestClient, settings: Settings) -> None:
    spec = {"kind": "claims", "only": ["lemma-6.5", "lemma-6.5-gradient"]}
    run_id = ran(api, settings, spec, total=2)
    assert api.get(f"{API}/runs/{run_id}").json()["step"] == 2
    gradient, laplacian = api.get(f"{API}/runs/{run_id}/claims").json()
    assert (gradient["id"], gradient["verdict"]) == ("lemma-6.5-gradient", "holds")
    assert (laplacian["id"], laplacian["verdict"]) == ("lemma-6.5", "does not hold as printed")
    seen = laplacian["measurements"][laplacian["telling"]]
    assert seen["exact"] == pytest.approx(seen["value"], abs=5 * seen["standard_error"])
    registry = api.get(f"{API}/claims").json()
    assert [one["id"] for one in registry] == [claim.id for claim in CLAIMS]


def test_a_run_of_another_kind_has_none_of_it(api: TestClient, settings: Settings) -> None:
    simulated = ran(api, settings, SMALL)
    checked = ran(api, settings, {"kind": "claims", "only": ["lemma-6.5"]}, total=1)
    for run_id, path, kinds in (
        (simulated, "claims", ("'simulate'", "'claims'")),
        (checked, "ensemble", ("'claims'", "'simulate'")),
        (checked, "ensemble/histograms", ("'claims'", "'simulate'")),
        (simulated, "layers/head/laws", ("'simulate'", "'train'")),
    ):
        answer = api.get(f"{API}/runs/{run_id}/{path}")
        assert answer.status_code == 404
        assert all(kind in answer.json()["detail"] for kind in kinds)


def test_another_attempt_begins_clean(api: TestClient, settings: Settings) -> None:
    run_id = ran(api, settings, SMALL)
    engine = api.app.state.engine  # type: ignore[attr-defined]
    with engine.begin() as connection:
        connection.execute(update(RunRow).values(status="queued"))
        assert runs.claim(connection, run_id, owner="w", now=0, lease_seconds=9, versions={})
    assert api.get(f"{API}/runs/{run_id}/ensemble").json()["steps"] == []
