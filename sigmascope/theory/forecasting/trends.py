"""Point forecasts from the past of the values alone, for every origin at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.signal import lfilter

from sigmascope.theory.forecasting.history import FEWEST
from sigmascope.theory.laws.law import FloatArray

Clock = Callable[[FloatArray], FloatArray]

LINEAR_WINDOW = 100
# of the straight trend and of the one that slows down: half-lives of the weight of the past, in steps
STRAIGHT_HALF_LIFE, SLOWING_HALF_LIFE = 20.0, 40.0
# the slowing trend is straight in sqrt(t + OFFSET), t counted from the first step of training
OFFSET = 20.0
# how much of each trend is believed before any forecast could be compared with what came
PRIOR = np.array([0.5, 0.4])
# of the comparison: half-life of about 34 steps, and the prior counts as so many comparisons
FORGETTING, PRIOR_WEIGHT = 0.98, 400.0
# in units of the largest value squared: where nothing moves the prior stands
LEAST_RIDGE = 1e-30


def persistence(values: FloatArray, horizon: int) -> FloatArray:
    """sigma(t + horizon) = sigma(t): (t, k), row by row of origins."""
    return values.copy()


def linear(values: FloatArray, horizon: int, *, window: int = LINEAR_WINDOW) -> FloatArray:
    """The least-squares line through the last ``window`` values, extended; over what there is before that."""
    early = [line(values[: row + 1], horizon) for row in range(min(window - 1, len(values)))]
    if len(values) < window:
        return np.array(early)
    past = sliding_window_view(values, window, axis=0)  # (t - window + 1, k, window)
    return np.concatenate(
        [np.array(early).reshape(-1, values.shape[1]), past @ line_weights(window, horizon)]
    )


def line(past: FloatArray, horizon: int) -> FloatArray:
    """The least-squares line through all of ``past`` (t, k), ``horizon`` steps after its end: (k,)."""
    return np.asarray(line_weights(len(past), horizon) @ past)


def line_weights(window: int, horizon: int) -> FloatArray:
    """(window,): the line's value ``horizon`` steps after the last point, as weights of the points."""
    x = np.arange(window) - (window - 1) / 2.0
    spread = float(x @ x) if window > 1 else 1.0
    return np.asarray(1.0 / window + x * (x[-1] + horizon) / spread)


def damped_trend(values: FloatArray, horizon: int) -> FloatArray:
    """sigma(t) + a straight + b slowing, the changes that two trends foresee, damped by a and b.

    Both are least-squares lines through the past, its weight halving every so many steps: one straight in t,
    one straight in sqrt(t), as spectra grow that slow down. How far to believe each, (a, b), is learned from
    the forecasts of the same length made earlier whose outcome is known by then: least squares over all k
    values, drawn towards ``PRIOR``. After Gardner and McKenzie (1985), whose damping is fixed in advance.
    """
    steps = np.arange(len(values), dtype=np.float64)
    straight = foreseen(values, steps, horizon, STRAIGHT_HALF_LIFE, clock=lambda t: t / 100.0)
    slowing = foreseen(values, steps, horizon, SLOWING_HALF_LIFE, clock=lambda t: np.sqrt(t + OFFSET) / 10.0)
    trends = np.stack([straight, slowing], axis=-1)  # (t, k, 2)
    return np.asarray(values + np.einsum("tkp,tp->tk", trends, belief(values, trends, horizon)))


def foreseen(
    values: FloatArray, steps: FloatArray, horizon: int, half_life: float, *, clock: Clock
) -> FloatArray:
    """Change over ``horizon`` by the weighted least-squares line in ``clock``; 0 for the first two steps."""
    decay = 0.5 ** (1.0 / half_life)
    x = clock(steps)
    ahead = clock(steps + horizon) - x

    def weighed(series: FloatArray) -> FloatArray:
        return np.asarray(lfilter([1.0], [1.0, -decay], series, axis=0))

    one, first, second = (weighed(x**power) for power in (0, 1, 2))
    of_values, of_products = weighed(values), weighed(values * x[:, None])
    determinant = one * second - first**2
    usable = determinant > 1e-12 * one * second
    slope = (one[:, None] * of_products - first[:, None] * of_values) / np.where(usable, determinant, 1.0)[
        :, None
    ]
    return np.where(usable[:, None], slope * ahead[:, None], 0.0)


def belief(values: FloatArray, trends: FloatArray, horizon: int) -> FloatArray:
    """(t, 2): the weights (a, b) that each origin may know.

    (X^T X + r I) w = X^T y + r PRIOR over the earlier origins s with s + horizon <= t, their weight forgotten
    with time; X the foreseen and y the seen changes, r = ``PRIOR_WEIGHT`` times the mean of y^2.
    """
    t = len(values)
    known = np.arange(FEWEST, t - horizon)
    if not len(known):
        return np.broadcast_to(PRIOR, (t, 2))
    scale = max(float(values.max()), np.finfo(np.float64).tiny)
    X, y = trends[known] / scale, (values[known + horizon] - values[known]) / scale

    def forgotten(series: FloatArray) -> FloatArray:
        return np.asarray(lfilter([1.0], [1.0, -FORGETTING], series, axis=0))

    gram = forgotten(np.einsum("tkp,tkq->tpq", X, X))
    moments = forgotten(np.einsum("tkp,tk->tp", X, y))
    squares = forgotten((y**2).sum(axis=1)) / forgotten(np.full(len(y), float(y.shape[1])))
    ridge = np.maximum(PRIOR_WEIGHT * squares, LEAST_RIDGE)
    learned = np.linalg.solve(
        gram + ridge[:, None, None] * np.eye(2), (moments + ridge[:, None] * PRIOR)[..., None]
    )[..., 0]
    weights = np.broadcast_to(PRIOR, (t, 2)).copy()
    weights[known + horizon] = learned
    return weights
