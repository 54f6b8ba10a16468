"""Estimates of D and beta1: verdicts, and that wrong formulas are caught."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.theory.claims import Claim, Verdict
from sigmascope.theory.claims.claim import Formula
from sigmascope.theory.claims.estimators import (
    LEARNING_RATE,
    LEMMA_6_18,
    LEMMA_6_18_TRAINED,
    LEMMA_6_19,
    LEMMA_6_19_RATE,
    SAMPLES,
    M,
    N,
    batches,
)
from tests.theory.claims.bench import checked, judged

VERDICTS = {
    LEMMA_6_18: "heuristic",
    LEMMA_6_18_TRAINED: "does not hold as printed",
    LEMMA_6_19: "holds",
    LEMMA_6_19_RATE: "does not hold as printed",
}


def without_the_square(seen):
    return float(np.sqrt(LEMMA_6_18.printed(seen=seen)))


def drawn_with_replacement(seen):
    return LEMMA_6_18.exact(seen=seen) / (1 - len(seen.batch) / SAMPLES)


def variance_of_one_sample(seen):
    return LEMMA_6_18.exact(seen=seen) * len(seen.batch)


def independent_draws(gradients, batch_size):
    return LEMMA_6_19.exact(gradients=gradients, batch_size=batch_size) / (1 - batch_size / len(gradients))


def population_variance(gradients, batch_size):
    return LEMMA_6_19.exact(gradients=gradients, batch_size=batch_size) * (1 - 1 / len(gradients))


def rate_of_the_weights(gradients, learning_rate, curvature):
    return learning_rate * curvature


def rate_without_the_curvature(gradients, learning_rate, curvature):
    return 2 * learning_rate


WRONG = [
    (LEMMA_6_18, without_the_square),
    (LEMMA_6_18, drawn_with_replacement),
    (LEMMA_6_18_TRAINED, variance_of_one_sample),
    (LEMMA_6_19, independent_draws),
    (LEMMA_6_19, population_variance),
    (LEMMA_6_19_RATE, rate_of_the_weights),
    (LEMMA_6_19_RATE, rate_without_the_curvature),
]


@pytest.mark.parametrize("claim", VERDICTS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == VERDICTS[claim]
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


@pytest.mark.parametrize("claim", [LEMMA_6_18, LEMMA_6_18_TRAINED], ids=lambda claim: claim.id)
@pytest.mark.parametrize("factor", [0.95, 1.05, 2.0, 100.0])
def test_a_diffusion_off_by_a_factor_is_no_exact_form(claim: Claim, factor: float) -> None:
    """Five standard errors of the displacement and the mini-batch are 3 %."""
    assert judged(claim, lambda seen: factor * claim.exact(seen=seen), form="exact").verdict is Verdict.fails


def test_the_factor_of_the_spread_follows_from_shape_and_learning_rate() -> None:
    spectra = np.linalg.svd(np.random.default_rng(2).standard_normal((4000, M, N)), compute_uv=False)
    spread = np.mean((spectra[:, 0] - np.median(spectra, axis=1)) ** 2)
    factor = checked(LEMMA_6_18).printed.factor
    # five spreads of 2 % error each, which set the factor's
    assert factor == pytest.approx(1 / (2 * LEARNING_RATE * spread), rel=0.05)


def test_batches_are_drawn_without_replacement_and_evenly() -> None:
    drawn = batches(np.random.default_rng(1), 20_000, samples=9, batch_size=4)
    assert all(len(set(batch)) == 4 for batch in drawn[:500].tolist())
    counts = np.bincount(drawn.ravel(), minlength=9)
    # each count is Binomial(20000, 4/9), standard deviation 70
    assert np.abs(counts - 20_000 * 4 / 9).max() < 5 * 70


def test_the_rate_does_not_change_with_the_noise() -> None:
    weak, medium, strong = checked(LEMMA_6_19_RATE).measurements[:3]
    # noise a hundred times stronger in variance; printed beta1 follows it
    for one in (medium, strong):
        assert one.value == pytest.approx(
            weak.value, abs=5 * np.hypot(one.standard_error, weak.standard_error)
        )
