"""Anisotropic noise in the singular basis, Proposition 6.17: curvature of sigma_k, Ito drift and diffusion.

W = sum_k sigma_k u_k v_k^T is m x n, m >= n. A direction E of weight space enters as a_jk = u_j^T E v_k. All
values are singular values of W, descending. The per-sample gradient of a linear layer is rank one,
g_i = delta_i x_i^T, so that a_jk = (u_j . delta_i)(v_k . x_i), and its covariance never has to be formed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.ito import check_values
from sigmascope.theory.laws.law import FloatArray, check_positive
from sigmascope.theory.noise import check_batch

Center = Literal["batch", "none"]

# float32 singular vectors of a 4096-wide layer are orthonormal to about 1e-5
ORTHONORMAL = 1e-3


@dataclass(frozen=True, slots=True)
class ModeNoise:
    """Noise of single-sample gradients seen from the k leading singular modes; shapes (k,).

    Attributes:
        curvature: E d^2 sigma_k(E, E), gradient squared per unit of W.
        strength: E (u_k^T E v_k)^2, gradient squared: C_k, the per-sample variance along mode k. Under
            isotropic noise of variance C per entry it is C for every k, and the curvature C times
            :func:`sigmascope.theory.ito.laplacian`.
    """

    curvature: FloatArray
    strength: FloatArray

    def drift(self, *, step_variance: float) -> FloatArray:
        """Ito drift of sigma_k per step: half of the curvature, times :func:`step_variance`."""
        return np.asarray(0.5 * check_step_variance(step_variance) * self.curvature)

    def diffusion(self, *, step_variance: float) -> FloatArray:
        """Factor of d beta_k in d sigma_k: sqrt(step_variance C_k), which is sqrt(2 eta D_k)."""
        return np.asarray(np.sqrt(check_step_variance(step_variance) * self.strength))


def step_variance(*, learning_rate: float, batch_size: int, samples: int) -> float:
    """eta^2 (1 - B/N) / B: covariance of one SGD step over that of one sample's gradient.

    B = ``batch_size`` drawn without replacement from N = ``samples``. Half of it over eta, times C, is D of
    :func:`sigmascope.theory.noise.diffusion`. InvalidValueError for values outside their domain.
    """
    check_positive("learning_rate", learning_rate, remedy="without a step nothing moves")
    check_batch(batch_size, samples)
    return learning_rate**2 * (1.0 - batch_size / samples) / batch_size


def check_step_variance(value: float) -> float:
    """``value`` when >= 0 and finite; InvalidValueError otherwise."""
    if not (np.isfinite(value) and value >= 0):
        raise InvalidValueError(f"step_variance must be >= 0 and finite, got {value}; see step_variance()")
    return float(value)


def inverse_gaps(sigma: FloatArray, modes: int) -> tuple[FloatArray, FloatArray]:
    """1 / (sigma_k - sigma_j) and 1 / (sigma_k + sigma_j), (..., modes, n), 0 for j = k.

    InvalidValueError where sigma_k is 0 or repeated: there the second derivative diverges.
    """
    sigma_k, sigma_j = sigma[..., :modes, None], sigma[..., None, :]
    own = np.arange(modes)
    difference, total = sigma_k - sigma_j, sigma_k + sigma_j
    difference[..., own, own] = np.inf
    if (sigma_k == 0).any():
        raise InvalidValueError("a singular value is 0, where it has no derivative; leave that mode out")
    with np.errstate(divide="ignore", over="ignore"):
        minus = 1.0 / difference
    if not np.isfinite(minus).all():
        *batch, k, j = np.argwhere(~np.isfinite(minus))[0]
        raise InvalidValueError(
            f"singular values {k} and {j} coincide at {sigma[(*batch, k)]}: their repulsion diverges; "
            "only the pair's mean has a second derivative"
        )
    plus = 1.0 / total
    plus[..., own, own] = 0.0
    return np.asarray(minus), np.asarray(plus)


def second_derivative(a: ArrayLike, singular_values: ArrayLike) -> FloatArray:
    """d^2 sigma_k(W + t E) / dt^2 at t = 0 for all k; ``a`` (..., m, n), values (..., n), result (..., n).

    With a_jk = u_j^T E v_k in the full singular basis (U is m x m, the order of its last m - n columns and
    their basis do not matter),

        sum_{j != k, j <= n} [sigma_k (a_jk^2 + a_kj^2) + 2 sigma_j a_jk a_kj] / (sigma_k^2 - sigma_j^2)
        + sum_{j > n} a_jk^2 / sigma_k,

    evaluated as sum_j [(a_jk + a_kj)^2 / (sigma_k - sigma_j) + (a_jk - a_kj)^2 / (sigma_k + sigma_j)] / 2.
    It is what "known from matrix-perturbation theory" stands for in Proposition 6.17: the second-order
    eigenvalue correction of [[0, W], [W^T, 0]].

    InvalidValueError: NaN or infinity, shapes that do not fit, values that are 0 or repeated.

    >>> second_derivative([[0.0, 1.0], [1.0, 0.0]], [2.0, 1.0])  # both off-diagonal entries: 2 / (2 - 1)
    array([ 2., -2.])
    """
    array = np.asarray(a, dtype=np.float64)
    if array.ndim < 2 or array.size == 0:
        raise InvalidValueError(f"a must be (..., m, n), got shape {array.shape}; it is U^T E V")
    sigma = check_values("singular_values", singular_values, array.shape[-2])
    n = array.shape[-1]
    if sigma.shape[-1] != n:
        raise InvalidValueError(f"a has {n} columns, but there are {sigma.shape[-1]} singular values")
    if not np.isfinite(array).all():
        raise InvalidValueError("a holds NaN or infinity; check the direction E")
    minus, plus = inverse_gaps(sigma, n)
    inner = array[..., :n, :]
    inner_T = np.swapaxes(inner, -1, -2)
    # minus and plus have k first; both squares are symmetric in j and k
    inside = 0.5 * (minus * (inner + inner_T) ** 2 + plus * (inner - inner_T) ** 2).sum(axis=-1)
    return np.asarray(inside + (array[..., n:, :] ** 2).sum(axis=-2) / sigma)


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean squares of a_jk over directions E, between k tracked modes and towards everything else.

    squares_jk = E a_jk^2, products_jk = E a_jk a_kj (k x k);
    left_k = E ||E v_k||^2, right_k = E ||E^T u_k||^2 (k,).
    """

    squares: FloatArray
    products: FloatArray
    left: FloatArray
    right: FloatArray


def as_matrix(name: str, values: ArrayLike) -> FloatArray:
    """``values`` as a finite, non-empty float64 matrix; InvalidValueError otherwise."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.size == 0:
        raise InvalidValueError(f"{name} must be a non-empty matrix, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidValueError(f"{name} holds NaN or infinity; check the gradients and the weights")
    return array


def check_vectors(name: str, vectors: ArrayLike, rows: int) -> FloatArray:
    """``rows`` x k with orthonormal columns; InvalidValueError otherwise."""
    array = as_matrix(name, vectors)
    if array.shape[0] != rows or array.shape[1] > rows:
        raise InvalidValueError(f"{name} must be {rows} x k with k <= {rows}, got shape {array.shape}")
    error = float(np.abs(array.T @ array - np.eye(array.shape[1])).max())
    if error > ORTHONORMAL:
        raise InvalidValueError(
            f"{name} must have orthonormal columns, they are off by {error:.2g}; pass singular vectors"
        )
    return array


def moments(delta: FloatArray, x: FloatArray, U: FloatArray, V: FloatArray) -> Moments:
    """Means over the B directions delta_i x_i^T."""
    batch = len(delta)
    P, Q = delta @ U, x @ V  # (B, k)
    P2, Q2, PQ = P**2, Q**2, P * Q
    return Moments(
        squares=np.asarray(P2.T @ Q2 / batch),
        products=np.asarray(PQ.T @ PQ / batch),
        left=np.asarray((delta**2).sum(axis=1) @ Q2 / batch),
        right=np.asarray((x**2).sum(axis=1) @ P2 / batch),
    )


def centered(raw: Moments, delta: FloatArray, x: FloatArray, U: FloatArray, V: FloatArray) -> Moments:
    """The same about the batch's mean G = Delta^T X / B, unbiased: (raw - of G) B / (B - 1)."""
    batch = len(delta)
    P, Q = delta @ U, x @ V
    a, unbiased = P.T @ Q / batch, batch / (batch - 1.0)
    left, right = delta.T @ Q / batch, x.T @ P / batch  # G V and G^T U, (m, k) and (n, k)
    return Moments(
        squares=np.asarray((raw.squares - a**2) * unbiased),
        products=np.asarray((raw.products - a * a.T) * unbiased),
        left=np.asarray((raw.left - (left**2).sum(axis=0)) * unbiased),
        right=np.asarray((raw.right - (right**2).sum(axis=0)) * unbiased),
    )


def mean_curvature(seen: Moments, sigma: FloatArray, m: int) -> FloatArray:
    """E d^2 sigma_k(E, E), (k,), of the modes tracked; what is left of the noise is shared evenly."""
    n, k = len(sigma), len(seen.left)
    minus, plus = inverse_gaps(sigma, k)
    both = seen.squares + seen.squares.T
    inside = minus[:, :k] * (both + 2 * seen.products) + plus[:, :k] * (both - 2 * seen.products)
    # rounding may bring an energy that is 0 below it
    left = np.maximum(seen.left - seen.squares.sum(axis=0), 0.0) / max(m - k, 1)
    right = np.maximum(seen.right - seen.squares.sum(axis=1), 0.0) / max(n - k, 1)
    untracked = 0.5 * (minus[:, k:] + plus[:, k:]).sum(axis=1) * (left + right)
    return np.asarray(0.5 * inside.sum(axis=1) + untracked + (m - n) * left / sigma[:k])


def rank_one_noise(
    delta: ArrayLike,
    x: ArrayLike,
    *,
    U: ArrayLike,
    singular_values: ArrayLike,
    V: ArrayLike,
    center: Center = "batch",
) -> ModeNoise:
    """Curvature and strength of the noise along k modes from B per-sample gradients g_i = delta_i x_i^T.

    O((m + n) B k + k^2 B + k n), without an m x n array. ``delta`` is (B, m), ``x`` (B, n), ``U`` (m, k),
    ``V`` (n, k) the leading singular vectors, ``singular_values`` all n, descending. Directions beyond the
    n right ones need no basis: sum_{j > n} a_jk^2 = ||E v_k||^2 - sum_{j <= n} a_jk^2.

    Exact for k = n. For k < n, the noise outside the tracked modes is taken to be spread evenly over the
    m - k left and n - k right directions that remain, each with its own singular value; for isotropic noise
    that is unbiased.

    - ``center="batch"``: E = g_i - mean g with the unbiased factor B / (B - 1): the mini-batch noise.
    - ``center="none"``: E = g_i, for noise samples whose mean is 0 already.

    InvalidValueError: NaN, shapes that do not fit, vectors that are not orthonormal, B < 2 when centred,
    a tracked value that is 0 or repeated.
    """
    if center not in ("batch", "none"):
        raise InvalidValueError(f"center must be one of batch, none, got {center!r}")
    deltas, inputs = as_matrix("delta", delta), as_matrix("x", x)
    (batch, m), n = deltas.shape, inputs.shape[1]
    if len(inputs) != batch:
        raise InvalidValueError(f"delta holds {batch} samples and x {len(inputs)}; pair them")
    if batch < 2 and center == "batch":
        raise InvalidValueError("a batch needs 2 samples to have a mean and noise about it, got 1")
    sigma = check_values("singular_values", singular_values, m)
    if sigma.shape != (n,) or (sigma[:-1] < sigma[1:]).any():
        raise InvalidValueError(
            f"x has {n} columns, so there are {n} singular values, descending; got shape {sigma.shape}"
        )
    left, right = check_vectors("U", U, m), check_vectors("V", V, n)
    if left.shape[1] != right.shape[1]:
        raise InvalidValueError(f"U has {left.shape[1]} columns and V {right.shape[1]}; pass pairs u_k, v_k")
    seen = moments(deltas, inputs, left, right)
    if center == "batch":
        seen = centered(seen, deltas, inputs, left, right)
    strength = np.maximum(np.diag(seen.squares), 0.0)
    return ModeNoise(curvature=mean_curvature(seen, sigma, m), strength=strength)
