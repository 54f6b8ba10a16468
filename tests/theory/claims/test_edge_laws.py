"""Bulk and edge of Wishart matrices: verdicts, wrong formulas, and the corners that the draws come from."""

from __future__ import annotations

import numpy as np
import pytest

from sigmascope.theory.claims import Claim, Verdict
from sigmascope.theory.claims.claim import Formula
from sigmascope.theory.claims.edge_laws import COROLLARY_6_12, LEMMA_6_10, LEMMA_6_11, LEMMA_6_11_SCALE
from sigmascope.theory.claims.edge_samples import hermite_largest, largest_eigenvalues, wishart_largest
from sigmascope.theory.edge import edge_scaling
from sigmascope.theory.laws import MarchenkoPastur, TracyWidom
from tests.theory.claims.bench import checked, judged

VERDICTS = {
    LEMMA_6_10: "holds",
    LEMMA_6_11: "holds to leading order",
    LEMMA_6_11_SCALE: "holds",
    COROLLARY_6_12: "holds",
}


def aspect_ratio_upside_down(x, gamma):
    return float(MarchenkoPastur(1 / gamma).cdf(x))


def three_percent_more_variance(x, gamma):
    return float(MarchenkoPastur(gamma, 1.03).cdf(x))


def edge_without_its_scale(m, n):
    return n ** (2 / 3) * (1 + np.sqrt(m / n)) ** 2


def centre_of_complex_matrices(m, n):
    return LEMMA_6_11.printed(m=m, n=n) + scale(m, n) * (TracyWidom(2).mean() - TracyWidom(1).mean())


def scale(m, n):
    return LEMMA_6_11_SCALE.printed(m=m, n=n) / np.sqrt(TracyWidom(1).var())


def ratio_with_the_other_sign(m, n):
    gamma = m / n
    wrong = ((1 + gamma**0.5) / (1 + gamma**-0.5)) ** (1 / 3)
    return LEMMA_6_11_SCALE.printed(m=m, n=n) * wrong


def square_root_of_the_sum(m, n):
    return LEMMA_6_11_SCALE.printed(m=m, n=n) * (1 + (m / n) ** -0.5) ** (1 / 2 - 1 / 3)


def law_of_complex_matrices(x, m, n):
    scaling = edge_scaling(n, m, method="ma")
    return float(TracyWidom(2).cdf((n * x - scaling.center) / scaling.scale))


def reflected(x, m, n):
    return 1 - COROLLARY_6_12.exact(x=x, m=m, n=n)


WRONG = [
    (LEMMA_6_10, aspect_ratio_upside_down),
    (LEMMA_6_10, three_percent_more_variance),
    (LEMMA_6_11, edge_without_its_scale),
    (LEMMA_6_11, centre_of_complex_matrices),
    (LEMMA_6_11_SCALE, ratio_with_the_other_sign),
    (LEMMA_6_11_SCALE, square_root_of_the_sum),
    (COROLLARY_6_12, law_of_complex_matrices),
    (COROLLARY_6_12, reflected),
]


@pytest.mark.parametrize("claim", VERDICTS, ids=lambda claim: claim.id)
def test_verdict(claim: Claim) -> None:
    result = checked(claim)
    assert result.verdict == VERDICTS[claim]
    assert result.exact.verdict is Verdict.holds


@pytest.mark.parametrize(("claim", "formula"), WRONG, ids=lambda one: getattr(one, "id", None))
def test_a_wrong_formula_does_not_hold(claim: Claim, formula: Formula) -> None:
    assert judged(claim, formula).verdict is Verdict.fails


def test_bisection_finds_the_largest_eigenvalue() -> None:
    rng = np.random.default_rng(1)
    diagonal, beside = rng.standard_normal((9, 200)) + 5, rng.standard_normal((8, 200))
    dense = np.zeros((200, 9, 9))
    own = np.arange(9)
    dense[:, own, own] = diagonal.T
    dense[:, own[:-1], own[1:]] = dense[:, own[1:], own[:-1]] = beside.T
    # 32 halvings of a bracket of about 10
    np.testing.assert_allclose(
        largest_eigenvalues(diagonal, beside**2), np.linalg.eigvalsh(dense)[:, -1], atol=1e-8
    )


def same_distribution(first: np.ndarray, second: np.ndarray) -> None:
    """Means and standard deviations within five of their standard errors, Gaussian to good approximation."""
    error = np.hypot(first.std() / len(first) ** 0.5, second.std() / len(second) ** 0.5)
    assert abs(first.mean() - second.mean()) < 5 * error
    assert abs(first.std() - second.std()) < 5 * error


def test_the_corner_of_a_wishart_matrix_has_its_largest_eigenvalue() -> None:
    rng = np.random.default_rng(2)
    dense = np.linalg.svd(rng.standard_normal((3000, 80, 50)), compute_uv=False)[:, 0] ** 2
    same_distribution(wishart_largest(rng, 20_000, m=80, n=50), dense)


@pytest.mark.parametrize("beta", [1, 2])
def test_the_corner_of_a_hermite_matrix_has_its_largest_eigenvalue(beta: int) -> None:
    rng = np.random.default_rng(3)
    H = rng.standard_normal((3000, 50, 50)) + (beta - 1) * 1j * rng.standard_normal((3000, 50, 50))
    dense = np.linalg.eigvalsh((H + H.conj().swapaxes(1, 2)) / np.sqrt(2 * beta))[:, -1]
    same_distribution(hermite_largest(rng, 20_000, n=50, beta=beta), dense)
