"""The bootstrap p-value: uniform under its own law, small under another, honest about its own error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.tails import (
    Exponential,
    LogNormal,
    PowerLaw,
    TailLaw,
    TruncatedGamma,
    TruncatedPowerLaw,
    goodness_of_fit,
)

LAWS: dict[str, TailLaw] = {
    "power_law": PowerLaw(2.5, 1.0),
    "exponential": Exponential(1.0, 1.0),
    "truncated_gamma": TruncatedGamma(3.0, 1.0, 1.0),
    "truncated_power_law": TruncatedPowerLaw(1.5, 0.05, 1.0),
    "lognormal": LogNormal(0.5, 1.0, 1.0),
}


@pytest.mark.parametrize(("name", "trials"), [("power_law", 200), ("exponential", 200), ("lognormal", 60)])
def test_uniform_under_the_null(name: str, trials: int) -> None:
    rng = np.random.default_rng(1)
    p = [
        goodness_of_fit(LAWS[name].rvs(60, rng=rng), rng=rng, lower=1.0, law=name, replicates=39).p_value  # type: ignore[arg-type]
        for _ in range(trials)
    ]
    # a p-value is a rank among 40, spread evenly: jitter makes it continuous; 1 % of false alarms, seed fixed
    assert kstest(np.array(p) - rng.random(trials) / 40, "uniform").pvalue > 0.01


def test_uniform_when_lower_is_chosen() -> None:
    rng = np.random.default_rng(2)
    p = [
        goodness_of_fit(PowerLaw(2.5, 1.0).rvs(100, rng=rng), rng=rng, smallest=20, replicates=29).p_value
        for _ in range(100)
    ]
    # roughly: the choice of lower leaves the bootstrap a few percent off
    assert kstest(np.array(p) - rng.random(100) / 30, "uniform").pvalue > 0.01


@pytest.mark.parametrize("name", list(LAWS))
def test_small_for_another_law(name: str) -> None:
    rng = np.random.default_rng(3)
    bimodal = np.concatenate([1.0 + rng.random(150), 9.0 + rng.random(150)])
    test = goodness_of_fit(bimodal, rng=rng, lower=1.0, law=name, replicates=50)  # type: ignore[arg-type]
    assert test.p_value == pytest.approx(1 / 51)
    assert test.fit.name == name


def test_gamma_draws_are_no_power_law_whatever_lower() -> None:
    rng = np.random.default_rng(4)
    draws = TruncatedGamma(3.0, 1.0, 1e-3).rvs(1000, rng=rng)
    assert goodness_of_fit(draws, rng=rng, lower=2.0, replicates=99).p_value == 0.01
    # even where it may choose its beginning, as long as it must explain a third of them
    assert goodness_of_fit(draws, rng=rng, smallest=350, replicates=99).p_value == 0.01


def test_a_planted_tail_passes_above_its_body() -> None:
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.uniform(0.1, 2.0, 600), PowerLaw(2.5, 2.0).rvs(400, rng=rng)])
    test = goodness_of_fit(values, rng=rng, replicates=100)
    assert test.p_value > 0.1
    # the body below 2 is no power law: forced to begin there, the law fails
    assert goodness_of_fit(values, rng=rng, lower=0.05, replicates=50).p_value == pytest.approx(1 / 51)


def test_reproducible_with_its_monte_carlo_error() -> None:
    points = PowerLaw(2.5, 1.0).rvs(100, rng=np.random.default_rng(6))
    first, second = (
        goodness_of_fit(points, rng=np.random.default_rng(7), lower=1.0, replicates=200) for _ in range(2)
    )
    assert first == second
    assert first.replicates == 200
    expected = math.sqrt(first.p_value * (1 - first.p_value) / 200)
    assert first.standard_error == pytest.approx(expected, rel=1e-14)
    others = [
        goodness_of_fit(points, rng=np.random.default_rng(s), lower=1.0, replicates=200).p_value
        for s in range(20)
    ]
    # the deviation of 20 is good to 16 %: three of those
    assert np.std(others) == pytest.approx(first.standard_error, rel=0.5)


def test_bad_input() -> None:
    points, rng = np.arange(1.0, 30.0), np.random.default_rng(0)
    with pytest.raises(InvalidValueError, match=r"law must be one of power_law, .*, got 'weibull'"):
        goodness_of_fit(points, rng=rng, lower=0.5, law="weibull")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="lower is needed to test 'lognormal'"):
        goodness_of_fit(points, rng=rng, law="lognormal")
    with pytest.raises(InvalidValueError, match="replicates must be >= 1, got 0"):
        goodness_of_fit(points, rng=rng, lower=0.5, replicates=0)
    with pytest.raises(InvalidValueError, match=r"2 of 29 points exceed lower=27.0"):
        goodness_of_fit(points, rng=rng, lower=27.0)
    with pytest.raises(InvalidValueError, match="NaN"):
        goodness_of_fit([*points, math.nan], rng=rng, lower=0.5)
