"""Drift and diffusion of singular values and of eigenvalues under matrix noise, as printed and exact.

W is m x n, m >= n, and moves by dW = A dt + sqrt(2 eta D) dB with A = -eta grad L and B of independent
standard Brownian entries. Axes: ``singular_values`` are of W, ``eigenvalues`` of W^T W (unscaled), and the
canonical Y is an eigenvalue in the time of :func:`canonical_time`. The last axis holds all n values of one
spectrum, in any order; leading axes are a batch, at O(n^2) per spectrum. Every sum runs over j != k.

``form="as_printed"`` evaluates the paper's formula, ``form="exact"`` the one that data follow; where they
agree there is no such argument. All functions raise InvalidValueError for NaN or infinity, negative
values, m < n, an unknown form, and for repeated values, where the repulsion diverges.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray, as_floats, check_positive, check_shape

Form = Literal["as_printed", "exact"]

FORMS = ("as_printed", "exact")


def check_form(form: str) -> None:
    """InvalidValueError unless ``form`` is one of ``FORMS``."""
    if form not in FORMS:
        raise InvalidValueError(f"form must be one of {', '.join(FORMS)}, got {form!r}")


def check_values(name: str, values: ArrayLike, m: int) -> FloatArray:
    """``values`` (..., n) as float64, finite and >= 0, with n <= m; InvalidValueError otherwise."""
    array = as_floats(name, values)
    if array.ndim == 0 or array.size == 0:
        raise InvalidValueError(
            f"{name} must be (..., n) with n >= 1, got shape {array.shape}; pass them all"
        )
    check_shape(m, array.shape[-1])
    if not np.isfinite(array).all():
        raise InvalidValueError(f"{name} hold NaN or infinity; check the weights")
    if (array < 0).any():
        raise InvalidValueError(f"{name} must be >= 0, got {array.min()}; pass them, not their logarithms")
    return array


def check_descending(name: str, values: FloatArray, *, remedy: str) -> None:
    """InvalidValueError with the remedy unless each row (..., n) descends; neighbours may be equal."""
    rising = values[..., 1:] > values[..., :-1]
    if rising.any():
        *row, k = np.argwhere(rising)[0]
        first, second = values[(*row, k)], values[(*row, k + 1)]
        raise InvalidValueError(
            f"each row of {name} must be descending, got {first:.6g} before {second:.6g}; {remedy}"
        )


def check_amounts(name: str, values: ArrayLike) -> FloatArray:
    """``values`` of any shape as float64; InvalidValueError unless they are finite and >= 0."""
    array = as_floats(name, values)
    if not (np.isfinite(array) & (array >= 0)).all():
        raise InvalidValueError(f"{name} must be >= 0 and finite; check the weights, or take shorter steps")
    return array


def check_rates(learning_rate: float, diffusion: float) -> float:
    """The product eta D; InvalidValueError unless the rate is finite > 0 and the diffusion finite >= 0."""
    check_positive("learning_rate", learning_rate, remedy="without a step nothing moves")
    if not (np.isfinite(diffusion) and diffusion >= 0):
        raise InvalidValueError(f"diffusion must be >= 0 and finite, got {diffusion}; check the gradients")
    return float(learning_rate) * float(diffusion)


def gradient_term(gradient: ArrayLike, values: FloatArray) -> FloatArray:
    """``gradient`` as float64, finite and of a shape that broadcasts to that of ``values``."""
    array = as_floats("gradient", gradient)
    try:
        np.broadcast_to(array, values.shape)
    except ValueError:
        raise InvalidValueError(
            f"gradient has shape {array.shape}, the spectrum {values.shape}; pass one u_k^T grad L v_k each"
        ) from None
    if not np.isfinite(array).all():
        raise InvalidValueError("gradient holds NaN or infinity; check the loss")
    return array


def pairwise_sum(terms: FloatArray, values: FloatArray, name: str) -> FloatArray:
    """Sum over j != k of ``terms`` (..., k, j); InvalidValueError where two values coincide.

    ``terms`` is overwritten. A term that overflows float64 counts as a collision.
    """
    n = values.shape[-1]
    terms[..., np.arange(n), np.arange(n)] = 0.0
    diverging = ~np.isfinite(terms)
    if diverging.any():
        *batch, k, j = np.argwhere(diverging)[0]
        raise InvalidValueError(
            f"{name} {j} and {k} coincide at {values[(*batch, k)]}: their repulsion diverges; "
            "leave one of them out, or move the matrix W itself, which passes through collisions"
        )
    return np.asarray(terms.sum(axis=-1))


def repulsion_of_singular_values(singular_values: FloatArray) -> FloatArray:
    """Sum over j of sigma_k / (sigma_k^2 - sigma_j^2), shape kept."""
    sigma_k, sigma_j = singular_values[..., :, None], singular_values[..., None, :]
    # the factored difference of squares keeps its digits near collisions and does not underflow
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        terms = sigma_k / (sigma_k + sigma_j) / (sigma_k - sigma_j)
    return pairwise_sum(terms, singular_values, "singular values")


def repulsion_of_eigenvalues(eigenvalues: FloatArray) -> FloatArray:
    """Sum over j of lambda_k / (lambda_k - lambda_j), shape kept."""
    lambda_k, lambda_j = eigenvalues[..., :, None], eigenvalues[..., None, :]
    difference = lambda_k - lambda_j
    # 0 / 0 must be seen as the collision it is
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        terms = np.where(difference == 0, np.inf, lambda_k / difference)
    return pairwise_sum(terms, eigenvalues, "eigenvalues")


def laplacian(singular_values: ArrayLike, *, m: int, form: Form = "exact") -> FloatArray:
    """Sum over the entries of W of d^2 sigma_k / dW_ij^2; singular-value axis, (..., n) to (..., n).

    - ``as_printed`` (Lemma 6.5): (m - n + 1) / (2 sigma_k) + sum_j sigma_k / (sigma_k^2 - sigma_j^2)
    - ``exact``: (m - n) / sigma_k + 2 sum_j sigma_k / (sigma_k^2 - sigma_j^2)

    InvalidValueError also for a singular value of 0, where sigma_k has no derivative.

    >>> laplacian([2.0, 1.0], m=3).round(6)
    array([1.833333, 0.333333])
    """
    check_form(form)
    sigma = check_values("singular_values", singular_values, m)
    repulsion = repulsion_of_singular_values(sigma)
    if (sigma == 0).any():
        raise InvalidValueError(
            "a singular value is 0, where it has no derivative; use eigenvalue_drift, which is regular there"
        )
    surplus = m - sigma.shape[-1]
    if form == "as_printed":
        return np.asarray((surplus + 1) / (2.0 * sigma) + repulsion)
    return np.asarray(surplus / sigma + 2.0 * repulsion)


def singular_value_drift(
    singular_values: ArrayLike,
    *,
    m: int,
    learning_rate: float,
    diffusion: float,
    gradient: ArrayLike = 0.0,
    form: Form = "exact",
) -> FloatArray:
    """Drift d E sigma_k / dt = -eta u_k^T grad L v_k + eta D laplacian_k; singular-value axis.

    Theorems 3.1 and 6.6; the two forms differ in :func:`laplacian`. ``gradient`` is u_k^T (grad L) v_k,
    broadcast over the spectrum. InvalidValueError also for a bad gradient, rate or diffusion.
    """
    strength = check_rates(learning_rate, diffusion)
    curvature = laplacian(singular_values, m=m, form=form)
    return np.asarray(strength * curvature - learning_rate * gradient_term(gradient, curvature))


def singular_value_diffusion(
    singular_values: ArrayLike, *, learning_rate: float, diffusion: float
) -> FloatArray:
    """sqrt(2 eta D), the factor of d beta_k in d sigma_k; one for each value (..., n).

    Theorem 3.1; printed and exact agree, and the beta_k are independent, because the u_k v_k^T are
    orthonormal.
    """
    values = check_amounts("singular_values", singular_values)
    return np.full(values.shape, np.sqrt(2.0 * check_rates(learning_rate, diffusion)))


def eigenvalue_drift(
    eigenvalues: ArrayLike,
    *,
    m: int,
    learning_rate: float,
    diffusion: float,
    gradient: ArrayLike = 0.0,
    form: Form = "exact",
) -> FloatArray:
    """Drift d E lambda_k / dt, lambda = sigma^2 of W^T W (unscaled); (..., n) to (..., n).

    - ``as_printed`` (Theorem 6.7): eta D (m - n + 3) + 2 eta D sum_j lambda_k / (lambda_k - lambda_j)
    - ``exact`` (Bru 1991): 2 eta D [m + sum_j (lambda_k + lambda_j) / (lambda_k - lambda_j)]

    and in both -2 eta sigma_k u_k^T grad L v_k, with ``gradient`` as in :func:`singular_value_drift`; the
    theorem leaves that term out. It is 2 eta D times :func:`canonical_drift`. A value of 0 is allowed.
    """
    strength = check_rates(learning_rate, diffusion)
    canonical = canonical_drift(eigenvalues, m=m, form=form)
    sigma = np.sqrt(np.asarray(eigenvalues, dtype=np.float64))
    force = 2.0 * learning_rate * sigma * gradient_term(gradient, canonical)
    return np.asarray(2.0 * strength * canonical - force)


def eigenvalue_diffusion(eigenvalues: ArrayLike, *, learning_rate: float, diffusion: float) -> FloatArray:
    """2 sqrt(2 eta D lambda_k), the factor of d beta_k in d lambda_k; printed and exact agree."""
    scale = np.sqrt(2.0 * check_rates(learning_rate, diffusion))
    return np.asarray(scale * canonical_diffusion(eigenvalues))


def canonical_drift(Y: ArrayLike, *, m: int, form: Form = "exact") -> FloatArray:
    """Drift of dY_k = (...) ds + 2 sqrt(Y_k) dB_k, Theorem 6.7; (..., n) to (..., n).

    - ``as_printed``: (m - n + 3) / 2 + sum_j Y_k / (Y_k - Y_j)
    - ``exact``: m + sum_j (Y_k + Y_j) / (Y_k - Y_j), which is the real Wishart process of Bru (1991)

    Its sum over k does not depend on Y: n (m - n + 3) / 2 + n (n - 1) / 2 as printed, m n exact. Nothing
    restores the spectrum; see :func:`sigmascope.theory.hilbert.stationary_residual`.
    """
    check_form(form)
    values = check_values("eigenvalues", Y, m)
    n = values.shape[-1]
    repulsion = repulsion_of_eigenvalues(values)
    if form == "as_printed":
        return np.asarray((m - n + 3) / 2.0 + repulsion)
    # (Y_k + Y_j) / (Y_k - Y_j) = 2 Y_k / (Y_k - Y_j) - 1
    return np.asarray(m - n + 1 + 2.0 * repulsion)


def canonical_diffusion(Y: ArrayLike) -> FloatArray:
    """2 sqrt(Y_k), shape kept; printed and exact agree. InvalidValueError for negative values or NaN."""
    return np.asarray(2.0 * np.sqrt(check_amounts("eigenvalues", Y)))


def canonical_time(
    t: ArrayLike, *, learning_rate: float, diffusion: float, form: Form = "exact"
) -> FloatArray:
    """The time s in which lambda(t) is the canonical Y(s) of Theorem 6.7; shape kept.

    - ``as_printed``: s = t / (2 eta D)
    - ``exact``: s = 2 eta D t. Only this one turns the printed d lambda_k into the printed dY_k, too.

    InvalidValueError for a diffusion of 0, where no noise keeps the time.
    """
    check_form(form)
    strength = 2.0 * check_rates(learning_rate, diffusion)
    if strength == 0:
        raise InvalidValueError("diffusion must be > 0 to rescale time, got 0; no noise, no clock")
    times = as_floats("t", t)
    if not np.isfinite(times).all():
        raise InvalidValueError("t holds NaN or infinity; pass times")
    return np.asarray(times / strength if form == "as_printed" else times * strength)
