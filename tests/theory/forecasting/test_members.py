"""Forecasts from a few outcomes, by Monte Carlo: bands hold as many others as they promise, however few."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.forecasting import LEVELS, as_parted, of_members


@pytest.mark.parametrize("count", [2, 5, 30])
def test_each_quantile_has_its_share_of_further_outcomes_below_it(count: int) -> None:
    rng = np.random.default_rng(count)
    draws = 3.0 + 0.2 * rng.standard_normal((20_000, count + 1, 2))
    seen = of_members(draws[:, :-1])
    assert seen.shape == (20_000, 2, 5)
    below = (draws[:, -1, :, None] <= seen).mean(axis=(0, 1))
    np.testing.assert_allclose(below, LEVELS, atol=4 * 0.5 / np.sqrt(20_000))


def test_without_spread_all_quantiles_are_the_outcome() -> None:
    np.testing.assert_array_equal(of_members(np.full((3, 4), 2.5)), np.full((4, 5), 2.5))


def test_one_member_shows_no_spread() -> None:
    with pytest.raises(InvalidValueError, match="members must be 2 or more, got 1"):
        of_members(np.ones((1, 4)))


@pytest.mark.parametrize("left", [0.0, 0.4, 1.0])
def test_as_much_of_a_difference_is_left_as_members_show(left: float) -> None:
    """Differences of which the share ``left`` is left, and chance: the conditional mean is s left.

    All members rise together from moment to moment and from value to value, which says nothing of that.
    """
    rng = np.random.default_rng(1)
    rise = np.linspace(0.0, 50.0, 400)[:, None, None] + 10.0 * np.arange(8)
    parted = rng.standard_normal((400, 6, 8))
    later = left * parted + 0.3 * rng.standard_normal(parted.shape)
    now, outcome = (rise + parted)[:, -1], (2.0 - 3.0 * rise + later)[:, -1]
    members = as_parted(now, (rise + parted)[:, :-1], (2.0 - 3.0 * rise + later)[:, :-1])
    # of the mean of five with chance 0.3 each: sqrt(1 + 1/5) times what cannot be foreseen
    error = np.sqrt(((members.mean(axis=1) - outcome) ** 2).mean())
    assert error == pytest.approx(0.3 * np.sqrt(1.2), rel=0.05)
    below = (outcome[..., None] <= of_members(members)).mean(axis=(0, 1))
    np.testing.assert_allclose(below, LEVELS, atol=0.03)


def test_all_moments_and_values_share_one_slope() -> None:
    """What a single one of five members shows is chance mostly."""
    meanwhile = np.array([[[-1.0, -1.0], [1.0, 1.0]], [[-1.0, -2.0], [1.0, 2.0]]])
    ahead = np.array([[[-1.0, 0.0], [1.0, 0.0]], [[0.0, -1.0], [0.0, 1.0]]])
    # (1 + 0 + 0 + 2) / (1 + 1 + 1 + 4) of what parts 1 from the mean 0
    found = as_parted(np.ones((2, 2)), meanwhile, ahead).mean(axis=1)
    np.testing.assert_allclose(found, np.full((2, 2), 3 / 7))


def test_members_that_have_not_parted_are_followed_in_their_changes() -> None:
    now, same = np.array([[3.0]]), np.full((1, 4, 1), 2.0)
    ahead = np.array([[[2.0], [2.5], [3.0], [3.5]]])
    np.testing.assert_array_equal(as_parted(now, same, ahead), ahead + 1.0)
    # nor is more than all of a difference kept, or one turned round
    apart = np.array([[[1.0], [2.0], [3.0], [4.0]]])
    np.testing.assert_array_equal(as_parted(now, apart, 2.0 * apart), 2.0 * apart + 3.0 - apart)
    np.testing.assert_array_equal(as_parted(now, apart, -apart), -apart)
