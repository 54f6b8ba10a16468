"""Ito drift and diffusion against finite differences and Monte Carlo of W itself; the printed forms fail."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmascope.errors import InvalidValueError
from sigmascope.theory.ito import (
    FORMS,
    Form,
    canonical_diffusion,
    canonical_drift,
    canonical_time,
    eigenvalue_diffusion,
    eigenvalue_drift,
    laplacian,
    singular_value_diffusion,
    singular_value_drift,
)

M, N = 7, 4
ETA, D = 0.1, 0.3


@pytest.fixture(scope="module")
def W() -> np.ndarray:
    return np.random.default_rng(3).standard_normal((M, N))


def finite_difference_laplacian(W: np.ndarray, power: int) -> np.ndarray:
    """Sum of second differences over the entries, of sigma^power; fourth order in the step."""
    h = 2e-3
    m, n = W.shape
    steps = np.eye(m * n).reshape(m * n, m, n) * h

    def total(factor: float) -> np.ndarray:
        return np.asarray((np.linalg.svd(W + factor * steps, compute_uv=False) ** power).sum(axis=0))

    center = m * n * np.linalg.svd(W, compute_uv=False) ** power
    second = -total(2) + 16 * total(1) - 30 * center + 16 * total(-1) - total(-2)
    return np.asarray(second / (12 * h * h))


def test_laplacian_by_finite_differences(W: np.ndarray) -> None:
    sigma = np.linalg.svd(W, compute_uv=False)
    seen = finite_difference_laplacian(W, 1)
    # truncation h^4 and rounding 1e-15 / h^2 are both below 1e-8
    np.testing.assert_allclose(laplacian(sigma, m=M), seen, rtol=1e-7)
    printed = laplacian(sigma, m=M, form="as_printed")
    assert (np.abs(printed - seen) > 0.05 * np.abs(seen)).all()


@pytest.mark.parametrize(("m", "n"), [(5, 5), (6, 1), (1, 1)])
def test_laplacian_of_square_and_narrow_matrices(m: int, n: int) -> None:
    W = np.random.default_rng(4).standard_normal((m, n)) + np.eye(m, n)
    sigma = np.linalg.svd(W, compute_uv=False)
    np.testing.assert_allclose(laplacian(sigma, m=m), finite_difference_laplacian(W, 1), rtol=1e-6, atol=1e-8)


def test_eigenvalue_drift_by_finite_differences(W: np.ndarray) -> None:
    sigma = np.linalg.svd(W, compute_uv=False)
    seen = ETA * D * finite_difference_laplacian(W, 2)
    exact = eigenvalue_drift(sigma**2, m=M, learning_rate=ETA, diffusion=D)
    np.testing.assert_allclose(exact, seen, rtol=1e-7)
    printed = eigenvalue_drift(sigma**2, m=M, learning_rate=ETA, diffusion=D, form="as_printed")
    assert (np.abs(printed - seen) > 0.05 * np.abs(seen)).all()


def test_bru_formula_and_the_printed_one_literally() -> None:
    lam = np.array([9.0, 4.0, 1.0])
    m, n = 5, 3
    others = [[j for j in range(n) if j != k] for k in range(n)]
    bru = [m + sum((lam[k] + lam[j]) / (lam[k] - lam[j]) for j in others[k]) for k in range(n)]
    np.testing.assert_allclose(canonical_drift(lam, m=m), bru, rtol=1e-14)
    printed = [
        ETA * D * (m - n + 3) + 2 * ETA * D * sum(lam[k] / (lam[k] - lam[j]) for j in others[k])
        for k in range(n)
    ]
    mine = eigenvalue_drift(lam, m=m, learning_rate=ETA, diffusion=D, form="as_printed")
    np.testing.assert_allclose(mine, printed, rtol=1e-14)
    sigma = np.sqrt(lam)
    printed_sigma = [
        (m - n + 1) / (2 * sigma[k]) + sum(sigma[k] / (lam[k] - lam[j]) for j in others[k]) for k in range(n)
    ]
    np.testing.assert_allclose(laplacian(sigma, m=m, form="as_printed"), printed_sigma, rtol=1e-14)


@pytest.mark.parametrize("form", FORMS)
def test_the_two_axes_agree_by_ito(form: Form, W: np.ndarray) -> None:
    """d(sigma^2) = 2 sigma d sigma + (d sigma)^2: each form is consistent with itself."""
    sigma = np.linalg.svd(W, compute_uv=False)
    gradient = np.array([0.3, -1.0, 0.2, 4.0])
    rates = {"m": M, "learning_rate": ETA, "diffusion": D, "gradient": gradient}
    by_sigma = 2 * sigma * singular_value_drift(sigma, form=form, **rates) + 2 * ETA * D
    np.testing.assert_allclose(eigenvalue_drift(sigma**2, form=form, **rates), by_sigma, rtol=1e-12)


def test_monte_carlo_of_one_step(W: np.ndarray) -> None:
    """200,000 antithetic pairs of dW; drift of E sigma and of E lambda within 4 standard errors."""
    rng = np.random.default_rng(5)
    U, sigma, Vt = np.linalg.svd(W, full_matrices=False)
    gradient = rng.standard_normal((M, N))
    # the next order in dt is below 2 %; dW = -dW' pairs take the martingale part out of the mean
    dt = 0.01
    noise = np.sqrt(2 * ETA * D * dt) * rng.standard_normal((200_000, M, N))
    mean_step = -ETA * gradient * dt
    seen = [np.linalg.svd(W + mean_step + sign * noise, compute_uv=False) for sign in (1, -1)]
    projected = np.einsum("ik,ij,kj->k", U, gradient, Vt)
    rates = {"m": M, "learning_rate": ETA, "diffusion": D, "gradient": projected}
    for values, start, drift in (
        (seen, sigma, lambda form: singular_value_drift(sigma, form=form, **rates)),
        ([s**2 for s in seen], sigma**2, lambda form: eigenvalue_drift(sigma**2, form=form, **rates)),
    ):
        steps = (0.5 * (values[0] + values[1]) - start) / dt
        mean, error = steps.mean(axis=0), steps.std(axis=0) / np.sqrt(len(steps))
        bias = 0.02 * np.abs(mean)
        assert (np.abs(drift("exact") - mean) < 4 * error + bias).all()
        assert (np.abs(drift("as_printed") - mean) > 8 * error).all()
    spread = seen[0].std(axis=0) / np.sqrt(dt)
    # standard error of a standard deviation: 0.16 %; the order dt adds about 1 %
    np.testing.assert_allclose(
        singular_value_diffusion(sigma, learning_rate=ETA, diffusion=D), spread, rtol=0.02
    )
    spread = (seen[0] ** 2).std(axis=0) / np.sqrt(dt)
    np.testing.assert_allclose(
        eigenvalue_diffusion(sigma**2, learning_rate=ETA, diffusion=D), spread, rtol=0.03
    )


def test_canonical_form_needs_the_exact_time() -> None:
    """lambda(t) = Y(s): drift ds/dt and diffusion sqrt(ds/dt) must be those of the SDE of lambda."""
    lam = np.array([5.0, 2.0, 0.5])
    rates = {"learning_rate": ETA, "diffusion": D}
    for form in FORMS:
        drift = eigenvalue_drift(lam, m=4, form=form, **rates)
        speed = canonical_time(1.0, form="exact", **rates)
        np.testing.assert_allclose(speed * canonical_drift(lam, m=4, form=form), drift, rtol=1e-14)
        np.testing.assert_allclose(
            np.sqrt(speed) * canonical_diffusion(lam), eigenvalue_diffusion(lam, **rates), rtol=1e-14
        )
        slow = canonical_time(1.0, form="as_printed", **rates)
        assert not np.allclose(slow * canonical_drift(lam, m=4, form=form), drift, rtol=0.5)


def test_the_whole_spectrum_only_grows() -> None:
    """The sum of the drifts is a positive constant: no restoring force, whatever the spectrum."""
    rng = np.random.default_rng(6)
    spectra = rng.uniform(0.1, 9.0, (50, 6))
    np.testing.assert_allclose(canonical_drift(spectra, m=9).sum(axis=-1), 9 * 6, rtol=1e-9)
    printed = canonical_drift(spectra, m=9, form="as_printed").sum(axis=-1)
    np.testing.assert_allclose(printed, 6 * (9 - 6 + 3) / 2 + 6 * 5 / 2, rtol=1e-9)


def test_batches_and_order() -> None:
    rng = np.random.default_rng(7)
    spectra = rng.uniform(0.1, 3.0, (3, 2, 5))
    rates = {"m": 8, "learning_rate": ETA, "diffusion": D}
    gradient = rng.standard_normal((2, 5))
    for function in (singular_value_drift, eigenvalue_drift):
        together = function(spectra, gradient=gradient, **rates)
        assert together.shape == spectra.shape
        for i in range(3):
            for j in range(2):
                alone = function(spectra[i, j], gradient=gradient[j], **rates)
                np.testing.assert_allclose(together[i, j], alone, rtol=1e-12)
        backwards = function(spectra[..., ::-1], gradient=gradient[..., ::-1], **rates)
        np.testing.assert_allclose(backwards[..., ::-1], together, rtol=1e-12, atol=1e-12)


def test_scaling_to_the_ends_of_float64() -> None:
    sigma = np.array([3.0, 2.0, 0.5])
    for scale in (1e-200, 1e200):
        np.testing.assert_allclose(laplacian(scale * sigma, m=4) * scale, laplacian(sigma, m=4), rtol=1e-14)


def test_one_by_one_and_zero() -> None:
    # sigma = |w|: no curvature away from 0; lambda = w^2: E d lambda = 2 eta D dt
    assert laplacian([2.0], m=1) == [0.0]
    assert eigenvalue_drift([4.0], m=1, learning_rate=ETA, diffusion=D) == pytest.approx([2 * ETA * D])
    assert eigenvalue_drift([1.0, 0.0], m=3, learning_rate=1.0, diffusion=0.5) == pytest.approx([4.0, 2.0])
    with pytest.raises(InvalidValueError, match="singular value is 0, where it has no derivative"):
        laplacian([1.0, 0.0], m=3)


@given(data=st.data(), n=st.integers(2, 6), batch=st.integers(0, 2))
@settings(max_examples=40, deadline=None)
def test_repeated_values_are_named(data: st.DataObject, n: int, batch: int) -> None:
    values = np.arange(1.0, n + 1) * np.ones((*(2,) * batch, 1))
    i, j = data.draw(st.permutations(range(n)).map(lambda p: p[:2]))
    values[..., i] = values[..., j] = data.draw(st.sampled_from([0.0, 0.5, 7.0]))
    for function in (laplacian, canonical_drift):
        with pytest.raises(InvalidValueError, match=r"coincide at .*: their repulsion diverges; leave one"):
            function(values, m=n)


@given(
    bad=st.sampled_from([np.nan, np.inf, -np.inf, -1.0]),
    where=st.integers(0, 3),
    form=st.sampled_from(get_args(Form)),
)
def test_bad_values(bad: float, where: int, form: Form) -> None:
    values = np.array([4.0, 3.0, 2.0, 1.0])
    values[where] = bad
    for function in (laplacian, canonical_drift):
        with pytest.raises(InvalidValueError, match=r"hold NaN or infinity|must be >= 0, got -1"):
            function(values, m=5, form=form)
    with pytest.raises(InvalidValueError, match="must be >= 0 and finite"):
        canonical_diffusion(values)


def test_bad_arguments() -> None:
    good = [2.0, 1.0]
    with pytest.raises(InvalidValueError, match="m must be >= n, got m=1, n=2; transpose W"):
        laplacian(good, m=1)
    for empty in ([], 3.0):
        with pytest.raises(InvalidValueError, match="n >= 1, got shape"):
            laplacian(empty, m=5)
    with pytest.raises(InvalidValueError, match="form must be one of as_printed, exact, got 'printed'"):
        laplacian(good, m=2, form="printed")  # type: ignore[arg-type]
    rates = {"m": 2, "learning_rate": ETA, "diffusion": D}
    with pytest.raises(InvalidValueError, match=r"gradient has shape \(3,\), the spectrum \(2,\)"):
        singular_value_drift(good, gradient=np.ones(3), **rates)
    with pytest.raises(InvalidValueError, match="gradient has shape"):
        eigenvalue_drift(good, gradient=np.ones((4, 2)), **rates)
    with pytest.raises(InvalidValueError, match="gradient holds NaN"):
        eigenvalue_drift(good, gradient=[np.nan, 0.0], **rates)
    with pytest.raises(InvalidValueError, match="learning_rate must be positive"):
        singular_value_diffusion(good, learning_rate=0.0, diffusion=D)
    for bad in (-1.0, np.nan, np.inf):
        with pytest.raises(InvalidValueError, match="diffusion must be >= 0 and finite"):
            eigenvalue_drift(good, m=2, learning_rate=ETA, diffusion=bad)
    with pytest.raises(InvalidValueError, match="diffusion must be > 0 to rescale time"):
        canonical_time(1.0, learning_rate=ETA, diffusion=0.0)
