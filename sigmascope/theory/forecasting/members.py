"""Forecasts from an ensemble: outcomes of others that began as this one did."""

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


def as_parted(now: FloatArray, meanwhile: FloatArray, ahead: FloatArray) -> FloatArray:
    """(o, M, k): what M members reach, each moved by what parts it from what is followed.

    y_i = f_i + b (s - a_i), where s is ``now`` (o, k), a_i ``meanwhile`` (o, M, k) the members at the same
    moments, and f_i ``ahead`` (o, M, k) what became of them; b, between 0 and 1, is the least-squares slope
    of f on a about the means over the members, all moments and values together: how much of a difference is
    left. With b = 1 it is the members' changes that are added to ``now``, with b = 0 they are believed as
    they are. ``of_members`` does not know that b is fitted: where there are but one or two values, its 90 %
    bands hold 86 to 89 %.
    """
    parted, left = (one - one.mean(axis=-2, keepdims=True) for one in (meanwhile, ahead))
    square = float((parted**2).sum())
    slope = float(np.clip((parted * left).sum() / square, 0.0, 1.0)) if square > 0 else 1.0
    return np.asarray(ahead + slope * (now[:, None] - meanwhile))
