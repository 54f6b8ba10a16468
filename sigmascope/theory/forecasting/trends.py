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
# the slowing trend is straight in sqrt(t + OFFSET), t counted from the first step of training
OFFSET = 20.0
# half-lives of the weight of the past, in steps, of the trends straight in t, of those that slow down, and of
# the line whose level now is taken for the value without its jitter
STRAIGHT, SLOWING, LEVEL = (5.0, 20.0, 80.0), (20.0, 80.0), 10.0
# largest share of the way by which changes foreseen are drawn towards their mean over the k values, and the
# half-life of the steps whose variance says how much of their differences is noise
SHARED, NOISE = 0.4, 80.0
# how much of each is believed before any forecast could be compared with what came
PRIOR = np.array([0.1, 0.2, 0.2, 0.2, 0.2, 0.3])
# of the comparison: half-life of about 34 steps, and the prior counts as so many comparisons
FORGETTING, PRIOR_WEIGHT = 0.98, 400.0
# a comparison counts as one over the root of what the prior was off there, and of this share of its usual
USUAL = 0.3
# in units of the largest value at first: where nothing moves the prior stands
LEAST_ERROR, LEAST_RIDGE = 1e-15, 1e-30


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
    """sigma(t) and the changes that six trends foresee, each damped by a weight of its own.

    Five are least-squares lines through the past, its weight halving every so many steps: straight in t, or
    in sqrt(t), as spectra grow that slow down. The sixth is the step from sigma(t) to the line through the
    latest steps. Noise blurs slopes, and the values of a layer move together: see :func:`drawn_together`. How
    far to believe each is learned from the forecasts of the same length made earlier whose outcome is known
    by then: least squares over all k values, drawn towards ``PRIOR``. After Gardner and McKenzie (1985),
    whose damping is fixed in advance.
    """
    steps = np.arange(len(values), dtype=np.float64)
    noise = horizon**2 * step_variance(values)
    changes = [
        drawn_together(foreseen(values, steps, horizon, half_life, clock=clock), noise / half_life)
        for clock, half_lives in ((_straight, STRAIGHT), (_slowing, SLOWING))
        for half_life in half_lives
    ]
    level, _ = running_lines(values, _straight(steps), LEVEL)
    trends = np.stack([*changes, level - values], axis=-1)  # (t, k, 6)
    return np.asarray(values + np.einsum("tkp,tp->tk", trends, belief(values, trends, horizon)))


def drawn_together(changes: FloatArray, noise: FloatArray) -> FloatArray:
    """``changes`` (t, k) nearer to their mean over the k values, by ``SHARED`` where noise alone parts them.

    ``noise`` (t, 1) is the variance that they had if the values walked at random. Where it is less than their
    variance over the values, they are drawn by as much less, after James and Stein (1961).
    """
    mean = changes.mean(axis=1, keepdims=True)
    spread = ((changes - mean) ** 2).mean(axis=1, keepdims=True)
    share = SHARED * np.divide(noise, spread, out=np.ones_like(spread), where=spread > noise)
    return np.asarray(changes + share * (mean - changes))


def step_variance(values: FloatArray) -> FloatArray:
    """(t, 1): variance of a step about the mean step of late, mean over the k values."""
    decay, steps = 0.5 ** (1.0 / NOISE), np.diff(values, axis=0, prepend=values[:1])

    def of_late(series: FloatArray) -> FloatArray:
        return np.asarray(lfilter([1.0], [1.0, -decay], series, axis=0))

    there = (np.arange(len(values)) > 0).astype(float)  # no step leads to the first row
    count = np.maximum(of_late(there[:, None]), 1.0)
    variance = of_late(steps**2) / count - (of_late(steps) / count) ** 2
    return np.asarray(np.maximum(variance, 0.0).mean(axis=1, keepdims=True))


def _straight(steps: FloatArray) -> FloatArray:
    return steps / 100.0


def _slowing(steps: FloatArray) -> FloatArray:
    return np.asarray(np.sqrt(steps + OFFSET) / 10.0)


def foreseen(
    values: FloatArray, steps: FloatArray, horizon: int, half_life: float, *, clock: Clock
) -> FloatArray:
    """Change over ``horizon`` by the weighted least-squares line in ``clock``; 0 for the first two steps."""
    x = clock(steps)
    _, slope = running_lines(values, x, half_life)
    return np.asarray(slope * (clock(steps + horizon) - x)[:, None])


def running_lines(values: FloatArray, x: FloatArray, half_life: float) -> tuple[FloatArray, FloatArray]:
    """(t, k) each: level at x(t) and slope of the line through what is known by t, later steps weighing more.

    The values themselves and 0 where there is no line yet.
    """
    decay = 0.5 ** (1.0 / half_life)

    def weighed(series: FloatArray) -> FloatArray:
        return np.asarray(lfilter([1.0], [1.0, -decay], series, axis=0))

    one, first, second = (weighed(x**power)[:, None] for power in (0, 1, 2))
    of_values, of_products = weighed(values), weighed(values * x[:, None])
    determinant = one * second - first**2
    usable = determinant > 1e-12 * one * second
    determinant = np.where(usable, determinant, 1.0)
    slope = (one * of_products - first * of_values) / determinant
    level = (of_values + slope * (one * x[:, None] - first)) / one
    return np.where(usable, level, values), np.where(usable, slope, 0.0)


def belief(values: FloatArray, trends: FloatArray, horizon: int, *, prior: FloatArray = PRIOR) -> FloatArray:
    """(t, p): the weight of each of p trends that each origin may know.

    (X^T w X + r I) b = X^T w y + r prior over the earlier origins s with s + horizon <= t, which are
    forgotten with time; X the foreseen and y the seen changes, r = ``PRIOR_WEIGHT`` times the mean of w y^2.
    w is one over the square root of the error of the prior: halfway from least squares to least absolute
    errors, which are not ruled by the few origins before a turn.
    """
    t, p = len(values), trends.shape[-1]
    known = np.arange(FEWEST, t - horizon)
    if not len(known):
        return np.broadcast_to(prior, (t, p))
    # of the first values that are compared: one that later rows had a say in would let them be foreseen
    scale = float(values[: FEWEST + 1].max()) or 1.0
    X, y = trends[known] / scale, (values[known + horizon] - values[known]) / scale

    def forgotten(series: FloatArray) -> FloatArray:
        return np.asarray(lfilter([1.0], [1.0, -FORGETTING], series, axis=0))

    count = forgotten(np.ones(len(known)))
    error = np.abs(y - X @ prior)
    usual = (forgotten(error.mean(axis=1)) / count)[:, None] + LEAST_ERROR
    weight = np.sqrt(usual / (error + USUAL * usual))
    gram = forgotten(np.einsum("tkp,tkq,tk->tpq", X, X, weight))
    moments = forgotten(np.einsum("tkp,tk,tk->tp", X, y, weight))
    squares = forgotten((weight * y**2).sum(axis=1)) / (count * y.shape[1])
    ridge = np.maximum(PRIOR_WEIGHT * squares, LEAST_RIDGE)
    learned = np.linalg.solve(
        gram + ridge[:, None, None] * np.eye(p), (moments + ridge[:, None] * prior)[..., None]
    )[..., 0]
    weights = np.broadcast_to(prior, (t, p)).copy()
    weights[known + horizon] = learned
    return weights
