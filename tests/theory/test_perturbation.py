"""First-order change of singular vectors against differences of the SVD, and bad input."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from sigmascope.errors import InvalidValueError
from sigmascope.theory.perturbation import vector_change


def triplets(W: np.ndarray) -> dict[str, np.ndarray]:
    U, values, Vt = np.linalg.svd(W, full_matrices=False)
    return {"U": U, "singular_values": values, "V": Vt.T}


def spaced(m: int, n: int) -> np.ndarray:
    """Singular values one apart, in random bases."""
    rng = np.random.default_rng(m * n)
    k = min(m, n)
    left, right = np.linalg.qr(rng.standard_normal((m, k)))[0], np.linalg.qr(rng.standard_normal((n, k)))[0]
    return (left * np.arange(k, 0.0, -1.0)) @ right.T


def differences(W: np.ndarray, G: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Central differences of fourth order in a step of 1e-3."""
    at = triplets(W)

    def beside(step: float) -> tuple[np.ndarray, np.ndarray]:
        seen = triplets(W + step * G)
        sign = np.sign((seen["U"] * at["U"]).sum(axis=0))
        return seen["U"] * sign, seen["V"] * sign

    h = 1e-3
    near = [a - b for a, b in zip(beside(h), beside(-h), strict=True)]
    far = [a - b for a, b in zip(beside(2 * h), beside(-2 * h), strict=True)]
    left, right = ((8 * a - b) / (12 * h) for a, b in zip(near, far, strict=True))
    return left, right


@pytest.mark.parametrize(("m", "n"), [(9, 5), (6, 6), (4, 7), (5, 1)])
def test_exact_is_what_an_svd_does(m: int, n: int) -> None:
    W, G = spaced(m, n), np.random.default_rng(1).standard_normal((m, n))
    for seen, expected in zip(vector_change(G, **triplets(W)), differences(W, G), strict=True):
        # truncation h^4 times a fifth derivative of order 100, rounding 1e-13
        np.testing.assert_allclose(seen, expected, atol=1e-8)


def test_as_printed_is_line_9_and_not_what_an_svd_does() -> None:
    W, G = spaced(7, 4), np.random.default_rng(2).standard_normal((7, 4))
    at = triplets(W)
    U, sigma, V = at["U"], at["singular_values"], at["V"]
    M = U.T @ G @ V
    dU, dV = vector_change(G, **at, form="as_printed", epsilon=1e-3)
    for i in range(4):
        c = [
            M[j, i] / (sigma[i] - sigma[j] + 1e-3) + M[i, j] / (sigma[i] + sigma[j] + 1e-3) if j != i else 0.0
            for j in range(4)
        ]
        np.testing.assert_allclose(dU[:, i], U @ c, atol=1e-12)
        np.testing.assert_allclose(dV[:, i], V @ c, atol=1e-12)
    true = differences(W, G)
    assert np.abs(dU - true[0]).max() > 0.1
    assert np.abs(dV - true[1]).max() > 0.1


def test_both_forms_are_linear_in_the_change_and_the_exact_one_keeps_orthonormality() -> None:
    W, G = spaced(6, 4), np.random.default_rng(3).standard_normal((6, 4))
    at = triplets(W)
    for form in ("as_printed", "exact"):
        for twice, once in zip(
            vector_change(2 * G, **at, form=form), vector_change(G, **at, form=form), strict=True
        ):
            np.testing.assert_allclose(twice, 2 * once, rtol=1e-12, atol=1e-14)
    dU, dV = vector_change(G, **at)
    for basis, change in ((at["U"], dU), (at["V"], dV)):
        turn = basis.T @ change
        np.testing.assert_allclose(turn, -turn.T, atol=1e-13)


def test_few_triplets_are_those_of_a_matrix_of_that_rank() -> None:
    W, G = spaced(8, 6), np.random.default_rng(4).standard_normal((8, 6))
    at = triplets(W)
    few = {"U": at["U"][:, :2], "singular_values": at["singular_values"][:2], "V": at["V"][:, :2]}
    low = (few["U"] * few["singular_values"]) @ few["V"].T
    h = 1e-5
    expected = [np.linalg.svd(low + step * G, full_matrices=False)[0][:, :2] for step in (h, -h)]
    ahead, behind = (vectors * np.sign((vectors * few["U"]).sum(axis=0)) for vectors in expected)
    # truncation h^2 times a third derivative
    np.testing.assert_allclose(vector_change(G, **few)[0], (ahead - behind) / (2 * h), atol=1e-7)


W = spaced(4, 3)
GOOD = triplets(W)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"G": np.full((4, 3), np.nan)}, "G holds NaN"),
        ({"G": np.ones(4)}, "G must be a non-empty matrix"),
        ({"G": np.ones((3, 4))}, "U must be 3 x k"),
        ({"U": np.ones((4, 3))}, "U must have orthonormal columns"),
        ({"V": GOOD["V"][:, :2]}, "pass triplets"),
        ({"singular_values": [3.0, 2.0]}, "pass triplets"),
        ({"singular_values": [3.0, 2.0, np.inf]}, "NaN or infinity"),
        ({"singular_values": [3.0, 2.0, -1.0]}, r">= 0, got -1\.0"),
        ({"singular_values": [3.0, 2.0, 2.0]}, "coincide at 2.0"),
        ({"singular_values": [3.0, 2.0, 0.0]}, "is 0"),
        ({"form": "as_printed", "epsilon": 0.0}, "epsilon must be positive"),
        ({"form": "printed"}, "form must be one of as_printed, exact, got 'printed'"),
    ],
)
def test_bad_input_is_named(changed: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"G": np.ones((4, 3)), **GOOD, **changed}
    with pytest.raises(InvalidValueError, match=message):
        vector_change(arguments.pop("G"), **arguments)  # type: ignore[arg-type]


@given(G=npst.arrays(np.float64, (4, 3), elements=st.floats(allow_nan=True, allow_infinity=True)))
@settings(max_examples=60, deadline=None)
def test_any_change_gives_numbers_or_a_clear_error(G: np.ndarray) -> None:
    if not np.isfinite(G).all():
        with pytest.raises(InvalidValueError):
            vector_change(G, **GOOD)
    elif np.abs(G).max() < 1e150:
        assert all(np.isfinite(change).all() for change in vector_change(G, **GOOD))
