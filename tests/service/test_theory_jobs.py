"""Simulations and claims through the real queue, from the client and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from sigmascope import cli
from sigmascope.client import Client
from sigmascope.errors import InvalidValueError
from sigmascope.schemas import Run, RunStatus
from sigmascope.theory.claims import CLAIMS
from tests.stack import Stack

pytestmark = pytest.mark.service

SMALL = {"kind": "simulate", "m": 16, "n": 8, "steps": 20, "paths": 6, "record_every": 5, "name": "small"}


@pytest.fixture
def client(service: Stack) -> Iterator[Client]:
    with service.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def simulated(service: Stack) -> Run:
    with service.client() as client:
        return client.wait(client.submit(SMALL).id, timeout=60)


def test_a_simulation_goes_through_the_queue(client: Client, simulated: Run) -> None:
    assert simulated.status is RunStatus.finished, simulated.error
    assert (simulated.step, simulated.kind, simulated.spec.paths) == (20, "simulate", 6)
    steps, values = client.paths(simulated.id)
    assert steps.tolist() == [0, 5, 10, 15, 20]
    assert values.shape == (5, 6, 8)
    assert (np.diff(values, axis=2) < 0).all()
    means = client.summary(simulated.id, k=3)
    np.testing.assert_allclose(means.mean, values[:, :, :3].astype(float).mean(axis=1), rtol=1e-5)
    assert len(client.histograms(simulated.id, bins=10).edges) == 11
    assert client.ensemble(simulated.id).times == [0, 5, 10, 15, 20]


def test_claims_go_through_the_queue(client: Client) -> None:
    only = ["lemma-6.5", "theorem-3.1"]
    run = client.wait(client.submit({"kind": "claims", "only": only, "seed": 4}).id, timeout=60)
    assert run.status is RunStatus.finished, run.error
    assert (run.step, run.total_steps) == (2, 2)
    assert {one.id for one in client.checked_claims(run.id)} == set(only)
    assert [one.id for one in client.claims()] == [claim.id for claim in CLAIMS]
    with pytest.raises(InvalidValueError, match=f"runs/{run.id}/claims holds what it found"):
        invoke(client, "export", run.id)


def test_a_long_simulation_is_cancelled_and_keeps_what_it_has(client: Client) -> None:
    endless = {**SMALL, "steps": 1_000_000, "record_every": 500, "paths": 2}
    run = client.submit(endless)
    for now in client.follow(run.id, every=0.1):
        if now.step > 0:
            client.cancel(run.id)
        assert now.status is not RunStatus.finished
    ended = client.run(run.id)
    assert ended.status is RunStatus.cancelled
    assert client.ensemble(run.id).steps[-1] == ended.step > 0


def test_laws_without_a_run(client: Client) -> None:
    edge = client.edge(256, 128, entry_variance=0.01)
    assert client.p_values([edge.edge], 256, 128, entry_variance=0.01).p_values == [pytest.approx(0.05)]
    assert client.law("marchenko-pastur", m=256, n=128).mean > 0
    assert client.fit_noise([2.0, 1.0], 3, 2).outliers == []


def invoke(client: Client, *arguments: str) -> str:
    result = CliRunner().invoke(cli.app, [*arguments, "--server", client.server])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_simulate_and_export_from_the_command_line(client: Client, tmp_path: Path) -> None:
    said = invoke(
        client, "simulate", "-s", "m=6", "-s", "n=2", "-s", "steps=4", "-s", "paths=3", "-s", "dt=0.1"
    )
    assert "finished" in said
    run = client.runs(limit=1)[0]
    assert "eigenvalue 6x2" in invoke(client, "show", run.id)
    assert "eigenvalue 6x2" in invoke(client, "runs")
    steps, values = client.paths(run.id)
    files = {form: tmp_path / f"a.{form}" for form in ("npz", "parquet", "csv")}
    for form, path in files.items():
        invoke(client, "export", run.id, "--format", form, "--out", str(path))
    with np.load(files["npz"]) as archive:
        np.testing.assert_array_equal(archive["singular_values"], values)
        np.testing.assert_array_equal(archive["steps"], steps)
        assert json.loads(str(archive["run"]))["id"] == run.id
    for table in (pq.read_table(files["parquet"]), pa_csv.read_csv(files["csv"])):
        assert table.column_names == ["step", "time", "path", "k", "singular_value"]
        np.testing.assert_allclose(table["singular_value"].to_numpy(), values.ravel(), rtol=1e-6)
        assert table["path"].to_pylist()[:4] == [1, 1, 2, 2]


def test_claims_are_checked_here_and_now() -> None:
    runner = CliRunner()
    table = runner.invoke(cli.app, ["claims", "--only", "lemma-6.5", "--only", "lemma-6.5-gradient"])
    assert table.exit_code == 0
    assert "2 checks: 1 holds, 1 does not hold as printed; every exact form holds." in table.output
    found = json.loads(runner.invoke(cli.app, ["claims", "--only", "lemma-6.5", "--json"]).stdout)
    assert [one["verdict"] for one in found] == ["does not hold as printed"]
    page = runner.invoke(cli.app, ["claims", "--only", "lemma-6.5", "--markdown"]).stdout
    assert '<a id="lemma-6.5"></a>' in page
    unknown = runner.invoke(cli.app, ["claims", "--only", "lemma-0"])
    assert "there is no claim 'lemma-0'" in str(unknown.exception)
