"""Singular values under anisotropic noise: verdicts, and that wrong formulas are caught."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.theory import laplacian
from sigmascope.theory.claims import Claim, Verdict
from sigmascope.theory.claims.anisotropic_noise import (
    PROPOSITION_6_17,
    PROPOSITION_6_17_INDICES,
    Setting,
    hessian,
    setting,
)
from sigmascope.theory.claims.claim import Formula
from tests.theory.claims.bench import checked, judged

VERDICTS = {PROPOSITION_6_17: "holds", PROPOSITION_6_17_INDICES: "does not hold as printed"}


def without_the_half(part, at, k):
    right = PROPOSITION_6_17.exact(part=part, at=at, k=k)
    return 2 * right if part == "drift" else right


def noise_taken_as_isotropic(part, at, k):
    if part == "diffusion":
        return PROPOSITION_6_17.exact(part=part, at=at, k=k)
    variance = np.einsum("ijij->", at.covariance()) / at.W.size
    return float(0.5 * variance * laplacian(at.values, m=len(at.W))[k])


def diffusion_averaged_over_the_modes(part, at, k):
    if part == "drift":
        return PROPOSITION_6_17.exact(part=part, at=at, k=k)
    return float(np.mean([PROPOSITION_6_17.exact(part=part, at=at, k=j) for j in range(len(at.values))]))


def transposed_second_pair(at, k):
    return float(0.5 * np.einsum("ijpq,ijqp->", hessian(at, k), at.covariance()))


WRONG = [
    (PROPOSITION_6_17, without_the_half),
    (PROPOSITION_6_17, noise_taken_as_isotropic),
    (PROPOSITION_6_17, diffusion_averaged_over_the_modes),
    (PROPOSITION_6_17_INDICES, transposed_second_pair),
]


@pytest.mark.parametrize("claim", VERDICTS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == VERDICTS[claim]
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


def place() -> Setting:
    return setting(np.random.default_rng(5), 5, 3)


def test_the_trace_of_the_hessian_is_the_laplacian() -> None:
    at = place()
    traces = [np.einsum("ijij->", hessian(at, k)) for k in range(3)]
    np.testing.assert_allclose(traces, laplacian(at.values, m=5), rtol=1e-10)


def test_hessian_by_finite_differences() -> None:
    at, step = place(), 1e-4
    E = np.random.default_rng(6).standard_normal((5, 3))

    def values(t: float) -> np.ndarray:
        return np.linalg.svd(at.W + t * E, compute_uv=False)

    seen = (values(step) + values(-step) - 2 * values(0.0)) / step**2
    exact = [np.einsum("ij,ijpq,pq->", E, hessian(at, k), E) for k in range(3)]
    # rounding 1e-16 / step^2 and truncation step^2 are both near 1e-7
    np.testing.assert_allclose(seen, exact, atol=1e-5)
