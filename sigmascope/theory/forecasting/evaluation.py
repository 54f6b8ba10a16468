"""How good forecasts are: all origins of a recorded run, each forecast seeing nothing after its own."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError
from sigmascope.theory.forecasting.bands import LEVELS, with_bands
from sigmascope.theory.forecasting.forecast import (
    TRENDS,
    check_history,
    check_method,
    check_paths,
    quantiles_of,
)
from sigmascope.theory.forecasting.history import History, Steps, check_horizon, check_origin
from sigmascope.theory.forecasting.sde import EQUATIONS, PATHS, Equation, ensemble
from sigmascope.theory.laws.law import FloatArray


@dataclass(frozen=True, slots=True)
class Score:
    """A forecaster on one layer, ``horizon`` steps ahead, over all origins.

    Attributes:
        method: the forecaster.
        horizon: steps ahead.
        origins: how many forecasts were made.
        mae: mean absolute error of the median over origins and the k values, in units of sigma.
        skill: 1 - mae / that of persistence; None where nothing moved.
        crps: continuous ranked probability score by five quantiles (the weighted interval score of Bracher et
            al. 2021), in units of sigma; smaller is better.
        coverage_50: share of outcomes inside the 50 % band.
        coverage_90: share inside the 90 % band.
        skill_by_mode: (k,) over origins alone, NaN where nothing moved.
        absolute_errors: sums over origins and values of |error|, of the forecaster and of persistence, from
            which scores over several layers follow.
    """

    method: str
    horizon: int
    origins: int
    mae: float
    skill: float | None
    crps: float
    coverage_50: float
    coverage_90: float
    skill_by_mode: FloatArray
    absolute_errors: tuple[float, float]


def rolling_evaluation(
    history: History,
    *,
    method: str = "damped_trend",
    horizon: int = 100,
    first_origin: int = 200,
    every: int = 1,
    paths: int = PATHS,
    rng: np.random.Generator | None = None,
) -> Score:
    """Score forecasts from every ``every``-th row from ``first_origin`` to the last whose outcome is known.

    InvalidValueError: too few rows for one forecast, and as :func:`sigmascope.theory.forecasting.forecast`.
    """
    check_method(method)
    check_horizon(horizon)
    whole("every", every, least=1, remedy="it counts steps between two origins")
    check_paths(paths)
    values = check_history(history).values
    check_origin(first_origin, steps=len(values))
    origins = np.arange(first_origin, len(values) - horizon, every)
    if not len(origins):
        raise InvalidValueError(
            f"{len(values)} rows hold no outcome {horizon} steps after origin {first_origin}; record "
            f"{first_origin + horizon + 1 - len(values)} more, or choose a shorter horizon"
        )
    if method in EQUATIONS:
        quantiles = of_ensembles(history, origins, horizon, EQUATIONS[method], paths=paths, rng=rng)
    else:
        quantiles = with_bands(values, TRENDS[method](values, horizon), horizon)[origins]
    return judged(method, horizon, quantiles, values[origins + horizon], values[origins])


def of_ensembles(
    history: History,
    origins: Steps,
    horizon: int,
    equation: Equation,
    *,
    paths: int,
    rng: np.random.Generator | None,
) -> FloatArray:
    """(origins, k, 5) of an SDE."""
    only = np.array([horizon])
    return np.array(
        [
            quantiles_of(ensemble(history, one, only, equation, paths=paths, rng=rng))[0]
            for one in origins.tolist()
        ]
    )


def judged(method: str, horizon: int, quantiles: FloatArray, outcome: FloatArray, held: FloatArray) -> Score:
    """The score of quantiles (o, k, 5) against outcomes and persistence, (o, k)."""
    errors, idle = np.abs(quantiles[..., 2] - outcome), np.abs(held - outcome)
    below = outcome[..., None] - quantiles
    pinball = np.maximum(LEVELS * below, (LEVELS - 1.0) * below)
    low, high = quantiles <= outcome[..., None], quantiles >= outcome[..., None]
    by_mode = idle.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        skills = np.where(by_mode > 0, 1.0 - errors.sum(axis=0) / by_mode, np.nan)
    total = float(idle.sum())
    return Score(
        method=method,
        horizon=horizon,
        origins=len(outcome),
        mae=float(errors.mean()),
        skill=1.0 - float(errors.sum()) / total if total > 0 else None,
        crps=float(2.0 * pinball.mean()),
        coverage_50=float((low[..., 1] & high[..., 3]).mean()),
        coverage_90=float((low[..., 0] & high[..., 4]).mean()),
        skill_by_mode=skills,
        absolute_errors=(float(errors.sum()), total),
    )
