"""The singular values alone: they follow the matrix, in order, whatever the step."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from sigmascope.errors import InvalidValueError
from sigmascope.theory import MarchenkoPastur
from sigmascope.theory.ensembles import eigenvalue_sde, spectral
from tests.theory.ensembles.runs import RATES, T, by_matrix, by_values, last, start, z_scores

SHAPES = [(6, 3), (5, 4), (4, 4), (3, 1), (1, 1)]


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


def test_weak_order_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bias of E log det W^T W halves with dt; the slope's own error is 0.2."""
    monkeypatch.setattr(spectral, "NOISE_IN_SPACINGS", 1e9)  # no substeps of its own
    monkeypatch.setattr(spectral, "GROWTH", 1e9)
    W = start(6, 3)
    expected = np.log(by_matrix(W, paths=800_000, seed=1)).sum(axis=1).mean()
    counts = np.array([2, 4, 8])
    biases = [
        np.log(by_values(W, paths=200_000, seed=4, steps=count)).sum(axis=1).mean() / expected - 1
        for count in counts
    ]
    slope = -np.polyfit(np.log(counts), np.log(np.abs(biases)), 1)[0]
    assert 0.5 < slope < 1.5
    assert abs(biases[-1]) < 0.004


def test_the_mean_of_all_eigenvalues_has_no_bias(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spectral, "NOISE_IN_SPACINGS", 1e9)
    monkeypatch.setattr(spectral, "GROWTH", 1e9)
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
        np.linspace(1e-6, 2e-6, 50), m=80, **RATES, steps=1, dt=100.0, paths=2, rng=np.random.default_rng(0)
    )
    expected = np.sqrt(2 * 0.1 * 0.5 * 100.0) * (np.sqrt(80) + np.sqrt(50))
    assert last(walk)[:, 0] == pytest.approx([expected, expected], rel=0.1)


def test_a_step_that_crosses_levels_for_ever_is_refused() -> None:
    walk = eigenvalue_sde(
        np.linspace(1.0, 2.0, 10), m=20, **RATES, restoring_rate=1.0, steps=2, dt=1e9, paths=2,
        rng=np.random.default_rng(0),
    )  # fmt: skip
    with pytest.raises(InvalidValueError, match=r"dt=1000000000\.0 crosses levels.*smaller dt"):
        list(islice(walk, 2))
