"""The Airy kernel and process: verdicts, and that wrong kernels and laws are caught."""

from __future__ import annotations

import pytest
from scipy.special import airy

from sigmascope.theory import TracyWidom
from sigmascope.theory.claims import Claim, Verdict
from sigmascope.theory.claims.airy_process import (
    DEFINITION_6_13,
    DEFINITION_6_13_KERNEL,
    REMARK_6_14,
    both_below,
    moments,
)
from sigmascope.theory.claims.claim import Formula
from tests.theory.claims.bench import checked, judged

VERDICTS = {
    DEFINITION_6_13_KERNEL: "holds",
    DEFINITION_6_13: "does not hold as printed",
    REMARK_6_14: "does not hold as printed",
}


def wronskian_with_a_plus(x, y):
    (ai_x, slope_x, *_), (ai_y, slope_y, *_) = airy(x), airy(y)
    return (ai_x * slope_y + slope_x * ai_y) / (x - y)


def arguments_swapped(x, y):
    return -DEFINITION_6_13_KERNEL.printed(x=x, y=y)


def independent_times(lag, level):
    below = float(TracyWidom(2).cdf(level))
    return 2 * below * (1 - below)


def half_as_fast(lag, level):
    return DEFINITION_6_13.exact(lag=lag / 2, level=level)


def mean_of_real_matrices_alone(of):
    return moments(1 if of == "mean" else 2)[of]


WRONG = [
    (DEFINITION_6_13_KERNEL, wronskian_with_a_plus),
    (DEFINITION_6_13_KERNEL, arguments_swapped),
    (DEFINITION_6_13, independent_times),
    (DEFINITION_6_13, half_as_fast),
    (REMARK_6_14, mean_of_real_matrices_alone),
    (REMARK_6_14, lambda of: moments(4)[of]),
]


@pytest.mark.parametrize("claim", VERDICTS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == VERDICTS[claim]
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


def test_skewness_alone_rules_out_the_printed_law() -> None:
    result = checked(REMARK_6_14)
    seen = result.measurements[-1]
    # no choice of centre, scale or clock changes a skewness
    assert abs(result.printed.predictions[-1] - seen.value) > 5 * seen.standard_error


def test_moments_against_published_ones() -> None:
    # Bornemann (2010), table 10: given to 10 digits, quadrature of the tabulated density is as good
    assert moments(1)["skewness"] == pytest.approx(0.29346452408, abs=1e-8)
    assert moments(2)["skewness"] == pytest.approx(0.224084203610, abs=1e-8)


@pytest.mark.parametrize("level", [-2.5, -1.5])
def test_two_times_between_one_and_none_in_common(level: float) -> None:
    below = float(TracyWidom(2).cdf(level))
    # the memory of the Airy process decays as the inverse square of the lag
    assert both_below(level, 40.0, "exact") == pytest.approx(below**2, abs=1e-3)
    lags = [both_below(level, lag, "exact") for lag in (0.25, 0.5, 1.0, 4.0)]
    assert below > lags[0]
    assert lags == sorted(lags, reverse=True)
    assert lags[-1] > below**2
