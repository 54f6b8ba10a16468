"""Quantiles around a point forecast, from the errors of earlier forecasts of the same length."""

from __future__ import annotations

import numpy as np

from sigmascope.theory.forecasting.history import FEWEST
from sigmascope.theory.laws.law import FloatArray

# the median, and the ends of the 50 % and of the 90 % band
LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])
NOMINAL = np.array([0.9, 0.5])
# of earlier errors: half-life of about 140 steps
FORGETTING = 0.995
# how fast a band that misses too often widens (Gibbs and Candes 2021): log width per share missed
GAIN = 0.01
# of a Gaussian error, in mean absolute errors: where the widths of both bands begin
FIRST = np.array([1.644854, 0.674490]) * np.sqrt(np.pi / 2.0)


def with_bands(values: FloatArray, points: FloatArray, horizon: int) -> FloatArray:
    """(t, k, 5): the quantiles ``LEVELS`` of sigma(t + horizon) as each origin t may know them.

    A band's half-width is a multiple of the value's own mean absolute error in earlier forecasts of this
    length, recent ones counting more; the multiple is one for the whole layer and is steered, by whether
    earlier bands held what came, to hold it as often as promised: adaptive conformal inference. Before any
    forecast has come due, errors are guessed from the changes seen so far.
    """
    scale = error_scale(values, points, horizon)
    factors = steered(values, points, scale, horizon)  # (t, 2)
    half = scale[:, :, None] * factors[:, None, :]
    low90, low50 = points - half[..., 0], points - half[..., 1]
    high50, high90 = points + half[..., 1], points + half[..., 0]
    return np.maximum(np.stack([low90, low50, points, high50, high90], axis=-1), 0.0)


def error_scale(values: FloatArray, points: FloatArray, horizon: int) -> FloatArray:
    """(t, k) weighted mean absolute error of the forecasts that were due at each origin; positive."""
    t, k = values.shape
    scale: FloatArray = first_guess(values, horizon)
    due = np.arange(min(FEWEST, t), t - horizon)  # the origins whose outcome becomes known
    if len(due):
        errors = np.abs(values[due + horizon] - points[due])
        weights = np.zeros(len(due))
        means = np.zeros((len(due), k))
        total, weight = np.zeros(k), 0.0
        for row, error in enumerate(errors):
            total, weight = FORGETTING * total + error, FORGETTING * weight + 1.0
            means[row], weights[row] = total / weight, weight
        # the guess counts as ten forecasts
        share = (weights / (weights + 10.0))[:, None]
        scale[due + horizon] = share * means + (1.0 - share) * scale[due + horizon]
    # rounding of what each origin has seen, and no more
    floor = np.finfo(np.float64).eps * np.maximum.accumulate(values[:, :1])
    return np.asarray(np.maximum(np.maximum(scale, floor), np.finfo(np.float64).tiny))


def first_guess(values: FloatArray, horizon: int) -> FloatArray:
    """(t, k): a third of the change over the horizon that the mean absolute change a step amounts to."""
    changes = np.abs(np.diff(values, axis=0, prepend=values[:1]))
    counts = np.maximum(np.arange(len(values)), 1.0)[:, None]
    a_step = np.cumsum(changes, axis=0) / counts
    drift = np.abs(values - values[:1]) / counts
    return np.asarray((drift * horizon + a_step * np.sqrt(horizon)) / 3.0)


def steered(values: FloatArray, points: FloatArray, scale: FloatArray, horizon: int) -> FloatArray:
    """(t, 2): half-widths of the 90 % and the 50 % band in units of ``scale``, as each origin knows them."""
    t = len(values)
    factors = np.empty((t, 2))
    log_width = np.log(FIRST)
    for row in range(t):
        origin = row - horizon
        if origin >= FEWEST:
            error = np.abs(values[row] - points[origin])[:, None]
            missed = (error > scale[origin][:, None] * factors[origin]).mean(axis=0)
            log_width = log_width + GAIN * (missed - (1.0 - NOMINAL))
        factors[row] = np.exp(log_width)
    # the narrower band stays inside the wider
    factors[:, 1] = np.minimum(factors[:, 1], factors[:, 0])
    return factors
