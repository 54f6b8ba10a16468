"""D and beta1 against sampling of real mini-batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sigmascope.errors import InvalidValueError
from sigmascope.theory.noise import beta1, diffusion, diffusion_as_printed, gradient_variance


def test_lemma_6_18() -> None:
    assert diffusion_as_printed([5.0, 2.0, 1.0], batches=3) == pytest.approx(3.0)
    for bad in ([], [1.0, np.nan]):
        with pytest.raises(InvalidValueError, match="empty or hold NaN"):
            diffusion_as_printed(bad, batches=3)
    with pytest.raises(InvalidValueError, match="batches must be >= 1, got 0"):
        diffusion_as_printed([1.0], batches=0)


def test_estimators_against_sampled_batches() -> None:
    rng = np.random.default_rng(0)
    samples, batch, eta = 60, 12, 0.3
    gradients = rng.standard_normal((samples, 4, 3)) * 2 + 1
    exact = gradients.var(axis=0, ddof=1).mean()
    batches = [rng.choice(gradients, batch, replace=False, axis=0) for _ in range(20_000)]
    means = np.array([b.mean(axis=0) for b in batches])
    # standard error of a variance over 20,000 batches of 12 entries: 0.3 %
    noise = ((means - gradients.mean(axis=0)) ** 2).sum(axis=(1, 2)).mean()
    assert beta1(exact, entries=12, batch_size=batch, samples=samples) == pytest.approx(noise, rel=0.015)
    step_variance = (eta * means).var(axis=0).mean()
    D = diffusion(exact, learning_rate=eta, batch_size=batch, samples=samples)
    assert 2 * eta * D == pytest.approx(step_variance, rel=0.015)
    estimates = [
        gradient_variance((b**2).sum(), (b.mean(axis=0) ** 2).sum(), entries=12, batch_size=batch)
        for b in batches[:4000]
    ]
    # without replacement from N the sample variance is unbiased for the N - 1 variance
    assert np.mean(estimates) == pytest.approx(exact, rel=0.02)


def test_whole_data_set_has_no_noise() -> None:
    assert diffusion(2.0, learning_rate=0.1, batch_size=50, samples=50) == 0
    assert beta1(2.0, entries=9, batch_size=50, samples=50) == 0


@given(bad=st.sampled_from([-1.0, float("nan"), float("inf")]))
def test_bad_variances(bad: float) -> None:
    with pytest.raises(InvalidValueError, match="variance must be >= 0"):
        diffusion(bad, learning_rate=0.1, batch_size=5, samples=50)
    with pytest.raises(InvalidValueError, match="variance must be >= 0"):
        beta1(bad, entries=9, batch_size=5, samples=50)
    with pytest.raises(InvalidValueError, match="variance must be >= 0"):
        gradient_variance(bad, 0.0, entries=9, batch_size=5)


def test_bad_sizes() -> None:
    for size in (0, 51):
        with pytest.raises(InvalidValueError, match=f"between 1 and the number of samples 50, got {size}"):
            diffusion(1.0, learning_rate=0.1, batch_size=size, samples=50)
    with pytest.raises(InvalidValueError, match="learning_rate must be positive"):
        diffusion(1.0, learning_rate=0.0, batch_size=5, samples=50)
    with pytest.raises(InvalidValueError, match="entries must be >= 1, got 0"):
        beta1(1.0, entries=0, batch_size=5, samples=50)
    with pytest.raises(InvalidValueError, match="batch_size must be >= 2"):
        gradient_variance(1.0, 0.0, entries=4, batch_size=1)
