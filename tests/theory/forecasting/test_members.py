"""Quantiles from a few outcomes, by Monte Carlo: they hold as many others as they promise, however few."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.forecasting import LEVELS, of_members


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
