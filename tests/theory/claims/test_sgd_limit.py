"""SGD and its Ito equation: verdicts, and that wrong formulas are caught."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.theory.claims import Claim, Verdict
from sigmascope.theory.claims.claim import Formula
from sigmascope.theory.claims.sgd_limit import (
    BATCH,
    LAYER_BATCH,
    LAYER_SAMPLES,
    SAMPLES,
    START,
    THEOREM_6_4,
    THEOREM_6_4_ISOTROPY,
    every_batch,
)
from tests.theory.claims.bench import checked, judged

VERDICTS = {THEOREM_6_4: "holds to leading order", THEOREM_6_4_ISOTROPY: "does not hold as printed"}


def half_the_noise(rate, steps, variance):
    return THEOREM_6_4.printed(rate=rate, steps=steps, variance=variance / 2)


def drawn_with_replacement(rate, steps, variance):
    return THEOREM_6_4.printed(rate=rate, steps=steps, variance=variance / (1 - BATCH / SAMPLES))


def population_variance(rate, steps, variance):
    return THEOREM_6_4.printed(rate=rate, steps=steps, variance=variance * (1 - 1 / SAMPLES))


def noise_alone(rate, steps, variance):
    return THEOREM_6_4.printed(rate=rate, steps=steps, variance=variance) - START**2 * np.exp(
        -2 * rate * steps
    )


def five_percent_more_noise(rate, steps, variance):
    return THEOREM_6_4.printed(rate=rate, steps=steps, variance=1.05 * variance)


def displayed_step(rate, steps, variance):
    """The equation over a time dt = eta a step, as if the increment had dt in it."""
    return THEOREM_6_4.printed(rate=rate, steps=steps * rate, variance=variance)


def independent_draws(gradients, row, column):
    return THEOREM_6_4_ISOTROPY.exact(gradients=gradients, row=row, column=column) / (
        1 - LAYER_BATCH / LAYER_SAMPLES
    )


def one_for_each_row(gradients, row, column):
    entries = range(gradients.shape[2])
    return np.mean([THEOREM_6_4_ISOTROPY.exact(gradients=gradients, row=row, column=j) for j in entries])


def product_of_variances(gradients, row, column):
    """As if errors and inputs were independent of each other in this finite population."""
    right = THEOREM_6_4_ISOTROPY.exact(gradients=gradients, row=row, column=column)
    variance = gradients.var(axis=0)
    ratio = variance[row].sum() * variance[:, column].sum() / variance.sum()
    return right * ratio / variance[row, column]


WRONG = [
    (THEOREM_6_4, half_the_noise),
    (THEOREM_6_4, drawn_with_replacement),
    (THEOREM_6_4, population_variance),
    (THEOREM_6_4, noise_alone),
    (THEOREM_6_4, five_percent_more_noise),
    (THEOREM_6_4, displayed_step),
    (THEOREM_6_4_ISOTROPY, independent_draws),
    (THEOREM_6_4_ISOTROPY, one_for_each_row),
    (THEOREM_6_4_ISOTROPY, product_of_variances),
]


@pytest.mark.parametrize("claim", VERDICTS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == VERDICTS[claim]
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


def test_the_deviation_halves_with_the_learning_rate() -> None:
    result = checked(THEOREM_6_4)
    off = np.array(result.printed.predictions) - np.array(result.exact.predictions)
    # next order: at eta h = 0.2 and 0.1 a tenth of the first
    assert off[:-1] / off[1:] == pytest.approx(2.0, rel=0.15)


def test_every_batch_is_every_pair_once() -> None:
    seen = every_batch(2.0 ** np.arange(4), 2)
    assert sorted(2 * seen) == [3.0, 5.0, 6.0, 9.0, 10.0, 12.0]
