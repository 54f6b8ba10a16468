"""Diffusion D and noise strength beta1, as printed and as they follow from the sampling of mini-batches."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import as_floats, check_positive

# squares of larger singular values may overflow
LARGEST = 1e150


def diffusion_as_printed(singular_values: ArrayLike, *, batches: int) -> float:
    """D = (sigma_max - sigma_med)^2 / t_b, Lemma 6.18, after t_b = ``batches`` updates; values of W.

    A dimensional argument, not an estimator: it measures the whole spread of the spectrum, initial noise
    included. InvalidValueError for no batches, an empty spectrum, NaN, negative values, or squares that
    overflow.
    """
    values = as_floats("singular_values", singular_values)
    if not (np.isfinite(batches) and batches >= 1):
        raise InvalidValueError(
            f"batches must be >= 1, got {batches}; Lemma 6.18 says nothing before training"
        )
    if values.size == 0 or not np.isfinite(values).all():
        raise InvalidValueError("singular_values are empty or hold NaN or infinity; check the weights")
    if values.min() < 0 or values.max() > LARGEST:
        raise InvalidValueError(
            f"singular_values must be in [0, {LARGEST:g}], got {values.min()} to {values.max()}; rescale W"
        )
    return float((values.max() - np.median(values)) ** 2 / batches)


def check_entries(entries: int) -> int:
    """``entries`` when a count >= 1; InvalidValueError otherwise."""
    if not (np.isfinite(entries) and entries >= 1):
        raise InvalidValueError(f"entries must be >= 1, got {entries}; it is m times n")
    return entries


def check_batch(batch_size: int, samples: int) -> None:
    """InvalidValueError unless 1 <= batch_size <= samples, all finite."""
    if not 1 <= batch_size <= samples < np.inf:
        raise InvalidValueError(
            f"batch_size must be between 1 and the number of samples {samples}, got {batch_size}; "
            "a batch is drawn without replacement"
        )


def check_variance(variance: float) -> float:
    """``variance`` when >= 0 and finite; InvalidValueError otherwise."""
    if not (np.isfinite(variance) and variance >= 0):
        raise InvalidValueError(f"a variance must be >= 0 and finite, got {variance}; check the gradients")
    return float(variance)


def diffusion(gradient_variance: float, *, learning_rate: float, batch_size: int, samples: int) -> float:
    """D = eta C (1 - B/N) / (2 B), from 2 eta D dt = variance of one SGD step per entry.

    ``gradient_variance`` is C, the per-sample gradient variance per entry; B = ``batch_size`` drawn without
    replacement from N = ``samples``. InvalidValueError for values outside their domain.
    """
    check_positive("learning_rate", learning_rate, remedy="without a step there is no diffusion")
    check_batch(batch_size, samples)
    share_left = 1.0 - batch_size / samples
    return learning_rate * check_variance(gradient_variance) * share_left / (2.0 * batch_size)


def beta1(gradient_variance: float, *, entries: int, batch_size: int, samples: int) -> float:
    """beta1 = E ||g_batch - g||_F^2 = m n C (1 - B/N) / B, Lemma 6.19, over m n = ``entries`` entries.

    A variance in units of gradient squared, not the restoring rate that Theorem 3.2 calls beta1.
    InvalidValueError for values outside their domain.
    """
    check_batch(batch_size, samples)
    return (
        check_entries(entries) * check_variance(gradient_variance) * (1.0 - batch_size / samples) / batch_size
    )


def gradient_variance(
    sum_of_squares: float, squared_norm_of_mean: float, *, entries: int, batch_size: int
) -> float:
    """Unbiased C, the per-sample gradient variance per entry, from the B gradients g_i of one batch.

    C = (sum_i ||g_i||^2 / B - ||mean_i g_i||^2) B / ((B - 1) m n). ``sum_of_squares`` is sum_i ||g_i||_F^2;
    for a linear layer, where g_i = delta_i x_i^T, that is sum_i ||delta_i||^2 ||x_i||^2, without an m x n
    array per sample.
    Rounding may bring the difference below 0; it is then 0. InvalidValueError for B < 2 or values below 0.
    """
    if not (np.isfinite(batch_size) and batch_size >= 2):
        raise InvalidValueError(
            f"batch_size must be >= 2 to see a variance, got {batch_size}; draw more samples"
        )
    check_entries(entries)
    spread = check_variance(sum_of_squares) / batch_size - check_variance(squared_norm_of_mean)
    return max(spread, 0.0) * batch_size / ((batch_size - 1) * entries)
