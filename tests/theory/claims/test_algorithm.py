"""Algorithm 1: verdicts, wrong formulas, and the repairs that do not make it track."""

from __future__ import annotations

from functools import reduce

import numpy as np
import pytest

from sigmascope.theory.claims import Claim, Verdict
from sigmascope.theory.claims.algorithm import ALGORITHM_1, ALGORITHM_1_TRACKING, TRACKED
from sigmascope.theory.claims.bootstrap import Tally, Triplets, algorithm_1, aligned, orth
from sigmascope.theory.claims.claim import Formula
from sigmascope.theory.perturbation import vector_change
from tests.theory.claims.bench import checked, judged

CLAIMS = (ALGORITHM_1, ALGORITHM_1_TRACKING)


def both_sides_alike(G, triplets, side, i, along):
    changes = vector_change(G, U=triplets.U, singular_values=triplets.sigma, V=triplets.V)
    left = triplets.U.T @ changes[0]
    return float(along @ ((triplets.U, triplets.V)[side] @ left)[:, i])


def inside_the_span(G, triplets, side, i, along):
    changes = vector_change(G, U=triplets.U, singular_values=triplets.sigma, V=triplets.V)
    basis = (triplets.U, triplets.V)[side]
    return float(along @ (basis @ (basis.T @ changes[side]))[:, i])


def half_as_printed(G, triplets, side, i, along):
    return ALGORITHM_1.printed(G=G, triplets=triplets, side=side, i=i, along=along) / 2


def turned_back(G, triplets, side, i, along):
    return -ALGORITHM_1.exact(G=G, triplets=triplets, side=side, i=i, along=along)


def hold(seen, k):
    return float(Triplets.of(seen.start, TRACKED).sigma[k])


def exact_step(at: Triplets, G: np.ndarray, *, beyond: float) -> Triplets:
    """Algorithm 1 with exact coefficients, and ``beyond`` times what leaves the span."""
    dU, dV = vector_change(G, U=at.U, singular_values=at.sigma, V=at.V)
    inside_U, inside_V = at.U @ (at.U.T @ dU), at.V @ (at.V.T @ dV)
    U = orth(at.U + inside_U + beyond * (dU - inside_U), Tally())
    V = orth(at.V + inside_V + beyond * (dV - inside_V), Tally())
    return Triplets(aligned(U, at.U), at.sigma + np.einsum("ik,ij,jk->k", at.U, G, at.V), aligned(V, at.V))


def tracked(seen, k, beyond):
    start = Triplets.of(seen.start, TRACKED)
    ends = [
        np.sort(reduce(lambda at, G: exact_step(at, G, beyond=beyond), changes, start).sigma)[::-1]
        for changes in seen.changes
    ]
    return float(np.mean(ends, axis=0)[k])


def exact_coefficients(seen, k):
    return tracked(seen, k, beyond=0.0)


def with_what_leaves_the_span(seen, k):
    return tracked(seen, k, beyond=1.0)


WRONG = [
    (ALGORITHM_1, both_sides_alike),
    (ALGORITHM_1, inside_the_span),
    (ALGORITHM_1, half_as_printed),
    (ALGORITHM_1, turned_back),
    (ALGORITHM_1_TRACKING, hold),
    (ALGORITHM_1_TRACKING, exact_coefficients),
    (ALGORITHM_1_TRACKING, with_what_leaves_the_span),
]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == "does not hold as printed"
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


def test_the_spans_never_leave_those_of_the_start() -> None:
    rng = np.random.default_rng(1)
    start = Triplets.of(rng.standard_normal((12, 8)), 3)
    end = reduce(algorithm_1, 0.05 * rng.standard_normal((30, 12, 8)), start)
    # rounding of thirty orthonormalisations
    np.testing.assert_allclose(start.U @ (start.U.T @ end.U), end.U, atol=1e-12)
    np.testing.assert_allclose(end.U.T @ end.U, np.eye(3), atol=1e-12)


def test_it_tracks_what_moves_only_the_values() -> None:
    rng = np.random.default_rng(2)
    W = rng.standard_normal((9, 6))
    start = Triplets.of(W, 3)
    G = (start.U * [0.1, 0.05, -0.02]) @ start.V.T
    seen = reduce(algorithm_1, [G] * 4, start).sigma
    np.testing.assert_allclose(seen, np.linalg.svd(W + 4 * G, compute_uv=False)[:3], atol=1e-12)


def test_it_is_the_algorithm_that_the_predictor_runs() -> None:
    torch = pytest.importorskip("torch")
    from sigmascope.prediction import Algorithm1

    rng = np.random.default_rng(3)
    W, changes = rng.standard_normal((10, 7)), 0.05 * rng.standard_normal((20, 10, 7))
    predictor = Algorithm1(3)
    predictor.start(torch.tensor(W))
    for G in changes:
        predictor.step(torch.tensor(G))
    seen = np.sort(reduce(algorithm_1, changes, Triplets.of(W, 3)).sigma)[::-1]
    # the predictor answers in float32
    np.testing.assert_allclose(seen, predictor.singular_values.numpy(), rtol=1e-5)
