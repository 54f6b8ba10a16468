"""What is read from runs with known answers, and what the verdicts then are."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.reproduction import fig1, fig2, fig3, fig4, fig5
from sigmascope.reproduction.figures import FIGURES
from sigmascope.theory.stochastic_parts import stochastic_term
from tests.reproduction import made


def verdicts(points: list) -> list[str]:
    return [point.verdict for point in points]


def test_spikes_put_in_are_the_outliers_found() -> None:
    found = fig1.numbers([made.fig1()], None)
    assert found["steps"] == [0, 100, 200]
    assert [one["outliers"] for one in found["layers"]["hidden.1"]] == [0, 1, 3]
    assert found["layers"]["hidden.1"][2]["top"] == pytest.approx(6, rel=0.05)
    assert verdicts(fig1.points(found))[:4] == ["agrees"] * 4


def test_a_spectrum_that_stays_noise_has_no_tail() -> None:
    run = made.training("fig1-quick", made.spectra_with({0: [], 100: [], 200: []}))
    assert verdicts(fig1.points(fig1.numbers([run], None))) == ["agrees"] * 2 + ["differs"] * 3


def test_an_outlier_at_the_start_is_told() -> None:
    run = made.training("fig1-quick", made.spectra_with({0: [5.0], 100: [5.0], 200: [5.0]}))
    edge = fig1.points(fig1.numbers([run], None))[1]
    assert edge.verdict == "differs"
    assert "hidden.1 1" in edge.found


def test_scores_of_predictions_with_known_errors() -> None:
    found = fig2.numbers([made.fig2()], None)
    scores = found["scores"]
    assert scores["hold"]["skill"] == pytest.approx(0)
    assert scores["algorithm1"]["skill"] == pytest.approx(0.5)
    assert scores["first_order"]["skill"] == pytest.approx(0.9)
    # sigma_1 is 2 + 0.8 t / 200, predicted with half the rise: 1 % off when 0.4 t / 200 > 0.01 sigma_1
    beyond = np.arange(201)[0.4 * np.arange(201) / 200 > 0.01 * (2 + 0.8 * np.arange(201) / 200)][0]
    assert scores["algorithm1"]["first_beyond"]["0.01"]["modes"][0] == beyond
    assert scores["subspace"]["first_beyond"]["0.01"]["mean"] is None
    rises, lower, early, close, anisotropy = fig2.points(found)
    assert (rises.verdict, lower.verdict, close.verdict) == ("agrees", "differs", "differs")
    assert (early.verdict, anisotropy.verdict) == ("differs", "differs")
    assert "100.00% of the deviation goes" in anisotropy.found


def test_a_predictor_that_is_right_agrees_with_the_paper() -> None:
    run = made.fig2()
    right = run.layers[0].trajectories["subspace"]
    layer = made.LayerResult(
        "hidden.1", 20, 10, run.layers[0].steps, run.layers[0].spectra, {"algorithm1": right}
    )
    found = fig2.numbers([made.training("fig2-quick", layer)], None)
    assert verdicts(fig2.points(found)) == ["agrees", "agrees", "differs", "agrees"]


def test_tails_are_fitted_where_there_are_points_enough() -> None:
    found = fig3.numbers(made.every()["fig3"], None)
    mlp, vit, gpt = (next(iter(run["layers"].values())) for run in found["runs"])
    assert (mlp["outliers"] >= 10, vit["outliers"] >= 5, gpt["fits"]) == (True, True, None)
    assert mlp["diffusion_ratio"] == pytest.approx(10)
    # Theorem 3.2's shape is (m - n + 3) / 4
    assert mlp["printed"]["shape"] == (120 - 100 + 3) / 4
    assert set(mlp["fits"]["laws"]) == set(fig3.NAMES)
    assert fig3.points(found)[-1].verdict == "differs"


def test_counts_of_a_poisson_law() -> None:
    assert fig3.count_p_value(3, 3.0) == pytest.approx(1.0)
    assert fig3.count_p_value(20, 1e-3) < 1e-12
    assert fig3.count_p_value(0, 20.0) < 1e-7


def test_without_a_tail_nothing_is_decided() -> None:
    found = fig3.numbers([made.fig3("fig3-gpt-quick", "blocks.3.down", outliers=0)], None)
    assert verdicts(fig3.points(found)) == ["undecided"] * 4 + ["differs"]


def test_parts_are_those_of_proposition_6_9() -> None:
    layer = made.fig4(batches=5).layers[0]
    k, diffusion = layer.along.shape[1], float(layer.diffusion[0])
    found = fig4.parts(
        layer.spectra, layer.along, m=layer.m, rate=np.full(5, made.ETA), strength=made.ETA * layer.diffusion
    )
    gradient = np.zeros((5, layer.n))
    gradient[:, :k] = -layer.along / made.ETA
    for form, mine in (
        ("as_printed", (found.printed_repulsive, found.printed_rest)),
        ("exact", (found.exact_repulsive, found.exact_rest)),
    ):
        term = stochastic_term(
            layer.spectra**2, m=layer.m, learning_rate=made.ETA, diffusion=diffusion, gradient=gradient,
            form=form,  # type: ignore[arg-type]
        )  # fmt: skip
        np.testing.assert_allclose(mine[0], term.repulsive[:, :k], rtol=1e-8)
        np.testing.assert_allclose(mine[1], term.non_repulsive[:, :k], rtol=1e-8, atol=1e-12)


def test_isotropic_noise_alone_gives_a_correlation_that_grows_with_its_size() -> None:
    found = fig4.numbers([made.fig4()], None)
    curve = [one["correlation"] for one in found["layers"]["hidden.1"]["isotropic"]]
    assert abs(curve[0]) < 0.2
    assert curve[-1] > 0.2
    points = fig4.points(found)
    assert points[2].verdict == "differs"
    # the noise was isotropic: no direction stands out, and nothing needs explaining
    assert [points[3].verdict, points[4].verdict] == ["differs", "differs"]
    profile = found["layers"]["hidden.1"]["noise_profile"]
    assert np.mean(profile) == pytest.approx(1, abs=0.25)  # 30 batches of 12 modes: standard error 0.075


def test_slopes_of_a_power_law_and_the_rate_where_it_ends() -> None:
    found = fig5.numbers([made.fig5()], None)
    line = found["layers"]["head"]["slopes"]["log-log"]
    assert line["slope"] == pytest.approx(0.3)
    assert (line["low"], line["high"], line["seeds"]) == (pytest.approx(0.3), pytest.approx(0.3), 3)
    assert {one["critical"] for one in found["layers"].values()} == {None}
    assert {one["critical_beyond"] for one in found["layers"].values()} == {0.1}
    assert found["failed"] == [{"value": 9.0, "seed": 0}]
    grows, steepest, printed, _head, falls = fig5.points(found)
    assert (grows.verdict, printed.verdict, falls.verdict) == ("agrees", "differs", "differs")
    assert "did not finish at 9" in falls.found
    assert "head beyond 0.1" in falls.found
    assert steepest.verdict in ("agrees", "differs")


def test_the_papers_slope_is_recognised() -> None:
    run = made.fig5(power=0.81)
    assert run.sweep
    rough = [
        point.model_copy(
            update={
                "spread": {
                    n: v * (1 + 0.02 * point.seed * np.log10(point.value)) for n, v in point.spread.items()
                }
            }
        )
        for point in run.sweep.points
    ]
    run.sweep.points = rough
    assert fig5.points(fig5.numbers([run], None))[2].verdict == "agrees"


def test_a_fall_that_chance_may_make_is_no_critical_rate() -> None:
    x, seeds = np.repeat([0.01, 0.1], 3), np.tile([0.0, 1.0, 2.0], 2)
    assert fig5.critical_rate(x, np.array([1.0, 2.0, 3.0, 2.0, 1.0, 2.9]), seeds) is None
    assert fig5.critical_rate(x, np.array([1.0, 2.0, 3.0, 0.5, 1.5, 2.4]), seeds) == 0.01
    assert fig5.critical_rate(x, np.array([1.0, 2.0, 3.0, 1.1, 2.1, 3.1]), seeds) is None


@pytest.mark.parametrize("name", FIGURES)
def test_a_layer_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    if name == "fig5":  # draws all of them
        return
    with pytest.raises(InvalidValueError, match=r"no layer 'nosuch'; choose one of \w"):
        FIGURES[name].numbers(made.every()[name], "nosuch")


def test_a_run_of_another_kind_is_refused() -> None:
    with pytest.raises(InvalidValueError, match="is no sweep"):
        fig5.numbers([made.fig1()], None)
    with pytest.raises(InvalidValueError, match="is a sweep"):
        _ = made.fig5().train
