"""Spikes: published formulas, planted signals, and the power that the edge test has against them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.linalg import eigvalsh_tridiagonal
from scipy.stats import kstest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.edge import edge_scaling, entry_variance_of_noise, fit_bulk
from sigmascope.theory.spikes import (
    asymptotic_power,
    covariance_spike_overlap,
    covariance_spike_position,
    covariance_spike_strength,
    critical_strength,
    spike_overlap,
    spike_position,
    spike_strength,
    spike_variance,
    variance_inflation,
)


def spiked(m: int, n: int, strength: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Singular values of noise plus theta u v^T, bidiagonal model: only the first column knows of theta."""
    main = np.sqrt(rng.chisquare(m - np.arange(n)))
    main[0] = np.hypot(strength + rng.standard_normal(), np.sqrt(rng.chisquare(m - 1)))
    above = np.sqrt(rng.chisquare(n - 1 - np.arange(n - 1)))
    diagonal, off = main**2, main[:-1] * above
    diagonal[1:] += above**2
    return np.sqrt(np.maximum(eigvalsh_tridiagonal(diagonal, off, lapack_driver="sterf")[::-1], 0.0))


def test_bidiagonal_spike_is_the_dense_one() -> None:
    rng = np.random.default_rng(0)
    signal = np.zeros((30, 20))
    signal[0, 0] = 7.0
    dense = [np.linalg.svd(rng.standard_normal((30, 20)) + signal, compute_uv=False)[0] for _ in range(1500)]
    assert kstest(dense, [spiked(30, 20, 7.0, rng)[0] for _ in range(1500)]).pvalue > 1e-3


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 5000),
    extra=st.integers(0, 5000),
    factor=st.floats(1.0001, 1e6),
    variance=st.floats(1e-8, 1e8),
)
def test_strength_inverts_position(n: int, extra: int, factor: float, variance: float) -> None:
    shape = {"m": n + extra, "n": n, "entry_variance": variance}
    theta = factor * critical_strength(n + extra, n, entry_variance=variance)
    position = spike_position(theta, **shape)
    # the position is quadratic at theta_c: a rounding error of 1e-16 there is one of 1e-8 in theta
    np.testing.assert_allclose(spike_strength(position, **shape), theta, rtol=1e-14 + 1e-11 / (factor - 1))
    assert position > np.sqrt(variance) * (np.sqrt(n + extra) + np.sqrt(n)) * (1 - 1e-15)


def test_published_forms() -> None:
    # Benaych-Georges and Nadakuditi (2012), section 3.1: n x m with c = n / m, entries of variance 1 / m
    c, theta, m = 0.36, np.array([0.9, 1.5, 4.0]), 100
    shape = {"m": m, "n": 36, "entry_variance": 1 / m}
    np.testing.assert_allclose(
        spike_position(theta, **shape), np.sqrt((1 + theta**2) * (c + theta**2)) / theta, rtol=1e-14
    )
    overlap = spike_overlap(theta, **shape)
    np.testing.assert_allclose(
        overlap.right, 1 - c * (1 + theta**2) / (theta**2 * (theta**2 + c)), rtol=1e-12
    )
    np.testing.assert_allclose(overlap.left, 1 - (c + theta**2) / (theta**2 * (theta**2 + 1)), rtol=1e-12)
    assert critical_strength(**shape) == pytest.approx(c**0.25, rel=1e-14)


def test_below_the_transition_nothing_shows() -> None:
    shape = {"m": 400, "n": 100, "entry_variance": 0.25}
    theta = np.array([0.0, 3.0, critical_strength(**shape)])
    np.testing.assert_allclose(spike_position(theta, **shape), 0.5 * 30.0, rtol=1e-14)
    assert (spike_strength([0.0, 7.0, 15.0], **shape) == 0).all()
    overlap = spike_overlap(theta, **shape)
    for value in (overlap.left, overlap.right, spike_variance(theta, **shape)):
        np.testing.assert_allclose(value, 0.0, atol=1e-14)
    np.testing.assert_allclose(asymptotic_power(theta[:2], level=0.03, **shape), 0.03, rtol=1e-14)


def test_overlaps_of_planted_signals() -> None:
    rng = np.random.default_rng(3)
    m, n, s, draws = 240, 120, 0.1, 150
    theta = 1.5 * critical_strength(m, n, entry_variance=s**2)
    left, right = np.empty(draws), np.empty(draws)
    for i in range(draws):
        u, v = rng.standard_normal(m), rng.standard_normal(n)
        u, v = u / np.linalg.norm(u), v / np.linalg.norm(v)
        U, _, Vh = np.linalg.svd(
            s * rng.standard_normal((m, n)) + theta * np.outer(u, v), full_matrices=False
        )
        left[i], right[i] = (U[:, 0] @ u) ** 2, (Vh[0] @ v) ** 2
    overlap = spike_overlap(theta, m=m, n=n, entry_variance=s**2)
    for seen, expected in ((left, overlap.left), (right, overlap.right)):
        # four standard errors, and the finite-size bias O(1/n) of the limit
        assert seen.mean() == pytest.approx(float(expected), abs=4 * seen.std() / np.sqrt(draws) + 2 / n)


@pytest.mark.parametrize(("m", "n", "factor"), [(256, 128, 1.6), (600, 60, 1.8), (128, 128, 3.0)])
def test_position_and_its_variance(m: int, n: int, factor: float) -> None:
    rng, draws = np.random.default_rng(n), 3000
    theta = factor * critical_strength(m, n)
    tops = np.array([spiked(m, n, theta, rng)[0] for _ in range(draws)])
    expected = float(spike_variance(theta, m=m, n=n))
    # the mean: four standard errors and a bias of second order, 1 / theta
    assert tops.mean() == pytest.approx(
        float(spike_position(theta, m=m, n=n)), abs=4 * np.sqrt(expected / draws) + 1 / theta
    )
    # the variance: four standard errors, sqrt(2 / draws), and a relative bias of O(1/n)
    assert tops.var() == pytest.approx(expected, rel=4 * np.sqrt(2 / draws) + 4 / n)


def test_variance_of_a_strong_signal_is_that_of_one_entry() -> None:
    assert spike_variance(1e6, m=50, n=20, entry_variance=0.04) == pytest.approx(0.04, rel=1e-9)


# m, n, theta / theta_c, and the share that 20,000 or more draws reject: variance known, and fitted
SEEN = [
    *((200, 20, *row) for row in ((1.0, 0.198, 0.144), (1.2, 0.429, 0.333), (1.4, 0.759, 0.659))),
    *((64, 64, *row) for row in ((1.0, 0.206, 0.157), (1.2, 0.472, 0.387), (1.4, 0.817, 0.747))),
    *((256, 128, *row) for row in ((1.0, 0.221, 0.185), (1.2, 0.638, 0.585), (1.4, 0.970, 0.959))),
]


@pytest.mark.parametrize(("m", "n", "factor", "known", "fitted"), SEEN)
def test_power_is_the_asymptotic_up_to_the_finite_size(
    m: int, n: int, factor: float, known: float, fitted: float
) -> None:
    """The allowance is a fifth of n^(-1/3), the order of what is left out: 0.07, 0.05 and 0.04 here.

    At theta_c the limit is the level, and three times that is seen.
    """
    draws = 1500
    rng = np.random.default_rng([m, round(10 * factor)])
    theta = factor * critical_strength(m, n)
    spectra = [spiked(m, n, theta, rng) for _ in range(draws)]
    edge = edge_scaling(m, n).edge()
    seen = {
        "known": float(np.mean([values[0] > edge for values in spectra])),
        "fitted": float(np.mean([fit_bulk(values, m=m, n=n).outliers > 0 for values in spectra])),
    }
    for variance, long_run in (("known", known), ("fitted", fitted)):
        power = float(asymptotic_power(theta, m=m, n=n, variance=variance))  # type: ignore[arg-type]
        error = np.sqrt(long_run * (1 - long_run) / draws)
        # the docstring's table, to three standard errors of these draws and one of its own
        assert seen[variance] == pytest.approx(long_run, abs=3 * error + 0.0035)
        if factor == 1.0:
            assert power == 0.05
            assert seen[variance] > 0.05 + 4 * error
        else:
            assert long_run == pytest.approx(power, abs=n ** (-1 / 3) / 5)
            assert seen[variance] == pytest.approx(power, abs=n ** (-1 / 3) / 5 + 3 * error)


@pytest.mark.parametrize(("m", "n"), [(200, 20), (64, 64)])
def test_a_known_variance_has_less_power_than_the_asymptotic(m: int, n: int) -> None:
    """At 1.2 theta_c by 0.055 and 0.045; 4,000 draws have a standard error of 0.008."""
    draws, rng = 4000, np.random.default_rng([m, n])
    theta, edge = 1.2 * critical_strength(m, n), edge_scaling(m, n).edge()
    seen = np.mean([spiked(m, n, theta, rng)[0] > edge for _ in range(draws)])
    assert seen < asymptotic_power(theta, m=m, n=n) - 0.02


def test_a_fitted_variance_costs_power_that_vanishes() -> None:
    losses = []
    for n in (64, 512, 4096):
        theta = np.linspace(1.01, 1.6, 60) * critical_strength(2 * n, n)
        known, fitted = (
            asymptotic_power(theta, m=2 * n, n=n, variance=variance)  # type: ignore[arg-type]
            for variance in ("known", "fitted")
        )
        assert (fitted <= known + 1e-12).all() or n == 64
        losses.append(float((known - fitted).max()))
    assert losses[0] > losses[1] > losses[2] > 0
    assert losses[2] < 0.05


def test_a_spike_inflates_the_fitted_variance() -> None:
    m, n, rng = 256, 128, np.random.default_rng(9)
    spectra = [spiked(m, n, 3.0 * critical_strength(m, n), rng) for _ in range(400)]
    seen = np.mean([entry_variance_of_noise(values, m=m, n=n) for values in spectra])
    # standard error sqrt(2 / (m n)) / 20 = 4e-4; the effect is 8e-3
    assert seen == pytest.approx(variance_inflation(m, n), abs=2e-3)
    taken_out = np.mean([fit_bulk(values, m=m, n=n).entry_variance for values in spectra])
    assert taken_out == pytest.approx(1.0, abs=2e-3)


def test_covariance_spikes() -> None:
    q = 0.25
    ell = np.array([1.6, 2.0, 5.0, 1e5])
    position = covariance_spike_position(ell, q=q)
    np.testing.assert_allclose(position, ell * (1 + q / (ell - 1)), rtol=1e-14)
    np.testing.assert_allclose(covariance_spike_strength(position, q=q), ell, rtol=1e-12)
    assert (covariance_spike_strength([0.0, 1.0, 2.25], q=q) == 1).all()
    np.testing.assert_allclose(covariance_spike_position([0.3, 1.0, 1.5], q=q), 2.25, rtol=1e-14)
    np.testing.assert_allclose(covariance_spike_overlap([1.0, 1.5], q=q), 0.0, atol=1e-15)
    rng, m, n, draws = np.random.default_rng(4), 400, 100, 100
    top, overlap = np.empty(draws), np.empty(draws)
    for i in range(draws):
        rows = rng.standard_normal((m, n))
        rows[:, 0] *= np.sqrt(2.5)
        values, vectors = np.linalg.eigh(rows.T @ rows / m)
        top[i], overlap[i] = values[-1], vectors[0, -1] ** 2
    # four standard errors and the bias of the limit, O(1/n)
    for seen, expected in (
        (top, covariance_spike_position(2.5, q=q)),
        (overlap, covariance_spike_overlap(2.5, q=q)),
    ):
        assert seen.mean() == pytest.approx(float(expected), abs=4 * seen.std() / np.sqrt(draws) + 2 / n)


def test_bad_arguments() -> None:
    with pytest.raises(InvalidValueError, match="variance must be one of known, fitted, got 'guessed'"):
        asymptotic_power(1.0, m=5, n=3, variance="guessed")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"level must be in \(0, 1\), got 1"):
        asymptotic_power(1.0, m=5, n=3, level=1.0)
    with pytest.raises(InvalidValueError, match="1x1"):
        asymptotic_power(1.0, m=1, n=1)
    with pytest.raises(InvalidValueError, match=r"overflows in units of s = .*; rescale both"):
        spike_position(1e200, m=5, n=3, entry_variance=1e-300)
