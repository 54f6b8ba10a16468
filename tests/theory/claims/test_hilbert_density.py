"""Hilbert transforms of power laws and the stationary density: verdicts, and wrong formulas."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.theory.claims import Claim, Verdict
from sigmascope.theory.claims.claim import Formula
from sigmascope.theory.claims.hilbert_density import (
    COROLLARY_6_16,
    COROLLARY_6_16_GROWTH,
    LEMMA_6_15,
    principal_value,
)
from sigmascope.theory.hilbert import stationary_residual
from tests.theory.claims.bench import checked, judged

CLAIMS = (LEMMA_6_15, COROLLARY_6_16, COROLLARY_6_16_GROWTH)


def tangent(alpha, at):
    return -(at**alpha) * np.tan(np.pi * alpha)


def half_the_angle(alpha, at):
    return -(at**alpha) / np.tan(np.pi * alpha / 2)


def with_the_printed_sign_of_the_cotangent(surplus, at):
    alpha = (surplus + 3) / 4 - 1
    flipped = (1 + alpha) ** 2 * at**alpha / np.tan(np.pi * alpha)
    return COROLLARY_6_16.exact(surplus=surplus, at=at) - 4 * np.pi * flipped


def without_the_push(surplus, at):
    return COROLLARY_6_16.exact(surplus=surplus, at=at) - (surplus + 3)


def growth_as_printed_in_theorem_6_7(m, n):
    return 0.2 * (m - n + 3) + 0.2 * (n - 1)


def growth_of_the_sum(m, n):
    return COROLLARY_6_16_GROWTH.exact(m=m, n=n) * n


WRONG = [
    (LEMMA_6_15, tangent),
    (LEMMA_6_15, half_the_angle),
    (COROLLARY_6_16, with_the_printed_sign_of_the_cotangent),
    (COROLLARY_6_16, without_the_push),
    (COROLLARY_6_16_GROWTH, growth_as_printed_in_theorem_6_7),
    (COROLLARY_6_16_GROWTH, growth_of_the_sum),
]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == "does not hold as printed"
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


def test_principal_value_of_a_constant() -> None:
    # PV int_0^1 dx / (x - l) = log((1 - l) / l); the quadrature asks for 1e-12
    assert principal_value(0.0, 0.3, 1.0)[0] == pytest.approx(np.log(0.7 / 0.3), abs=1e-11)


@pytest.mark.parametrize("surplus", [0, 2, 4])
def test_no_multiple_of_the_power_law_solves_the_equation(surplus: int) -> None:
    def residual(factor: float) -> np.ndarray:
        seen = np.array(
            [one.value for one in checked(COROLLARY_6_16).measurements if one.arguments["surplus"] == surplus]
        )
        return surplus + 3 + factor * (seen - surplus - 3)

    factors = np.linspace(-5, 5, 1001)
    # the left side moves by more than 1 between the three points, whatever the factor
    assert min(np.abs(residual(factor)).max() for factor in factors) > 0.5


@pytest.mark.parametrize("surplus", [0, 2, 4])
def test_the_closed_form_agrees_with_the_library(surplus: int) -> None:
    alpha = (surplus + 3) / 4 - 1
    points = np.array([0.1, 0.3, 0.6])
    seen = stationary_residual(lambda x: (1 + alpha) * x**alpha, points, m=surplus + 5, n=5, upper=1.0)
    closed = [COROLLARY_6_16.exact(surplus=surplus, at=float(at)) for at in points]
    # the library's seven-point difference is good to 1e-9 relative
    np.testing.assert_allclose(closed, seen, rtol=1e-6)
