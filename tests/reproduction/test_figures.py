"""What is read from runs with known answers, and what the verdicts then are."""

from __future__ import annotations

from copy import deepcopy
from functools import cache
from typing import Any

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.reproduction import fig1, fig2, fig3, fig4, fig5
from sigmascope.reproduction.figure import Point, every, most, some, within
from sigmascope.reproduction.figures import FIGURES
from sigmascope.reproduction.results import RunResult
from sigmascope.schemas import Sweep
from sigmascope.theory.stochastic_parts import stochastic_term
from tests.reproduction import made

RATES = (1e-3, 1e-2, 1e-1)


@pytest.mark.parametrize(
    ("told", "all_of", "one_of", "most_of"),
    [
        ([True, True], True, True, True),
        ([True, False], False, True, False),
        ([True, None], None, True, None),
        ([True, True, None], None, True, True),
        ([False, None], False, None, False),
        ([False, None, None], False, None, None),
        ([False, False], False, False, False),
        ([], None, None, None),
    ],
)
def test_what_is_open_stays_open_unless_the_others_decide(
    told: list[bool | None], all_of: bool | None, one_of: bool | None, most_of: bool | None
) -> None:
    assert (every(told), some(told), most(told)) == (all_of, one_of, most_of)


def test_an_interval_decides_where_it_lies_on_one_side() -> None:
    found = [within(one, 0.0, 1.0) for one in ((0.2, 0.8), (0.5, 1.5), (-1.0, 2.0), (1.5, 2.0), (-2.0, -1.0))]
    assert found == [True, None, None, False, False]


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
    found = fig1.numbers([run], None)
    # the largest value is as noise has it, which proves nothing; that nothing moves is plain
    assert verdicts(fig1.points(found)) == ["agrees"] * 2 + ["undecided"] + ["differs"] * 2
    found["layers"]["hidden.1"][1]["p_value"] = 0.99
    assert fig1.points(found)[2].verdict == "differs"


def test_outliers_that_chance_may_have_put_there_decide_nothing() -> None:
    found = fig1.numbers([made.fig1()], None)
    start = found["layers"]["hidden.1"][0]
    for outliers, p_value, said in ((0, 0.9, "agrees"), (1, 0.03, "undecided"), (1, 1e-4, "differs")):
        start |= {"outliers": outliers, "p_value": p_value}
        assert fig1.points(found)[1].verdict == said


@pytest.mark.parametrize(
    ("rise", "said"), [(0.05, "agrees"), (0.012, "undecided"), (0.002, "differs"), (-0.1, "differs")]
)
def test_a_bulk_shifts_by_what_an_eye_sees_and_a_level_holds(rise: float, said: str) -> None:
    found = fig1.numbers([made.fig1()], None)
    first, _, last = found["layers"]["hidden.1"]
    # one level is 2 %, and the limit of the eye 1 %
    first |= {"median": 1.0, "mp_upper": 0.02 * found["n"]}
    last["median"] = 1 + rise
    assert fig1.points(found)[4].verdict == said


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
    # it never is 1 % off: that is no evidence of when deviations start
    assert verdicts(fig2.points(found)) == ["agrees", "agrees", "undecided", "agrees"]


def test_what_is_left_of_a_deviation_proves_no_cause() -> None:
    found = fig2.numbers([made.fig2()], None)
    found["scores"]["subspace"]["mean_error"] = 0.9 * found["scores"]["algorithm1"]["mean_error"]
    assert fig2.points(found)[4].verdict == "undecided"


def test_lower_modes_that_do_not_rise_are_no_rise_to_predict() -> None:
    found = fig2.numbers([made.fig2()], None)
    found["scores"]["algorithm1"]["rise"][-1] = 0.0
    assert fig2.points(found)[1].verdict == "undecided"


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


@cache
def fitted_tails() -> dict[str, Any]:
    """Figure 3's numbers with one layer: fits take seconds."""
    return fig3.numbers([made.fig3("fig3-mlp-quick", "hidden.1", outliers=14)], None)


def tails_of(**changes: Any) -> dict[str, Any]:
    """Those with the fits or the printed law changed."""
    found = deepcopy(fitted_tails())
    (one,) = found["runs"][0]["layers"].values()
    for key, value in changes.items():
        part = one["printed"] if key in one["printed"] else one["fits"] if key in one["fits"] else one
        part[key] = value
    return found


@pytest.mark.parametrize(
    ("changes", "point", "said"),
    [
        ({"ks": 0.1, "ks_p_value": 0.9}, 0, "undecided"),  # 14 points cannot show a distance below 0.25
        ({"ks": 0.1, "ks_p_value": 0.9, "outliers": 300}, 0, "agrees"),
        ({"ks": 0.6, "ks_p_value": 0.01}, 0, "differs"),
        ({"ks": None, "ks_p_value": None}, 0, "differs"),
        ({"expected": 2.0, "count_p_value": 1e-3}, 1, "agrees"),
        ({"expected": 200.0, "count_p_value": 1e-3}, 1, "differs"),
        ({"expected": 10.0, "count_p_value": 0.4}, 1, "undecided"),
        ({"best": "exponential", "rivals": ["truncated_gamma"], "gamma_p_value": 0.5}, 2, "agrees"),
        ({"best": "exponential", "rivals": ["power_law"], "gamma_p_value": 0.5}, 2, "undecided"),
        ({"best": "exponential", "rivals": [], "gamma_p_value": 0.01}, 2, "differs"),
        ({"best": "power_law", "rivals": [], "extensions": [], "gamma_p_value": 0.5}, 2, "differs"),
        ({"best": "power_law", "rivals": []}, 3, "agrees"),
        ({"best": "power_law", "rivals": ["lognormal"]}, 3, "undecided"),
        ({"best": "lognormal", "rivals": ["power_law"]}, 3, "undecided"),
        ({"best": "lognormal", "rivals": []}, 3, "differs"),
    ],
)
def test_a_law_that_is_not_refuted_is_not_thereby_right(
    changes: dict[str, Any], point: int, said: str
) -> None:
    assert fig3.points(tails_of(**changes))[point].verdict == said


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
    # so many that the variance of one mode is known to 25 %
    found = fig4.numbers([made.fig4(batches=120)], None)
    curve = [one["correlation"] for one in found["layers"]["hidden.1"]["isotropic"]]
    assert abs(curve[0]) < 0.2
    assert curve[-1] > 0.2
    points = fig4.points(found)
    assert points[2].verdict == "differs"
    # the noise was isotropic: no direction stands out, and both kinds of noise explain what is seen
    assert [points[3].verdict, points[4].verdict] == ["differs", "undecided"]
    profile = found["layers"]["hidden.1"]["noise_profile"]
    assert np.mean(profile) == pytest.approx(1, abs=0.15)  # 120 batches of 12 modes: standard error 0.037


def verdict_on_one_layer(point: int, **changes: Any) -> str:
    """Figure 4's point over one layer, of numbers that are made up."""
    one = {
        "printed": {"dominance": 2.0, "mean_correlation": 0.6, "correlation_error": 0.01},
        "exact": {"dominance": 2.0},
        "noise_profile": [9.0, 1.0, 1.0, 1.0],
        "steps": list(range(100)),
        "k": 4,
        "isotropic": [{"correlation": 0.0, "error": 0.01}],
        "isotropic_here": {"correlation": 0.0, "error": 0.01},
        "anisotropic_here": {"correlation": 0.6, "error": 0.01},
    }
    for path, value in changes.items():
        *parents, leaf = path.split("__")
        node: Any = one
        for parent in parents:
            node = node[-1] if parent == "last" else node[parent]
        node[leaf] = value
    return fig4.points({"layers": {"head": one}})[point].verdict


@pytest.mark.parametrize(
    ("point", "changes", "said"),
    [
        (0, {}, "agrees"),
        (0, {"printed__dominance": 0.5}, "differs"),
        (0, {"printed__dominance": None}, "undecided"),
        (1, {}, "agrees"),
        (1, {"printed__correlation_error": 0.1}, "undecided"),
        (1, {"printed__mean_correlation": 0.2}, "differs"),
        (1, {"printed__mean_correlation": None, "printed__correlation_error": None}, "undecided"),
        (2, {}, "agrees"),
        (2, {"isotropic__last__error": 0.2}, "undecided"),  # near 0 as far as that is known: not known to be
        (2, {"isotropic__last__correlation": 0.3}, "differs"),
        (2, {"isotropic__last__error": None}, "undecided"),
        (3, {}, "agrees"),
        (3, {"steps": [1, 2]}, "undecided"),
        (3, {"noise_profile": [1.0, 1.0, 1.0, 1.0]}, "differs"),
        (4, {}, "agrees"),
        (4, {"isotropic_here__error": 0.3}, "undecided"),
        (4, {"anisotropic_here__correlation": 0.1}, "differs"),
        (4, {"anisotropic_here__error": None}, "undecided"),
    ],
)
def test_errors_decide_what_figure_4_can_tell(point: int, changes: dict[str, Any], said: str) -> None:
    assert verdict_on_one_layer(point, **changes) == said


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
    assert steepest.verdict == "agrees"  # on linear axes: one power for all, and here a factor of two


def spreads(lines: dict[str, float], *, noise: float, seeds: int = 3) -> list[Point]:
    """Figure 5 where the spread of each matrix is a power of the rate, another one with each seed."""
    rng, points = np.random.default_rng(0), []
    for seed in range(seeds):
        powers = {name: slope + noise * rng.standard_normal() for name, slope in lines.items()}
        for rate in RATES:
            spread = {name: (rate / RATES[0]) ** power for name, power in powers.items()}
            points.append(made.point(rate, seed, "finished", 200, spread))
    sweep = Sweep(field="learning_rate", points=points, slopes=[], critical={})
    return fig5.points(fig5.numbers([RunResult("fig5", made.fig5().spec, sweep=sweep)], None))


STEEP = {"blocks.0.up": 0.2, "blocks.0.down": 0.5, "head": 0.1}
MIXED = {"blocks.0.up": 0.5, "blocks.0.down": -0.2, "head": 0.6}
FALLING = {"blocks.0.up": -0.5, "blocks.0.down": -0.2, "head": -0.1}


@pytest.mark.parametrize(
    ("lines", "noise", "seeds", "said"),
    [
        (STEEP, 0.01, 3, ["agrees", "agrees", "differs", "agrees", "differs"]),
        (STEEP, 0.5, 3, ["undecided"] * 5),
        (STEEP, 0.01, 1, ["undecided"] * 5),
        (MIXED, 0.01, 3, ["differs", "differs", "differs", "differs", "differs"]),
        (FALLING, 0.01, 3, ["differs", "differs", "differs", "agrees", "agrees"]),
    ],
)
def test_intervals_over_seeds_decide_what_figure_5_can_tell(
    lines: dict[str, float], noise: float, seeds: int, said: list[str]
) -> None:
    assert verdicts(spreads(lines, noise=noise, seeds=seeds)) == said


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
