"""The singular values alone: they follow the matrix, in order, whatever the step."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.theory import MarchenkoPastur
from sigmascope.theory.ensembles import eigenvalue_sde, spectral
from tests.theory.ensembles.runs import RATES, T, by_matrix, by_values, last, start, z_scores
from tests.theory.ensembles.test_matrix import Replayed

SHAPES = [(6, 3), (5, 4), (4, 4), (3, 1), (1, 1)]


@pytest.fixture
def whole_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps are not divided: one increment of the noise for each."""
    monkeypatch.setattr(spectral, "NOISE_IN_SPACINGS", 1e9)
    monkeypatch.setattr(spectral, "GROWTH", 1e9)


@pytest.mark.parametrize(("m", "n"), SHAPES)
def test_it_follows_the_matrix(m: int, n: int) -> None:
    """Means of each value, of its square and of neighbouring products; at 200 steps the bias is a third of
    the standard error of 4,000 paths.
    """
    W = start(m, n)
    matrix, alone = by_matrix(W, paths=4000, seed=1), by_values(W, paths=4000, seed=2, steps=200)
    for statistic in (lambda s: s, np.square, lambda s: s[:, :-1] * s[:, 1:]):
        scores = z_scores(statistic(matrix), statistic(alone))
        assert np.abs(scores).max(initial=0.0) < 4.5


@pytest.mark.usefixtures("whole_steps")
def test_weak_order_is_one() -> None:
    """The bias of E log det W^T W halves with dt; the slope's own error is 0.3."""
    W = start(6, 3)
    expected = np.log(by_matrix(W, paths=400_000, seed=1)).sum(axis=1).mean()
    counts = np.array([2, 4, 8])
    biases = [
        np.log(by_values(W, paths=100_000, seed=4, steps=count)).sum(axis=1).mean() / expected - 1
        for count in counts
    ]
    slope = -np.polyfit(np.log(counts), np.log(np.abs(biases)), 1)[0]
    assert 0.5 < slope < 1.5
    assert abs(biases[-1]) < 0.004


def along(increments: np.ndarray, W: np.ndarray, *, stride: int = 1, form: str = "exact") -> np.ndarray:
    """Where values end under given increments, (steps, paths, n), ``stride`` of them at a time."""
    steps = len(increments) // stride
    return last(
        eigenvalue_sde(
            np.linalg.svd(W, compute_uv=False), m=len(W), **RATES, steps=steps, dt=T / steps,
            paths=increments.shape[1], every=steps, form=form,
            rng=Replayed(increments, stride),  # type: ignore[arg-type]
        )
    )  # fmt: skip


@pytest.mark.usefixtures("whole_steps")
@pytest.mark.parametrize(
    ("m", "n", "low", "high"),
    [
        pytest.param(8, 1, 0.85, 1.2, id="no collisions"),
        pytest.param(10, 3, 0.65, 0.95, id="tall"),
        pytest.param(6, 3, 0.65, 0.95, id="near square"),
    ],
)
def test_strong_order(m: int, n: int, low: float, high: float) -> None:
    """RMS distance to the path of the finest steps under the same Brownian motion.

    The noise is additive, so a smooth drift gives order 1, as for the one value of 8 x 1: 1 expected,
    1.0 seen. Near a collision a gap is a Bessel process of dimension 2, for which E 1 / gap^2 diverges; close
    encounters then cost part of that order, and no theorem covers this case: between 1/2, which steps too
    coarse for a collision would give, and 1 is expected, 0.8 seen. The slope's own error over 400 paths is
    0.03, and 0.05 for one value.
    """
    W = start(m, n)
    finest = np.random.default_rng(0).standard_normal((1024, 400, n))
    truth = along(finest, W)
    strides = np.array([16, 32, 64])
    errors = [np.sqrt(((along(finest, W, stride=stride) - truth) ** 2).mean()) for stride in strides]
    assert low < np.polyfit(np.log(strides), np.log(errors), 1)[0] < high


def moved_matrix(W: np.ndarray, *, steps: int, paths: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """u_k^T dB v_k over sqrt(dt) at each step of W itself, (steps, paths, n), and its values at the end."""
    rng = np.random.default_rng(seed)
    moving, increments = np.repeat(W[None], paths, axis=0), np.empty((steps, paths, W.shape[1]))
    for row in increments:
        U, _, Vt = np.linalg.svd(moving, full_matrices=False)
        noise = rng.standard_normal(moving.shape)
        row[:] = np.einsum("pik,pij,pkj->pk", U, noise, Vt)
        moving += np.sqrt(2 * 0.1 * 0.5 * T / steps) * noise
    return increments, np.linalg.svd(moving, compute_uv=False)


@pytest.mark.usefixtures("whole_steps")
def test_path_by_path_it_follows_the_matrix_that_gave_it_its_noise() -> None:
    """Theorem 3.1 in the strong sense: same noise, same path. The noise is taken in Ito's sense from finite
    steps, with an error of order 1/2: four times the steps, half the distance. The printed drift stays away.
    """
    W = start(6, 3)
    distances = []
    for steps in (128, 512):
        increments, truth = moved_matrix(W, steps=steps, paths=300, seed=1)
        distances.append(np.sqrt(((along(increments, W) - truth) ** 2).mean()))
    assert 1.6 < distances[0] / distances[1] < 2.6
    printed = np.sqrt(((along(increments, W, form="as_printed") - truth) ** 2).mean())
    assert printed > 5 * distances[1]


@pytest.mark.usefixtures("whole_steps")
def test_the_mean_of_all_eigenvalues_has_no_bias() -> None:
    W = start(6, 3)
    sums = (by_values(W, paths=40_000, seed=5, steps=3) ** 2).sum(axis=1)
    expected = (W**2).sum() + 2 * 0.1 * 0.5 * 18 * T
    assert abs(sums.mean() - expected) < 4 * sums.std() / 200


def test_the_printed_form_repels_too_weakly() -> None:
    W = start(6, 3)
    exact, printed = (
        by_matrix(W, paths=2000, seed=1),
        by_values(W, paths=2000, seed=2, steps=100, form="as_printed"),
    )
    spread = [values[:, 0] - values[:, 2] for values in (exact, printed)]
    assert spread[1].mean() < spread[0].mean() - 10 * spread[0].std() / np.sqrt(2000)


@pytest.mark.parametrize("form", ["exact", "as_printed"])
@pytest.mark.parametrize(("m", "n"), [(8, 8), (12, 8)])
def test_order_and_sign_are_never_lost(m: int, n: int, form: str) -> None:
    """1,000 paths, 60 steps, noise near the level spacing: explicit steps would cross by the thousand."""
    values = np.linalg.svd(start(m, n), compute_uv=False)
    walk = eigenvalue_sde(
        values, m=m, **RATES, steps=60, dt=0.5, paths=1000, rng=np.random.default_rng(0), form=form
    )
    for snapshot in walk:
        assert (np.diff(snapshot.singular_values, axis=1) < 0).all()
        assert (snapshot.singular_values[:, -1] >= 0).all()


def test_a_square_matrix_reaches_zero_and_a_taller_one_stays_away() -> None:
    """Near 0 the smallest value has density x^(m - n): P(sigma_n < 0.05) is first order for m = n only."""
    square = by_values(start(4, 4), paths=8000, seed=1, steps=100)[:, -1]
    tall = by_values(start(6, 4), paths=8000, seed=1, steps=100)[:, -1]
    truth = by_matrix(start(4, 4), paths=8000, seed=9)[:, -1]
    shares = [float((values < 0.05).mean()) for values in (square, truth)]
    assert abs(shares[0] - shares[1]) < 4.5 * np.sqrt(2 * shares[1] / 8000)
    assert (tall < 0.05).mean() < shares[1] / 4


def test_a_restoring_force_leads_to_marchenko_pastur() -> None:
    """60 x 30 at entry variance eta D / kappa: within 0.02 of the limit over 64 paths."""
    kappa = 0.1
    walk = eigenvalue_sde(
        np.linspace(1.0, 4.0, 30), m=60, **RATES, restoring_rate=kappa, steps=400, dt=0.1, paths=64,
        every=400, rng=np.random.default_rng(0),
    )  # fmt: skip
    eigenvalues = np.sort((last(walk) ** 2 / 60).ravel())
    cdf = MarchenkoPastur(0.5, 0.05 / kappa).cdf(eigenvalues)
    assert np.abs(cdf - np.arange(1, len(cdf) + 1) / len(cdf)).max() < 0.02


def test_the_seed_decides() -> None:
    W = start(6, 3)
    first, again, other = (by_values(W, paths=5, seed=seed, steps=7) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_recorded_are_the_first_every_and_the_last() -> None:
    walk = eigenvalue_sde(
        [2.0, 1.0], m=3, **RATES, steps=7, dt=0.1, paths=2, every=3, rng=np.random.default_rng(0)
    )
    seen = [(one.step, round(one.time, 6)) for one in walk]
    assert seen == [(0, 0.0), (3, 0.3), (6, 0.6), (7, 0.7)]


def test_without_noise_a_force_shrinks_every_value_alike() -> None:
    walk = eigenvalue_sde(
        [2.0, 1.0], m=3, learning_rate=0.1, diffusion=0.0, restoring_rate=0.5, steps=2, paths=1,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    np.testing.assert_allclose(last(walk), [[2 * np.exp(-1), np.exp(-1)]], rtol=1e-12)


def test_a_narrow_start_is_widened_in_short_parts() -> None:
    walk = eigenvalue_sde(
        np.linspace(1e-6, 2e-6, 30), m=60, **RATES, steps=1, dt=100.0, paths=2, rng=np.random.default_rng(0)
    )
    expected = np.sqrt(2 * 0.1 * 0.5 * 100.0) * (np.sqrt(60) + np.sqrt(30))
    assert last(walk)[:, 0] == pytest.approx([expected, expected], rel=0.12)


def test_a_step_that_crosses_levels_for_ever_is_refused() -> None:
    walk = eigenvalue_sde(
        np.linspace(1.0, 2.0, 4), m=8, **RATES, restoring_rate=1.0, steps=2, dt=1e9, paths=1,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    with pytest.raises(InvalidValueError, match=r"dt=1000000000\.0 crosses levels.*smaller dt"):
        list(islice(walk, 2))
