"""Which law the points prefer: planted laws win, nested tests are calibrated, doubt is said."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2, norm

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws import StationaryGamma, on_singular_value_axis
from sigmascope.theory.tails import (
    Exponential,
    LogNormal,
    PowerLaw,
    TailLaw,
    TruncatedGamma,
    TruncatedPowerLaw,
    compare,
    fit_exponential,
    fit_power_law,
    fit_tail,
)
from sigmascope.theory.tails.comparison import pair_test
from sigmascope.theory.tails.families import FITS

PLANTED: dict[str, TailLaw] = {
    "power_law": PowerLaw(2.5, 2.0),
    "truncated_power_law": TruncatedPowerLaw(1.8, 0.05, 2.0),
    "lognormal": LogNormal(0.0, 1.0, 2.0),
    "exponential": Exponential(0.7, 2.0),
    "truncated_gamma": TruncatedGamma(4.0, 1.0, 2.0),
}


@pytest.mark.parametrize("name", list(PLANTED))
def test_the_planted_law_wins(name: str) -> None:
    points = PLANTED[name].rvs(20_000, rng=np.random.default_rng(11))
    comparison = compare(points, lower=2.0)
    assert comparison.best == name
    # a power law with a lognormal a hair away stays open, as it must; all else is beaten
    assert set(comparison.rivals) <= ({"lognormal"} if name == "power_law" else set())
    for other in PLANTED:
        if other not in (name, *comparison.rivals, *comparison.extensions):
            assert comparison.pair(name, other).favours() == name  # type: ignore[arg-type]
            assert comparison.pair(other, name).favours() == name  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [1.5, 8.0, 512.75])
@pytest.mark.parametrize("quantile", [0.0, 0.5, 0.9])
def test_a_gamma_law_has_no_power_law_tail(shape: float, quantile: float) -> None:
    # draws of the paper's stationary law, its printed shape for 3072 x 1024 among them, and its tail alone
    law = StationaryGamma(shape, 2.0)
    lower = max(float(law.ppf(quantile)), 1e-3)
    p = np.random.default_rng(12).uniform(float(law.cdf(lower)), 1.0, 2000)
    comparison = fit_tail(law.ppf(p), lower).comparison
    assert comparison.best in ("truncated_gamma", "exponential")
    for name in ("truncated_gamma", "exponential"):
        against = comparison.pair(name, "power_law")
        if name == comparison.best or quantile > 0:
            # 4: the narrow top tenth of shape 512.75 spans 4 % of lambda, where all laws look alike
            assert against.ratio > 4
            assert against.p_value < 1e-4
            assert against.favours() == name
    assert "power_law" not in (*comparison.rivals, *comparison.extensions)


def test_vuong_by_hand() -> None:
    points = PLANTED["lognormal"].rvs(300, rng=np.random.default_rng(13))
    pair = compare(points, lower=2.0).pair("power_law", "exponential")
    power, exponential = fit_power_law(points, 2.0).law, fit_exponential(points, 2.0).law
    terms = np.log(power.pdf(points)) - np.log(exponential.pdf(points))
    # rounding alone
    assert pair.log_ratio == pytest.approx(terms.sum(), rel=1e-10)
    assert pair.ratio == pytest.approx(terms.sum() / (terms.std() * math.sqrt(300)), rel=1e-10)
    assert pair.p_value == pair.vuong_p == pytest.approx(2 * norm.sf(abs(pair.ratio)), rel=1e-10)
    assert pair.nested_p is None


@pytest.mark.parametrize(
    ("smaller", "larger", "share"),
    [
        ("power_law", "lognormal", 0.5),
        ("exponential", "truncated_power_law", 0.5),
        ("exponential", "truncated_gamma", 1.0),
    ],
)
def test_nested_p_values_are_calibrated(smaller: str, larger: str, share: float) -> None:
    rng = np.random.default_rng(14)
    p = []
    for _ in range(400):
        points = PLANTED[smaller].rvs(300, rng=rng)
        pair = pair_test(FITS[smaller](points, 2.0), FITS[larger](points, 2.0), points)  # type: ignore[index]
        assert pair.log_ratio <= 1e-6
        expected = chi2.sf(-2 * pair.log_ratio, 1) * share if pair.log_ratio < -1e-5 else 1.0
        assert pair.nested_p == pytest.approx(expected, rel=1e-6)
        p.append(pair.p_value)
    values = np.array(p)
    for level in (0.1, 0.3):
        # three and a half standard errors of a share of 400
        assert np.mean(values < level) == pytest.approx(level, abs=3.5 * math.sqrt(level * (1 - level) / 400))
    if share == 0.5:
        # on the boundary about half of all data gain nothing; skewness at 300 points moves that by a few %
        assert np.mean(values == 1) == pytest.approx(0.5, abs=0.12)


@pytest.mark.parametrize("alpha", [1.7, 2.5, 5.0])
def test_a_power_law_seldom_gets_a_cut_off(alpha: float) -> None:
    rng = np.random.default_rng(21)
    p, halved = [], []
    for _ in range(300):
        points = PowerLaw(alpha, 1.0).rvs(300, rng=rng)
        pair = pair_test(FITS["power_law"](points, 1.0), FITS["truncated_power_law"](points, 1.0), points)
        p.append(pair.p_value)
        halved.append(pair.p_value / 2)
    # at most 10 %, plus three and a half standard errors of a share of 300
    assert np.mean(np.array(p) < 0.1) < 0.1 + 3.5 * math.sqrt(0.09 / 300)
    if alpha < 3:
        # what the halved chi-square would do where x^2 has no mean
        assert np.mean(np.array(halved) < 0.1) > 0.13


def test_vuongs_level_for_families_apart() -> None:
    # the point of the mixture where both laws are equally far: neither must win more than 5 % + 5 %
    rng = np.random.default_rng(15)
    wins = []
    for _ in range(300):
        points = PLANTED["lognormal"].rvs(200, rng=rng)
        pair = pair_test(fit_power_law(points, 2.0), fit_exponential(points, 2.0), points)
        wins.append(pair.ratio)
    # studentised: its deviation is 1 whatever its mean, to 4 % and the bias of skewed terms
    assert np.std(wins) == pytest.approx(1.0, abs=0.25)


def test_few_points_leave_doubt() -> None:
    points = PLANTED["lognormal"].rvs(12, rng=np.random.default_rng(16))
    comparison = compare(points, lower=2.0)
    assert not comparison.decided
    assert comparison.rivals
    assert comparison.verdict.startswith("undecided: the ")
    assert "12 points" in comparison.verdict
    for name in comparison.rivals:
        assert f"the {name.replace('_', ' ')}" in comparison.verdict


def test_one_law_in_two_families_is_said() -> None:
    # shape 0.6 and alpha 0.4 are the same law
    points = TruncatedGamma(0.6, 0.05, 1.0).rvs(5000, rng=np.random.default_rng(17))
    comparison = compare(points, lower=1.0)
    pair = comparison.pair("truncated_gamma", "truncated_power_law")
    assert pair.coincide
    assert pair.p_value == 1
    assert comparison.best == "truncated_gamma"
    assert comparison.extensions == ("truncated_power_law",)
    assert "the truncated power law can imitate it and gain nothing" in comparison.verdict


def test_pairs_turn_round() -> None:
    comparison = compare(PLANTED["lognormal"].rvs(100, rng=np.random.default_rng(18)), lower=2.0)
    one = comparison.pair("lognormal", "exponential")
    other = comparison.pair("exponential", "lognormal")
    assert (one.log_ratio, one.ratio, one.p_value) == (-other.log_ratio, -other.ratio, other.p_value)
    assert len(comparison.pairs) == 10
    with pytest.raises(InvalidValueError, match="were not compared"):
        comparison.pair("lognormal", "lognormal")
    with pytest.raises(InvalidValueError, match="law must be one of"):
        comparison.fit("weibull")  # type: ignore[arg-type]


def test_fit_tail_takes_what_lies_beyond() -> None:
    rng = np.random.default_rng(19)
    tail = PowerLaw(2.5, 2.0).rvs(300, rng=rng)
    report = fit_tail(np.concatenate([rng.uniform(0, 2, 700), tail]), 2.0)
    assert (report.points, report.total, report.lower) == (300, 1000, 2.0)
    assert report.alpha == pytest.approx(fit_power_law(tail, 2.0).law.alpha, rel=1e-13)
    assert report.alpha_error == pytest.approx((report.alpha - 1) / math.sqrt(300), rel=1e-13)
    assert report.best is report.fit(report.comparison.best)
    assert [fit.name for fit in report.comparison.fits] == list(FITS)


def test_the_axis_changes_alpha_as_documented() -> None:
    sigma = on_singular_value_axis(PowerLaw(2.5, 4.0)).rvs(400, rng=np.random.default_rng(20))
    of_lambda, of_sigma = fit_tail(sigma**2, 4.0), fit_tail(sigma, 2.0)
    assert of_sigma.alpha == pytest.approx(2 * of_lambda.alpha - 1, rel=1e-12)
    pairs = [report.comparison.pair("power_law", "lognormal") for report in (of_lambda, of_sigma)]
    assert pairs[0].log_ratio == pytest.approx(pairs[1].log_ratio, abs=1e-8)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.1, math.nan])
def test_bad_level(level: float) -> None:
    with pytest.raises(InvalidValueError, match=r"level must be in \(0, 1\), got"):
        compare(PLANTED["exponential"].rvs(20, rng=np.random.default_rng(0)), lower=2.0, level=level)
