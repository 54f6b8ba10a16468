"""The predictors of all layers of a model, side by side."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.prediction.predictor import Predictor
from sigmascope.prediction.registry import make_predictor
from sigmascope.prediction.subspace import Modes, Subspace
from sigmascope.prediction.together import modes_together, start_together, step_together
from sigmascope.prediction.update import WeightChange
from sigmascope.spectra.layer_errors import at_layer

# entries of the weights that advance together: their changes can take as much memory again
_TOGETHER = 2**24


class Trackers:
    """One predictor of each name for every layer, started at the weights as they are now.

    Args:
        weights: matrices by layer.
        predictors: names out of ``sigmascope.prediction.PREDICTORS``.
        top_k: singular values that are followed; min(top_k, n) in a layer that has only n.
        reanchor_every: batches after which all start anew at the true weights; 0 for never.

    Raises:
        InvalidValueError: an unknown name, top_k below 1.
        NumericalError: a weight is NaN or infinite; the message names the layer.
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
        self._entries = {layer: weight.numel() for layer, weight in weights.items()}
        self._shapes = {layer: list(weight.shape) for layer, weight in weights.items()}
        self._of: dict[str, tuple[Predictor, ...]] = {
            layer: tuple(make_predictor(name, k=min(top_k, *weight.shape)) for name in predictors)
            for layer, weight in weights.items()
        }
        for layer, weight in weights.items():
            with at_layer(layer):
                start_together(self._of[layer], weight)

    def groups(self, layers: Iterable[str]) -> list[list[str]]:
        """``layers`` in their order, as many side by side as there is room for: together they are faster."""
        found: list[list[str]] = []
        room = 0
        for layer in layers:
            if self._entries[layer] > room:
                found.append([])
                room = _TOGETHER
            found[-1].append(layer)
            room -= self._entries[layer]
        return found

    def advance(self, changes: Mapping[str, WeightChange], *, weights: Mapping[str, torch.Tensor]) -> None:
        """One batch: ``changes`` are added to ``weights``, which are looked at where re-anchoring is due.

        Raises:
            NumericalError: NaN or infinity; the message names the layer.
        """
        for layer in changes:
            if self._due(layer):
                with at_layer(layer):
                    start_together(self._of[layer], weights[layer])
        try:
            for trackers in zip(*(self._of[layer] for layer in changes), strict=True):
                step_together(trackers, list(changes.values()))
        except NumericalError as error:
            at_fault = [layer for place, layer in enumerate(changes) if place in error.places]
            several = "s" if len(at_fault) > 1 else ""
            raise NumericalError(f"layer{several} {', '.join(at_fault)}: {error}") from error
        for layer in changes:
            self._steps[layer] += 1

    def trajectories(self, layer: str) -> dict[str, torch.Tensor]:
        """(k,) predicted values by the name of the predictor."""
        return {tracker.name: tracker.singular_values for tracker in self._of[layer]}

    def modes(self, layers: Iterable[str]) -> dict[str, Modes]:
        """The leading singular triplets of those of ``layers`` that have a tracker of them."""
        trackers = {layer: found for layer in layers if (found := self._subspace(layer)) is not None}
        return dict(zip(trackers, modes_together(list(trackers.values())), strict=True))

    def largest(self) -> dict[str, torch.Tensor]:
        """The largest values by layer, as many as a tracker vouches for."""
        found = {layer: self._subspace(layer) for layer in self._of}
        return {layer: tracker.vouched_values for layer, tracker in found.items() if tracker is not None}

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
            InvalidValueError: they were others, of other layers, or had other settings; nothing has changed.
        """
        if state["of"].keys() != self._of.keys():
            raise InvalidValueError(
                f"the state is of layers {', '.join(state['of'])}, these are {', '.join(self._of)}: build it "
                "over the same model"
            )
        loaded = copy.deepcopy(self._of)  # all or none
        for layer, trackers in loaded.items():
            saved = state["of"][layer]
            if len(saved) != len(trackers):
                raise InvalidValueError(
                    f"the state has {len(saved)} predictors of layer {layer}, these are {len(trackers)}: "
                    "name the same ones"
                )
            for tracker, one in zip(trackers, saved, strict=True):
                if one.get("shape") != self._shapes[layer]:
                    raise InvalidValueError(
                        f"the state is of a layer {layer} of shape {one.get('shape')}, this one has "
                        f"{self._shapes[layer]}: build it over the same model"
                    )
                tracker.load_state_dict(one)
        self._of, self._steps = loaded, dict(state["steps"])

    def _due(self, layer: str) -> bool:
        """Whether its predictors start anew before the next batch."""
        every, steps = self._reanchor_every, self._steps[layer]
        return every > 0 and steps > 0 and steps % every == 0

    def _subspace(self, layer: str) -> Subspace | None:
        return next((tracker for tracker in self._of[layer] if isinstance(tracker, Subspace)), None)
