"""Cost of a step: verdicts, wrong exponents, and the counting itself."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.claims import Claim, Verdict, judge
from sigmascope.theory.claims.bootstrap import Tally, bidiagonal, orth
from sigmascope.theory.claims.claim import Formula, Laboratory
from sigmascope.theory.claims.cost import (
    SECTION_7_1,
    SECTION_7_1_TIME,
    axis,
    exponent,
    exponents_of,
    printed_gain,
    printed_step,
)
from tests.theory.claims.bench import checked, judged

CLAIMS = (SECTION_7_1, SECTION_7_1_TIME)


def costing(step, gain=printed_gain):
    return exponents_of(step, gain)


WRONG = {
    "quadratic in k": (SECTION_7_1, costing(lambda m, n, k: k**2 * m * n)),
    "without k": (SECTION_7_1, costing(lambda m, n, k: m * n)),
    "linear in n": (SECTION_7_1, costing(lambda m, n, k: k * (m + n))),
    "that of an SVD": (SECTION_7_1, costing(lambda m, n, k: m * n * min(m, n))),
    "gain of n squared": (SECTION_7_1, costing(printed_step, lambda m, n, k: n**2 / k)),
    "gain without k": (SECTION_7_1, costing(printed_step, lambda m, n, k: n)),
    "time quadratic in k": (SECTION_7_1_TIME, costing(lambda m, n, k: k**2 * m * n)),
    "time without k": (SECTION_7_1_TIME, costing(lambda m, n, k: m * n)),
    "time linear in n": (SECTION_7_1_TIME, costing(lambda m, n, k: k * n)),
    "time cubic in n": (SECTION_7_1_TIME, costing(lambda m, n, k: k * m * n * n)),
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == "holds"
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG.values(), ids=WRONG)
def test_a_wrong_exponent_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


def test_a_clock_that_ticks_alike_for_all_sizes_is_not_taken_for_the_cost() -> None:
    ticks = itertools.accumulate(np.random.default_rng(1).uniform(1.0, 1.1, 1000).tolist())
    lab = Laboratory(np.random.default_rng(0), lambda: next(ticks))
    seen = list(SECTION_7_1_TIME.measure(lab))
    assert judge(SECTION_7_1_TIME, SECTION_7_1_TIME.exact, seen).verdict is Verdict.fails


def test_a_tally_counts_multiplications() -> None:
    tally = Tally()
    tally.matmul(np.ones((2, 3)), np.ones((3, 5)))
    assert tally.operations == 30
    tally.matmul(np.ones(3), np.ones((3, 5)))
    assert tally.operations == 45
    tally.over(tally.times(np.ones(4), np.ones(4)), 2.0)
    assert tally.operations == 53


def test_the_bidiagonal_form_keeps_the_singular_values() -> None:
    A = np.random.default_rng(1).standard_normal((9, 6))
    tally = Tally()
    B = bidiagonal(A, tally)
    np.testing.assert_allclose(B, np.triu(np.tril(B, 1)), atol=1e-13)
    np.testing.assert_allclose(
        np.linalg.svd(B, compute_uv=False), np.linalg.svd(A, compute_uv=False), atol=1e-13
    )


@pytest.mark.parametrize("n", [50, 100])
def test_the_bidiagonal_form_costs_four_thirds_of_n_cubed(n: int) -> None:
    """Golub & Van Loan, section 5.4.8: 4 (m n^2 - n^3 / 3) flops, half of them multiplications."""
    tally = Tally()
    bidiagonal(np.random.default_rng(2).standard_normal((n, n)), tally)
    # terms in n^2
    assert tally.operations == pytest.approx(4 / 3 * n**3, rel=5 / n)


def test_orth_is_orthonormal_and_spans_the_same() -> None:
    A = np.random.default_rng(3).standard_normal((8, 3))
    Q = orth(A, Tally())
    np.testing.assert_allclose(Q.T @ Q, np.eye(3), atol=1e-14)
    np.testing.assert_allclose(Q @ (Q.T @ A), A, atol=1e-13)


def test_exponents_are_those_of_a_power_law() -> None:
    sizes = ((4, 4, 2), (8, 8, 2), (16, 16, 2))
    p, error = exponent(sizes, [5 * size[1] ** 2.5 for size in sizes])
    assert p == pytest.approx(2.5, abs=1e-12)
    assert error < 1e-7
    assert axis(sizes) == ("m = n", [4, 8, 16])
    assert axis(((4, 4, 2), (8, 4, 2)))[0] == "m"
    assert axis(((4, 4, 2), (4, 4, 3)))[0] == "k"
    with pytest.raises(InvalidValueError, match=r"all sizes are \(4, 4, 2\)"):
        axis(((4, 4, 2), (4, 4, 2)))
