"""Forecasts of the largest singular values that see nothing after their origin, and their honest scores."""

from sigmascope.theory.forecasting.bands import LEVELS
from sigmascope.theory.forecasting.evaluation import Score, rolling_evaluation
from sigmascope.theory.forecasting.forecast import METHODS, Forecast, forecast
from sigmascope.theory.forecasting.history import FEWEST, History
from sigmascope.theory.forecasting.sde import EQUATIONS

__all__ = [
    "EQUATIONS",
    "FEWEST",
    "LEVELS",
    "METHODS",
    "Forecast",
    "History",
    "Score",
    "forecast",
    "rolling_evaluation",
]
