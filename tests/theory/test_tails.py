"""The truncated gamma fit against brute force, planted parameters and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import kstest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws import StationaryGamma
from sigmascope.theory.tails import SMALLEST_SHAPE, fit_truncated_gamma, partition


def tail_of(shape: float, rate: float, lower: float, count: int, seed: int = 0) -> np.ndarray:
    law = StationaryGamma(shape, rate)
    u = np.random.default_rng(seed).uniform(float(law.cdf(lower)), 1.0, count)
    return law.ppf(u)


def log_likelihood(points: np.ndarray, lower: float, shape: float, rate: float) -> float:
    law = StationaryGamma(shape, rate)
    return float(np.log(law.pdf(points)).sum() - len(points) * np.log(law.sf(lower)))


@pytest.mark.parametrize("a", [1e-6, 0.5, 3.0, 300.0])
@pytest.mark.parametrize("z", [1e-8, 0.01, 2.99, 40.0])
def test_partition_against_high_precision(a: float, z: float) -> None:
    import mpmath

    with mpmath.workdps(40):
        exact = float(mpmath.log(mpmath.gammainc(a, z)) + z - a * mpmath.log(z))
    # relative rounding of sums of exponentials, 1e-13 of the largest exponent
    assert partition(a, z).log_value == pytest.approx(exact, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize(("shape", "rate", "lower"), [(3.0, 1.0, 2.0), (0.7, 0.2, 4.0), (40.0, 9.0, 4.0)])
def test_planted_parameters_come_back(shape: float, rate: float, lower: float) -> None:
    points = tail_of(shape, rate, lower, 50_000)
    fit = fit_truncated_gamma(points, lower)
    # at the optimum, twice the gain over the truth is chi-squared with 2 degrees: below 14 but for 1e-3
    assert 0 <= 2 * (fit.log_likelihood - log_likelihood(points, lower, shape, rate)) < 14
    assert fit.shape == pytest.approx(shape, rel=0.2)
    assert fit.rate == pytest.approx(rate, rel=0.1)
    assert not fit.at_boundary


def test_log_likelihood_norm_and_optimality() -> None:
    lower = 2.0
    points = tail_of(3.0, 1.0, lower, 40)
    fit = fit_truncated_gamma(points, lower)
    assert fit.log_likelihood == pytest.approx(log_likelihood(points, lower, fit.shape, fit.rate), rel=1e-10)
    for da, dr in ((1e-3, 0), (-1e-3, 0), (0, 1e-3), (0, -1e-3), (1e-3, 1e-3)):
        assert log_likelihood(points, lower, fit.shape + da, fit.rate + dr) < fit.log_likelihood
    mass = quad(lambda x: np.exp(fit.log_norm + (fit.shape - 1) * np.log(x) - fit.rate * x), lower, np.inf)[0]
    assert mass == pytest.approx(1, abs=1e-8)


@pytest.mark.parametrize("start", [(1e-6, 0.3), (0.4, 5.0), (80.0, 20.0), (1e4, 1e-3), (3.0, 1e6)])
def test_the_start_does_not_matter(start: tuple[float, float]) -> None:
    for points in (tail_of(3.0, 1.0, 2.0, 30), 2.0 * (1 - np.random.default_rng(1).random(30)) ** -0.5):
        cold = fit_truncated_gamma(points, 2.0)
        warm = fit_truncated_gamma(points, 2.0, start=start)
        assert (warm.shape, warm.rate) == pytest.approx((cold.shape, cold.rate), rel=1e-6)


def test_power_law_tail_lies_at_the_boundary() -> None:
    points = 2.0 * (1 - np.random.default_rng(1).random(500)) ** -0.5
    fit = fit_truncated_gamma(points, 2.0)
    assert fit.at_boundary
    assert fit.shape == SMALLEST_SHAPE
    grid = [log_likelihood(points, 2.0, a, fit.rate * r) for a in (1e-4, 0.1, 1) for r in (0.3, 1, 3)]
    assert max(grid) < fit.log_likelihood


def test_narrow_and_crowded_points() -> None:
    rng = np.random.default_rng(0)
    crowd = fit_truncated_gamma(2.0 * (1 + 1e-3 * np.abs(rng.standard_normal(2000))), 2.0)
    far = 10 * (1 + 1e-3 * rng.standard_normal(2000))
    narrow = fit_truncated_gamma(far, 2.0)
    assert np.isfinite([crowd.log_likelihood, crowd.log_norm, narrow.log_likelihood]).all()
    assert narrow.shape == pytest.approx(far.mean() ** 2 / far.var(), rel=1e-2)
    assert kstest(far, StationaryGamma(narrow.shape, narrow.rate).cdf).pvalue > 1e-3


@settings(max_examples=100, deadline=None)
@given(
    ratios=st.lists(st.floats(1.0001, 1e4), min_size=5, max_size=12),
    lower=st.sampled_from([1e-12, 1.0, 1e9]),
)
def test_any_tail_gives_an_answer_or_says_why(ratios: list[float], lower: float) -> None:
    points = lower * np.array(ratios)
    try:
        fit = fit_truncated_gamma(points, lower)
    except InvalidValueError:
        # refused only where the points all but coincide
        assert np.ptp(points) < 1e-3 * points.max()
        return
    assert fit.shape > 0
    assert fit.rate > 0
    assert np.isfinite(fit.log_likelihood)
    assert np.isfinite(fit.log_norm)


def test_bad_input() -> None:
    with pytest.raises(InvalidValueError, match="at least 5 points, got 4"):
        fit_truncated_gamma([2.0, 3.0, 4.0, 5.0], 1.0)
    with pytest.raises(InvalidValueError, match="all 6 points equal 3"):
        fit_truncated_gamma(np.full(6, 3.0), 1.0)
    with pytest.raises(InvalidValueError, match="NaN"):
        fit_truncated_gamma([2.0, 3.0, 4.0, 5.0, np.nan], 1.0)
    with pytest.raises(InvalidValueError, match=r"exceed lower=3.5, got 2.0"):
        fit_truncated_gamma([2.0, 3.0, 4.0, 5.0, 6.0], 3.5)
    with pytest.raises(InvalidValueError, match="lower must be positive"):
        fit_truncated_gamma([2.0, 3.0, 4.0, 5.0, 6.0], 0.0)
