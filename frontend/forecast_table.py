"""Scores of forecasts: a chart of skill by method, and a table of layers and methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import Any, NamedTuple

from dash import html

from frontend.numbers import UNKNOWN, significant
from sigmascope.schemas import CONTINUED, ForecastScore, Scored


class Method(NamedTuple):
    """What a forecaster is called, and what it does, in a few words."""

    name: str
    about: str


METHODS: dict[Scored, Method] = {
    "persistence": Method("persistence", "the value stays: the baseline"),
    "linear": Method("linear", "a least-squares line goes on"),
    "damped_trend": Method("damped trend", "a trend that fades"),
    "sde": Method("SDE", "an ensemble, exact repulsion"),
    "sde_as_printed": Method("SDE, as printed", "the paper's repulsion"),
    "sde_anisotropic": Method("SDE, anisotropic", "the noise of each mode"),
    "sde_anisotropic_as_printed": Method("SDE, anisotropic, as printed", "both"),
    "continued_training": Method("continued training", "with other batches"),
}
# a 90 % band is off when it holds fewer or more of the truths than this
GOOD_90 = (0.85, 0.95)
COLUMNS = (
    ("layer", "Layer"),
    ("method", "Method"),
    ("number", "Skill"),
    ("strip", "Skill of each mode"),
    ("number", "MAE"),
    ("number", "CRPS"),
    ("number", "In 50 %"),
    ("number", "In 90 %"),
    ("number", "Origins"),
)
# skill below this lies at the left end of the scale
LEAST = -1.0
TICKS = ((-1.0, "−1"), (-0.5, "−0.5"), (0.0, "0"), (0.5, "0.5"), (1.0, "1"))


def method_of(name: str) -> Method:
    """How a forecaster is shown; one that this page does not know keeps its own name."""
    found = {str(key): method for key, method in METHODS.items()}
    return found.get(name, Method(name.replace("_", " "), ""))


def place(skill: float) -> float:
    """Share of the scale's length, 0 to 1, of a skill; what is worse than ``LEAST`` lies at 0."""
    return (min(max(skill, LEAST), 1.0) - LEAST) / (1.0 - LEAST)


def off(coverage: float) -> str:
    """What is wrong with the coverage of a 90 % band, or nothing."""
    low, high = GOOD_90
    if low <= coverage <= high:
        return ""
    return "too narrow" if coverage < low else "too wide"


def mean_skill(scores: Sequence[ForecastScore]) -> float | None:
    """Mean over the layers of which a skill is known."""
    known = [one.skill for one in scores if one.skill is not None]
    return fmean(known) if known else None


def by_method(scores: Sequence[ForecastScore]) -> dict[str, list[ForecastScore]]:
    """Scores of each method, methods in the order in which they first come."""
    return _grouped(scores, key=lambda one: one.method)


def _grouped(
    scores: Sequence[ForecastScore], *, key: Callable[[ForecastScore], str]
) -> dict[str, list[ForecastScore]]:
    found: dict[str, list[ForecastScore]] = {}
    for one in scores:
        found.setdefault(key(one), []).append(one)
    return found


def summary(scores: Sequence[ForecastScore]) -> str:
    """Which method is best by mean skill, whether its band can be trusted, and what can be foreseen."""
    of_method = by_method(scores)
    continued = mean_skill(of_method.pop(CONTINUED, []))
    ranked = [(mean_skill(of), name, of) for name, of in of_method.items() if name != "persistence"]
    known = [one for one in ranked if one[0] is not None]
    limit = (
        "" if continued is None else f"Training continued with other batches has skill {_skill(continued)}"
    )
    if not known and limit:
        return f"{limit} over persistence, {scores[0].horizon:,} batches ahead."
    if not known:
        return "Nothing is scored yet." if not scores else "Nothing has moved: no method has a skill."
    skill, name, best = max(known, key=lambda one: one[0] or -math.inf)
    coverage = fmean(one.coverage_90 for one in best)
    trust = off(coverage)
    said = f"which is {trust}" if trust else "as it should"
    layers = "1 layer" if len(best) == 1 else f"{len(best)} layers"
    rest = ": the rest is mostly chance" if (continued or 0.0) > (skill or 0.0) else ""
    among = "Best of those that do not train on," if limit else "Best"
    return (
        f"{among} on average over {layers}: {method_of(name).name}, skill {_skill(skill)} over "
        f"persistence, {best[0].horizon:,} batches ahead. "
        f"Its 90 % band holds {_percent(coverage)} of the truths, {said}."
        + (f" {limit}{rest}." if limit else "")
    )


def chart(scores: Sequence[ForecastScore]) -> html.Div:
    """Skill by method: a dot a layer, and the mean over the layers as a mark."""
    rows = [_chart_row(name, of) for name, of in by_method(scores).items()]
    ticks = [html.Span(text, style={"left": _share(place(tick))}) for tick, text in TICKS]
    scale = html.Div(
        [
            html.Span(className="skill-name"),
            html.Span(ticks, className="skill-scale"),
            html.Span(className="skill-mean"),
        ],
        className="skill-row",
        **{"aria-hidden": "true"},
    )
    return html.Div([*rows, scale], className="skill-chart")


def _chart_row(name: str, scores: Sequence[ForecastScore]) -> html.Div:
    mean = mean_skill(scores)
    dots = [(one.skill, f"{one.layer}: {_skill(one.skill)}") for one in scores]
    label = f"{method_of(name).name}: mean skill {_skill(mean)}; " + ", ".join(text for _, text in dots)
    return html.Div(
        [
            html.Span(
                [html.Span(method_of(name).name), html.Span(method_of(name).about, className="muted")],
                className="skill-name",
            ),
            _lane(dots, mean, label=label),
            html.Span(_skill(mean), className="figure skill-mean"),
        ],
        className="skill-row",
    )


def _lane(dots: Sequence[tuple[float | None, str]], mean: float | None, *, label: str) -> html.Span:
    """Dots on the scale of skills, with nought marked; what has no skill is left out."""
    marks: list[Any] = [
        html.Span(className=_beyond("skill-dot", skill), style={"left": _share(place(skill))}, title=title)
        for skill, title in dots
        if skill is not None
    ]
    if mean is not None:
        marks.append(html.Span(className=_beyond("skill-mark", mean), style={"left": _share(place(mean))}))
    nought = html.Span(className="skill-nought", style={"left": _share(place(0.0))})
    return html.Span([nought, *marks], className="skill-lane", role="img", **{"aria-label": label})


def _beyond(name: str, skill: float) -> str:
    return f"{name} beyond" if skill < LEAST else name


def table(scores: Sequence[ForecastScore]) -> html.Table:
    """A row a layer and method, layers in the order in which they come."""
    head = html.Thead(
        html.Tr([html.Th(name, scope="col", className=f"column-{kind}") for kind, name in COLUMNS])
    )
    bodies = [
        html.Tbody([_row(one, count=len(of), first=i == 0) for i, one in enumerate(of)])
        for of in _grouped(scores, key=lambda one: one.layer).values()
    ]
    return html.Table([head, *bodies], className="forecast-table")


def _row(one: ForecastScore, *, count: int, first: bool) -> html.Tr:
    layer = [html.Th(one.layer, scope="rowgroup", rowSpan=count, className="column-layer")] if first else []
    modes = [(skill, f"σ{_subscript(i + 1)}: {_skill(skill)}") for i, skill in enumerate(one.skill_by_mode)]
    label = "skill of each mode: " + ", ".join(text for _, text in modes)
    return html.Tr(
        [
            *layer,
            html.Th(method_of(one.method).name, scope="row", className="column-method"),
            html.Td(_skill(one.skill), className="figure column-number"),
            html.Td(_lane(modes, one.skill, label=label), className="column-strip"),
            html.Td(significant(one.mae), className="figure column-number"),
            html.Td(significant(one.crps), className="figure column-number"),
            html.Td(_percent(one.coverage_50), className="figure column-number"),
            _coverage(one.coverage_90),
            html.Td(f"{one.origins:,}", className="figure column-number"),
        ],
        **{"data-layer": one.layer, "data-method": one.method},
    )


def _coverage(coverage: float) -> html.Td:
    wrong = off(coverage)
    mark = [html.Span("off", className="coverage-off", title=f"The band is {wrong}.")] if wrong else []
    return html.Td([*mark, _percent(coverage)], className="figure column-number")


def _skill(skill: float | None) -> str:
    """Two decimals, a true minus; the far negative by powers of ten. It never rounds up to a perfect 1."""
    if skill is None:
        return UNKNOWN
    if skill < -99:
        return significant(skill)
    shown = min(skill, 0.999) if skill < 1 else skill
    return f"{shown:.3f}".replace("-0.000", "0.000").replace("-", "−")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _share(share: float) -> str:
    return f"{100 * share:.2f}%"


def _subscript(number: int) -> str:
    return str(number).translate(str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉"))
