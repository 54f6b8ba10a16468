"""The figures are pure: marks, patterns and colours can be read off them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import plotly.graph_objects as go
import pytest

from frontend.figures.ensemble import eigenvalue_sum, ensemble_means, ensemble_spectrum
from frontend.figures.skeletons import ensemble_skeletons, skeletons
from frontend.figures.spectrum import spectrum
from frontend.figures.strip import forces, metrics
from frontend.figures.theme import DARK, LIGHT, THEMES, Theme
from frontend.figures.training import training
from frontend.figures.trajectories import trajectories
from frontend.strip import PARTS as LEGEND
from sigmascope.schemas import Forces

CSS = Path("frontend/assets/sigmascope.css")
PARTS = [switched for *_, switched in LEGEND]


def by_meta(figure: go.Figure) -> dict[str, go.Scatter]:
    return {trace.meta: trace for trace in figure.data}


def channels(colour: str) -> tuple[float, float, float]:
    if colour.startswith("#"):
        return tuple(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))  # type: ignore[return-value]
    return tuple(float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3])  # type: ignore[return-value]


def luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_black_on_white_is_21() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
class TestBothThemes:
    def test_laws_are_told_apart_without_colour(self, theme: Theme) -> None:
        traces = by_meta(spectrum(theme))
        assert traces["marchenko_pastur"].line.dash == "dash"
        assert traces["tracy_widom"].line.dash == "solid"
        assert traces["gamma_printed"].line.dash == "dot"
        assert traces["gamma_fitted"].line.dash == "solid"
        assert traces["histogram"].fill == "tozeroy"

    def test_gammas_share_a_hue_and_the_edge_is_the_green_of_tracy_widom(self, theme: Theme) -> None:
        traces = by_meta(spectrum(theme))
        assert traces["gamma_printed"].line.color == traces["gamma_fitted"].line.color
        assert traces["edge"].line.color == traces["tracy_widom"].line.color

    def test_a_mode_keeps_its_hue_from_true_to_predicted_to_residual(self, theme: Theme) -> None:
        traces = by_meta(trajectories(theme, k=5))
        assert len(traces) == 30
        for i in range(5):
            marks = ("true", "predicted", "residual", "median")
            colours = {traces[f"{what}:{i}"].line.color for what in marks}
            assert len(colours) == 1
            for band in ("band50", "band90"):
                assert channels(traces[f"{band}:{i}"].fillcolor) == channels(traces[f"true:{i}"].line.color)
        assert traces["true:0"].line.dash == "solid"
        assert len({traces[f"{what}:0"].line.dash for what in ("true", "predicted", "median")}) == 3

    def test_truth_is_drawn_over_the_bands_of_a_forecast(self, theme: Theme) -> None:
        order = [trace.meta for trace in trajectories(theme, k=2).data]
        assert order.index("band50:1") < order.index("true:0") < order.index("median:0")

    def test_residuals_have_an_axis_of_their_own_on_the_same_steps(self, theme: Theme) -> None:
        figure = trajectories(theme, k=2)
        assert by_meta(figure)["residual:0"].yaxis == "y2"
        assert figure.layout.xaxis.anchor == "y2"

    def test_training_shows_loss_and_accuracy_of_both_splits(self, theme: Theme) -> None:
        assert set(by_meta(training(theme))) == {"loss", "test_loss", "accuracy", "test_accuracy"}

    def test_parts_of_a_change_are_told_apart_without_colour(self, theme: Theme) -> None:
        traces = by_meta(forces(theme))
        marks = [(traces[name].line.dash, traces[name].line.width) for name in PARTS]
        assert len(set(marks)) == len(PARTS)
        assert traces["repulsion"].line.dash == "solid"
        assert traces["repulsion_as_printed"].line.dash == "dot"
        assert traces["repulsion"].line.color == traces["repulsion_as_printed"].line.color == theme.gamma

    def test_parts_are_those_of_the_answer(self, theme: Theme) -> None:
        assert set(PARTS) <= set(Forces.model_fields)
        assert set(by_meta(forces(theme))) == {*PARTS, "labels"}
        assert set(by_meta(metrics(theme))) == {"others", "picked", "seen", "labels"}

    def test_names_at_the_ends_of_lines_can_be_read(self, theme: Theme) -> None:
        for name in PARTS:
            assert contrast(by_meta(forces(theme))[name].line.color, theme.panel) >= 4.5, name
        for name in ("others", "picked"):
            assert contrast(by_meta(metrics(theme))[name].line.color, theme.panel) >= 4.5, name

    def test_laws_over_an_ensemble_keep_their_marks(self, theme: Theme) -> None:
        traces = by_meta(ensemble_spectrum(theme))
        assert traces["marchenko_pastur"].line.dash == "dash"
        assert traces["marchenko_pastur"].line.color == theme.marchenko_pastur
        assert traces["gamma_printed"].line.dash == "dot"
        assert traces["gamma_exact"].line.dash == "dashdot"
        assert traces["gamma_exact"].line.color == traces["gamma_printed"].line.color == theme.gamma

    def test_a_mean_lies_in_a_band_of_its_hue(self, theme: Theme) -> None:
        traces = by_meta(ensemble_means(theme, k=3))
        for i in range(3):
            assert channels(traces[f"band:{i}"].fillcolor) == channels(traces[f"mean:{i}"].line.color)
            assert traces[f"band:{i}"].fill == "toself"

    def test_the_sum_and_its_exact_value_are_told_apart_without_colour(self, theme: Theme) -> None:
        traces = by_meta(eigenvalue_sum(theme))
        assert traces["sum"].line.dash != traces["expected"].line.dash
        assert traces["off"].yaxis == traces["tolerance"].yaxis == "y2"

    def test_every_axis_says_what_it_shows_and_keeps_its_range(self, theme: Theme) -> None:
        figures = (spectrum(theme), trajectories(theme, k=3), training(theme), forces(theme), metrics(theme))
        ensembles = (ensemble_spectrum(theme), ensemble_means(theme, k=3), eigenvalue_sum(theme))
        for figure in (*figures, *ensembles):
            for name, axis in figure.to_plotly_json()["layout"].items():
                if re.fullmatch(r"[xy]axis\d*", name):
                    assert axis["title"]["text"]
                    assert axis["autorange"] is False

    def test_marks_reach_a_contrast_of_3_and_text_of_4_5(self, theme: Theme) -> None:
        marks = [
            theme.data,
            theme.marchenko_pastur,
            theme.tracy_widom,
            theme.gamma,
            theme.outlier,
            theme.test,
            theme.drift,
            theme.noise,
        ]
        for mark in [*marks, *theme.mode_colours(8)]:
            assert contrast(mark, theme.panel) >= 3, mark
        for text in (theme.ink, theme.muted):
            assert contrast(text, theme.panel) >= 4.5, text

    def test_the_style_sheet_repeats_these_colours(self, theme: Theme) -> None:
        css = CSS.read_text().split(f'data-mantine-color-scheme="{theme.name}"] {{')[1].split("}")[0]
        said = dict(re.findall(r"--([a-z-]+): ([^;]+);", css))
        names = (
            "panel",
            "ink",
            "muted",
            "data",
            "marchenko_pastur",
            "tracy_widom",
            "gamma",
            "outlier",
            "test",
            "drift",
            "noise",
        )
        for name in names:
            assert said[name.replace("_", "-")] == getattr(theme, name)


def test_modes_begin_at_the_far_end_of_the_palette_from_the_ground() -> None:
    assert luminance(LIGHT.mode_colours(8)[0]) < luminance(LIGHT.mode_colours(8)[-1])
    assert luminance(DARK.mode_colours(8)[0]) > luminance(DARK.mode_colours(8)[-1])


def test_one_mode_has_a_colour() -> None:
    assert len(LIGHT.mode_colours(1)) == 1


def test_skeletons_are_small_json_with_the_same_traces_in_both_themes() -> None:
    both = skeletons(k=8)
    assert len(json.dumps(both)) < 80_000
    for name in ("spectrum", "trajectories", "training", "forces", "metrics"):
        light, dark = ([trace["meta"] for trace in both[theme][name]["data"]] for theme in ("light", "dark"))
        assert light == dark
    ensembles = ensemble_skeletons(k=8)
    assert len(json.dumps(ensembles)) < 60_000
    assert set(ensembles["light"]) == set(ensembles["dark"]) == {"spectrum", "means", "sum"}
