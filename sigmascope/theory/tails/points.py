"""What every tail fit asks of its points."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray, check_positive

MIN_POINTS = 5
# of the largest point; below it the points are one, to the eyes of a likelihood in double precision
SMALLEST_SPREAD = 1e-7


def check_lower(lower: float) -> float:
    """``lower`` when finite and > 0; InvalidValueError otherwise."""
    return check_positive("lower", lower, remedy="truncate at the noise edge, an eigenvalue of W^T W")


def check_finite(points: ArrayLike) -> FloatArray:
    """``points`` as a flat float64 array; InvalidValueError for NaN or infinity."""
    values = np.asarray(points, dtype=np.float64).ravel()
    if not np.isfinite(values).all():
        raise InvalidValueError("points hold NaN or infinity; check the spectrum before the fit")
    return values


def check_tail(points: ArrayLike, lower: float) -> FloatArray:
    """``points`` as a flat float64 array; InvalidValueError when no law can be fitted to them."""
    check_lower(lower)
    size = np.size(points)
    if size < MIN_POINTS:
        raise InvalidValueError(f"a tail fit needs at least {MIN_POINTS} points, got {size}; lower the edge")
    values = check_finite(points)
    if values.min() <= lower:
        raise InvalidValueError(
            f"every point must exceed lower={lower}, got {values.min()}; pass the tail only"
        )
    return check_spread(values)


def check_spread(values: FloatArray) -> FloatArray:
    """``values`` unless all but equal; InvalidValueError then."""
    if np.ptp(values) <= SMALLEST_SPREAD * values.max():
        raise InvalidValueError(f"all {values.size} points equal {values[0]}; a law needs some spread")
    return values


def beyond(points: ArrayLike, lower: float) -> FloatArray:
    """The points above ``lower``, ascending; InvalidValueError when fewer than MIN_POINTS lie there."""
    values = check_finite(points)
    tail = np.sort(values[values > check_lower(lower)])
    if tail.size < MIN_POINTS:
        raise InvalidValueError(
            f"{tail.size} of {values.size} points exceed lower={lower}, a tail fit needs at least "
            f"{MIN_POINTS}; lower the edge, or pool spectra"
        )
    return check_spread(tail)
