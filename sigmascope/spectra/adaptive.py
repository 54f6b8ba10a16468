"""The spectra of a model in training for almost nothing: decomposed seldom, interpolated in between."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch

from sigmascope.apart import apart_from_training
from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.spectra.adaptive_layer import LAG, TOLERANCE, AdaptiveLayer
from sigmascope.spectra.batched import exact_spectra
from sigmascope.spectra.exact import Spectrum, check_accuracy, check_method
from sigmascope.spectra.layer_errors import at_layer
from sigmascope.spectra.products import norms_and_distances

# share of its way from which on a layer keeps another one company: alone, it would soon cost as much as both
_COMPANION = 0.5


class AdaptiveSpectra:
    """All singular values of the layers of a model, most of the time without a decomposition.

    A layer is decomposed when it has gone too far, |W - W_last|_F > way, from where it was decomposed last,
    or ``lag`` batches after a step that waits. Spectra of the steps in between are interpolated then, so
    ``read`` hands out spectra of earlier steps. The largest values, where a tracker follows them, move as it
    says, and what is interpolated is how far off it was.

    Every decomposition shows by how much the one before would have been off, had it been interpolated
    between its neighbours. As with the step size of an ODE solver, the way is then set so that the next
    error should be the tolerance. Levels dance about their places, so errors grow as those of a Brownian
    bridge do: with the distance gone, and most in the middle. The worst of three ratios of error to distance
    counts. The distance that the weights have gone decides, not the number of batches, so that a jump of the
    learning rate or of the weights is met by a decomposition at once; some entries of each row and column
    stand for all, and the norm of all shows where others have moved more. The distance is Weyl's bound on the
    change of every value, but a hundred times what is seen, and cannot be used to decide.

    The tolerance is aimed at, not guaranteed: over 400 batches of an MLP of width 1024 by SGD the largest
    error of all values was 1.5 times the tolerance; over 150 to 300 batches of small ones with momentum,
    AdamW, or weight decay of up to 5 % a batch, 1.4 to 3.5 times.

    The ``error_bound`` of an interpolated spectrum is an estimate by the same ratio.

    Decompositions go side by side, one thread each, so that threads without one would idle: they take the
    layers that have come farthest. Layers that would come due together in the next batches are decomposed so
    many at a time from now on, so that no batch waits for all of them; the first batch decomposes all.

    Args:
        tolerance: largest error wanted, in bins of a histogram with 64 bins from 0 to sigma_max.
        lag: batches that a spectrum waits at most.
        method: of the decompositions, as for :func:`sigmascope.spectra.exact_spectrum`.
        accuracy: of the decompositions, likewise.

    Raises:
        InvalidValueError: a tolerance that is not positive; a lag below 1; an unknown method; a bad accuracy.
    """

    def __init__(
        self,
        *,
        tolerance: float = TOLERANCE,
        lag: int = LAG,
        method: str = "auto",
        accuracy: float | None = None,
    ) -> None:
        self._tolerance, self._lag = check_tolerance(tolerance), check_lag(lag)
        self._method, self._accuracy = check_method(method), check_accuracy(accuracy)
        self._layers: dict[str, AdaptiveLayer] = {}
        self._step = -1  # read last
        # by step, ascending, until all of its layers are settled
        self._layers_at: dict[int, list[str]] = {}
        self._settled: dict[int, dict[str, Spectrum]] = {}

    @apart_from_training
    def read(
        self,
        weights: Mapping[str, torch.Tensor],
        *,
        step: int,
        top: Mapping[str, torch.Tensor] | None = None,
        starts: Mapping[str, int] | None = None,
    ) -> dict[int, dict[str, Spectrum]]:
        """Look at the weights after ``step`` batches; the spectra that are known by now, by step and layer.

        Each step that was read comes once, in order, whole: by this call or by a later one.

        Args:
            weights: by layer; a layer may be left out of a call, and a new one may join.
            step: batches made so far; greater than in the call before.
            top: the largest values of some layers, descending, as a tracker has them.
            starts: how often the tracker of a layer was started at its weights, where more than once: how far
                it is off is not carried over a start.

        Raises:
            InvalidValueError: ``step`` is no greater than before; a weight has changed its shape, type or
                device since the last call, or is no real matrix.
            NumericalError: NaN or infinity. Both messages name the layer and the step.
        """
        if step <= self._step:
            raise InvalidValueError(f"step must be greater than {self._step}, which was read, got {step}")
        given, started = top or {}, starts or {}
        moved = self._moved(weights, step=step)
        chosen = {name: weights[name] for name in due(moved, at_once=torch.get_num_threads())}
        found = exact_spectra(chosen, method=self._method, accuracy=self._accuracy, step=step)
        self._step, self._layers_at[step] = step, list(weights)
        for name, layer in self._layers.items():
            known, start = given.get(name), started.get(name, 0)
            if name in found:
                self._keep(name, layer.anchor(found[name], weights[name], step=step, top=known, start=start))
            elif name in weights:
                self._keep(name, layer.wait(step, known, start=start))
            else:
                self._keep(name, layer.hold())
        return self._known()

    @apart_from_training
    def settle(self, weights: Mapping[str, torch.Tensor]) -> dict[int, dict[str, Spectrum]]:
        """The spectra that are still waiting, by a decomposition of the weights as they are now.

        A layer that is not among ``weights``, or cannot be decomposed, keeps its last spectrum, of which the
        largest values go on as the tracker's did; ``error_bound`` says how far off that may be.
        """
        for name, layer in self._layers.items():
            if layer.waits:
                try:
                    weight = weights[name]
                    matrix, sample, before = layer.look(weight)
                    ((norm, apart),) = norms_and_distances([matrix], [sample], [before])
                    layer.move(matrix, sample, step=layer.awaited, norm=norm, apart=apart)
                    exact = exact_spectra({name: weights[name]}, method=self._method, accuracy=self._accuracy)
                except (KeyError, InvalidValueError, NumericalError, RuntimeError):  # no room, for instance
                    self._keep(name, layer.hold())
                else:
                    self._keep(name, layer.settle(exact[name], weights[name]))
        return self._known()

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, copied; ``torch.save`` and ``weights_only=True`` take it."""
        return {
            "step": self._step,
            "layers": {name: layer.state_dict() for name, layer in self._layers.items()},
            "layers_at": {step: list(names) for step, names in self._layers_at.items()},
            "settled": {
                step: {name: (one.values.clone(), one.method, one.error_bound) for name, one in found.items()}
                for step, found in self._settled.items()
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the one that ``state_dict`` was called on would have, bit for bit."""
        self._step = state["step"]
        self._layers = {name: self._layer() for name in state["layers"]}
        for name, layer in self._layers.items():
            layer.load_state_dict(state["layers"][name])
        self._layers_at = {step: list(names) for step, names in state["layers_at"].items()}
        self._settled = {
            step: {name: Spectrum(*one) for name, one in found.items()}
            for step, found in state["settled"].items()
        }

    def _layer(self) -> AdaptiveLayer:
        return AdaptiveLayer(tolerance=self._tolerance, lag=self._lag)

    def _moved(self, weights: Mapping[str, torch.Tensor], *, step: int) -> dict[str, tuple[float, float]]:
        """What ``move`` says of each layer, all looked at before anything is fetched from a GPU."""
        looks = {}
        for name, weight in weights.items():
            with at_layer(name, step=step):
                if name not in self._layers:
                    self._layers[name] = self._layer()
                looks[name] = self._layers[name].look(weight)
        seen = norms_and_distances(*zip(*looks.values(), strict=True)) if looks else []
        moved = {}
        for (name, (matrix, sample, _)), (norm, apart) in zip(looks.items(), seen, strict=True):
            with at_layer(name, step=step):
                moved[name] = self._layers[name].move(matrix, sample, step=step, norm=norm, apart=apart)
        return moved

    def _keep(self, name: str, spectra: Mapping[int, Spectrum]) -> None:
        for step, spectrum in spectra.items():
            self._settled.setdefault(step, {})[name] = spectrum

    def _known(self) -> dict[int, dict[str, Spectrum]]:
        """Steps all of whose layers are settled, up to the first one of which that is not so."""
        found = {}
        for step, names in self._layers_at.items():
            settled = self._settled.get(step, {})
            if len(settled) < len(names):
                break
            found[step] = {name: settled[name] for name in names}
        for step in found:
            del self._layers_at[step]
            self._settled.pop(step, None)
        return found


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


def check_tolerance(tolerance: float) -> float:
    """``tolerance`` when positive and finite; InvalidValueError otherwise."""
    if not (math.isfinite(tolerance) and tolerance > 0):
        raise InvalidValueError(
            f"tolerance must be positive and finite, got {tolerance}; {TOLERANCE} of a bin is usual"
        )
    return tolerance


def check_lag(lag: int) -> int:
    """``lag`` when a whole number >= 1; InvalidValueError otherwise."""
    return whole("lag", lag, least=1, remedy=f"1 decomposes every time, {LAG} is usual")
