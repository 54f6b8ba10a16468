"""Adaptive spectra of all layers of a model, whose decompositions fall on different batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sigmascope.apart import apart_from_training
from sigmascope.spectra.adaptive import TOLERANCE, AdaptiveSpectrum, check_tolerance
from sigmascope.spectra.batched import exact_spectra
from sigmascope.spectra.exact import Spectrum, check_accuracy, check_method
from sigmascope.spectra.layer_errors import at_layer

# share of its way from which on a layer keeps another one company: alone, it would soon cost as much as both
_COMPANION = 0.5


class AdaptiveSpectra:
    """:class:`AdaptiveSpectrum` of every layer of a model.

    Decompositions go side by side, one thread each, so that threads without one would idle: they take the
    layers that have come farthest. Layers that would come due together in the next batches are decomposed so
    many at a time from now on, so that no batch waits for all of them; the first batch decomposes all.

    Args and errors: as there.
    """

    def __init__(
        self, *, tolerance: float = TOLERANCE, method: str = "auto", accuracy: float | None = None
    ) -> None:
        self._tolerance = check_tolerance(tolerance)
        self._method, self._accuracy = check_method(method), check_accuracy(accuracy)
        self._layers: dict[str, AdaptiveSpectrum] = {}

    @apart_from_training
    def read(
        self,
        weights: Mapping[str, torch.Tensor],
        *,
        step: int,
        top: Mapping[str, torch.Tensor] | None = None,
    ) -> dict[str, Spectrum]:
        """The spectrum of every weight at ``step``, exact or foreseen, by layer.

        Args:
            weights: by layer; a layer may be left out of a call, and a new one may join.
            step: batches made so far; greater than in the call before.
            top: the largest values of some layers, descending, as a tracker has them.

        Raises:
            InvalidValueError: a weight has changed its shape since the last call, or is no real matrix.
            NumericalError: NaN or infinity. Both messages name the layer and the step.
        """
        given = {} if top is None else top
        moved = {name: self._moved(name, weight, step=step) for name, weight in weights.items()}
        chosen = {name: weights[name] for name in due(moved, at_once=torch.get_num_threads())}
        found = exact_spectra(chosen, method=self._method, accuracy=self._accuracy, step=step)
        for name, spectrum in found.items():
            self._layers[name].anchor(spectrum, weights[name], step=step, top=given.get(name))
        return {
            name: found.get(name) or self._layers[name].foreseen(step, given.get(name)) for name in weights
        }

    def state_dict(self) -> dict[str, Any]:
        """That of every layer, by name."""
        return {name: layer.state_dict() for name, layer in self._layers.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the one that ``state_dict`` was called on would have, bit for bit."""
        self._layers = {name: AdaptiveSpectrum(tolerance=self._tolerance) for name in state}
        for name, layer in self._layers.items():
            layer.load_state_dict(state[name])

    def _moved(self, name: str, weight: torch.Tensor, *, step: int) -> tuple[float, float]:
        if name not in self._layers:
            self._layers[name] = AdaptiveSpectrum(tolerance=self._tolerance)
        with at_layer(name, step=step):
            return self._layers[name].move(weight)


def due(moved: Mapping[str, tuple[float, float]], *, at_once: int) -> list[str]:
    """Layers to decompose now, from the share of its way that each has gone and will go in the next batch.

    All that are past their way. If there are none, the ``at_once`` most advanced ones where more layers come
    due within some number of batches than can be decomposed in them: put off, they would fall together. What
    is left of the last ``at_once`` is filled up with the most advanced of the others, if they have gone
    ``_COMPANION`` of their way.
    """
    late = [name for name, (gone, _) in moved.items() if not gone <= 1.0]  # NaN is named by who decomposes it
    early = sorted((name for name in moved if name not in late), key=lambda name: -moved[name][0])
    if not late:
        waits = sorted((1.0 - gone) / pace for gone, pace in moved.values() if pace > 0)
        if not any(wait < place // at_once for place, wait in enumerate(waits)):
            return []
        late = [early.pop(0)]
    free = -len(late) % at_once
    return late + [name for name in early[:free] if moved[name][0] >= _COMPANION]
