"""Motion of the eigenvalues: verdicts, and that wrong formulas are caught."""

from __future__ import annotations

import pytest

from sigmascope.theory.claims import Claim, Verdict
from sigmascope.theory.claims.claim import Formula
from sigmascope.theory.claims.dyson import THEOREM_6_7, THEOREM_6_7_CANONICAL, canonical_motion_of
from tests.theory.claims.bench import checked, judged

CLAIMS = (THEOREM_6_7, THEOREM_6_7_CANONICAL)


def five_percent_faster(part, eigenvalues, k):
    return 1.05 * THEOREM_6_7.exact(part=part, eigenvalues=eigenvalues, k=k)


def without_the_ito_term(part, eigenvalues, k):
    right = THEOREM_6_7.exact(part=part, eigenvalues=eigenvalues, k=k)
    # (d sigma)^2 = 2 eta D dt, left out
    return right if part == "diffusion" else right - 0.2


def twice_the_diffusion(part, eigenvalues, k):
    right = THEOREM_6_7.exact(part=part, eigenvalues=eigenvalues, k=k)
    return 2 * right if part == "diffusion" else right


WRONG = [
    (THEOREM_6_7, five_percent_faster),
    (THEOREM_6_7, without_the_ito_term),
    (THEOREM_6_7, twice_the_diffusion),
    # each of the two errors alone
    (THEOREM_6_7_CANONICAL, canonical_motion_of("as_printed", time="exact")),
    (THEOREM_6_7_CANONICAL, canonical_motion_of("exact", time="as_printed")),
]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == "does not hold as printed"
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


def test_the_printed_diffusion_is_right_and_its_canonical_time_is_not() -> None:
    seen = [one for one in checked(THEOREM_6_7).measurements if one.arguments["part"] == "diffusion"]
    for one in seen:
        assert THEOREM_6_7.printed(**one.arguments) == pytest.approx(one.value, abs=5 * one.standard_error)
        # (2 eta D)^-2 = 25 times too fast
        assert THEOREM_6_7_CANONICAL.printed(**one.arguments) > 20 * one.value
