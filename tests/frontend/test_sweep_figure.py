"""A panel of a sweep: which points it holds, where the line lies, what the axes show."""

from __future__ import annotations

import math

import pytest

from frontend.figures.skeletons import sweep_skeleton
from frontend.figures.sweep import SYMBOLS, drawn, sweep_panel
from frontend.figures.theme import THEMES, Theme
from frontend.figures.ticks import linear_ticks, log_ticks
from tests.frontend.sweeps import SPEC, found, line, point

SEEDS = SPEC.seeds


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_seeds_are_told_apart_without_colour_and_the_unfinished_are_hollow(theme: Theme) -> None:
    traces = {trace.meta: trace for trace in sweep_panel(theme, field="momentum").data}
    assert {traces[f"seed:{i}"].marker.symbol for i in range(len(SYMBOLS))} == set(SYMBOLS)
    assert all(traces[f"open:{i}"].marker.symbol == f"{symbol}-open" for i, symbol in enumerate(SYMBOLS))
    assert traces["line"].line.dash == "solid"
    assert traces["critical"].line.dash == "dot"
    assert "momentum" in traces["seed:0"].hovertemplate


def test_the_skeleton_names_the_field_in_both_themes() -> None:
    both = sweep_skeleton(field="model.width")
    assert set(both) == {"light", "dark"}
    assert all(one["layout"]["xaxis"]["title"]["text"] == "model.width" for one in both.values())


def test_each_seed_has_its_symbol_at_its_values() -> None:
    traces = drawn(found(), "hidden.0", seeds=SEEDS)["log-log"]["traces"]
    assert traces["seed:0"]["x"] == [0.01, 0.1, 1.0]
    assert traces["seed:1"]["y"] == pytest.approx([0.01, 0.1, 1.0])
    assert traces["seed:1"]["customdata"] == ["seed 7"] * 3


def test_seeds_beyond_the_symbols_begin_anew() -> None:
    seeds = list(range(len(SYMBOLS) + 1))
    many = found(points=[point(0.1, seed) for seed in seeds], slopes=[], critical={})
    assert drawn(many, "head", seeds=seeds)["linear"]["traces"]["seed:0"]["x"] == [0.1, 0.1]


def test_the_line_passes_where_slope_and_intercept_say() -> None:
    steep = found(
        slopes=[line("head", "log-log", 2.0, intercept=1.0), line("head", "linear", 3.0, intercept=0.5)]
    )
    both = drawn(steep, "head", seeds=SEEDS)
    assert both["log-log"]["traces"]["line"]["y"] == pytest.approx([10 * 0.01**2, 10.0])
    assert both["linear"]["traces"]["line"]["y"] == pytest.approx([0.53, 3.5])
    assert "line" not in drawn(steep, "hidden.0", seeds=SEEDS)["linear"]["traces"]


def test_the_critical_value_stands_where_the_spread_falls() -> None:
    assert drawn(found(), "head", seeds=SEEDS)["linear"]["traces"]["critical"]["x"] == [0.1, 0.1]
    assert "critical" not in drawn(found(), "hidden.0", seeds=SEEDS)["linear"]["traces"]


def test_runs_at_work_are_hollow_and_failed_or_missing_ones_absent() -> None:
    points = [
        point(0.01, 3),
        point(0.1, 3, status="running", step=12),
        point(1.0, 3, status="failed", spread={"head": 1e17}),
        point(1.0, 7, status="queued", spread={}),
    ]
    panel = drawn(found(points=points, slopes=[], critical={}), "head", seeds=SEEDS)["linear"]
    assert panel["traces"].keys() == {"seed:0", "open:0"}
    assert panel["traces"]["open:0"]["customdata"] == ["seed 3, running, step 12"]
    assert panel["axes"]["yaxis"]["range"][1] < 1
    assert panel["axes"]["xaxis"]["range"][1] > 1


def test_nought_is_left_out_on_logarithmic_axes() -> None:
    points = [point(0.0, 3, spread={"head": 1.0}), point(0.5, 3), point(0.9, 3)]
    both = drawn(found(points=points, slopes=[], critical={"head": 0.0}), "head", seeds=SEEDS)
    assert both["log-log"]["traces"]["seed:0"]["x"] == [0.5, 0.9]
    assert both["linear"]["traces"]["seed:0"]["x"] == [0.0, 0.5, 0.9]
    assert "critical" not in both["log-log"]["traces"]


def test_equal_slopes_look_equal_in_all_panels() -> None:
    axes = [drawn(found(), layer, seeds=SEEDS)["log-log"]["axes"] for layer in ("hidden.0", "head")]
    assert axes[0]["xaxis"] == axes[1]["xaxis"]
    lengths = [high - low for low, high in (one["yaxis"]["range"] for one in axes)]
    assert lengths[0] == pytest.approx(lengths[1])
    for one, layer in zip(axes, ("hidden.0", "head"), strict=True):
        spreads = [math.log10(p.spread[layer]) for p in found().points]
        assert one["yaxis"]["range"][0] < min(spreads) < max(spreads) < one["yaxis"]["range"][1]


def test_a_single_point_still_has_a_frame() -> None:
    alone = found(points=[point(0.1, 3)], slopes=[], critical={})
    for panel in drawn(alone, "head", seeds=SEEDS).values():
        for axis in panel["axes"].values():
            assert axis["range"][0] < axis["range"][1]


def test_a_layer_without_points_has_a_frame() -> None:
    failed = found(points=[point(0.1, 3, status="failed")], slopes=[], critical={})
    assert all(panel["traces"] == {} for panel in drawn(failed, "head", seeds=SEEDS).values())


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (-3.1, -0.9, ["0.001", "0.01", "0.1"]),
        (-2.2, -0.6, ["0.01", "0.03", "0.1"]),
        (-0.2, 0.8, ["1", "2", "5"]),
        (0.1, 0.15, ["1.3", "1.35", "1.4"]),
        (-6, 3, ["10⁻⁶", "10⁻⁴", "0.01", "1", "100"]),
    ],
)
def test_logarithmic_ticks_are_few_and_round(low: float, high: float, ticks: list[str]) -> None:
    assert log_ticks(low, high)["ticktext"] == ticks


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0, 1.07, ["0", "0.5", "1"]),
        (0, 0.031, ["0", "0.01", "0.02", "0.03"]),
        (-2, 2, ["−2", "−1", "0", "1", "2"]),
    ],
)
def test_linear_ticks_are_few_and_round(low: float, high: float, ticks: list[str]) -> None:
    assert linear_ticks(low, high)["ticktext"] == ticks
