"""The stochastic term beta_k solved for, Proposition 6.9, and the two parts that Figure 4 shows.

Axis: eigenvalues lambda = sigma^2 of W^T W (unscaled). W is m x n, m >= n, and moves as in
:mod:`sigmascope.theory.ito`; everything on a step's right-hand side is taken at its beginning.

Figure 4 correlates the repulsive with the non-repulsive part and reads that as proof of anisotropic noise.
It is none. d lambda_k contains the repulsion as its own Ito drift, so that isotropic noise gives the same
sign and, once a step moves the eigenvalues by as much as they lie apart, the same strength of correlation.
Where they move less than the printed repulsion, which lacks the factor eta D, the printed beta_k is that
repulsion with its sign turned, whatever the noise was. Moreover sum_k sum_j lambda_k / (lambda_k -
lambda_j) = n (n - 1) / 2 identically: the mean over k that the figure plots knows nothing of the spectrum.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigmascope.errors import InvalidValueError
from sigmascope.theory.ito import (
    Form,
    check_descending,
    check_form,
    check_rates,
    check_values,
    eigenvalue_diffusion,
    eigenvalue_drift,
    gradient_term,
    repulsion_of_eigenvalues,
)
from sigmascope.theory.laws.law import FloatArray, check_positive

# pairs of eigenvalues held at once: 64 MiB
PAIRS = 1 << 23


@dataclass(frozen=True, slots=True)
class PartSummary:
    """The parts' mean and variance over k, and their correlation over k; shapes (..., steps).

    Attributes:
        repulsive_mean, repulsive_variance: of the repulsive part.
        non_repulsive_mean, non_repulsive_variance: of the non-repulsive part.
        correlation: of the two, in [-1, 1]; NaN where one of them does not vary over k.
    """

    repulsive_mean: FloatArray
    repulsive_variance: FloatArray
    non_repulsive_mean: FloatArray
    non_repulsive_variance: FloatArray
    correlation: FloatArray


@dataclass(frozen=True, slots=True)
class StochasticTerm:
    """beta_k and the parts it is the difference of, for each step and each k; shapes (..., steps, n).

    Attributes:
        beta: as printed, a rate; exact, the increment of a Brownian motion over dt: N(0, dt), independent
            over k and steps, when the noise is isotropic.
        repulsive: as printed, sum_j lambda_k / (lambda_k - lambda_j); exact, the Ito drift
            2 eta D [m + sum_j (lambda_k + lambda_j) / (lambda_k - lambda_j)].
        non_repulsive: as printed, d lambda_k / dt + sqrt(eta) lambda_k g_k; exact,
            d lambda_k / dt + 2 eta sigma_k g_k.
    """

    beta: FloatArray
    repulsive: FloatArray
    non_repulsive: FloatArray

    def summary(self) -> PartSummary:
        """What Figure 4 shows. The variance is that of the n values, not an estimate of another.

        InvalidValueError for n = 1, where nothing varies over k.
        """
        if self.beta.shape[-1] < 2:
            raise InvalidValueError("a correlation over k needs n >= 2 eigenvalues, got n=1; use the parts")
        return PartSummary(
            repulsive_mean=np.asarray(self.repulsive.mean(axis=-1)),
            repulsive_variance=np.asarray(self.repulsive.var(axis=-1)),
            non_repulsive_mean=np.asarray(self.non_repulsive.mean(axis=-1)),
            non_repulsive_variance=np.asarray(self.non_repulsive.var(axis=-1)),
            correlation=correlation(self.repulsive, self.non_repulsive),
        )


def unit_deviation(values: FloatArray) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Deviations from the mean over the last axis, at norm 1, and where there are none to speak of."""
    deviation = values - values.mean(axis=-1, keepdims=True)
    largest = np.abs(deviation).max(axis=-1, keepdims=True)
    constant = largest <= 1e-14 * np.abs(values).max(axis=-1, keepdims=True)
    # first by the largest: the squares of what nearly collides overflow
    scaled = deviation / np.where(constant, 1.0, largest)
    norm = np.sqrt((scaled**2).sum(axis=-1, keepdims=True))
    return np.asarray(scaled / np.where(constant, 1.0, norm)), np.asarray(constant[..., 0])


def correlation(first: FloatArray, second: FloatArray) -> FloatArray:
    """Pearson's, over the last axis; NaN where one of the two is constant."""
    (x, flat_x), (y, flat_y) = unit_deviation(first), unit_deviation(second)
    value = np.clip((x * y).sum(axis=-1), -1.0, 1.0)
    return np.asarray(np.where(flat_x | flat_y, np.nan, value))


def check_trajectory(eigenvalues: ArrayLike, m: int) -> FloatArray:
    """(..., steps + 1, n) as float64, all > 0, descending, at least one step; else InvalidValueError."""
    values = check_values("eigenvalues", eigenvalues, m)
    if values.ndim < 2 or values.shape[-2] < 2:
        raise InvalidValueError(
            f"eigenvalues must be (..., steps + 1, n) with at least two spectra, got shape {values.shape}; "
            "stack the spectrum before the step on that after it"
        )
    if (values == 0).any():
        raise InvalidValueError(
            "an eigenvalue is 0, where the noise has no effect to solve for; leave that mode out"
        )
    remedy = "eigenvalues do not cross: sort each spectrum, and the gradient with the one before its step"
    check_descending("eigenvalues", values, remedy=remedy)
    return values


def spectrum_wise(function: Callable[[FloatArray], FloatArray], values: FloatArray) -> FloatArray:
    """``function`` of (..., n), which takes n^2 numbers a spectrum, on a few spectra at a time."""
    n = values.shape[-1]
    flat = values.reshape(-1, n)
    pieces = -(-flat.size * n // PAIRS)
    parts = [function(part) for part in np.array_split(flat, min(pieces, len(flat)))]
    return np.concatenate(parts).reshape(values.shape)


def stochastic_term(
    eigenvalues: ArrayLike,
    *,
    m: int,
    learning_rate: float,
    diffusion: float,
    gradient: ArrayLike = 0.0,
    dt: float = 1.0,
    form: Form = "exact",
) -> StochasticTerm:
    """beta_k from what the eigenvalues did; (..., steps + 1, n) to (..., steps, n). Proposition 6.9.

    - ``as_printed``: [d lambda_k / dt + sqrt(eta) lambda_k g_k - sum_j lambda_k / (lambda_k - lambda_j)]
      / sqrt(eta lambda_k). It does not contain D, nor m.
    - ``exact``: [d lambda_k - drift dt] / (2 sqrt(2 eta D lambda_k)), the drift that of
      :func:`~sigmascope.theory.ito.eigenvalue_drift`, force included: up to O(dt) the Brownian increment
      u_k^T dB v_k.

    Two spectra make one step. All n eigenvalues are needed, each spectrum descending (eigenvalues do not
    cross); ``gradient`` is g_k = u_k^T (grad L) v_k at the beginning of each step, (..., steps, n) or what
    broadcasts to that. The exact beta_k holds while 2 eta D dt is small against the squared gaps of the
    singular values: of a pair closer than that, a step of finite size does not feel the diverging drift,
    and beta_k is then that drift with its sign turned. Such pairs are not refused: among a thousand values
    some pair is always that close, and Figure 4 is about them.

    InvalidValueError: NaN or infinity, eigenvalues that are negative, 0, repeated (the repulsion diverges) or
    not descending, m < n, fewer than two spectra, a learning rate or dt that is not positive, a diffusion
    below 0, or equal to 0 in the exact form, where there is no noise to solve for.
    """
    check_form(form)
    values = check_trajectory(eigenvalues, m)
    strength = check_rates(learning_rate, diffusion)
    check_positive("dt", dt, remedy="one SGD step is dt = 1")
    before = values[..., :-1, :]
    velocity = np.diff(values, axis=-2) / dt
    pull = gradient_term(gradient, before)
    if form == "as_printed":
        repulsive = spectrum_wise(repulsion_of_eigenvalues, before)
        non_repulsive = velocity + np.sqrt(learning_rate) * before * pull
        scale = np.sqrt(learning_rate * before)
    else:
        if strength == 0:
            raise InvalidValueError("diffusion must be > 0 to solve for the noise, got 0; estimate it first")
        drift = partial(eigenvalue_drift, m=m, learning_rate=learning_rate, diffusion=diffusion)
        repulsive = spectrum_wise(drift, before)
        non_repulsive = velocity + 2.0 * learning_rate * np.sqrt(before) * pull
        scale = eigenvalue_diffusion(before, learning_rate=learning_rate, diffusion=diffusion) / dt
    return StochasticTerm((non_repulsive - repulsive) / scale, repulsive, non_repulsive)
