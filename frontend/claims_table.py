"""The paper's claims as a table: verdict, measurement, both predictions, and how far off they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dash import html

from frontend.figures.deviation import TICKS, TOLERANCE, place
from frontend.formulas import formula, scripted
from frontend.numbers import UNKNOWN, digits_for, significant
from sigmascope.schemas import CheckedClaim, FormVerdict, Measured, Statement

COLUMNS = (
    ("statement", "Statement"),
    ("verdict", "As printed, it"),
    ("measured", "Measured ± standard error"),
    ("number", "As printed"),
    ("number", "Exact"),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a verdict is shown: ``slug`` names it in addresses and styles, ``short`` in the filter."""

    slug: str
    words: str
    short: str
    counted: str


VERDICTS = {
    "holds": Verdict("holds", "holds", "holds", "hold"),
    "holds to leading order": Verdict(
        "leading", "holds to leading order", "to leading order", "to leading order"
    ),
    "heuristic": Verdict("heuristic", "is heuristic", "heuristic", "heuristic"),
    "does not hold as printed": Verdict("fails", "does not hold", "does not hold", "do not hold as printed"),
}
UNCHECKED = Verdict("unchecked", "not checked yet", "not checked", "not checked yet")


def verdict_of(checked: CheckedClaim | None) -> Verdict:
    """How the claim's verdict is shown; one that this page does not know keeps its own words."""
    if checked is None:
        return UNCHECKED
    words = checked.verdict
    return VERDICTS.get(words, Verdict("other", words, words, words))


def summary(checked: Sequence[CheckedClaim]) -> str:
    """The results in one sentence, counted."""
    counts = Counter(verdict_of(one).counted for one in checked)
    known = [verdict.counted for verdict in VERDICTS.values()]
    parts = [f"{counts[words]} {words}" for words in (*known, *(counts.keys() - set(known))) if counts[words]]
    statements = len({one.statement for one in checked})
    if not parts:
        return "Nothing is checked yet."
    return (
        f"{_many(len(checked), 'check')} of {_many(statements, 'statement')}: {', '.join(parts)}; "
        f"{_exact_forms(checked)}."
    )


def _exact_forms(checked: Sequence[CheckedClaim]) -> str:
    wrong = [one.id for one in checked if one.exact.verdict != "holds"]
    return f"the exact form fails for {', '.join(wrong)}" if wrong else "every exact form holds"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def badge(verdict: Verdict) -> html.Span:
    """The verdict as a shape and words; the colour only repeats them."""
    shape = html.Span(className="verdict-shape", **{"aria-hidden": "true"})
    return html.Span([shape, verdict.words], className="verdict", **{"data-verdict": verdict.slug})


def verdict_filter(statements: Sequence[Statement], checked: Mapping[str, CheckedClaim]) -> html.Div:
    """Buttons that choose which verdicts are shown, with how many there are of each."""
    numbers = counts(statements, checked)
    words = {"all": "all", **{one.slug: one.short for one in (*VERDICTS.values(), UNCHECKED)}}
    return html.Div(
        [_filter_button(slug, words[slug], numbers[slug]) for slug in FILTERS],
        className="segmented verdict-filter",
        role="group",
        **{"aria-label": "Show verdicts"},
    )


FILTERS = ("all", *(verdict.slug for verdict in VERDICTS.values()), UNCHECKED.slug)


def counts(statements: Sequence[Statement], checked: Mapping[str, CheckedClaim]) -> dict[str, int]:
    """How many claims each of ``FILTERS`` shows."""
    found = Counter(verdict_of(checked.get(one.id)).slug for one in statements)
    return {slug: len(statements) if slug == "all" else found[slug] for slug in FILTERS}


def _filter_button(slug: str, words: str, count: int) -> html.Button:
    shape = [html.Span(className="verdict-shape", **{"aria-hidden": "true"})] if slug != "all" else []
    return html.Button(
        [*shape, words, html.Span(str(count), className="figure count", id=count_id(slug))],
        type="button",
        **{"data-filter": slug, "data-verdict": slug, "aria-pressed": "true" if slug == "all" else "false"},
    )


def count_id(slug: Any) -> dict[str, Any]:
    """The Dash id of the number on a button of the filter."""
    return {"type": "verdict-count", "verdict": slug}


def row_id(claim: Any) -> dict[str, Any]:
    """The Dash id of a claim's rows, whose children change when it is checked."""
    return {"type": "claim", "claim": claim}


def table(statements: Sequence[Statement], checked: Mapping[str, CheckedClaim]) -> html.Table:
    """All ``statements`` in the paper's order; ``checked`` holds results by id."""
    names = [html.Th(name, scope="col", className=f"column-{kind}") for kind, name in COLUMNS]
    strip = html.Th(["Off by, in standard errors", _scale()], scope="col", className="column-strip")
    head = html.Thead(html.Tr([*names, strip]))
    bodies = [
        html.Tbody(rows(one, checked.get(one.id)), id=row_id(one.id), **{"data-claim": one.id})
        for one in statements
    ]
    return html.Table([head, *bodies], className="claims-table")


def _scale() -> html.Span:
    ticks = [html.Span(label, style={"left": _percent(place(tick))}) for tick, label in TICKS]
    return html.Span(ticks, className="strip-scale", **{"aria-hidden": "true"})


def rows(one: Statement, checked: CheckedClaim | None) -> list[html.Tr]:
    """The row of a claim, and the row under it that opens."""
    verdict = verdict_of(checked)
    toggle = html.Button(
        [html.Span(one.statement, className="claim-name"), html.Span(one.title, className="claim-title")],
        type="button",
        className="claim-toggle",
        id=f"open-{one.id}",
        **{"aria-expanded": "false", "aria-controls": f"about-{one.id}"},
    )
    cells = [
        html.Th(toggle, scope="row", className="column-statement"),
        html.Td([badge(verdict), *_exact_fails(checked)], className="column-verdict"),
        *(_numbers(checked) if checked else _no_numbers()),
        html.Td(strip(checked), className="column-strip"),
    ]
    about = html.Tr(
        html.Td(html.Div(details(one, checked), className="claim-about"), colSpan=len(cells)),
        id=f"about-{one.id}",
        hidden=True,
        className="claim-details",
    )
    return [html.Tr(cells, className="claim-row", **{"data-verdict": verdict.slug}), about]


def _exact_fails(checked: CheckedClaim | None) -> list[Any]:
    if checked is None or checked.exact.verdict == "holds":
        return []
    return [html.Span(f"exact form: {checked.exact.verdict}", className="exact-fails")]


def _numbers(checked: CheckedClaim) -> list[html.Td]:
    one = checked.measurements[checked.telling]
    seen, printed, exact = written(one)
    return [
        html.Td(
            [
                html.Span(seen, className="figure"),
                html.Span(scripted(one.label), className="muted label", title=one.label),
            ],
            className="column-measured",
        ),
        html.Td(printed, className="figure column-number", **{"data-label": "as printed"}),
        html.Td(exact, className="figure column-number", **{"data-label": "exact"}),
    ]


def _no_numbers() -> list[html.Td]:
    return [
        html.Td(UNKNOWN, className="muted column-measured"),
        html.Td(UNKNOWN, className="muted column-number", **{"data-label": "as printed"}),
        html.Td(UNKNOWN, className="muted column-number", **{"data-label": "exact"}),
    ]


def written(one: Measured) -> tuple[str, str, str]:
    """Measurement with its error, printed and exact prediction, to the same digits."""
    digits = digits_for(one.value, one.standard_error, (one.printed, one.exact))
    seen = f"{significant(one.value, digits)} ± {significant(one.standard_error, 2)}"
    return seen, significant(one.printed, digits), significant(one.exact, digits)


def strip(checked: CheckedClaim | None) -> html.Div:
    """Deviations of both forms on one scale: the largest as a mark, those of single measurements as dots."""
    if checked is None:
        return html.Div(
            [_lanes([], []), html.Span(UNKNOWN, className="figure muted strip-text")], className="strip-cell"
        )
    marks = [_lane("printed", checked), _lane("exact", checked)]
    said = (
        f"as printed {_errors(checked.printed)}, exact {_errors(checked.exact)}; "
        f"up to {TOLERANCE:g} is what chance may do"
    )
    return html.Div(
        [
            _lanes(*marks, label=said),
            html.Span(
                [
                    html.Span(_short(checked.printed), className="strip-printed"),
                    html.Span(_short(checked.exact), className="strip-exact"),
                ],
                className="figure strip-text",
                **{"aria-hidden": "true"},
            ),
        ],
        className="strip-cell",
    )


def _lanes(printed: list[Any], exact: list[Any], label: str = "no deviations yet") -> html.Div:
    band = html.Span(className="strip-band", style={"width": _percent(place(TOLERANCE))})
    lanes = [html.Span(printed, className="lane lane-printed"), html.Span(exact, className="lane lane-exact")]
    return html.Div([band, *lanes], className="strip", role="img", **{"aria-label": label})


def _lane(name: str, checked: CheckedClaim) -> list[Any]:
    form: FormVerdict = getattr(checked, name)
    end = _percent(place(form.deviation))
    dots = [
        html.Span(className="strip-dot", style={"left": _percent(place(off))})
        for off in deviations(checked.measurements, name)
    ]
    limit = []
    if form.verdict == "holds to leading order" and form.limit_deviation is not None:
        at = {"left": _percent(place(form.limit_deviation))}
        limit = [html.Span(className="strip-mark strip-limit", style=at, title="in the limit")]
    line = html.Span(className="strip-line", style={"width": end})
    beyond = " strip-beyond" if form.deviation is None else ""
    return [line, *dots, *limit, html.Span(className=f"strip-mark{beyond}", style={"left": end})]


def deviations(measurements: Sequence[Measured], form: str) -> list[float]:
    """|prediction - value| in standard errors for each measurement of which the form says a number."""
    pairs = ((getattr(one, form), one) for one in measurements)
    return [abs(said - one.value) / one.standard_error for said, one in pairs if said is not None]


def _errors(form: FormVerdict) -> str:
    return (
        f"{significant(form.deviation)} standard errors off"
        if form.deviation is not None
        else "infinitely far off"
    )


def _short(form: FormVerdict) -> str:
    if form.deviation is None:
        return "∞"
    return significant(form.deviation, 3 if 10 <= form.deviation < 1e5 else 2)


def _percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def details(one: Statement, checked: CheckedClaim | None) -> list[Any]:
    """What the row hides: both formulas side by side, what was found, how, and every measurement."""
    facts = {"measured by": one.method, "exact form from": one.reference}
    if checked:
        facts["took"] = f"{significant(checked.seconds, 2)} s"
    listed = [part for key, value in facts.items() for part in (html.Dt(key), html.Dd(scripted(value)))]
    finding = one.finding if checked else "Not checked yet."
    left = html.Div(
        [html.P(scripted(finding), className="finding"), *_notes(checked), html.Dl(listed, className="facts")]
    )
    right = [_measurements(checked.measurements)] if checked else []
    return [_formulas(one), html.Div([left, *right], className="claim-evidence")]


def _formulas(one: Statement) -> html.Div:
    if one.printed_formula == one.exact_formula:
        cards = [_formula_card("both", "As printed, and exact", one.printed_formula, one.exact_formula)]
    else:
        cards = [
            _formula_card("printed", "As printed", one.printed_formula, one.exact_formula),
            _formula_card("exact", "Exact", one.exact_formula, one.printed_formula),
        ]
    return html.Div(cards, className="formulas")


def _formula_card(kind: str, name: str, text: str, other: str) -> html.Figure:
    caption = html.Figcaption(
        [html.Span(className=f"form-mark form-{kind}", **{"aria-hidden": "true"}), name]
    )
    return html.Figure([caption, formula(text, other=other)], className=f"formula-card formula-{kind}")


def _notes(checked: CheckedClaim | None) -> list[html.P]:
    if checked is None:
        return []
    notes = []
    printed = checked.printed
    if printed.limit_deviation is not None:
        notes.append(
            "Extrapolated to the limit, the printed form is "
            f"{significant(printed.limit_deviation, 2)} standard errors off, the exact one "
            f"{significant(checked.exact.limit_deviation, 2)}."
        )
    if printed.factor is not None and printed.verdict != "holds":
        notes.append(
            f"Measured values are about {significant(printed.factor)} times the printed ones"
            + (", one factor for all." if printed.verdict == "heuristic" else ", but no one factor fits all.")
        )
    return [html.P(note, className="muted note") for note in notes]


def _measurements(measurements: Sequence[Measured]) -> html.Div:
    names = ("measured", "value ± standard error", "as printed", "exact")
    head = html.Thead(html.Tr([html.Th(name, scope="col") for name in names]))
    body = html.Tbody([_measurement(one) for one in measurements])
    return html.Div(html.Table([head, body], className="measurements"), className="measurements-frame")


def _measurement(one: Measured) -> html.Tr:
    seen, printed, exact = written(one)
    cells = [_prediction(one, one.printed, printed), _prediction(one, one.exact, exact)]
    return html.Tr([html.Th(scripted(one.label), scope="row"), html.Td(seen, className="figure"), *cells])


def _prediction(one: Measured, said: float | None, text: str) -> html.Td:
    off = said is None or abs(said - one.value) > TOLERANCE * one.standard_error
    return html.Td(text, className="figure off" if off else "figure", title=_off(one, said))


def _off(one: Measured, said: float | None) -> str:
    return (
        "no number"
        if said is None
        else f"{significant(abs(said - one.value) / one.standard_error)} standard errors off"
    )
