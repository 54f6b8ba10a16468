"""How one singular value moves: verdicts, and that wrong formulas are caught."""

from __future__ import annotations

import pytest

from sigmascope.theory.claims import Claim, Verdict
from sigmascope.theory.claims.claim import Formula
from sigmascope.theory.claims.singular_values import (
    LEMMA_6_5,
    LEMMA_6_5_GRADIENT,
    THEOREM_3_1,
    THEOREM_6_6,
)
from sigmascope.theory.ito import laplacian
from tests.theory.claims.bench import checked, judged

VERDICTS = {
    THEOREM_3_1: "does not hold as printed",
    LEMMA_6_5_GRADIENT: "holds",
    LEMMA_6_5: "does not hold as printed",
    THEOREM_6_6: "does not hold as printed",
}


def without_repulsion(values, k):
    return (12 - 6) / values[k]


def five_percent_off(values, k):
    return 1.05 * float(laplacian(values, m=12)[k])


def without_the_gradient(part, values, gradient, k):
    return THEOREM_3_1.exact(part=part, values=values, gradient=0 * gradient, k=k)


def half_the_noise(part, values, gradient, k):
    right = THEOREM_6_6.exact(part=part, values=values, gradient=gradient, k=k)
    return right / 2 if part == "diffusion" else right


def transposed(u, v, E):
    return float(v @ E[:6] @ u[:6])


WRONG = [
    (THEOREM_3_1, without_the_gradient),
    (LEMMA_6_5_GRADIENT, transposed),
    (LEMMA_6_5, without_repulsion),
    (LEMMA_6_5, five_percent_off),
    (THEOREM_6_6, half_the_noise),
]


@pytest.mark.parametrize("claim", VERDICTS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == VERDICTS[claim]
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails
