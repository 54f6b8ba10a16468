"""Where the power law begins: brute force over every candidate, planted beginnings, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmascope.errors import InvalidValueError
from sigmascope.theory.tails import MIN_POINTS, PowerLaw, choose_lower, fit_power_law, lower


def by_brute_force(points: np.ndarray, smallest: int) -> tuple[float, float]:
    """(smallest point of the best tail, its distance), one candidate after the other."""
    best = (math.nan, math.inf)
    for start in np.unique(points):
        tail = np.sort(points[points >= start])
        if tail.size < smallest or np.ptp(tail) == 0:
            continue
        k = tail.size / np.log(tail / start).sum()
        below = np.array([(tail < x).mean() for x in tail])
        distance = float(np.abs(1 - (tail / start) ** -k - below).max())
        best = min(best, (float(start), distance), key=lambda pair: pair[1])
    return best


@settings(max_examples=60, deadline=None)
@given(
    points=st.lists(st.floats(0.01, 1e3), min_size=8, max_size=60, unique=True),
    repeats=st.integers(1, 3),
    smallest=st.sampled_from([5, 8]),
)
def test_every_candidate_counts(points: list[float], repeats: int, smallest: int) -> None:
    values = np.repeat(points, repeats)
    if np.ptp(np.sort(values)[-smallest:]) < 1e-3:
        return
    choice = choose_lower(values, smallest=smallest)
    start, distance = by_brute_force(values, smallest)
    # two tails may be equally near but for rounding; the distance is the same then
    assert choice.distance == pytest.approx(distance, abs=1e-11)
    assert choice.points >= smallest
    if choice.lower == np.nextafter(start, 0):
        tail = values[values >= start]
        assert choice.alpha == pytest.approx(fit_power_law(tail, choice.lower).law.alpha, rel=1e-10)


def test_brute_force_on_more_points_than_a_batch() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.lognormal(0, 0.5, 300), PowerLaw(2.2, 2.0).rvs(200, rng=rng)])
    choice = choose_lower(values)
    start, distance = by_brute_force(values, MIN_POINTS)
    assert choice.lower == np.nextafter(start, 0)
    assert choice.distance == pytest.approx(distance, abs=1e-13)
    assert choice.points == np.count_nonzero(values > choice.lower)


def test_no_candidate_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    # one candidate a batch: the search ends as early as its bounds allow
    monkeypatch.setattr(lower, "BATCH", 1)
    for seed in range(20):
        points = np.sort(PowerLaw(2.5, 1.0).rvs(300, rng=np.random.default_rng(seed)))
        tails = lower.Tails.of(points, MIN_POINTS)
        every = np.array([tails.distances(np.array([c]))[0] for c in range(tails.first.size)])
        assert (tails.glance() <= every).all()
        assert tails.nearest() == (int(every.argmin()), float(every.min()))


def test_a_planted_beginning_is_found() -> None:
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.uniform(0.1, 2.0, 3000), PowerLaw(2.5, 2.0).rvs(3000, rng=rng)])
    choice = choose_lower(values, smallest=500)
    # beginning too early costs a visible distance, beginning late is nearly free
    assert 1.9 < choice.lower < 3.0
    assert abs(choice.alpha - 2.5) < 5 * choice.standard_error
    assert choice.standard_error == pytest.approx((choice.alpha - 1) / math.sqrt(choice.points), rel=1e-12)


def test_order_and_units_do_not_matter() -> None:
    values = PowerLaw(2.5, 2.0).rvs(200, rng=np.random.default_rng(2))
    choice, scaled = choose_lower(values), choose_lower(1e9 * values[::-1])
    assert scaled.lower == pytest.approx(1e9 * choice.lower, rel=1e-14)
    assert scaled.alpha == pytest.approx(choice.alpha, rel=1e-12)


def test_bad_input() -> None:
    with pytest.raises(InvalidValueError, match="at least 5 points, got 4; pool spectra"):
        choose_lower([1.0, 2.0, 3.0, 4.0])
    with pytest.raises(InvalidValueError, match="at least 50 points, got 6"):
        choose_lower(np.arange(1.0, 7.0), smallest=50)
    with pytest.raises(InvalidValueError, match="smallest must be >= 5, got 1"):
        choose_lower(np.arange(1.0, 7.0), smallest=1)
    with pytest.raises(InvalidValueError, match="NaN"):
        choose_lower([1.0, 2.0, 3.0, 4.0, math.nan])
    with pytest.raises(InvalidValueError, match=r"must be > 0, got -1.0; leave zeros out"):
        choose_lower([-1.0, 1.0, 2.0, 3.0, 4.0])
    with pytest.raises(InvalidValueError, match=r"any spread, the largest value is 2.0"):
        choose_lower([2.0] * 9)
