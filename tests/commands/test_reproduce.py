"""A figure of the paper through the real service."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sigmascope import cli
from sigmascope.errors import ServiceError
from tests.stack import Stack

pytestmark = pytest.mark.service


def test_a_figure_is_made_from_a_run_of_the_service_and_again_from_its_numbers(
    service: Stack, tmp_path: Path
) -> None:
    out, page = tmp_path / "figures", tmp_path / "page.md"
    runner = CliRunner()
    common = ["reproduce", "fig2", "--quick", "--out", str(out), "--server", service.url]
    result = runner.invoke(cli.app, [*common, "--page", str(page)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert {path.name for path in out.iterdir()} == {"fig2.png", "fig2.svg", "fig2.csv", "fig2.json"}
    told = json.loads((out / "fig2.json").read_text())
    assert told["numbers"]["scores"]["subspace"]["skill"] > 0.95
    assert told["numbers"]["scores"]["algorithm1"]["skill"] < told["numbers"]["scores"]["subspace"]["skill"]
    assert "(figures/fig2.png)" in page.read_text()
    with service.client() as client:
        run = next(one for one in client.runs() if one.name == "fig2-quick")
        other = client.submit({"preset": "fig2-quick", "batches": 100_000})
        client.cancel(other.id)
    again = runner.invoke(cli.app, [*common, "--run", run.id, "--layer", "hidden.0"], catch_exceptions=False)
    assert again.exit_code == 0
    assert json.loads((out / "fig2.json").read_text())["numbers"]["layer"] == "hidden.0"
    with pytest.raises(ServiceError, match=f"run {other.id} .* is cancelled; a figure needs it finished"):
        runner.invoke(cli.app, [*common, "--run", other.id], catch_exceptions=False)


def test_the_small_figures_are_judged_from_runs_of_the_service(service: Stack, tmp_path: Path) -> None:
    """Every statement gets a verdict, from numbers that are all there; a run says what its data were."""
    names = ("fig1", "fig3", "fig4", "fig5")
    result = CliRunner().invoke(
        cli.app,
        ["reproduce", *names, "--quick", "--out", str(tmp_path), "--server", service.url],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.{ending}" for name in names for ending in ("png", "svg", "csv", "json")
    }
    for name in names:
        told = json.loads((tmp_path / f"{name}.json").read_text())
        assert told["points"]
        assert {one["verdict"] for one in told["points"]} <= {"agrees", "differs", "undecided"}
        assert all(run["data"]["sha256"] for run in told["runs"])
