"""The judge: verdicts on made-up measurements whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError, NotFoundError, NumericalError
from sigmascope.theory.claims import CLAIMS, Claim, Laboratory, Measurement, Verdict, check_all, find, judge
from sigmascope.theory.claims.registry import check
from tests.theory.claims.bench import checked, judged


def claim_about(values, *, errors=0.1, sizes=None, order=None, proportional=False) -> Claim:
    """A claim whose i-th measurement has the argument x = i + 1."""
    sizes = sizes or [1.0] * len(values)

    def measure(lab: Laboratory):
        for i, (value, size) in enumerate(zip(values, sizes, strict=True)):
            yield Measurement(f"value {i}", value, errors, {"x": i + 1.0}, size)

    return Claim(
        id="made-up", statement="Lemma 0", title="", printed_formula="x", exact_formula="x", reference="",
        method="", finding="", measure=measure, printed=lambda x: x, exact=lambda x: x, order=order,
        proportional=proportional,
    )  # fmt: skip


def verdict_on(values, **options) -> Verdict:
    return check(claim_about(values, **options), seed=0, clock=lambda: 0.0).printed.verdict


def test_an_exact_form_has_to_hold_as_it_stands() -> None:
    """One factor for all, or deviations that vanish in a limit, excuse the printed form alone."""
    sizes = [10.0, 40.0, 160.0, 640.0]
    vanishing = [x + 1 / math.sqrt(size) for x, size in zip(range(1, 5), sizes, strict=True)]
    limit = claim_about(vanishing, errors=0.002, sizes=sizes, order=0.5)
    factor = claim_about([3.0, 6.0, 9.0], proportional=True)
    for claim, printed in ((limit, Verdict.leading), (factor, Verdict.heuristic)):
        result = check(claim, seed=0, clock=lambda: 0.0)
        assert result.printed.verdict is printed
        assert result.exact.verdict is Verdict.fails
        assert judge(claim, claim.exact, result.measurements).verdict is Verdict.fails
        assert judge(claim, lambda x: 1e9, result.measurements, form="as_printed").verdict is Verdict.fails


def test_what_the_printed_form_leaves_open_is_no_excuse_for_the_exact_one() -> None:
    seen = [Measurement("value", 1.0, 0.01, {"x": 1.3}, printed_error=0.1)]
    claim = claim_about([1.0])
    assert judge(claim, lambda x: x, seen, form="as_printed").verdict is Verdict.holds
    assert judge(claim, lambda x: x, seen, form="exact").verdict is Verdict.fails
    with pytest.raises(NumericalError, match="printed_error must be >= 0 and finite, got -1"):
        Measurement("value", 1.0, 0.01, printed_error=-1.0)
    with pytest.raises(InvalidValueError, match="form must be one of"):
        judge(claim, lambda x: x, seen, form="typo")  # type: ignore[arg-type]


# seconds a multiplication are the machine's: the claim of time is one of exponents, and says so
SHARP = [claim for claim in CLAIMS if claim.id != "section-7.1-time"]


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 2.0])
@pytest.mark.parametrize("claim", SHARP, ids=lambda claim: claim.id)
def test_an_exact_form_that_is_a_tenth_off_fails(claim: Claim, factor: float) -> None:
    assert checked(claim).exact.verdict is Verdict.holds
    wrong = judged(claim, lambda **arguments: factor * claim.exact(**arguments), form="exact")
    assert wrong.verdict is Verdict.fails


def test_within_five_standard_errors_holds_and_beyond_does_not() -> None:
    assert verdict_on([1.0, 2.49]) is Verdict.holds
    assert verdict_on([1.0, 2.51]) is Verdict.fails


def test_deviations_that_vanish_with_size_hold_to_leading_order() -> None:
    sizes = [10.0, 40.0, 160.0, 640.0]
    vanishing = [x + 1 / math.sqrt(size) for x, size in zip(range(1, 5), sizes, strict=True)]
    assert verdict_on(vanishing, errors=0.002, sizes=sizes, order=0.5) is Verdict.leading
    assert verdict_on(vanishing, errors=0.002, sizes=sizes) is Verdict.fails
    constant = [x + 0.1 for x in range(1, 5)]
    assert verdict_on(constant, errors=0.002, sizes=sizes, order=0.5) is Verdict.fails


def test_a_bad_line_does_not_make_a_growing_deviation_hold() -> None:
    """A scatter that widens the extrapolation's error must not pass as a limit."""
    sizes = [10.0, 40.0, 160.0]
    growing = [1 + 0.1, 2 - 0.2, 3 + 0.4]
    assert verdict_on(growing, errors=0.002, sizes=sizes, order=0.5) is Verdict.fails


def test_one_common_factor_is_heuristic_and_two_are_not() -> None:
    assert verdict_on([3.0, 6.0, 9.0], proportional=True) is Verdict.heuristic
    assert verdict_on([3.0, 6.0, 9.0]) is Verdict.fails
    assert verdict_on([3.0, 6.0, 18.0], proportional=True) is Verdict.fails
    result = check(claim_about([3.0, 6.0, 9.0], proportional=True), seed=0, clock=lambda: 0.0)
    assert result.printed.factor == pytest.approx(3.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_formula_that_is_not_finite_does_not_hold(bad: float) -> None:
    claim = claim_about([1.0, 2.0, 3.0], sizes=[1.0, 2.0, 3.0], order=1.0, proportional=True)
    seen = tuple(claim.measure(Laboratory(np.random.default_rng(0), lambda: 0.0)))
    for form in ("as_printed", "exact"):
        assert judge(claim, lambda x: bad, seen, form=form).verdict is Verdict.fails


@pytest.mark.parametrize(("value", "error"), [(math.nan, 1.0), (1.0, 0.0), (1.0, math.nan), (1.0, -1.0)])
def test_a_measurement_must_be_finite_with_a_positive_error(value: float, error: float) -> None:
    with pytest.raises(NumericalError, match="made-up number"):
        Measurement("made-up number", value, error)


def test_judging_needs_measurements_and_a_limit_three_sizes() -> None:
    with pytest.raises(InvalidValueError, match="without a measurement"):
        judge(claim_about([1.0]), lambda x: x, [])
    with pytest.raises(InvalidValueError, match="3 sizes, got 2"):
        verdict_on([1.0, 2.0], sizes=[1.0, 2.0], order=1.0)


def test_ids_are_unique_and_found_in_the_papers_order() -> None:
    ids = [claim.id for claim in CLAIMS]
    assert len(set(ids)) == len(ids)
    assert [claim.id for claim in find(reversed(ids))] == ids
    with pytest.raises(NotFoundError, match="'theorem-9\\.9'"):
        find(["theorem-9.9"])
    with pytest.raises(NotFoundError):
        check_all(["theorem-9.9"], clock=lambda: 0.0)


def test_a_check_depends_on_its_seed_alone() -> None:
    claim = find(["lemma-6.5"])[0]
    first, again, other = (check(claim, seed=seed, clock=lambda: 0.0) for seed in (0, 0, 1))
    assert first == again
    assert first.measurements[0].value != other.measurements[0].value
