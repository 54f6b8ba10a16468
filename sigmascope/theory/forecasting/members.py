"""Quantiles of an outcome of which a few like it were seen."""

from __future__ import annotations

import numpy as np
from scipy.stats import t as student

from sigmascope.errors import InvalidValueError
from sigmascope.theory.forecasting.bands import LEVELS
from sigmascope.theory.laws.law import FloatArray


def of_members(members: FloatArray) -> FloatArray:
    """(..., k, 5): the quantiles ``LEVELS`` of one more draw from where ``members`` (..., M, k) came from.

    mean + s sqrt(1 + 1/M) t_{M-1}(level), s the standard deviation of the M members, t Student's quantile:
    exact for normal draws, however few (Hahn and Meeker 1991, Statistical Intervals, section 4.7).

    InvalidValueError: fewer than two members.
    """
    count = members.shape[-2]
    if count < 2:
        raise InvalidValueError(f"members must be 2 or more, got {count}: one alone shows no spread")
    centre = members.mean(axis=-2)[..., None]
    spread = members.std(axis=-2, ddof=1)[..., None]
    return np.asarray(centre + spread * np.sqrt(1.0 + 1.0 / count) * student.ppf(LEVELS, count - 1))
