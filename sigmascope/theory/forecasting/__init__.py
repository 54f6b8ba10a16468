"""Forecasts of the largest singular values that see nothing after their origin, and their honest scores."""

from sigmascope.theory.forecasting.bands import LEVELS
from sigmascope.theory.forecasting.evaluation import Score, judged, rolling_evaluation
from sigmascope.theory.forecasting.forecast import METHODS, Forecast, forecast
from sigmascope.theory.forecasting.history import FEWEST, History, Steps
from sigmascope.theory.forecasting.members import as_parted, of_members
from sigmascope.theory.forecasting.sde import EQUATIONS

__all__ = [
    "EQUATIONS",
    "FEWEST",
    "LEVELS",
    "METHODS",
    "Forecast",
    "History",
    "Score",
    "Steps",
    "as_parted",
    "forecast",
    "judged",
    "of_members",
    "rolling_evaluation",
]
