"""Cost of a step: verdicts, wrong exponents, and the counting itself."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.claims import Claim, Verdict, judge
from sigmascope.theory.claims.bootstrap import Tally, bidiagonal, orth
from sigmascope.theory.claims.claim import Laboratory
from sigmascope.theory.claims.cost import (
    EXACT,
    PRINTED,
    SECTION_7_1,
    SECTION_7_1_TIME,
    TIMED_K,
    TIMED_N,
    Costs,
    Size,
    axis,
    costing,
    exponent,
    printed_gain,
    printed_setup,
    seen_exponent,
)
from tests.theory.claims.bench import checked, judged

CLAIMS = (SECTION_7_1, SECTION_7_1_TIME)

STEPS = {
    "quadratic in k": lambda m, n, k: k**2 * m * n,
    "without k": lambda m, n, k: m * n,
    "linear in n": lambda m, n, k: k * (m + n),
    "that of an SVD": lambda m, n, k: m * n * min(m, n),
    "the projection alone": lambda m, n, k: k * m * n,
    "k² for the rest": lambda m, n, k: k * m * n + k**2,
    "k² min(m, n) for the rest": lambda m, n, k: k * m * n + k**2 * min(m, n),
    "k² m for the rest": lambda m, n, k: k * m * n + k**2 * m,
    "k² n for the rest": lambda m, n, k: k * m * n + k**2 * n,
    "k² √(mn) for the rest": lambda m, n, k: k * m * n + k**2 * np.sqrt(m * n),
    "k³ for the rest": lambda m, n, k: k * m * n + k**3,
    "k max(m, n) for the rest": lambda m, n, k: k * m * n + k * max(m, n),
    "k³ max(m, n) for the rest": lambda m, n, k: k * m * n + k**3 * max(m, n),
    "the rest alone": lambda m, n, k: k**2 * max(m, n),
}
GAINS = {
    "n squared": lambda m, n, k: n**2 / k,
    "without k": lambda m, n, k: min(m, n),
    "k squared": lambda m, n, k: min(m, n) / k**2,
    "max(m, n)": lambda m, n, k: max(m, n) / k,
    "m": lambda m, n, k: m / k,
    "n": lambda m, n, k: n / k,
    "√(mn)": lambda m, n, k: np.sqrt(m * n) / k,
    "harmonic": lambda m, n, k: m * n / (m + n) / k**0.5,
}
SETUPS = {
    "m²n": lambda m, n: m * m * n,
    "mn²": lambda m, n: m * n * n,
    "max": lambda m, n: max(m * m * n, m * n * n),
    "mn": lambda m, n: m * n,
    "cubic": lambda m, n: min(m, n) ** 3,
    "(mn)^1.5": lambda m, n: (m * n) ** 1.5,
}
TOTALS = {
    "an SVD at every step": lambda m, n, k, T: T * (printed_setup(m, n) + PRINTED.step(m, n, k)),
    "without the set-up": lambda m, n, k, T: T * PRINTED.step(m, n, k),
    "one step": lambda m, n, k, T: printed_setup(m, n) + PRINTED.step(m, n, k),
    "quadratic in T": lambda m, n, k, T: printed_setup(m, n) + T**2 * PRINTED.step(m, n, k),
}
WRONG = (
    {f"step: {name}": replace(PRINTED, step=step) for name, step in STEPS.items()}
    | {f"gain: {name}": replace(PRINTED, gain=gain) for name, gain in GAINS.items()}
    | {f"set-up: {name}": replace(PRINTED, setup=setup) for name, setup in SETUPS.items()}
    | {f"total: {name}": replace(PRINTED, total=total) for name, total in TOTALS.items()}
)
TIMES = {
    "quadratic in k": lambda m, n, k: k**2 * m * n,
    "without k": lambda m, n, k: m * n,
    "linear in n": lambda m, n, k: k * n,
    "cubic in n": lambda m, n, k: k * m * n * n,
}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == "holds"
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize("costs", WRONG.values(), ids=WRONG)
def test_a_wrong_order_does_not_hold(costs: Costs) -> None:
    assert judged(SECTION_7_1, costing(costs)).verdict is Verdict.fails


def judged_by_time(step) -> Verdict:
    """Of times as they are on a quiet machine, a few percent off; those of a busy one prove little."""
    rng = np.random.default_rng(0)
    times = [
        seen_exponent(
            "the time of UᵀGV",
            sizes,
            [1e-9 * size.k * size.m * size.n * rng.uniform(1.0, 1.05) for size in sizes],
            of="step",
        )
        for sizes in (TIMED_N, TIMED_K)
    ]
    formula = costing(Costs(step, printed_setup, printed_gain))
    return judge(SECTION_7_1_TIME, formula, times, form="as_printed").verdict


@pytest.mark.parametrize("step", TIMES.values(), ids=TIMES)
def test_a_wrong_order_of_time_does_not_hold(step) -> None:
    assert judged_by_time(step) is Verdict.fails


def test_the_right_order_of_time_holds() -> None:
    assert judged_by_time(lambda m, n, k: k * m * n) is Verdict.holds


@pytest.mark.parametrize(
    "costs",
    [
        replace(EXACT, step=lambda m, n, k: EXACT.step(m, n, k) - k**2),
        replace(EXACT, step=lambda m, n, k: EXACT.step(m, n, k) + k * m),
        replace(EXACT, setup=lambda m, n: EXACT.setup(m, n) + n),
        replace(EXACT, gain=lambda m, n, k: 1.001 * EXACT.gain(m, n, k)),
        PRINTED,
    ],
    ids=["k² less", "km more", "n more", "a thousandth more", "constants of 1"],
)
def test_exact_counts_are_exact(costs: Costs) -> None:
    assert judged(SECTION_7_1, costing(costs), form="exact").verdict is Verdict.fails


def test_the_leading_terms_of_the_exact_counts() -> None:
    """Golub & Van Loan, section 5.4.8: 4 (m n^2 - n^3 / 3) flops, half of them multiplications."""
    m, n = 40_000, 20_000
    assert EXACT.setup(m, n) == pytest.approx(2 * m * n**2 - 2 * n**3 / 3, rel=1e-3)
    assert EXACT.setup(n, m) == EXACT.setup(m, n)
    assert EXACT.step(m, n, 10) == 10 * m * n + 100 * (2 * m + 3 * n + 2) + 10 * (m + n)


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
    sizes = tuple(Size(n, n, 2) for n in (4, 8, 16))
    p, error = exponent(sizes, [5 * size.n**2.5 for size in sizes])
    assert p == pytest.approx(2.5, abs=1e-12)
    assert error < 1e-7
    assert axis(sizes) == ("m = n", [4, 8, 16])
    assert axis((Size(4, 4, 2), Size(8, 4, 2)))[0] == "m"
    assert axis((Size(4, 4, 2), Size(4, 8, 2)))[0] == "n"
    assert axis((Size(4, 4, 2), Size(4, 4, 3)))[0] == "k"
    assert axis((Size(4, 4, 2, 1), Size(4, 4, 2, 5))) == ("batches", [1, 5])
    with pytest.raises(InvalidValueError, match=r"all sizes are \(4, 4, 2, 1\)"):
        axis((Size(4, 4, 2), Size(4, 4, 2)))
