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
    # for speed the MLP of figure 4 serves three figures, and the sweep has one seed
    presets = ("fig4-quick", "fig3-vit-quick", "fig3-gpt-quick")
    with service.client() as client:
        submitted = [client.submit({"preset": name}) for name in presets]
        submitted.append(client.submit({"kind": "sweep", "preset": "fig5-quick", "seeds": [0]}))
        mlp, vit, gpt, sweep = (client.wait(run.id, timeout=300).id for run in submitted)
    taken = {"fig1": [mlp], "fig3": [mlp, vit, gpt], "fig4": [mlp], "fig5": [sweep]}
    for name, runs in taken.items():
        chosen = [part for run in runs for part in ("--run", run)]
        common = ["reproduce", name, "--quick", "--out", str(tmp_path), "--server", service.url]
        result = CliRunner().invoke(cli.app, [*common, *chosen], catch_exceptions=False)
        assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{name}.{ending}" for name in taken for ending in ("png", "svg", "csv", "json")
    }
    for name in taken:
        told = json.loads((tmp_path / f"{name}.json").read_text())
        assert len(told["points"]) == 5
        assert {one["verdict"] for one in told["points"]} <= {"agrees", "differs", "undecided"}
        assert all(run["data"]["sha256"] and run["data"]["extent"] for run in told["runs"])
    # one seed has no interval, and decides nothing
    assert {one["verdict"] for one in told["points"]} == {"undecided"}
