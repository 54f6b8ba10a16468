"""The predictors of all layers of a model, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from sigmascope.errors import NumericalError
from sigmascope.prediction.predictor import Predictor
from sigmascope.prediction.registry import make_predictor
from sigmascope.prediction.subspace import Modes, Subspace
from sigmascope.prediction.update import WeightChange


class Trackers:
    """One predictor of each name for every layer, started at the weights as they are now.

    Args:
        weights: matrices by layer.
        predictors: names out of ``sigmascope.prediction.PREDICTORS``.
        top_k: singular values that are followed; min(top_k, n) in a layer that has only n.
        reanchor_every: batches after which all start anew at the true weights; 0 for never.

    Raises:
        InvalidValueError: an unknown name, top_k below 1.
        NumericalError: a weight is NaN or infinite.
    """

    def __init__(
        self,
        weights: Mapping[str, torch.Tensor],
        *,
        predictors: Sequence[str],
        top_k: int,
        reanchor_every: int,
    ) -> None:
        self._reanchor_every, self._steps = reanchor_every, dict.fromkeys(weights, 0)
        self._of: dict[str, tuple[Predictor, ...]] = {
            layer: tuple(make_predictor(name, k=min(top_k, *weight.shape)) for name in predictors)
            for layer, weight in weights.items()
        }
        for layer, weight in weights.items():
            for tracker in self._of[layer]:
                tracker.start(weight)

    def advance(self, layer: str, change: WeightChange, *, weights: torch.Tensor) -> None:
        """One batch: ``change`` is added to ``weights``, which are looked at only where re-anchoring is due.

        Raises:
            NumericalError: NaN or infinity; the message names the layer.
        """
        due = self._reanchor_every > 0 and self._steps[layer] % self._reanchor_every == 0
        try:
            for tracker in self._of[layer]:
                if due and self._steps[layer] > 0:
                    tracker.start(weights)
                tracker.step(change.direction, scale=change.scale)
        except NumericalError as error:
            raise NumericalError(f"layer {layer}: {error}") from error
        self._steps[layer] += 1

    def trajectories(self, layer: str) -> dict[str, torch.Tensor]:
        """(k,) predicted values by the name of the predictor."""
        return {tracker.name: tracker.singular_values for tracker in self._of[layer]}

    def modes(self, layer: str) -> Modes | None:
        """The leading singular triplets, where a tracker has them."""
        subspace = self._subspace(layer)
        return None if subspace is None else subspace.modes()

    def largest(self) -> dict[str, torch.Tensor]:
        """The largest values by layer, where a tracker vouches for them; the last ones may lag."""
        found = {layer: self._subspace(layer) for layer in self._of}
        return {layer: tracker.ritz_values for layer, tracker in found.items() if tracker is not None}

    def starts(self) -> dict[str, int]:
        """How often the predictors of each layer were started anew."""
        every = self._reanchor_every
        return {layer: (steps - 1) // every for layer, steps in self._steps.items() if every and steps}

    def state_dict(self) -> dict[str, Any]:
        """The state of every predictor, and how many batches each layer has seen."""
        of = {layer: [tracker.state_dict() for tracker in trackers] for layer, trackers in self._of.items()}
        return {"steps": dict(self._steps), "of": of}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the ones that ``state_dict`` was called on would have, bit for bit.

        Raises:
            InvalidValueError: they were others, or had other settings.
        """
        for layer, trackers in self._of.items():
            for tracker, saved in zip(trackers, state["of"][layer], strict=True):
                tracker.load_state_dict(saved)
        self._steps = dict(state["steps"])

    def _subspace(self, layer: str) -> Subspace | None:
        return next((tracker for tracker in self._of[layer] if isinstance(tracker, Subspace)), None)
