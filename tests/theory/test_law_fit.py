"""All laws over one spectrum, in one call."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.integrate import quad

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.theory.edge import fitted_scaling
from sigmascope.theory.law_fit import LawFit, fit_laws
from tests.theory.noise_spectra import planted, wishart_singular_values

M, N = 512, 256


def spectrum(k: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    edge = 0.05 * (np.sqrt(M) + np.sqrt(N))
    return planted(M, N, edge * (1.2 + rng.exponential(0.6, k)), spread=0.05, rng=rng).astype(np.float32)


def fit(values: np.ndarray, **changes: object) -> LawFit:
    arguments: dict[str, object] = {"m": M, "n": N, "step": 3, "learning_rate": 0.1, "beta1": 0.02}
    return fit_laws(values, **(arguments | changes))  # type: ignore[arg-type]


def test_pure_noise() -> None:
    result = fit(0.05 * wishart_singular_values(M, N, np.random.default_rng(3)))
    assert result.outliers == 0
    assert result.p_value > 0.05
    assert result.ks < 4 / N  # rigid: O(1 / n)
    assert result.entry_variance == pytest.approx(0.0025, rel=0.02)
    assert result.mp_upper == pytest.approx(np.sqrt(result.entry_variance) * (np.sqrt(M) + np.sqrt(N)))
    assert result.tw_center == pytest.approx(
        fitted_scaling(M, N, entry_variance=result.entry_variance).center, rel=1e-12
    )
    assert result.edge == pytest.approx(
        np.sqrt(result.tw_center + 0.97931605347 * result.tw_scale), rel=1e-10
    )
    assert (result.gamma_shape, result.gamma_rate, result.gamma_log_norm) == (None, None, None)
    assert result.printed_shape == (M - N + 3) / 4


def test_outliers_and_their_gamma_law() -> None:
    values = spectrum()
    result = fit(values)
    assert result.outliers == (values > result.edge).sum() == 12
    assert result.p_value < 1e-6
    assert result.ks < 5 / N
    shape, rate, norm = result.gamma_shape, result.gamma_rate, result.gamma_log_norm
    assert shape is not None
    assert rate is not None
    assert norm is not None
    mass = quad(
        lambda x: 2 * np.exp(norm + (2 * shape - 1) * np.log(x) - rate * x * x), result.edge, 20, limit=200
    )[0]
    assert mass == pytest.approx(12 / N, rel=1e-6)


def test_printed_rate() -> None:
    values = spectrum().astype(np.float64)
    diffusion = (values[0] - np.median(values)) ** 2 / 3
    assert fit(values).printed_rate == pytest.approx(0.02 / (4 * 0.1 * diffusion), rel=1e-12)
    assert fit(values, step=0).printed_rate is None
    assert fit(values, beta1=None).printed_rate is None
    assert fit(values, beta1=0.0).printed_rate is None
    assert fit(values, beta1=float("nan")).printed_rate is None


def test_previous_is_only_a_start() -> None:
    values = spectrum()
    cold = dataclasses.asdict(fit(values))
    for other in (spectrum(seed=1), spectrum(k=0, seed=2)):
        warm = dataclasses.asdict(fit(values, previous=fit(other)))
        assert warm == pytest.approx(cold, rel=1e-6)


def test_few_outliers_have_no_gamma_law() -> None:
    result = fit(spectrum(k=4))
    assert result.outliers == 4
    assert result.gamma_shape is None


def test_coinciding_outliers_have_no_gamma_law() -> None:
    values = np.sort(spectrum(k=0))[::-1].copy()
    values[:6] = 100.0
    result = fit(values)
    assert result.outliers >= 6
    coincide = fit(np.concatenate([np.full(6, 100.0), values[6:]]))
    assert coincide.gamma_shape is None or coincide.outliers > 6


def test_one_outlier_of_three_values() -> None:
    result = fit_laws([100.0, 1.0, 0.9], m=30, n=3, step=1, learning_rate=0.1)
    assert result.outliers == 1
    assert result.p_value < 0.05
    assert 1.0 < result.edge < 100.0


def test_narrow_head_layer() -> None:
    result = fit(0.1 * wishart_singular_values(256, 10, np.random.default_rng(0)), m=256, n=10)
    assert 0 <= result.ks <= 1
    assert 0 <= result.p_value <= 1


def test_bad_input() -> None:
    values = spectrum()
    for bad in (np.nan, np.inf):
        broken = values.copy()
        broken[7] = bad
        with pytest.raises(NumericalError, match="step 3 holds NaN or infinity"):
            fit(broken)
    with pytest.raises(InvalidValueError, match="transpose W"):
        fit(values, m=N, n=M)
    with pytest.raises(InvalidValueError, match="step must be >= 0, got -1"):
        fit(values, step=-1)
    with pytest.raises(InvalidValueError, match="learning_rate must be positive"):
        fit(values, learning_rate=0.0)
    with pytest.raises(InvalidValueError, match="no spread"):
        fit(np.zeros(N))
    with pytest.raises(InvalidValueError, match="repeated singular values"):
        fit(np.full(N, 0.7))
    with pytest.raises(InvalidValueError, match="complex"):
        fit(values + 0j)
