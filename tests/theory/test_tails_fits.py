"""Maximum-likelihood fits of a tail: planted parameters, brute force, boundaries and bad input."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import kstest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.tails import (
    Exponential,
    LogNormal,
    PowerLaw,
    TailFit,
    TailLaw,
    TruncatedGamma,
    TruncatedPowerLaw,
    fit_exponential,
    fit_lognormal,
    fit_power_law,
    fit_tail,
    fit_truncated_gamma,
    fit_truncated_power_law,
)
from sigmascope.theory.tails.families import FITS
from sigmascope.theory.tails.lognormal import LARGEST_CUT, scaled_mean, scaled_variance

PLANTED: dict[str, TailLaw] = {
    "power_law": PowerLaw(2.5, 2.0),
    "truncated_power_law": TruncatedPowerLaw(1.8, 0.05, 2.0),
    "lognormal": LogNormal(0.0, 1.0, 2.0),
    "exponential": Exponential(0.7, 2.0),
    "truncated_gamma": TruncatedGamma(3.0, 1.0, 2.0),
}
MAKE: dict[str, Callable[..., TailLaw]] = {
    "truncated_power_law": lambda alpha, log_rate: TruncatedPowerLaw(abs(alpha), math.exp(log_rate), 2.0),
    "lognormal": lambda mu, log_sigma: LogNormal(mu, math.exp(log_sigma), 2.0),
    "truncated_gamma": lambda shape, log_rate: TruncatedGamma(abs(shape) + 1e-9, math.exp(log_rate), 2.0),
}
STARTS = {"truncated_power_law": (1.5, -3.0), "lognormal": (0.5, 0.1), "truncated_gamma": (2.0, -0.5)}
PARAMETERS = {
    "power_law": ("alpha",),
    "truncated_power_law": ("alpha", "rate"),
    "lognormal": ("mu", "sigma"),
    "exponential": ("rate",),
    "truncated_gamma": ("shape", "rate"),
}


@pytest.mark.parametrize("name", list(PLANTED))
def test_planted_parameters_come_back(name: str) -> None:
    law = PLANTED[name]
    points = law.rvs(100_000, rng=np.random.default_rng(1))
    fit = FITS[name](points, 2.0)  # type: ignore[index]
    # twice the gain over the truth is chi-squared with 1 or 2 degrees: below 14 but for 1e-3
    assert 0 <= 2 * (fit.log_likelihood - float(law.log_pdf(points).sum())) < 14
    for parameter in PARAMETERS[name]:
        # 5 %: five standard errors of the least certain, mu of a lognormal that is three quarters cut off
        truth = getattr(law, parameter)
        assert getattr(fit.law, parameter) == pytest.approx(truth, rel=0.05, abs=0.1 if truth == 0 else 0)
    assert not fit.at_boundary
    # the Kolmogorov distance of 1e5 points from a law fitted to them: 1.6 / sqrt(n) but for 1 %
    assert fit.ks == pytest.approx(kstest(points, fit.law.cdf).statistic, abs=1e-12)
    assert fit.ks < 1.6 / math.sqrt(100_000)


@pytest.mark.parametrize("name", list(MAKE))
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_nothing_beats_the_maximum(name: str, seed: int) -> None:
    points = PLANTED[name].rvs(200, rng=np.random.default_rng(seed))
    fit = FITS[name](points, 2.0)  # type: ignore[index]

    def loss(parameters: np.ndarray) -> float:
        return -float(MAKE[name](*parameters).log_pdf(points).sum())

    brute = minimize(loss, STARTS[name], method="Nelder-Mead", options={"maxiter": 300, "fatol": 1e-7})
    # Nelder-Mead comes within 1e-5 of the maximum, from below
    assert brute.fun + fit.log_likelihood + 1e-9 >= 0
    assert fit.log_likelihood == pytest.approx(-brute.fun, abs=1e-4)


def test_closed_forms() -> None:
    points = PLANTED["power_law"].rvs(50, rng=np.random.default_rng(3))
    power, exponential = fit_power_law(points, 2.0), fit_exponential(points, 2.0)
    # rounding alone
    assert power.law.alpha == pytest.approx(1 + 50 / np.log(points / 2.0).sum(), rel=1e-14)
    assert power.law.standard_error(50) == pytest.approx((power.law.alpha - 1) / math.sqrt(50), rel=1e-15)
    assert exponential.law.rate == pytest.approx(50 / (points - 2.0).sum(), rel=1e-14)


def test_standard_error_of_alpha_is_the_spread_of_its_estimates() -> None:
    rng = np.random.default_rng(4)
    draws = PowerLaw(2.5, 1.0).rvs((1000, 200), rng=rng)
    alphas = np.array([fit_power_law(row, 1.0 - 1e-15).law.alpha for row in draws])
    # the sample deviation of 1000 is good to 2.2 %; 1 / points of bias come on top
    assert alphas.std() == pytest.approx(PowerLaw(2.5, 1.0).standard_error(200), rel=0.1)


@pytest.mark.parametrize("scale", [1e-12, 1e9])
@pytest.mark.parametrize("name", list(PLANTED))
def test_units_do_not_matter(name: str, scale: float) -> None:
    points = PLANTED[name].rvs(300, rng=np.random.default_rng(5))
    fit, scaled = FITS[name](points, 2.0), FITS[name](scale * points, scale * 2.0)  # type: ignore[index]
    # Newton's method ends at 1e-6 of a standard error
    expected = fit.log_likelihood - 300 * math.log(scale)
    assert scaled.log_likelihood == pytest.approx(expected, rel=1e-9)
    np.testing.assert_allclose(scaled.law.sf(scale * points), fit.law.sf(points), rtol=1e-6)


def test_truncated_power_law_without_a_cut_off_is_the_power_law() -> None:
    # alpha > 2 and a mean excess above that of the power law: the likelihood falls with the rate
    points = np.append(PowerLaw(3.5, 1.0).rvs(200, rng=np.random.default_rng(6)), 60.0)
    fit, power = fit_truncated_power_law(points, 1.0), fit_power_law(points, 1.0)
    assert fit.boundary == "rate 0: the power law"
    assert (fit.law.alpha, fit.law.rate) == (power.law.alpha, 0.0)
    assert fit.log_likelihood == pytest.approx(power.log_likelihood, rel=1e-13)
    for rate in (1e-6, 1e-4, 1e-2):
        near = TruncatedPowerLaw(power.law.alpha, rate, 1.0)
        assert float(near.log_pdf(points).sum()) < fit.log_likelihood


def test_truncated_power_law_of_gamma_draws_is_the_exponential() -> None:
    points = PLANTED["truncated_gamma"].rvs(500, rng=np.random.default_rng(7))
    fit, exponential = fit_truncated_power_law(points, 2.0), fit_exponential(points, 2.0)
    assert fit.boundary == "alpha 0: the exponential law"
    assert fit.law.rate == pytest.approx(exponential.law.rate, rel=1e-14)
    assert float(TruncatedPowerLaw(0.05, fit.law.rate, 2.0).log_pdf(points).sum()) < fit.log_likelihood


def test_lognormal_drifts_to_the_power_law() -> None:
    # var(log) >= mean(log)^2 of the excess: no finite mu
    y = np.append(np.random.default_rng(8).exponential(1.0, 200), 9.0)
    points = np.exp(y) * 2.0
    fit, power = fit_lognormal(points, 2.0), fit_power_law(points, 2.0)
    assert y.var() > y.mean() ** 2
    assert fit.boundary == "mu to -oo: the power law"
    # (y / sigma)^2 / 2 with sigma = 1e5 mean y, over 201 points
    assert fit.log_likelihood == pytest.approx(power.log_likelihood, abs=1e-6)
    assert np.isfinite([fit.law.mu, fit.law.sigma]).all()
    for cut in (3.0, 30.0, 1000.0):
        sigma = float(y.mean()) / scaled_mean(cut)
        near = LogNormal(math.log(2.0) - cut * sigma, sigma, 2.0)
        assert float(near.log_pdf(points).sum()) < fit.log_likelihood


@pytest.mark.parametrize("t", [-1e3, -12.0, -9.9, -1.0, 0.0, 2.999, 3.0, 3.001, 40.0, LARGEST_CUT])
def test_moments_of_the_truncated_normal(t: float) -> None:
    import mpmath

    with mpmath.workdps(60):
        mills = (
            mpmath.exp(-(mpmath.mpf(t) ** 2) / 2) / mpmath.sqrt(2 * mpmath.pi) / mpmath.ncdf(-mpmath.mpf(t))
        )
        mean = mills - t
        variance = (1 + t * mills - mills**2) / mean**2
    assert scaled_mean(t) == pytest.approx(float(mean), rel=1e-13)
    # at t = 3 the subtraction leaves 1e-14 of its terms
    assert scaled_variance(t) == pytest.approx(float(variance), rel=1e-12)


@pytest.mark.parametrize("width", [1e-5, 1e-3])
def test_narrow_tails_far_out_have_a_lognormal(width: float) -> None:
    points = 10.0 * np.exp(width * np.random.default_rng(9).standard_normal(400))
    fit = fit_lognormal(points, 2.0)
    # nothing is cut off: the plain moments of the logarithm
    assert fit.law.mu == pytest.approx(np.log(points).mean(), rel=1e-12)
    assert fit.law.sigma == pytest.approx(np.log(points).std(), rel=1e-7)


def test_the_gamma_fit_tells_its_law() -> None:
    points = PLANTED["truncated_gamma"].rvs(60, rng=np.random.default_rng(10))
    fit = fit_truncated_gamma(points, 2.0)
    assert float(fit.law.log_pdf(points).sum()) == pytest.approx(fit.log_likelihood, rel=1e-12)


@settings(max_examples=150, deadline=None)
@given(
    ratios=st.lists(st.floats(1.0001, 1e12), min_size=5, max_size=12),
    lower=st.sampled_from([1e-12, 1.0, 1e9]),
    name=st.sampled_from(["power_law", "truncated_power_law", "lognormal", "exponential"]),
)
def test_any_tail_has_a_fit(ratios: list[float], lower: float, name: str) -> None:
    points = lower * np.array(ratios)
    if np.ptp(points) <= 1e-6 * points.max():
        return
    fit: TailFit[Any] = FITS[name](points, lower)  # type: ignore[index]
    assert np.isfinite(fit.log_likelihood)
    assert 0 < fit.ks <= 1
    # the larger families reach at least what they contain; rounding of log likelihoods up to 1e4
    if name in ("truncated_power_law", "lognormal"):
        assert fit.log_likelihood >= fit_power_law(points, lower).log_likelihood - 1e-6
    if name == "truncated_power_law":
        assert fit.log_likelihood >= fit_exponential(points, lower).log_likelihood - 1e-6


GOOD = st.lists(st.floats(2.0, 1e6), min_size=5, max_size=9)
NAMES = st.sampled_from(list(FITS))


@settings(max_examples=40, deadline=None)
@given(points=GOOD, name=NAMES, bad=st.sampled_from([math.nan, math.inf, -math.inf]), at=st.integers(0, 4))
def test_nan_and_infinity(points: list[float], name: str, bad: float, at: int) -> None:
    points[at] = bad
    for call in (FITS[name], fit_tail):  # type: ignore[index]
        with pytest.raises(InvalidValueError, match="NaN or infinity; check the spectrum"):
            call(points, 1.0)  # type: ignore[operator]


@settings(max_examples=40, deadline=None)
@given(points=st.lists(st.floats(2.0, 1e6), max_size=4), name=NAMES)
def test_too_few_points(points: list[float], name: str) -> None:
    with pytest.raises(InvalidValueError, match=f"at least 5 points, got {len(points)}; lower the edge"):
        FITS[name](points, 1.0)  # type: ignore[index]
    total = [*points, 0.5, 0.7]
    expected = f"{len(points)} of {len(total)} points exceed lower=1.0, a tail fit needs at least 5"
    with pytest.raises(InvalidValueError, match=expected):
        fit_tail(total, 1.0)


@settings(max_examples=40, deadline=None)
@given(points=GOOD, name=NAMES, bad=st.floats(-1e6, 2.0), at=st.integers(0, 4))
def test_points_at_or_below_lower(points: list[float], name: str, bad: float, at: int) -> None:
    points[at] = bad
    with pytest.raises(InvalidValueError, match=r"every point must exceed lower=2.0, got .*; pass the tail"):
        FITS[name](points, 2.0)  # type: ignore[index]


@settings(max_examples=40, deadline=None)
@given(value=st.floats(2.0, 1e6), count=st.integers(5, 9), name=NAMES)
def test_no_spread(value: float, count: int, name: str) -> None:
    for call in (FITS[name], fit_tail):  # type: ignore[index]
        with pytest.raises(InvalidValueError, match=f"all {count} points equal .*; a law needs some spread"):
            call([value] * count, 1.0)  # type: ignore[operator]


@settings(max_examples=40, deadline=None)
@given(points=GOOD, name=NAMES, lower=st.sampled_from([0.0, -1.0, math.nan, math.inf, -math.inf]))
def test_lower_must_be_positive(points: list[float], name: str, lower: float) -> None:
    for call in (FITS[name], fit_tail):  # type: ignore[index]
        with pytest.raises(InvalidValueError, match=r"lower must be positive and finite, got .*; trunc"):
            call(points, lower)  # type: ignore[operator]
