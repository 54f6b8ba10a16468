"""The baseline of every skill: the singular values of the start, for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from sigmascope.apart import apart_from_training
from sigmascope.prediction.predictor import (
    descending_on_cpu,
    initial_matrix,
    require_finite,
    require_positive_k,
    weight_change,
)
from sigmascope.prediction.state import Entry, State, as_list, restored, saved, shape_of, tensor_of
from sigmascope.prediction.update import WeightChange
from sigmascope.spectra.exact import exact_spectrum
from sigmascope.spectra.stacks import on_cpu
from sigmascope.spectra.triplets import Triplets


class Hold:
    """sigma(0) for ever; inside :class:`~sigmascope.prediction.reanchored.Reanchored`, sigma at the last
    anchor.

    It checks each weight change as the others do, so that a diverged layer is reported by every predictor.

    Args:
        k: singular values held.

    Raises:
        InvalidValueError: k below 1.
    """

    name = "hold"

    def __init__(self, k: int) -> None:
        self.k = require_positive_k(k)
        self._shape: torch.Size | None = None
        self._sigma: torch.Tensor | None = None

    @apart_from_training
    def start(self, W0: torch.Tensor, *, triplets: Triplets | None = None) -> None:
        """The k largest singular values of ``W0``. See Predictor."""
        self._sigma = exact_spectrum(initial_matrix(W0, self.k), method="svd").values[: self.k].clone()
        self._shape = W0.shape

    @property
    def likeness(self) -> tuple[object, ...]:
        """See Predictor."""
        return (Hold,)

    def step(self, G: torch.Tensor, *, scale: float = 1.0) -> None:
        """Change nothing. See Predictor."""
        self.step_alike([self], [WeightChange(G, scale)])

    @staticmethod
    @apart_from_training
    def step_alike(trackers: Sequence[Hold], changes: Sequence[WeightChange]) -> None:
        """See Predictor."""
        # NaN and infinity survive the largest absolute value, and one number each is cheap to look at
        largest = {}
        for place, (tracker, change) in enumerate(zip(trackers, changes, strict=True)):
            G = weight_change(change.direction, shape=tracker._shape)
            largest[place] = change.scale * G.abs().amax()
        numbers = [float(one) for one in on_cpu(largest).values()]
        require_finite(torch.tensor(numbers, dtype=torch.float64)[:, None, None], name=Hold.name)

    @property
    def singular_values(self) -> torch.Tensor:
        """(k,) float32 on the CPU, descending. See Predictor."""
        return descending_on_cpu(self._sigma)

    def state_dict(self) -> State:
        """See Predictor."""
        return saved(self._settings(), {"sigma": self._sigma}) | {"shape": as_list(self._shape)}

    def load_state_dict(self, state: Mapping[str, Entry]) -> None:
        """See Predictor."""
        own = restored(state, settings=self._settings())
        self._shape = shape_of(own)
        self._sigma = None if self._shape is None else tensor_of(own, "sigma")

    def _settings(self) -> dict[str, str | int | float]:
        return {"name": self.name, "k": self.k}
