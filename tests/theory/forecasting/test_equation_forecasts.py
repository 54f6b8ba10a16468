"""Forecasts by the paper's equation: the law of the matrix, the noise of each mode, and what they lack."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.theory.ensembles import matrix_sde
from sigmascope.theory.forecasting import EQUATIONS, History, forecast, rolling_evaluation
from sigmascope.theory.forecasting.sde import among, effective_count, latest_mean
from tests.theory.forecasting.made import K, M, N, spectra


def test_the_equation_agrees_with_the_matrix_it_describes() -> None:
    """Pure noise: from one W, the mean of the top values after 40 steps, over 400 matrix paths."""
    rng = np.random.default_rng(5)
    eta, D, ahead = 0.1, 2e-3, 40
    start = rng.standard_normal((M, N))
    first = np.linalg.svd(start, compute_uv=False)
    *_, end = matrix_sde(start, learning_rate=eta, diffusion=D, steps=ahead, every=ahead, paths=400, rng=rng)
    truth = end.singular_values[:, :K]
    # a past that shows no drift beyond the repulsion
    laplacian = eta * D * repulsion(first)
    past = first[None, :] + laplacian * np.arange(-100, 1)[:, None]
    history = History.of(past[:, :K], m=M, spectra=past, strength=np.full(101, eta * D))
    seen = forecast(history, origin=100, horizon=ahead, method="sde", paths=2000, rng=rng)
    error = truth.std(axis=0) / 20
    assert (np.abs(seen.median[-1] - np.median(truth, axis=0)) < 6 * error + 0.02).all()
    # beside the noise to come, that of the past, from which the drift is known
    of_drift = 2 * 1.645 * ahead * np.sqrt(2 * eta * D / effective_count(100))
    width = np.hypot(np.quantile(truth, 0.95, axis=0) - np.quantile(truth, 0.05, axis=0), of_drift)
    np.testing.assert_allclose(seen.quantiles[-1, :, 4] - seen.quantiles[-1, :, 0], width, rtol=0.25)


def repulsion(sigma: np.ndarray) -> np.ndarray:
    gaps = sigma[:, None] ** 2 - sigma[None, :] ** 2
    np.fill_diagonal(gaps, np.inf)
    return (M - N) / sigma + 2 * (sigma[:, None] / gaps).sum(axis=1)


def test_values_push_each_other_apart_and_not_where_they_coincide() -> None:
    sigma = np.array([[5.0, 3.0, 2.5, 0.5], [2.0, 2.0, 1.0, 0.0]])
    found = among(sigma, "exact")
    np.testing.assert_allclose(found[0], repulsion(sigma[0]) - (M - N) / sigma[0], rtol=1e-12)
    np.testing.assert_allclose(found[1, :2], 2.0 * (2.0 / 3.0 + 2.0 / 4.0))
    np.testing.assert_array_equal(among(sigma, "as_printed"), found / 2)
    np.testing.assert_array_equal(among(np.array([[1.0]]), "exact"), [[0.0]])
    assert np.isfinite(among(np.array([[1e-160, 5e-161, 0.0]]), "exact")).all()


def test_a_mean_varies_as_that_of_so_many_steps() -> None:
    means = latest_mean(np.random.default_rng(2).standard_normal((300, 20_000)))
    assert means.var() * effective_count(300) == pytest.approx(1.0, rel=0.03)
    assert effective_count(1) == 1.0


@pytest.mark.parametrize("drift", [0.0, 0.004])
def test_bands_know_that_the_drift_is_not(drift: float) -> None:
    """Far-apart values that drift and diffuse as the equation says, 60 runs: nine in ten inside."""
    eta_d, held = 1e-4, []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        moves = drift + np.sqrt(2 * eta_d) * rng.standard_normal((360, K))
        every = np.concatenate([20.0 * np.arange(K, 0, -1) + np.cumsum(moves, axis=0), np.ones((360, 1))], 1)
        history = History.of(every[:, :K], m=M, spectra=every, strength=np.full(360, eta_d))
        score = rolling_evaluation(
            history, method="sde", horizon=100, first_origin=250, every=1000, rng=rng, paths=400
        )
        held.append(score.coverage_90)
    assert np.mean(held) == pytest.approx(0.9, abs=0.06)


def test_anisotropic_noise_sets_the_width_of_each_mode() -> None:
    variance = np.array([4e-4, 1e-4, 1e-6])
    seen = forecast(
        spectra(variance=tuple(variance)), origin=200, horizon=1, method="sde_anisotropic", paths=500,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    half = (seen.quantiles[0, :, 4] - seen.quantiles[0, :, 0]) / 2 / 1.645
    np.testing.assert_allclose(half, np.sqrt(variance), rtol=0.15)


def test_each_equation_is_its_own() -> None:
    history = spectra(variance=(4e-4, 1e-4, 1e-6))
    seen = {
        name: forecast(history, origin=200, horizon=60, method=name, rng=np.random.default_rng(0)).quantiles
        for name in EQUATIONS
    }
    for one, other in (("sde", "sde_as_printed"), ("sde_anisotropic", "sde_anisotropic_as_printed")):
        assert not np.array_equal(seen[one], seen[other])
        # what the printed repulsion lacks is drift of the past, and stays
        np.testing.assert_allclose(seen[one], seen[other], atol=0.1)
    wide = seen["sde"][-1, 2, 4] - seen["sde"][-1, 2, 0]
    assert wide > 4 * (seen["sde_anisotropic"][-1, 2, 4] - seen["sde_anisotropic"][-1, 2, 0])


@pytest.mark.parametrize("last", [1, 199])
def test_what_was_measured_long_ago_still_counts(last: int) -> None:
    """As the only measurement, whatever came after it."""
    whole = spectra(steps=700, variance=(4e-4, 1e-4, 1e-6))
    assert whole.strength is not None
    assert whole.noise_variance is not None
    gone = np.arange(700) != last
    once = dataclasses.replace(
        whole,
        strength=np.where(gone, np.nan, whole.strength),
        noise_variance=np.where(gone[:, None], np.nan, whole.noise_variance),
    )
    for method in EQUATIONS:
        seen = [
            forecast(one, origin=650, horizon=20, method=method, rng=np.random.default_rng(0)).quantiles
            for one in (whole, once)
        ]
        np.testing.assert_allclose(seen[0], seen[1], rtol=1e-9)


def test_what_an_equation_lacks_is_named() -> None:
    known, rng = spectra(variance=(4e-4, 1e-4, 1e-6)), np.random.default_rng(0)
    never = np.full(300, np.nan)
    lacking = [
        (dataclasses.replace(known, spectra=None), "needs spectra and m"),
        (dataclasses.replace(known, strength=None), "needs strength, eta D, .* up to its origin 200"),
        (dataclasses.replace(known, strength=never), r"measure the gradient noise .*\(noise_every\)"),
        (spectra(), r"needs noise_variance along 3 modes, .*\(modes_every, noise_every\)"),
    ]
    for history, message in lacking:
        with pytest.raises(InvalidValueError, match=message):
            forecast(history, origin=200, horizon=5, method="sde_anisotropic", rng=rng)
    for paths in (1, 2.5, True):
        with pytest.raises(InvalidValueError, match="paths must be"):
            forecast(known, origin=200, horizon=5, method="sde", paths=paths, rng=rng)  # type: ignore[arg-type]
    for bad in (None, 0):
        with pytest.raises(InvalidValueError, match="rng must be a numpy Generator"):
            forecast(known, origin=200, horizon=5, method="sde", rng=bad)  # type: ignore[arg-type]
