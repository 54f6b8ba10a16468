"""How well singular values are predicted: mean absolute error against that of holding the first spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray


def as_matching(**arrays: ArrayLike) -> list[FloatArray]:
    """The arrays as float64; InvalidValueError unless all have one shape."""
    converted = {name: np.asarray(value, dtype=np.float64) for name, value in arrays.items()}
    shapes = {name: value.shape for name, value in converted.items()}
    if len(set(shapes.values())) != 1:
        listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
        raise InvalidValueError(f"arrays must have one shape, got {listed}; align steps and values first")
    return list(converted.values())


def skill(true: ArrayLike, predicted: ArrayLike, hold: ArrayLike) -> float:
    """1 - MAE(predicted) / MAE(hold) over arrays of one shape; NaN where hold makes no error.

    1 is perfect, 0 no better than hold, negative worse. InvalidValueError for differing or empty shapes.

    >>> skill([1.0, 2.0], [1.0, 1.5], [1.0, 1.0])
    0.5
    """
    truth, guess, base = as_matching(true=true, predicted=predicted, hold=hold)
    if truth.size == 0:
        raise InvalidValueError("true is empty; there is nothing to score")
    baseline = float(np.abs(base - truth).mean())
    return float(1.0 - np.abs(guess - truth).mean() / baseline) if baseline > 0 else float("nan")


def cumulative_skill(true: ArrayLike, predicted: ArrayLike) -> FloatArray:
    """Skill over steps 1..t and all k values, for every t; arrays (steps, k), hold being true[0] for ever.

    Row 0 is the origin, which every predictor is given: entry 0 is NaN, as is any t where hold makes no
    error.
    Returns shape (steps,). InvalidValueError unless both are (steps, k) with steps, k >= 1.
    """
    truth, guess = as_matching(true=true, predicted=predicted)
    if truth.ndim != 2 or truth.size == 0:
        raise InvalidValueError(f"true must have shape (steps, k), both >= 1, got {truth.shape}")
    error = np.cumsum(np.abs(guess - truth)[1:].sum(axis=1))
    baseline = np.cumsum(np.abs(truth[:1] - truth)[1:].sum(axis=1))
    result = np.full(len(truth), np.nan)
    seen = baseline > 0
    result[1:][seen] = 1.0 - error[seen] / baseline[seen]
    return result
