"""Trackers of the largest singular values: they see W_0 and each batch's weight change, and never W again.

>>> [make_predictor(name, k=8).name for name in PREDICTORS]
['algorithm1', 'subspace']
"""

from sigmascope.prediction.algorithm1 import Algorithm1
from sigmascope.prediction.predictor import Predictor
from sigmascope.prediction.registry import PREDICTORS, make_predictor
from sigmascope.prediction.subspace import Subspace

__all__ = ["PREDICTORS", "Algorithm1", "Predictor", "Subspace", "make_predictor"]
