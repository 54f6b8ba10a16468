"""Covariances of the Airy processes: against asymptotics in the literature, and each other's grids."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.theory.airy import airy1_kernel, extended_airy_kernel
from sigmascope.theory.claims.two_times import Grid, airy1_covariance, airy2_covariance, covariance
from sigmascope.theory.laws import TracyWidom


@pytest.mark.parametrize("lag", [0.4, 3.2])
def test_a_wider_and_finer_grid_agrees(lag: float) -> None:
    fine = Grid(low=-7.2, top=3.6, high=7.8, step=0.6, nodes=5)
    assert airy2_covariance(lag) == pytest.approx(covariance(extended_airy_kernel, lag, fine), abs=2e-6)
    fine = Grid(low=-4.5, top=3.3, high=6.3, step=0.3, nodes=5)
    assert airy1_covariance(lag / 4) == pytest.approx(covariance(airy1_kernel, lag / 4, fine), abs=2e-6)


@pytest.mark.parametrize("beta", [1, 2])
def test_short_lags(beta: int) -> None:
    """Var A - t + O(t^2) (Praehofer and Spohn 2002; Bornemann, Ferrari and Praehofer 2008), with
    2 Airy_1(t / 4) for beta = 1. The rest grows like t^2 less a term in t^3; a wrong slope would make it grow
    like t.
    """
    memory = airy2_covariance if beta == 2 else lambda lag: 4 * airy1_covariance(lag / 4)
    rests = [memory(lag) - TracyWidom(beta).var() + lag for lag in (0.2, 0.4)]
    assert 0 < rests[0] < 0.2**2
    assert 1.6 < np.log2(rests[1] / rests[0]) < 2.0


def test_long_lags_of_airy_2() -> None:
    """1 / t^2 + c / t^4 + ..., c = 2 E F_2 = -3.542 (Adler and van Moerbeke 2005, Shinault and Tracy 2011).

    What is left, extrapolated in 1 / t^2 from two lags, is off by the next order: 2 % here.
    """
    lags = np.array([8.0, 12.0])
    seen = (np.array([airy2_covariance(lag) for lag in lags.tolist()]) - lags**-2) * lags**4
    weights = lags**2 / (lags[1] ** 2 - lags[0] ** 2) * [-1, 1]
    assert weights @ seen == pytest.approx(-3.542, rel=0.02)
    assert weights @ seen == pytest.approx(2 * TracyWidom(2).mean(), rel=0.02)


def test_airy_1_forgets_faster_than_any_exponential_and_airy_2_slower() -> None:
    """The rate -d log Cov / dt grows for Airy_1, and falls for Airy_2 as for every reversible process."""
    lags = (0.4, 0.8, 1.2, 1.6)
    for memory, sign in ((airy1_covariance, 1), (airy2_covariance, -1)):
        rates = -np.diff([np.log(memory(lag)) for lag in lags])
        assert (sign * np.diff(rates) > 0).all()
