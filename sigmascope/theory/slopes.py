"""Least-squares slopes with confidence intervals over seeds: the view of the paper's Fig. 5."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray


@dataclass(frozen=True, slots=True)
class Slope:
    """y = intercept + slope x, the mean of the lines through each seed's points.

    Attributes:
        slope: mean over seeds of the least-squares slope.
        intercept: mean over seeds of its intercept.
        low: lower end of the 95 % confidence interval of ``slope``, by Student's t over seeds; None for one.
        high: its upper end.
        seeds: how many lines there are.
    """

    slope: float
    intercept: float
    low: float | None
    high: float | None
    seeds: int


def slope_over_seeds(lines: Sequence[tuple[ArrayLike, ArrayLike]]) -> Slope | None:
    """The slope of points (x, y), one pair of arrays a seed; None when no seed has two different x.

    InvalidValueError for NaN, infinity, or x and y of different lengths.
    """
    fits = [line for x, y in lines if (line := least_squares(x, y)) is not None]
    if not fits:
        return None
    slopes, intercepts = np.array(fits).T
    low = high = None
    if len(fits) > 1:
        half = student.ppf(0.975, len(fits) - 1) * slopes.std(ddof=1) / np.sqrt(len(fits))
        low, high = float(slopes.mean() - half), float(slopes.mean() + half)
    return Slope(float(slopes.mean()), float(intercepts.mean()), low, high, len(fits))


def least_squares(x: ArrayLike, y: ArrayLike) -> tuple[float, float] | None:
    """(slope, intercept); None for fewer than two different x."""
    at, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if at.shape != values.shape or at.ndim != 1:
        raise InvalidValueError(f"x and y must be of one length, got shapes {at.shape} and {values.shape}")
    if not (np.isfinite(at).all() and np.isfinite(values).all()):
        raise InvalidValueError("x and y must be finite; leave out runs that diverged")
    if np.ptp(at) == 0 if len(at) else True:
        return None
    centered = at - at.mean()
    slope = float(centered @ (values - values.mean()) / (centered @ centered))
    return slope, float(values.mean() - slope * at.mean())


def critical_value(x: ArrayLike, y: ArrayLike) -> float | None:
    """The x of the largest mean y when y falls beyond it; None when y is largest at the last x.

    Points of equal x, such as those of several seeds, are averaged. InvalidValueError as above.
    """
    at, values = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if at.shape != values.shape or at.ndim != 1 or not len(at):
        raise InvalidValueError(
            f"x and y must be of one length >= 1, got shapes {at.shape} and {values.shape}"
        )
    places = np.unique(at)
    means: FloatArray = np.array([values[at == one].mean() for one in places])
    top = int(np.argmax(means))
    return None if top == len(places) - 1 else float(places[top])
