"""The predictors by name: what a recorder, a specification or a command line may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sigmascope.errors import InvalidValueError
from sigmascope.prediction.algorithm1 import Algorithm1
from sigmascope.prediction.first_order import FirstOrder
from sigmascope.prediction.hold import Hold
from sigmascope.prediction.predictor import Predictor
from sigmascope.prediction.subspace import Subspace

# All there are. ``hold`` need not be recorded: its values are those of step 0.
PREDICTORS: Mapping[str, Callable[[int], Predictor]] = MappingProxyType(
    {Algorithm1.name: Algorithm1, FirstOrder.name: FirstOrder, Subspace.name: Subspace, Hold.name: Hold}
)

# What a recorder follows unless told otherwise: the paper's tracker, and the one that is right.
DEFAULT_PREDICTORS: tuple[str, ...] = (Algorithm1.name, Subspace.name)


def make_predictor(name: str, *, k: int) -> Predictor:
    """A fresh predictor of the k largest singular values, to be started on W_0.

    Raises:
        InvalidValueError: no predictor has this name; the message lists those that exist. Or k is below 1.
    """
    if name not in PREDICTORS:
        raise InvalidValueError(f"unknown predictor {name!r}; choose one of {', '.join(PREDICTORS)}")
    return PREDICTORS[name](k)
