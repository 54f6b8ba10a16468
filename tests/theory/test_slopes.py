"""Slopes over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import linregress

from sigmascope.errors import InvalidValueError
from sigmascope.theory.slopes import critical_value, least_squares, slope_over_seeds


def test_least_squares_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(20)
    y = 3 * x + 1 + rng.standard_normal(20)
    expected = linregress(x, y)
    assert least_squares(x, y) == pytest.approx((expected.slope, expected.intercept))


def test_the_interval_covers_the_truth() -> None:
    """Of 2,000 experiments with four seeds 95 % must hold the slope: 0.935 to 0.965 is three s.e."""
    rng = np.random.default_rng(1)
    x, inside = np.arange(5.0), 0
    for _ in range(2000):
        seen = slope_over_seeds([(x, 2 * x + rng.standard_normal(5)) for _ in range(4)])
        assert seen is not None
        assert seen.low is not None
        assert seen.high is not None
        inside += seen.low < 2 < seen.high
    assert 0.935 < inside / 2000 < 0.965


def test_one_seed_has_no_interval_and_one_point_no_slope() -> None:
    one = slope_over_seeds([([1.0, 2.0], [1.0, 3.0])])
    assert one is not None
    assert (one.slope, one.low, one.high, one.seeds) == (2.0, None, None, 1)
    assert slope_over_seeds([([1.0], [1.0]), ([2.0, 2.0], [1.0, 3.0]), ([], [])]) is None


def test_where_the_spread_falls() -> None:
    x = [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]
    assert critical_value(x, [1, 2, 3, 4, 2, 2]) == 0.2
    assert critical_value(x, [1, 2, 3, 4, 5, 6]) is None


@pytest.mark.parametrize(("x", "y"), [([1.0], [1.0, 2.0]), ([np.nan, 1.0], [0.0, 1.0])])
def test_bad_input(x: list[float], y: list[float]) -> None:
    with pytest.raises(InvalidValueError, match="must be"):
        least_squares(x, y)
    with pytest.raises(InvalidValueError, match="must be"):
        critical_value([], [])
