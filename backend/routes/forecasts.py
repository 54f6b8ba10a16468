"""Forecasts of singular values, made when asked for, and the scores that jobs have found."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query

from backend.deps import LayerDep, ReadDep, RunDep, require_kind
from backend.storage import forecasts, results
from backend.storage.histories import history
from sigmascope.errors import NotFoundError
from sigmascope.schemas import Forecaster, ForecastScore, LayerForecast
from sigmascope.theory.forecasting import forecast

router = APIRouter(prefix="/runs/{run_id}", tags=["forecasts"])

# of the quantiles, in the order of the library
BANDS = ("low90", "low50", "median", "high50", "high90")


@router.get("/layers/{layer}/forecast")
def get_forecast(
    run: RunDep,
    layer: LayerDep,
    connection: ReadDep,
    origin: Annotated[int, Query(ge=0, description="a recorded step; nothing after it is seen")],
    method: Annotated[Forecaster, Query(description="how")] = "damped_trend",
    horizon: Annotated[int, Query(ge=1, le=1000, description="steps ahead")] = 100,
    seed: Annotated[int, Query(ge=0, description="of the methods named sde")] = 0,
) -> LayerForecast:
    """Median and bands of the tracked values over the steps after the origin."""
    last = results.last_step(connection, run.id)
    if last is None or origin > last:
        raise NotFoundError(f"run {run.id} has no step {origin}; recorded so far: 0 to {last}")
    past = history(connection, run.id, layer, last=origin)
    seen = forecast(past, origin=origin, horizon=horizon, method=method, rng=np.random.default_rng(seed))
    return LayerForecast.model_validate(
        {
            "layer": layer.name,
            "method": method,
            "origin": origin,
            "steps": (origin + seen.ahead).tolist(),
            **{name: seen.quantiles[..., place].tolist() for place, name in enumerate(BANDS)},
        }
    )


@router.get("/forecast-scores")
def get_forecast_scores(run: RunDep, connection: ReadDep) -> list[ForecastScore]:
    """Scores found so far by a run of kind `forecast`."""
    require_kind(run, "forecast")
    return [ForecastScore.model_validate(one) for one in forecasts.scores(connection, run.id)]
