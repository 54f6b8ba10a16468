"""One forecast: quantiles of the k largest singular values over the steps after an origin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError
from sigmascope.theory.forecasting.bands import LEVELS, with_bands
from sigmascope.theory.forecasting.history import History, Steps, check_horizon, check_origin
from sigmascope.theory.forecasting.sde import EQUATIONS, PATHS, ensemble
from sigmascope.theory.forecasting.trends import damped_trend, linear, persistence
from sigmascope.theory.laws.law import FloatArray

TRENDS: Mapping[str, Callable[[FloatArray, int], FloatArray]] = MappingProxyType(
    {"persistence": persistence, "linear": linear, "damped_trend": damped_trend}
)
METHODS = (*TRENDS, *EQUATIONS)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected ``ahead`` steps after the origin.

    Attributes:
        method: the forecaster.
        ahead: (h,) 1, 2, ..., horizon.
        quantiles: (h, k, 5) at ``LEVELS`` 0.05, 0.25, 0.5, 0.75, 0.95: the median, and the ends of the 50 %
            and of the 90 % band.
    """

    method: str
    ahead: Steps
    quantiles: FloatArray

    @property
    def median(self) -> FloatArray:
        """(h, k)."""
        return self.quantiles[..., 2]


def check_history(history: History) -> History:
    """InvalidValueError unless it is one, whose values are checked."""
    if not isinstance(history, History):
        raise InvalidValueError(
            f"history must be a History, got {type(history).__name__}; History.of makes it"
        )
    return history


def check_paths(paths: int) -> int:
    """``paths`` when a whole number >= 2; InvalidValueError otherwise."""
    return whole("paths", paths, least=2, remedy=f"those of an ensemble, {PATHS} are customary")


def check_method(method: str) -> str:
    """InvalidValueError unless there is such a forecaster."""
    if method not in METHODS:
        raise InvalidValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    return method


def forecast(
    history: History,
    *,
    origin: int,
    horizon: int,
    method: str = "damped_trend",
    paths: int = PATHS,
    rng: np.random.Generator | None = None,
) -> Forecast:
    """The forecast made at row ``origin`` of the history; later rows are not looked at.

    ``persistence`` holds sigma(t0), ``linear`` extends a line through 100 steps, ``damped_trend`` six trends
    as far as they proved right; their bands come from their own earlier errors. Those named ``sde`` are
    ensembles of ``paths`` paths of the paper's equation and need ``rng``: with exact repulsion or as printed,
    with isotropic noise or that along each mode (:mod:`sigmascope.theory.forecasting.sde`).

    InvalidValueError: an unknown method, a horizon below 1, fewer than 2 paths, an origin with fewer than 50
    steps before it or not recorded, and for an SDE what it lacks.
    """
    check_method(method)
    check_horizon(horizon)
    past = check_history(history).until(check_origin(origin, steps=len(history.values)))
    ahead = np.arange(1, horizon + 1)
    if method in EQUATIONS:
        moved = ensemble(past, origin, ahead, EQUATIONS[method], paths=check_paths(paths), rng=rng)
        return Forecast(method, ahead, quantiles_of(moved))
    points, nodes = TRENDS[method], worked_out(horizon)
    at_nodes = np.array([with_bands(past.values, points(past.values, h), h)[-1] for h in nodes.tolist()])
    return Forecast(method, ahead, interpolated(past.values[-1], nodes, at_nodes, ahead))


def quantiles_of(paths: FloatArray) -> FloatArray:
    """(h, paths, k) to (h, k, 5)."""
    return np.moveaxis(np.quantile(paths, LEVELS, axis=1), 0, -1)


def worked_out(horizon: int) -> Steps:
    """Steps ahead at which a trend is worked out, close where bands widen fast: 1, 2, 3, 4, 6, 8, 12, ...

    The same for every horizon up to it, so that what is said of a step does not depend on how far one asks.
    """
    doubling = 2 ** np.arange(horizon.bit_length())
    rungs = np.concatenate([doubling, 3 * doubling, [horizon]])
    return np.asarray(np.unique(rungs[rungs <= horizon]))


def interpolated(now: FloatArray, nodes: Steps, values: FloatArray, ahead: Steps) -> FloatArray:
    """Linear in the horizon, from the value now, whose bands have no width."""
    x = np.concatenate([[0.0], nodes])
    y = np.concatenate([np.broadcast_to(now[None, :, None], (1, *values.shape[1:])), values])
    flat = y.reshape(len(x), -1)
    columns = [np.interp(ahead, x, column) for column in flat.T]
    return np.array(columns).T.reshape(len(ahead), *values.shape[1:])
