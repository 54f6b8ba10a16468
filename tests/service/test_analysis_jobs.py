"""Forces, metrics, forecasts and sweeps of real training, through the real queue."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest

from sigmascope.client import Client
from sigmascope.errors import InvalidValueError, NotFoundError
from sigmascope.schemas import FORECASTERS, Run, RunStatus
from tests.stack import Stack

pytestmark = pytest.mark.service

SMALL = {
    "model": {"kind": "mlp", "width": 48, "depth": 1}, "batches": 160, "batch_size": 64,
    "learning_rate": 0.05,
    "momentum": 0.5, "weight_decay": 1e-3, "top_k": 4, "evaluate_every": 80,
}  # fmt: skip


@pytest.fixture
def client(service: Stack) -> Iterator[Client]:
    with service.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def trained(service: Stack) -> Run:
    with service.client() as client:
        return client.wait(client.submit(SMALL).id, timeout=90)


def test_forces_explain_what_training_did(client: Client, trained: Run) -> None:
    assert trained.status is RunStatus.finished, trained.error
    forces = client.forces(trained.id, "hidden.0")
    assert forces.steps == list(range(1, 161))
    _, values = client.spectra(trained.id, "hidden.0")
    observed = np.diff(values[:, :4].astype(float), axis=0)
    np.testing.assert_allclose(forces.observed, observed, atol=1e-6)
    parts = [
        np.array(getattr(forces, name), dtype=float)
        for name in ("drift", "noise", "repulsion", "turning", "remainder")
    ]
    np.testing.assert_allclose(sum(parts), observed, atol=1e-6)
    # first order explains most of it, momentum and weight decay included
    first_order = parts[0] + parts[1]
    assert np.abs(observed - first_order).mean() < 0.25 * np.abs(observed).mean()
    # both repulsions push outwards, the exact one about twice as much
    ratio = np.array(forces.repulsion, dtype=float) / np.array(forces.repulsion_as_printed, dtype=float)
    assert 1.5 < np.median(ratio) < 2.5


def test_forces_of_some_batches_are_those_of_all(client: Client) -> None:
    """Looked at every fourth batch, the noise every tenth, beside the same training looked at whole."""
    spec = {**SMALL, "batches": 80, "nesterov": True, "noise_every": 1}
    whole, some = (
        client.wait(client.submit({**spec, **change}).id, timeout=90)
        for change in ({}, {"modes_every": 4, "noise_every": 10})
    )
    all_of, few = (client.forces(run.id, "hidden.0") for run in (whole, some))
    rows = np.arange(0, 80, 4)
    assert few.steps == (rows + 1).tolist()
    for name in ("observed", "turning", "remainder"):
        seen, every = (np.array(getattr(one, name), dtype=float) for one in (few, all_of))
        np.testing.assert_allclose(seen, every[rows], atol=0.2 * np.abs(every).max())
    projected = np.array(all_of.drift) + np.array(all_of.noise)
    weights = 0.5 ** (np.arange(rows[10], 0, -4) / all_of.half_life)
    np.testing.assert_allclose(few.drift[10], weights @ projected[rows[:10]] / weights.sum(), rtol=1e-3)
    # D stands until it is measured again
    ratio = np.array(few.repulsion, dtype=float) / np.array(all_of.repulsion, dtype=float)[rows]
    np.testing.assert_allclose(ratio[::5], 1.0, rtol=1e-3)
    assert (np.abs(np.log(ratio)) < 1.5).all()
    # of the same step, with Nesterov's share of the gradient on both sides of the quotient
    assert 0.3 < np.mean(np.array(client.forces(whole.id, "head").anisotropy, dtype=float)) < 3.0


def test_forces_are_thinned_on_the_grid_of_the_metrics(client: Client, trained: Run) -> None:
    def steps(**window: int) -> list[int]:
        path = f"/runs/{trained.id}/layers/head/forces"
        return list(client._json("GET", path, params=window)["steps"])

    assert steps(every=40) == [1, 40, 80, 120, 160]
    assert steps(every=40, after=90) == [120, 160]
    assert steps(every=50, first=7) == [7, 57, 107, 157]
    assert steps(last=0) == []
    assert steps(first=161) == []


def test_metrics_follow_the_steps(client: Client, trained: Run) -> None:
    metrics = client.spectrum_metrics(trained.id, "hidden.0")
    _, values = client.spectra(trained.id, "hidden.0")
    np.testing.assert_allclose(metrics.values["spectral_norm"], values[:, 0], rtol=1e-6)
    summary = client.spectrum_summary(trained.id, "hidden.0", 160)
    assert summary.values["stable_rank"] == pytest.approx(metrics.values["stable_rank"][160])


def test_a_forecast_sees_nothing_after_its_origin(client: Client, trained: Run) -> None:
    for method in FORECASTERS:
        seen = client.forecast(trained.id, "hidden.0", 100, method=method, horizon=20)
        assert seen.steps == list(range(101, 121))
        assert np.shape(seen.median) == (20, 4)
        assert (np.array(seen.low90) <= np.array(seen.high90)).all()
    with pytest.raises(NotFoundError, match="no step 999; recorded so far: 0 to 160"):
        client.forecast(trained.id, "hidden.0", 999)
    with pytest.raises(InvalidValueError, match="needs 50 steps before its origin, got origin 3"):
        client.forecast(trained.id, "hidden.0", 3)


def test_forecasts_are_scored_by_a_job(client: Client, trained: Run) -> None:
    job = {"kind": "forecast", "run": trained.id, "horizon": 20, "first_origin": 60, "every": 20}
    run = client.wait(client.submit(job).id, timeout=90)
    assert run.status is RunStatus.finished, run.error
    scores = client.forecast_scores(run.id)
    assert run.step == run.total_steps == len(scores)
    assert [(one.layer, one.method) for one in scores] == [
        (layer, method) for layer in ("hidden.0", "head") for method in FORECASTERS
    ]
    by_method = {one.method: one for one in scores if one.layer == "hidden.0"}
    assert by_method["persistence"].skill == 0
    assert (by_method["linear"].origins, by_method["sde"].origins) == (81, 5)
    assert all(0 <= one.coverage_50 <= one.coverage_90 <= 1 for one in scores)


def test_training_that_is_continued_foresees_more_than_a_line(client: Client, trained: Run) -> None:
    job = {
        "kind": "forecast", "run": trained.id, "horizon": 20, "first_origin": 60,
        "methods": ["linear", "damped_trend"], "continued_training": True, "continue_every": 20, "members": 4,
    }  # fmt: skip
    run = client.wait(client.submit(job).id, timeout=90)
    assert run.status is RunStatus.finished, run.error
    scores = client.forecast_scores(run.id)
    assert len(scores) == 6
    # and five steps, continued four times each
    assert run.step == run.total_steps == 26
    assert run.device is not None
    last = {one.layer: one for one in scores if one.method == "continued_training"}
    assert list(last) == ["hidden.0", "head"]
    # from every origin that the others speak from too
    assert {one.origins for one in last.values()} == {81}
    line = {one.layer: one for one in scores if one.method == "linear"}
    for name, one in last.items():
        assert one.skill is not None
        assert one.skill > 0.2
        assert one.mae < line[name].mae
        assert one.coverage_90 > 0.5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"members": 1}, "^members: Input should be greater than or equal to 2, got 1$"),
        ({"layers": ["nope"]}, "has no layer 'nope'; its layers: hidden.0, head"),
        ({"layers": []}, "layers is empty, .* leave it out to score all layers"),
        ({"run": "0123456789"}, "there is no run '0123456789'"),
        ({"first_origin": 49}, "first_origin must be at least 50, got 49"),
        ({"horizon": 500}, "ends at step 160, .* their sum is at most 160"),
        ({"methods": []}, "methods: Tuple should have at least 1 item"),
        ({"methods": ["arima"]}, "^methods.0: Input should be 'persistence', .* got 'arima'$"),
    ],
)
def test_a_job_that_cannot_be_is_refused(
    client: Client, trained: Run, change: dict[str, object], message: str
) -> None:
    job = {"kind": "forecast", "run": trained.id, "horizon": 20, "first_origin": 60}
    with pytest.raises(InvalidValueError, match=message):
        client.submit({**job, **change})


def test_a_run_that_goes_on_is_scored_by_what_it_will_have(client: Client) -> None:
    long = client.submit({**SMALL, "batches": 120, "noise_every": 40, "name": "goes on"})
    next(run for run in client.follow(long.id, every=0.05) if run.step or run.status.final)
    job = {"kind": "forecast", "run": long.id, "horizon": 20, "first_origin": 90, "layers": ["head"]}
    queued = client.submit({**job, "methods": ["linear", "sde_anisotropic"]})
    done = client.wait(queued.id, timeout=90)
    assert (done.status, done.total_steps) == (RunStatus.finished, 2), done.error


def test_methods_are_scored_where_their_records_are(client: Client) -> None:
    plain = {**SMALL, "batches": 90}
    blind, flat = (
        client.wait(client.submit({**plain, **less}).id, timeout=90)
        for less in ({"noise_every": 0}, {"modes_every": 0})
    )
    scored = {}
    for run in (blind, flat):
        job = {"kind": "forecast", "run": run.id, "horizon": 20, "first_origin": 60, "layers": ["head"]}
        done = client.wait(client.submit(job).id, timeout=90)
        assert done.status is RunStatus.finished, done.error
        scored[run.id] = [one.method for one in client.forecast_scores(done.id)]
        assert done.total_steps == len(scored[run.id])
        with pytest.raises(InvalidValueError, match=r"'sde_anisotropic' needs .*_every\), and layer head"):
            client.submit({**job, "methods": ["linear", "sde_anisotropic"]})
        with pytest.raises(InvalidValueError, match="noise_every"):
            client.forecast(run.id, "head", 70, method="sde_anisotropic")
    assert scored[blind.id] == ["persistence", "linear", "damped_trend"]
    assert scored[flat.id] == ["persistence", "linear", "damped_trend", "sde", "sde_as_printed"]


def test_a_sweep_runs_every_value_with_every_seed(client: Client) -> None:
    base = {**SMALL, "batches": 20, "momentum": 0.0}
    sweep = client.submit({"kind": "sweep", "base": base, "values": [0.05, 0.2], "seeds": [0, 1]})
    run = client.wait(sweep.id, timeout=120)
    assert (run.status, run.step, run.total_steps) == (RunStatus.finished, 4, 4)
    found = client.sweep(run.id)
    assert [(one.value, one.seed) for one in found.points] == [(0.05, 0), (0.05, 1), (0.2, 0), (0.2, 1)]
    slope = next(one for one in found.slopes if one.layer == "hidden.0" and one.axes == "linear")
    spread = {(one.value, one.seed): one.spread["hidden.0"] for one in found.points}
    by_hand = np.mean([(spread[0.2, seed] - spread[0.05, seed]) / 0.15 for seed in (0, 1)])
    assert slope.slope == pytest.approx(by_hand)
    assert slope.low is not None
    runs = sorted((client.run(one.run) for one in found.points), key=lambda one: one.created_at)
    waits = [
        (after.started_at - before.finished_at).total_seconds()
        for before, after in pairwise(runs)
        if after.started_at and before.finished_at
    ]
    assert len(waits) == 3
    assert max(waits) < 4.0, "a process that ended is replaced at once, not when Celery looks again"
