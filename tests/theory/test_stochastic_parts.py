"""beta_k solved for: against the noise that was put in, and what its parts' correlation does not prove."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from sigmascope.errors import InvalidValueError
from sigmascope.theory import stochastic_parts as module
from sigmascope.theory.stochastic_parts import StochasticTerm, stochastic_term

M, N, PATHS = 24, 8, 500
ETA = 0.1


def isotropic(step: float, *, steps: int, paths: int = PATHS, seed: int = 0) -> np.ndarray:
    """Eigenvalues (paths, steps + 1, n) of W, iid normal, moved by iid normal steps of size ``step``."""
    rng = np.random.default_rng(seed)
    moves = step * rng.standard_normal((paths, steps, M, N))
    start = rng.standard_normal((paths, 1, M, N))
    path = start + np.concatenate([np.zeros_like(start), np.cumsum(moves, axis=1)], axis=1)
    return np.asarray(np.linalg.svd(path, compute_uv=False) ** 2)


def solved(step: float, *, steps: int = 4, form: str = "exact", dt: float = 1.0) -> StochasticTerm:
    """2 eta D dt = step^2."""
    return stochastic_term(
        isotropic(step, steps=steps),
        m=M,
        learning_rate=ETA,
        diffusion=step**2 / (2 * ETA * dt),
        dt=dt,
        form=form,  # type: ignore[arg-type]
    )


def test_exact_beta_is_the_noise_along_the_mode() -> None:
    rng = np.random.default_rng(1)
    W, G = rng.standard_normal((2, M, N))
    U, sigma, Vh = np.linalg.svd(W, full_matrices=False)
    eta, diffusion, dt = 0.3, 0.2, 1e-8
    B = np.sqrt(dt) * rng.standard_normal((M, N))
    moved = W - eta * G * dt + np.sqrt(2 * eta * diffusion) * B
    after = np.linalg.svd(moved, compute_uv=False)
    term = stochastic_term(
        [sigma**2, after**2],
        m=M,
        learning_rate=eta,
        diffusion=diffusion,
        dt=dt,
        gradient=np.diag(U.T @ G @ Vh.T),
    )
    # what is left is second order in B: sqrt(dt) relative to beta ~ sqrt(dt), times 1 / gap
    noise = np.einsum("ik,ij,kj->k", U, B, Vh)
    np.testing.assert_allclose(term.beta[0], noise, atol=2e-3 * np.sqrt(dt))
    # too small to be seen above: the force, which is eta g_k dt / sqrt(2 eta D) at dt = 1
    still = stochastic_term([sigma**2, sigma**2], m=M, learning_rate=eta, diffusion=diffusion, gradient=1.0)
    free = stochastic_term([sigma**2, sigma**2], m=M, learning_rate=eta, diffusion=diffusion)
    np.testing.assert_allclose(still.beta - free.beta, np.sqrt(eta / (2 * diffusion)), rtol=1e-10)


def test_exact_beta_is_standard_normal_and_independent() -> None:
    dt = 0.25
    beta = solved(1e-3, dt=dt).beta / np.sqrt(dt)
    draws = beta.reshape(-1, N)
    count = len(draws)
    # 2,000 draws of 8 modes: standard error of a mean 0.022, of a variance 0.032, of a correlation 0.022
    assert np.abs(draws.mean(axis=0)).max() < 4 / np.sqrt(count)
    assert np.abs(draws.var(axis=0) - 1).max() < 4 * np.sqrt(2 / count)
    assert np.abs(np.corrcoef(draws.T) - np.eye(N)).max() < 4.5 / np.sqrt(count)
    successive = (beta[:, 1:] * beta[:, :-1]).mean()
    assert abs(successive) < 4 / np.sqrt(beta[:, 1:].size)
    assert kstest(draws.ravel(), "norm").pvalue > 1e-3


def test_printed_beta_is_the_repulsion_with_its_sign_turned() -> None:
    term = solved(1e-3, form="as_printed")
    eigenvalues = isotropic(1e-3, steps=4)[:, :-1]
    mirrored = module.correlation(term.beta * np.sqrt(ETA * eigenvalues), term.repulsive)
    # lambda moves by 1e-2, the printed repulsion is of the order of n
    assert mirrored.max() < -0.999
    # a standard normal has 5.7e-7 of its mass beyond 5
    assert np.mean(np.abs(term.beta) > 5) > 0.3
    # the spectrum is the same at another step size, and so is "the noise"
    smaller = solved(1e-5, form="as_printed")
    np.testing.assert_allclose(smaller.beta[:, 0], term.beta[:, 0], atol=0.05)


def test_isotropic_noise_correlates_the_parts() -> None:
    """No anisotropy, no gradient, no loss: the correlation of Figure 4 grows with the step alone."""
    for form in ("as_printed", "exact"):
        seen = {step: solved(step, form=form).summary().correlation for step in (1e-3, 0.1, 0.3, 1.0)}
        mean = {step: values.mean() for step, values in seen.items()}
        # over 8 modes the correlation of independent parts has a standard deviation of 1 / sqrt(7); 2,000
        # steps
        assert abs(mean[1e-3]) < 4 / np.sqrt(7 * seen[1e-3].size)
        # 0.2, 0.5 and 0.6 seen: the drift's share of what lambda does
        assert mean[0.1] > 0.1
        assert mean[0.3] > 0.3
        assert mean[1.0] > 0.4


def test_mean_repulsion_is_a_constant() -> None:
    printed = solved(0.1, form="as_printed").summary()
    exact = solved(0.1).summary()
    # n (n - 1) / 2 pairs over n; and m n entries' worth of trace over n. Rounding only: 1 / gap at worst
    np.testing.assert_allclose(printed.repulsive_mean, (N - 1) / 2, rtol=1e-8)
    np.testing.assert_allclose(exact.repulsive_mean, 0.1**2 * M, rtol=1e-8)


def test_parts_and_summary() -> None:
    first, second = np.array([9.0, 4.0, 1.0]), np.array([9.5, 4.0, 0.5])
    arguments = {"m": 5, "learning_rate": 0.25, "diffusion": 0.5, "dt": 0.5}
    printed = stochastic_term([first, second], gradient=[2.0, 0.0, 1.0], form="as_printed", **arguments)
    repulsive = np.array([9 / 5 + 9 / 8, -4 / 5 + 4 / 3, -1 / 8 - 1 / 3])
    non_repulsive = np.array([1.0 + 0.5 * 18, 0.0, -1.0 + 0.5])
    np.testing.assert_allclose(printed.repulsive, [repulsive], rtol=1e-14)
    np.testing.assert_allclose(printed.non_repulsive, [non_repulsive], rtol=1e-14)
    np.testing.assert_allclose(
        printed.beta, [(non_repulsive - repulsive) / (0.5 * np.sqrt(first))], rtol=1e-14
    )
    exact = stochastic_term([first, second], gradient=[2.0, 0.0, 1.0], **arguments)
    np.testing.assert_allclose(exact.non_repulsive, [[1.0 + 0.5 * 6, 0.0, -1.0 + 0.5]], rtol=1e-14)
    summary = printed.summary()
    assert summary.correlation == pytest.approx(np.corrcoef(repulsive, non_repulsive)[0, 1], rel=1e-12)
    assert summary.repulsive_variance == pytest.approx(repulsive.var(), rel=1e-12)
    assert summary.non_repulsive_mean == pytest.approx(non_repulsive.mean(), rel=1e-12)
    assert summary.non_repulsive_variance == pytest.approx(non_repulsive.var(), rel=1e-12)
    still = stochastic_term([first, first], form="as_printed", **arguments).summary()
    assert np.isnan(still.correlation).all()


def test_pieces_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    values = isotropic(0.01, steps=5, paths=3)
    arguments = {"m": M, "learning_rate": ETA, "diffusion": 1e-3}
    whole = stochastic_term(values, **arguments)
    monkeypatch.setattr(module, "PAIRS", 4 * N * N)
    assert (stochastic_term(values, **arguments).beta == whole.beta).all()
    by_pair = [stochastic_term(values[1, t : t + 2], **arguments).beta[0] for t in range(5)]
    assert (np.array(by_pair) == whole.beta[1]).all()


@settings(max_examples=40, deadline=None)
@given(
    bad=st.sampled_from([np.nan, np.inf, -1.0, 0.0, 4.0]),
    step=st.integers(0, 1),
    k=st.sampled_from([0, 2]),
    form=st.sampled_from(["as_printed", "exact"]),
)
def test_bad_eigenvalues(bad: float, step: int, k: int, form: str) -> None:
    values = np.array([[9.0, 4.0, 1.0]] * 3)
    values[step, k] = bad
    message = r"NaN or infinity; check|must be >= 0, got -1|is 0, .* leave that mode out|coincide at 4"
    with pytest.raises(InvalidValueError, match=message):
        stochastic_term(values, m=5, learning_rate=0.1, diffusion=0.1, form=form)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["as_printed", "exact"])
@pytest.mark.parametrize(
    "crossing",
    [[[4.0, 2.0, 1.0], [2.1, 4.2, 0.9]], [[4.0, 2.0, 1.0], [4.0, 1.0, 2.0]], [[1.0, 2.0, 4.0]] * 2],
)
def test_trajectories_that_cross_are_refused(crossing: list[list[float]], form: str) -> None:
    with pytest.raises(InvalidValueError, match=r"descending, got .* before .*; eigenvalues do not cross"):
        stochastic_term(crossing, m=5, learning_rate=0.1, diffusion=0.1, form=form)  # type: ignore[arg-type]


def test_close_pairs_are_solved_and_show_the_drift_that_no_step_feels() -> None:
    """A drift over dt of many gaps is no error: beta_k is then that drift, its sign turned."""
    values = np.array([[9.0, 8.999, 1.0], [9.05, 8.9, 1.0]])
    term = stochastic_term(values, m=5, learning_rate=0.1, diffusion=0.1)
    assert term.repulsive[0, 0] > 100
    assert term.beta[0, 0] < -100
    assert term.beta[0, 1] > 100


def test_bad_arguments() -> None:
    good = np.array([[9.0, 4.0, 1.0]] * 2)
    arguments = {"m": 5, "learning_rate": 0.1, "diffusion": 0.1}
    for values in (good[0], good[:1], good[:0]):
        with pytest.raises(InvalidValueError, match=r"at least two spectra, got|n >= 1, got shape"):
            stochastic_term(values, **arguments)
    with pytest.raises(InvalidValueError, match="transpose W"):
        stochastic_term(good, **{**arguments, "m": 2})
    with pytest.raises(InvalidValueError, match="diffusion must be > 0 to solve for the noise, got 0"):
        stochastic_term(good, **{**arguments, "diffusion": 0.0})
    assert stochastic_term(good, **{**arguments, "diffusion": 0.0}, form="as_printed").beta.shape == (1, 3)
    for dt in (0.0, -1.0, np.nan, np.inf):
        with pytest.raises(InvalidValueError, match="dt must be positive and finite"):
            stochastic_term(good, **arguments, dt=dt)
    with pytest.raises(InvalidValueError, match=r"gradient has shape \(2, 3\), the spectrum \(1, 3\)"):
        stochastic_term(good, **arguments, gradient=np.ones((2, 3)))
    with pytest.raises(InvalidValueError, match="form must be one of"):
        stochastic_term(good, **arguments, form="printed")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"n >= 2 eigenvalues, got n=1"):
        stochastic_term(good[:, :1], **arguments).summary()
