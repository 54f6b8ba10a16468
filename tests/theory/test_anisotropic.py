"""Curvature of singular values by finite differences; rank-one noise against dense and sampled noise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sigmascope.errors import InvalidValueError
from sigmascope.theory.anisotropic import rank_one_noise, second_derivative, step_variance
from sigmascope.theory.ito import laplacian
from sigmascope.theory.noise import diffusion

M, N = 9, 5


@pytest.fixture(scope="module")
def W() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((M, N))


def full_basis(W: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    U, sigma, Vt = np.linalg.svd(W)
    return U, sigma, Vt.T


def second_difference(W: np.ndarray, E: np.ndarray) -> np.ndarray:
    """Sixth order in the step 0.02: truncation about 1e-9, rounding 1e-12."""
    h = 0.02
    at = {i: np.linalg.svd(W + i * h * E, compute_uv=False) for i in range(-3, 4)}
    total = 2 * (at[3] + at[-3]) - 27 * (at[2] + at[-2]) + 270 * (at[1] + at[-1]) - 490 * at[0]
    return np.asarray(total / (180 * h * h))


@pytest.mark.parametrize(("m", "n"), [(9, 5), (6, 6), (7, 1), (1, 1)])
def test_finite_differences_agree_to_seven_digits(m: int, n: int) -> None:
    rng = np.random.default_rng(m)
    W = np.diag(np.arange(n, 0.0, -1.0)) @ np.eye(n, m)
    W = rng.permutation(W.T) + 0.1 * rng.standard_normal((m, n))
    E = rng.standard_normal((m, n)) * 0.3
    U, sigma, V = full_basis(W)
    np.testing.assert_allclose(
        second_derivative(U.T @ E @ V, sigma), second_difference(W, E), rtol=1e-7, atol=1e-10
    )


def test_a_wrong_sign_of_the_cross_term_is_seen(W: np.ndarray) -> None:
    rng = np.random.default_rng(2)
    E = rng.standard_normal((M, N))
    U, sigma, V = full_basis(W)
    a = U.T @ E @ V
    seen = second_difference(W, 0.1 * E) * 100
    np.testing.assert_allclose(second_derivative(a, sigma), seen, rtol=1e-6)
    transposed = a.copy()
    transposed[:N] = np.tril(a[:N]) - np.triu(a[:N], 1)  # flips a_jk a_kj and nothing else
    assert (np.abs(second_derivative(transposed, sigma) - seen) > 0.01 * np.abs(seen)).any()


def test_batched_directions(W: np.ndarray) -> None:
    U, sigma, V = full_basis(W)
    a = U.T @ np.random.default_rng(3).standard_normal((2, 3, M, N)) @ V
    together = second_derivative(a, sigma)
    assert together.shape == (2, 3, N)
    np.testing.assert_allclose(together[1, 2], second_derivative(a[1, 2], sigma), rtol=1e-13)
    spectra = np.stack([sigma, 2 * sigma])
    np.testing.assert_allclose(second_derivative(a[0, 0], spectra)[1], together[0, 0] / 2, rtol=1e-12)


def test_the_isotropic_sum_is_the_exact_laplacian(W: np.ndarray) -> None:
    """Sum of d^2 sigma(E, E) over an orthonormal basis of E: exact, no sampling."""
    U, sigma, V = full_basis(W)
    basis = np.eye(M * N).reshape(M * N, M, N)
    total = second_derivative(U.T @ basis @ V, sigma).sum(axis=0)
    np.testing.assert_allclose(total, laplacian(sigma, m=M), rtol=1e-12)
    assert not np.allclose(total, laplacian(sigma, m=M, form="as_printed"), rtol=0.1)


def correlated(batch: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Per-sample gradients with a mean, unequal strengths and dependence of delta on x."""
    x = rng.standard_normal((batch, N)) * np.linspace(0.2, 2, N) + 0.5
    delta = rng.standard_normal((batch, M)) * np.linspace(2, 0.1, M) + 0.3 * x[:, :1]
    return delta, x


@pytest.mark.parametrize("center", ["batch", "none"])
@pytest.mark.parametrize(("m", "n"), [(M, N), (N, N)])
def test_rank_one_equals_dense(m: int, n: int, center: str) -> None:
    rng = np.random.default_rng(4)
    delta, x = correlated(40, rng)
    delta = delta[:, :m]
    W = rng.standard_normal((m, n))
    U, sigma, V = full_basis(W)
    E = np.einsum("bi,bj->bij", delta, x)
    factor = 1.0
    if center == "batch":
        E, factor = E - E.mean(axis=0), 40 / 39
    a = U.T @ E @ V
    noise = rank_one_noise(delta, x, U=U[:, :n], singular_values=sigma, V=V, center=center)  # type: ignore[arg-type]
    np.testing.assert_allclose(
        noise.curvature, factor * second_derivative(a, sigma).mean(axis=0), rtol=1e-9, atol=1e-9
    )
    own = np.einsum("bkk->bk", a[:, :n])
    np.testing.assert_allclose(noise.strength, factor * (own**2).mean(axis=0), rtol=1e-10)


def test_few_modes_of_isotropic_noise_are_unbiased() -> None:
    rng = np.random.default_rng(5)
    m, n, k, batch = 30, 20, 3, 60_000
    U, sigma, V = full_basis(rng.standard_normal((m, n)))
    delta, x = rng.standard_normal((batch, m)), rng.standard_normal((batch, n))
    halves = [
        rank_one_noise(
            delta[part], x[part], U=U[:, :k], singular_values=sigma, V=V[:, :k], center="none"
        ).curvature
        for part in np.split(np.arange(batch), 20)
    ]
    mean, error = np.mean(halves, axis=0), np.std(halves, axis=0) / np.sqrt(19)
    exact = laplacian(sigma, m=m)[:k]
    assert (np.abs(mean - exact) < 4.5 * error).all()
    assert (error < 0.01 * exact).all()
    assert (np.abs(mean - laplacian(sigma, m=m, form="as_printed")[:k]) > 20 * error).all()


def test_sgd_steps_follow_drift_and_diffusion(W: np.ndarray) -> None:
    """Monte Carlo of real mini-batches without replacement, against the noise of the whole data set."""
    rng = np.random.default_rng(6)
    samples, batch, eta, steps = 80, 8, 0.02, 120_000
    delta, x = correlated(samples, rng)
    U, sigma, V = full_basis(W)
    noise = rank_one_noise(delta, x, U=U[:, :N], singular_values=sigma, V=V)
    scale = step_variance(learning_rate=eta, batch_size=batch, samples=samples)
    gradients = np.einsum("bi,bj->bij", delta, x)
    gradients -= gradients.mean(axis=0)
    chosen = rng.random((steps, samples)).argpartition(batch, axis=1)[:, :batch]
    weights = np.zeros((steps, samples))
    np.put_along_axis(weights, chosen, 1.0 / batch, axis=1)
    move = -eta * (weights @ gradients.reshape(samples, -1)).reshape(steps, M, N)
    seen = np.linalg.svd(W + move, compute_uv=False) - sigma
    # the first-order part has mean 0: taking it out leaves the drift with a small standard error
    linear = np.einsum("jk,sjl,lk->sk", U[:, :N], move, V)
    rest = seen - linear
    mean, error = rest.mean(axis=0), rest.std(axis=0) / np.sqrt(steps)
    drift = noise.drift(step_variance=scale)
    # third and fourth order of the expansion: 3 % at this step size
    assert (np.abs(mean - drift) < 4 * error + 0.03 * np.abs(drift)).all()
    isotropic = 0.5 * scale * noise.strength.mean() * laplacian(sigma, m=M)
    assert (np.abs(mean - isotropic) > 10 * error).all()
    np.testing.assert_allclose(linear.std(axis=0), noise.diffusion(step_variance=scale), rtol=0.01)


def test_units_agree_with_the_isotropic_diffusion() -> None:
    rates = {"learning_rate": 0.3, "batch_size": 12, "samples": 60}
    assert step_variance(**rates) * 1.7 == pytest.approx(2 * 0.3 * diffusion(1.7, **rates), rel=1e-14)


def bad_call(**changes: object) -> None:
    rng = np.random.default_rng(7)
    U, sigma, V = full_basis(rng.standard_normal((6, 4)))
    arguments: dict[str, object] = {
        "delta": rng.standard_normal((10, 6)),
        "x": rng.standard_normal((10, 4)),
        "U": U[:, :4],
        "singular_values": sigma,
        "V": V,
    }
    rank_one_noise(**{**arguments, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"delta": np.ones((9, 6))}, "delta holds 9 samples and x 10"),
        ({"delta": np.ones(6)}, r"delta must be a non-empty matrix, got shape \(6,\)"),
        ({"x": np.full((10, 4), np.nan)}, "x holds NaN or infinity"),
        ({"x": np.ones((10, 5))}, "x has 5 columns, so there are 5 singular values"),
        ({"singular_values": [1.0, 2.0, 3.0, 4.0]}, "descending"),
        ({"singular_values": [3.0, 2.0, 2.0, 1.0]}, "coincide at 2.0: their repulsion diverges"),
        ({"singular_values": [3.0, 2.0, 1.0, 0.0]}, "singular value is 0"),
        ({"U": np.ones((6, 4))}, "U must have orthonormal columns"),
        ({"V": np.eye(5)}, r"V must be 4 x k with k <= 4, got shape \(5, 5\)"),
        ({"V": np.eye(4)[:, :2]}, "U has 4 columns and V 2"),
        ({"center": "mean"}, "center must be one of batch, none, got 'mean'"),
        ({"delta": np.ones((1, 6)), "x": np.ones((1, 4))}, "a batch needs 2 samples"),
    ],
)
def test_bad_input(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        bad_call(**changes)


@given(
    where=st.integers(0, 2),
    bad=st.sampled_from([np.nan, np.inf]),
    value=st.floats(1e-3, 1e3),
)
@settings(max_examples=30, deadline=None)
def test_bad_second_derivative(where: int, bad: float, value: float) -> None:
    a = np.ones((4, 3))
    a[where, where] = bad
    with pytest.raises(InvalidValueError, match="a holds NaN or infinity"):
        second_derivative(a, [3.0, 2.0, 1.0])
    sigma = np.array([3e3, 2e3, 1.5e3])
    sigma[[where, (where + 1) % 3]] = value
    with pytest.raises(InvalidValueError, match="repulsion diverges"):
        second_derivative(np.ones((4, 3)), sigma)


def test_bad_shapes() -> None:
    with pytest.raises(InvalidValueError, match="a has 3 columns, but there are 2 singular values"):
        second_derivative(np.ones((4, 3)), [2.0, 1.0])
    with pytest.raises(InvalidValueError, match=r"a must be \(..., m, n\), got shape \(3,\)"):
        second_derivative(np.ones(3), [2.0, 1.0])
    with pytest.raises(InvalidValueError, match="transpose W"):
        second_derivative(np.ones((2, 3)), [3.0, 2.0, 1.0])
    with pytest.raises(InvalidValueError, match="step_variance must be >= 0"):
        rank_one_noise(np.eye(2), np.eye(2), U=np.eye(2), singular_values=[2.0, 1.0], V=np.eye(2)).drift(
            step_variance=-1.0
        )
