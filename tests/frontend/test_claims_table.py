"""The claims table: what it counts, what it writes, and where its marks lie."""

from __future__ import annotations

from typing import Any

import pytest
from dash import html
from dash.development.base_component import Component
from hypothesis import given, settings
from hypothesis import strategies as st

from frontend import claims_table
from frontend.figures.deviation import LINEAR, TOLERANCE, place
from frontend.formulas import differing, formula, pieces
from frontend.numbers import digits_for, significant
from sigmascope.schemas import Measured
from tests.frontend.claims import checked, form, statement
from tests.frontend.test_pages import text_of


def marked(found: html.Span) -> list[str]:
    return [text_of(child) for child in found._traverse() if isinstance(child, html.Mark)]


def with_class(layout: Component, name: str) -> list[Any]:
    return [c for c in layout._traverse() if name in str(getattr(c, "className", "")).split()]


class TestNumbers:
    @pytest.mark.parametrize(
        ("value", "said"),
        [
            (12.345, "12.3"),
            (-0.0718, "−0.0718"),
            (0.00012345, "1.23×10⁻⁴"),
            (-44197.0, "−4.42×10⁴"),
            (9.9996, "10.0"),
            (0.0, "0"),
            (None, "–"),
            (float("inf"), "∞"),
            (float("nan"), "–"),
        ],
    )
    def test_three_digits_powers_written_out_and_a_true_minus(self, value: float | None, said: str) -> None:
        assert significant(value) == said

    def test_more_digits_only_where_they_tell_the_predictions_apart(self) -> None:
        assert digits_for(0.313, 0.002, (-0.0718, 0.316)) == 3
        assert digits_for(183.52, 0.019, (183.75, 183.49)) == 5
        assert digits_for(183.52, 1e-12, (183.75, 183.49)) == 6
        assert digits_for(0.5736, 0.0012, (0.576, 0.576)) == 3

    @settings(max_examples=100, deadline=None)
    @given(st.floats(min_value=-1e300, max_value=1e300).filter(lambda x: abs(x) > 1e-300 or x == 0))
    def test_what_is_written_is_the_number_to_half_a_unit_of_its_last_digit(self, value: float) -> None:
        plain = significant(value).replace("−", "-").replace("×10", "e")
        plain = plain.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
        # three significant digits: off by at most 0.5 in 100
        assert float(plain) == pytest.approx(value, rel=5.01e-3)


class TestDeviationScale:
    def test_it_is_linear_up_to_the_tolerance_and_continuous_there(self) -> None:
        assert place(0) == 0
        assert place(TOLERANCE / 2) == pytest.approx(LINEAR / 2)
        assert place(TOLERANCE) == LINEAR
        assert place(TOLERANCE * (1 + 1e-9)) == pytest.approx(LINEAR, abs=1e-6)

    def test_powers_of_ten_are_equally_far_apart(self) -> None:
        assert place(1e4) - place(1e3) == pytest.approx(place(1e8) - place(1e7))

    @settings(max_examples=60, deadline=None)
    @given(st.floats(min_value=0), st.floats(min_value=0))
    def test_it_keeps_the_order_and_stays_on_the_strip(self, one: float, other: float) -> None:
        low, high = sorted((one, other))
        assert 0 <= place(low) <= place(high) <= 1

    def test_a_deviation_without_bound_is_at_the_end(self) -> None:
        assert place(None) == 1


class TestFormulas:
    @settings(max_examples=60, deadline=None)
    @given(st.text(alphabet="σλab_k^({})}+−/ 12·", max_size=40))
    def test_pieces_join_to_the_formula(self, text: str) -> None:
        assert "".join(pieces(text)) == text

    def test_scripts_become_real_ones(self) -> None:
        set_ = formula("σ_k^{2} + n^(2/3) + Σ_{j≠k} x^−0.5", other="")
        kinds = [
            (type(c).__name__, text_of(c)) for c in set_._traverse() if isinstance(c, html.Sub | html.Sup)
        ]
        assert kinds == [("Sub", "k"), ("Sup", "2"), ("Sup", "2/3"), ("Sub", "j≠k"), ("Sup", "−0.5")]

    def test_what_the_other_form_lacks_is_marked(self) -> None:
        printed, exact = "(m − n + 1)/(2σ_k) + Σ_{j≠k} σ_k", "(m − n)/σ_k + 2 Σ_{j≠k} σ_k"
        assert "1" in "".join(marked(formula(printed, other=exact)))
        assert marked(formula(exact, other=printed)) == ["2"]

    def test_equal_formulas_and_strangers_carry_no_marks(self) -> None:
        assert not any(differing("σ_k + 1", "σ_k + 1"))
        assert not any(differing("dσ_k = x dt", "the same with the exact Laplacian"))


class TestSummary:
    def test_it_counts_checks_statements_and_verdicts(self) -> None:
        results = [
            checked("1.1", "holds"),
            checked("1.2", "holds to leading order"),
            checked("1.3", "heuristic"),
            checked("1.4"),
            checked("1.4", id="theorem-1.4-rate"),
        ]
        assert claims_table.summary(results) == (
            "5 checks of 4 statements: 1 hold, 1 to leading order, 1 heuristic, 2 do not hold as printed; "
            "every exact form holds."
        )

    def test_an_exact_form_that_fails_is_named(self) -> None:
        bad = checked("2.1", exact=form("does not hold", 80.0))
        assert claims_table.summary([checked(), bad]).endswith("the exact form fails for theorem-2.1.")
        assert "exact form: does not hold" in text_of(claims_table.rows(statement("2.1"), bad))

    def test_nothing_checked_says_so(self) -> None:
        assert claims_table.summary([]) == "Nothing is checked yet."


class TestTable:
    def test_claims_keep_their_order_and_say_verdict_and_numbers(self) -> None:
        table = claims_table.table([statement("2.1"), statement("3.1")], {"theorem-3.1": checked()})
        assert [b.to_plotly_json()["props"]["data-claim"] for b in table.children[1:]] == [
            "theorem-2.1",
            "theorem-3.1",
        ]
        said = text_of(table)
        for part in ("not checked yet", "does not hold", "0.313 ± 0.0020", "−0.0718", "0.316", "192"):
            assert part in said

    def test_a_verdict_is_told_by_words_and_a_shape(self) -> None:
        for verdict in (*claims_table.VERDICTS.values(), claims_table.UNCHECKED):
            badge = claims_table.badge(verdict)
            assert verdict.words in text_of(badge)
            assert with_class(badge, "verdict-shape")

    def test_rows_have_the_same_cells_before_and_after_the_check(self) -> None:
        before, after = (claims_table.rows(statement(), one)[0].children for one in (None, checked()))
        assert len(before) == len(after)

    def test_the_strip_says_its_numbers_and_marks_both_forms(self) -> None:
        strip = claims_table.strip(checked())
        label = with_class(strip, "strip")[0].to_plotly_json()["props"]["aria-label"]
        assert label.startswith("as printed 192 standard errors off, exact 1.20 standard errors off")
        lefts = [c.style["left"] for c in with_class(strip, "strip-mark")]
        assert lefts == [f"{100 * place(192.4):.2f}%", f"{100 * place(1.2):.2f}%"]
        # one dot for each prediction that is a number: one printed, two exact
        assert len(with_class(strip, "strip-dot")) == 3

    def test_a_limit_shows_where_the_extrapolation_lies(self) -> None:
        leading = checked(
            verdict="holds to leading order",
            printed=form("holds to leading order", 12.4, limit_deviation=0.24),
        )
        assert len(with_class(claims_table.strip(leading), "strip-limit")) == 1
        assert "Extrapolated to the limit" in text_of(claims_table.details(statement(), leading))

    def test_a_prediction_that_is_no_number_is_infinitely_far_off(self) -> None:
        claim = checked(printed=form("does not hold", None))
        assert "∞" in text_of(claims_table.strip(claim))

    def test_details_hold_both_formulas_all_measurements_and_the_finding(self) -> None:
        said = text_of(claims_table.details(statement(), checked()))
        for part in (
            "As printed",
            "Exact",
            "The drift is off.",
            "many small steps",
            "Itô's lemma",
            "drift of σ 2",
        ):
            assert part in said

    def test_equal_formulas_are_shown_once(self) -> None:
        same = statement(exact_formula=statement().printed_formula)
        assert "As printed, and exact" in text_of(claims_table.details(same, None))

    def test_predictions_beyond_five_errors_are_told_apart(self) -> None:
        one = Measured(label="x", value=1.0, standard_error=0.1, size=1, printed=2.0, exact=1.4)
        row = claims_table._measurement(one)
        assert [text_of(cell) for cell in with_class(row, "off")] == ["2.00"]


def test_the_filter_counts_what_it_will_show() -> None:
    rows = [statement("1.1"), statement("3.1")]
    counts = claims_table.counts(rows, {"theorem-3.1": checked()})
    assert counts == {"all": 2, "holds": 0, "leading": 0, "heuristic": 0, "fails": 1, "unchecked": 1}
    said = text_of(claims_table.verdict_filter(rows, {"theorem-3.1": checked()}))
    assert "does not hold" in said
