"""Trackers of the largest singular values: they see W_0 and each batch's weight change, and never W again.

>>> [make_predictor(name, k=8).name for name in PREDICTORS]
['algorithm1', 'first_order', 'subspace', 'hold']
>>> DEFAULT_PREDICTORS
('algorithm1', 'subspace')
"""

from sigmascope.prediction.algorithm1 import Algorithm1
from sigmascope.prediction.first_order import FirstOrder
from sigmascope.prediction.hold import Hold
from sigmascope.prediction.predictor import Predictor
from sigmascope.prediction.reanchored import Reanchored
from sigmascope.prediction.registry import DEFAULT_PREDICTORS, PREDICTORS, make_predictor
from sigmascope.prediction.subspace import Modes, Subspace
from sigmascope.prediction.together import start_together, step_together
from sigmascope.prediction.update import WeightChange, measured_update, planned_updates

__all__ = [
    "DEFAULT_PREDICTORS",
    "PREDICTORS",
    "Algorithm1",
    "FirstOrder",
    "Hold",
    "Modes",
    "Predictor",
    "Reanchored",
    "Subspace",
    "WeightChange",
    "make_predictor",
    "measured_update",
    "planned_updates",
    "start_together",
    "step_together",
]
