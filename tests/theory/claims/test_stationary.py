"""Stationary laws: verdicts, wrong formulas, and that a power-law tail would be recognised."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import gamma

from sigmascope.theory.claims import Claim, Verdict, judge
from sigmascope.theory.claims.claim import Formula
from sigmascope.theory.claims.stationary import (
    BETA1,
    PROPOSITION_6_8,
    STRENGTH,
    TAIL_PATHS,
    THEOREM_3_2,
    THEOREM_3_2_INTERACTING,
    THEOREM_3_2_TAIL,
    one_particle,
    tail_of,
)
from sigmascope.theory.laws import StationaryGamma, marchenko_pastur_singular
from tests.theory.claims.bench import checked, judged

VERDICTS = {
    THEOREM_3_2: "does not hold as printed",
    THEOREM_3_2_INTERACTING: "does not hold as printed",
    THEOREM_3_2_TAIL: "does not hold as printed",
    PROPOSITION_6_8: "holds",
}


def twice_the_rate(x, alpha0):
    return float(StationaryGamma(alpha0 / (4 * STRENGTH), BETA1 / (2 * STRENGTH)).cdf(x))


def exponent_without_its_one(x, alpha0):
    return float(StationaryGamma(alpha0 / (4 * STRENGTH) + 1, BETA1 / (4 * STRENGTH)).cdf(x))


def five_percent_off(x, alpha0):
    return float(StationaryGamma(alpha0 / (4 * STRENGTH), 1.05 * BETA1 / (4 * STRENGTH)).cdf(x))


def one_entry_less(x, m, n):
    return THEOREM_3_2.exact(x=x, m=m - 1, n=n)


def twice_the_diffusion(x, m, n):
    return THEOREM_3_2.exact(x=x / np.sqrt(2), m=m, n=n)


def on_the_other_axis(x, m, n):
    return THEOREM_3_2.exact(x=np.sqrt(x), m=m, n=n)


def variance_without_its_two(x, m, n):
    return float(marchenko_pastur_singular(m, n, entry_variance=STRENGTH / BETA1).cdf(x))


def square_matrix(x, m, n):
    variance = 2 * STRENGTH / BETA1
    return float(marchenko_pastur_singular(m, m, entry_variance=variance).cdf(x))


def gamma_with_the_right_mean(x, m, n):
    mean = m * 2 * STRENGTH / BETA1
    return float(StationaryGamma(m / 2, m / 2 / mean).cdf(x**2))


def exponential_from_the_mean_on(first, x):
    return x * BETA1 / (4 * STRENGTH)


def twice_the_exponent(first, x):
    return 2 * first


WRONG = [
    (PROPOSITION_6_8, twice_the_rate),
    (PROPOSITION_6_8, exponent_without_its_one),
    (PROPOSITION_6_8, five_percent_off),
    (THEOREM_3_2, one_entry_less),
    (THEOREM_3_2, twice_the_diffusion),
    (THEOREM_3_2, on_the_other_axis),
    (THEOREM_3_2_INTERACTING, variance_without_its_two),
    (THEOREM_3_2_INTERACTING, square_matrix),
    (THEOREM_3_2_INTERACTING, gamma_with_the_right_mean),
    (THEOREM_3_2_TAIL, exponential_from_the_mean_on),
    (THEOREM_3_2_TAIL, twice_the_exponent),
]


@pytest.mark.parametrize("claim", VERDICTS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == VERDICTS[claim]
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


def test_a_power_law_tail_would_hold() -> None:
    draws = (1 + np.random.default_rng(1).pareto(3.0, TAIL_PATHS)) * 2.0
    seen = list(tail_of(draws))
    assert judge(THEOREM_3_2_TAIL, THEOREM_3_2_TAIL.printed, seen).verdict is Verdict.holds
    assert judge(THEOREM_3_2_TAIL, THEOREM_3_2_TAIL.exact, seen).verdict is Verdict.fails


@pytest.mark.parametrize("alpha", [0.75, 2.5])
def test_the_splitting_has_the_moments_of_the_equation(alpha: float) -> None:
    """Means of lambda and lambda^2 follow from the equation alone, without its stationary density."""
    draws = one_particle(np.random.default_rng(2), alpha0=alpha * 4 * STRENGTH, paths=40_000)
    mean = alpha * 4 * STRENGTH / BETA1
    # 0 = d E lambda^2 / dt = 2 alpha0 E lambda - 2 beta1 E lambda^2 + 8 eta D E lambda
    square = mean * (mean + 4 * STRENGTH / BETA1)
    for seen, expected in ((draws, mean), (draws**2, square)):
        assert seen.mean() == pytest.approx(expected, abs=5 * seen.std() / 200)


def test_the_local_exponent_of_the_gamma_law_against_scipy() -> None:
    law = gamma(2.5, scale=4 * STRENGTH / BETA1)
    expected = np.log(law.sf(5.0) / law.sf(7.5)) / np.log(1.5)
    assert THEOREM_3_2_TAIL.exact(first=0.0, x=5.0) == pytest.approx(expected, rel=1e-10)
