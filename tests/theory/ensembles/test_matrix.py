"""W itself: order of convergence, moments and stationary laws."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.theory import MarchenkoPastur, StationaryGamma
from sigmascope.theory.ensembles import matrix_sde, ornstein_uhlenbeck
from tests.theory.ensembles.runs import RATES, T, by_matrix, last, start, z_scores


class Replayed:
    """A generator that hands out one Brownian path, in steps of a multiple of its finest."""

    def __init__(self, finest: np.ndarray, stride: int) -> None:
        blocks = finest.reshape(-1, stride, *finest.shape[1:])
        self._steps = iter(blocks.sum(axis=1) / np.sqrt(stride))

    def standard_normal(self, shape: tuple[int, ...]) -> np.ndarray:
        return next(self._steps).reshape(shape)


def test_strong_order_is_one_with_a_gradient() -> None:
    """Additive noise: halving dt halves the distance to the finest path; slope within 0.15 of 1."""
    rng = np.random.default_rng(0)
    target, W = rng.standard_normal((5, 3)), start(5, 3)
    finest = rng.standard_normal((1024, 400, 5, 3))

    def end(stride: int) -> np.ndarray:
        steps = 1024 // stride
        return last(
            matrix_sde(
                W, **RATES, steps=steps, dt=T / steps, paths=400, every=steps,
                gradient=lambda W: 3 * (W - target) + (W - target) ** 3 / 4,
                rng=Replayed(finest, stride),  # type: ignore[arg-type]
            )
        )  # fmt: skip

    truth = end(1)
    strides = np.array([16, 32, 64])
    errors = [np.sqrt(((end(stride) - truth) ** 2).mean()) for stride in strides]
    slope = np.polyfit(np.log(strides), np.log(errors), 1)[0]
    assert 0.85 < slope < 1.2


def test_without_a_force_the_step_length_is_of_no_account() -> None:
    W = start(6, 3)
    one, many = by_matrix(W, paths=4000, seed=1), by_matrix(W, paths=4000, seed=2, steps=20)
    assert np.abs(z_scores(one, many)).max() < 4.5


def test_the_sum_of_eigenvalues_grows_by_two_eta_d_mn_t() -> None:
    W = start(6, 3)
    sums = (by_matrix(W, paths=20_000, seed=1) ** 2).sum(axis=1)
    expected = (W**2).sum() + 2 * 0.1 * 0.5 * 18 * T
    assert abs(sums.mean() - expected) < 4.5 * sums.std() / np.sqrt(len(sums))


def test_ornstein_uhlenbeck_is_exact_for_any_step_and_so_is_its_limit_of_euler() -> None:
    W, kappa = start(5, 3), 0.2
    options = {**RATES, "restoring_rate": kappa, "paths": 6000}
    rng = np.random.default_rng(5)
    one = last(ornstein_uhlenbeck(W, **options, steps=1, dt=T, rng=rng))
    many = last(ornstein_uhlenbeck(W, **options, steps=7, dt=T / 7, every=3, rng=rng))
    euler = last(matrix_sde(W, **options, steps=400, dt=T / 400, every=400, rng=rng))
    assert np.abs(z_scores(one, many)).max() < 4.5
    assert np.abs(z_scores(one, euler)).max() < 4.5


def test_stationary_spectrum_is_marchenko_pastur() -> None:
    """Entry variance eta D / kappa; 400 x 200 lies within 0.01 of the limit (0.004 seen)."""
    kappa = 0.1
    values = last(
        ornstein_uhlenbeck(
            np.zeros((400, 200)), **RATES, restoring_rate=kappa, steps=1, dt=500.0, paths=4,
            rng=np.random.default_rng(6),
        )
    )  # fmt: skip
    eigenvalues = np.sort((values**2 / 400).ravel())
    cdf = MarchenkoPastur(0.5, 0.05 / kappa).cdf(eigenvalues)
    ranks = np.arange(1, len(cdf) + 1) / len(cdf)
    assert np.abs(cdf - ranks).max() < 0.01


def test_one_particle_follows_the_exact_gamma_law_and_not_the_printed_one() -> None:
    """m = 8: shape 4, not (m - n + 3) / 4 = 2.5, which is 0.343 away."""
    kappa = 0.05
    values = last(
        ornstein_uhlenbeck(
            np.zeros((8, 1)), **RATES, restoring_rate=kappa, steps=1, dt=1000.0, paths=40_000,
            rng=np.random.default_rng(7),
        )
    )  # fmt: skip
    eigenvalues = np.sort(values[:, 0] ** 2)
    ranks = np.arange(1, len(eigenvalues) + 1) / len(eigenvalues)
    rates = {"beta1": 2 * kappa, "learning_rate": 0.1, "D": 0.5}
    exact = StationaryGamma.exact_one_particle(m=8, **rates).cdf(eigenvalues)
    printed = StationaryGamma.as_printed(m=8, n=1, **rates).cdf(eigenvalues)
    # 1.63 / sqrt(40,000) is the 1 % point of the Kolmogorov distance
    assert np.abs(exact - ranks).max() < 0.0082
    assert np.abs(printed - ranks).max() == pytest.approx(0.343, abs=0.01)


def test_a_bad_gradient_is_said_when_it_appears() -> None:
    def wrong(W: np.ndarray) -> np.ndarray:
        return W[0]

    walk = matrix_sde(start(3, 2), **RATES, steps=3, paths=2, rng=np.random.default_rng(0), gradient=wrong)
    next(walk)
    with pytest.raises(InvalidValueError, match=r"gradient must be of shape \(2, 3, 2\)"):
        next(walk)


@pytest.mark.parametrize("kappa_dt", [2.0, 2.5])
def test_euler_steps_that_diverge_are_refused(kappa_dt: float) -> None:
    dt = kappa_dt / 0.1
    options = {**RATES, "restoring_rate": 0.1, "steps": 40, "paths": 2, "rng": np.random.default_rng(0)}
    message = rf"restoring_rate \* dt must be below 2, .* got {kappa_dt:g}; take dt below 20, or ornstein"
    with pytest.raises(InvalidValueError, match=message):
        matrix_sde(start(3, 2), **options, dt=dt)
    # the exact transition knows no limit
    assert np.isfinite(last(ornstein_uhlenbeck(start(3, 2), **options, dt=dt))).all()


def test_euler_steps_below_the_limit_have_the_stationary_variance_of_the_docstring() -> None:
    kappa, dt, paths = 0.1, 15.0, 4000
    values = last(
        matrix_sde(
            np.zeros((3, 2)), **RATES, restoring_rate=kappa, steps=60, dt=dt, paths=paths, every=60,
            rng=np.random.default_rng(4),
        )
    )  # fmt: skip
    # sum sigma^2 is 6 entries' squares: standard error sqrt(2 / 24,000) relative; 0.5^60 of the start is left
    seen = (values**2).sum() / (6 * paths)
    assert seen == pytest.approx(0.05 / kappa / (1 - kappa * dt / 2), rel=4 * np.sqrt(2 / (6 * paths)))


@pytest.mark.parametrize(
    "steep",
    [lambda W: 1e3 * W**3, lambda W: np.sinh(50 * W), lambda W: W / 0.0, lambda W: np.full_like(W, np.nan)],
    ids=["cubic", "hyperbolic sine", "divided by 0", "NaN"],
)
def test_an_overflow_names_the_step(steep: Callable[[np.ndarray], np.ndarray]) -> None:
    walk = matrix_sde(
        start(3, 2), **RATES, steps=30, paths=2, every=30, rng=np.random.default_rng(0), gradient=steep
    )
    next(walk)
    with pytest.raises(
        NumericalError, match=r"NaN or infinity after step [1-9]\d? of dt=1; take a smaller dt"
    ):
        next(walk)
