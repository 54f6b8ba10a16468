"""The stochastic term: verdicts, and that wrong formulas are caught."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.theory.claims import Verdict
from sigmascope.theory.claims.claim import Formula
from sigmascope.theory.claims.singular_values import DIFFUSION, LEARNING_RATE, M
from sigmascope.theory.claims.stochastic_term import DT, PROPOSITION_6_9, Steps, moment_of, solver
from sigmascope.theory.ito import eigenvalue_diffusion, eigenvalue_drift
from tests.theory.claims.bench import checked, judged


def without_the_drift(steps: Steps) -> np.ndarray:
    before, after = steps.eigenvalues[:, 0], steps.eigenvalues[:, 1]
    scale = eigenvalue_diffusion(before, learning_rate=LEARNING_RATE, diffusion=DIFFUSION)
    return (after - before) / scale / np.sqrt(DT)


def with_the_printed_drift(steps: Steps) -> np.ndarray:
    before = steps.eigenvalues[:, 0]
    rates = {"learning_rate": LEARNING_RATE, "diffusion": DIFFUSION}
    drift = eigenvalue_drift(before, m=M, gradient=steps.gradient, form="as_printed", **rates)
    return without_the_drift(steps) - drift * np.sqrt(DT) / eigenvalue_diffusion(before, **rates)


def without_the_gradient(steps: Steps) -> np.ndarray:
    return solver("exact")(Steps(steps.eigenvalues, 0 * steps.gradient))


def gradient_of_the_other_sign(steps: Steps) -> np.ndarray:
    return solver("exact")(Steps(steps.eigenvalues, -steps.gradient))


def five_percent_too_large(steps: Steps) -> np.ndarray:
    return 1.05 * solver("exact")(steps)


def printed_with_its_scale_put_right(steps: Steps) -> np.ndarray:
    return solver("as_printed")(steps) / np.sqrt(8 * DIFFUSION)


WRONG = [
    without_the_drift,
    with_the_printed_drift,
    without_the_gradient,
    gradient_of_the_other_sign,
    five_percent_too_large,
    printed_with_its_scale_put_right,
]


def test_verdict() -> None:
    result = checked(PROPOSITION_6_9)
    assert result.verdict == "does not hold as printed"
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize("formula", [moment_of(wrong) for wrong in WRONG], ids=[f.__name__ for f in WRONG])
def test_a_wrong_formula_does_not_hold(formula: Formula) -> None:
    assert judged(PROPOSITION_6_9, formula).verdict is Verdict.fails
