"""First-order change of singular vectors when W moves to W + G, as printed in Algorithm 1 and exact.

Axis: singular vectors of W, any shape; k of them with their singular values, k <= min(m, n). The change of a
singular value is u_i^T G v_i in both forms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.anisotropic import as_matrix, check_vectors, inverse_gaps
from sigmascope.theory.ito import Form, check_form, check_values
from sigmascope.theory.laws.law import FloatArray, check_positive

# the paper leaves its epsilon open
EPSILON = 1e-8


def vector_change(
    G: ArrayLike,
    *,
    U: ArrayLike,
    singular_values: ArrayLike,
    V: ArrayLike,
    form: Form = "exact",
    epsilon: float = EPSILON,
) -> tuple[FloatArray, FloatArray]:
    """(dU, dV), (m, k) and (n, k): first-order change of u_i and v_i, M = U^T G V.

    - ``as_printed`` (Algorithm 1, line 9): du_i = sum_j c_ij u_j and dv_i = sum_j c_ij v_j over j != i, with
      the same c_ij = M_ji / (sigma_i - sigma_j + epsilon) + M_ij / (sigma_i + sigma_j + epsilon).
    - ``exact``: du_i = sum_j (sigma_i M_ji + sigma_j M_ij) / (sigma_i^2 - sigma_j^2) u_j
      + (I - U U^T) G v_i / sigma_i, and dv_i the same with M transposed, + (I - V V^T) G^T u_i / sigma_i.

    ``U`` (m, k), ``singular_values`` (k,) and ``V`` (n, k) are the singular triplets of W. The exact form is
    that of first-order perturbation when they are all min(m, n) of them; for fewer, W is taken to be 0 on
    what is left out. ``epsilon`` belongs to the printed form alone.

    InvalidValueError: NaN or infinity, shapes that do not fit, vectors that are not orthonormal, values that
    are 0 or repeated, where singular vectors have no derivative, an epsilon that is not positive.

    >>> U = V = [[1.0, 0.0], [0.0, 1.0]]
    >>> dU, dV = vector_change([[0.0, 0.0], [3.0, 0.0]], U=U, singular_values=[2.0, 1.0], V=V)
    >>> dU[:, 0], dV[:, 0]  # towards u_2 by 2 * 3 / (4 - 1), towards v_2 by 1 * 3 / (4 - 1)
    (array([0., 2.]), array([0., 1.]))
    """
    check_form(form)
    change = as_matrix("G", G)
    m, n = change.shape
    left, right = check_vectors("U", U, m), check_vectors("V", V, n)
    sigma = check_values("singular_values", singular_values, max(m, n))
    if sigma.shape != (left.shape[1],) or left.shape[1] != right.shape[1]:
        raise InvalidValueError(
            f"U has {left.shape[1]} columns, V {right.shape[1]} and singular_values are of shape "
            f"{sigma.shape}; pass triplets"
        )
    minus, plus = inverse_gaps(sigma, len(sigma))
    M = left.T @ change @ right
    if form == "as_printed":
        check_positive("epsilon", epsilon, remedy="it keeps denominators from 0")
        c = printed_coefficients(M, sigma, epsilon)
        return left @ c.T, right @ c.T
    # (sigma_i a + sigma_j b) / (sigma_i^2 - sigma_j^2), split to keep its digits near collisions
    both, apart = minus * (M.T + M) / 2, plus * (M.T - M) / 2
    beyond_left = change @ right - left @ M
    beyond_right = change.T @ left - right @ M.T
    return (
        np.asarray(left @ (both + apart).T + beyond_left / sigma),
        np.asarray(right @ (both - apart).T + beyond_right / sigma),
    )


def printed_coefficients(M: FloatArray, sigma: FloatArray, epsilon: float) -> FloatArray:
    """(k, k): the c_ij of line 9, 0 on the diagonal."""
    sigma_i, sigma_j = sigma[:, None], sigma[None, :]
    gap = sigma_i - sigma_j + epsilon
    # two values apart by epsilon exactly are undefined as printed: read as a gap of epsilon
    gap = np.where(gap == 0, epsilon, gap)
    c = M.T / gap + M / (sigma_i + sigma_j + epsilon)
    np.fill_diagonal(c, 0.0)
    return np.asarray(c)
