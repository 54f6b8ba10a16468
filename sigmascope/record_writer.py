"""From spectra, which may be known late, to whole records in a sink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from sigmascope.errors import InvalidValueError
from sigmascope.records import LayerRecord, LayerShape, StepRecord
from sigmascope.sinks import Sink
from sigmascope.spectra.exact import Spectrum
from sigmascope.theory.law_fit import LawFit, fit_laws
from sigmascope.unfinished import Unfinished, finished_layer


class RecordWriter:
    """Keeps records until their spectra are known, fits the laws to these, and writes them in order.

    What a sink does not take, or what an error in between cuts short, stays for the next ``write``.

    Args:
        sink: where records go.
        layers: of every record.
        laws_every: steps between two fits of the laws; 0 for none.
    """

    def __init__(self, sink: Sink, layers: Sequence[LayerShape], *, laws_every: int) -> None:
        self._sink, self._layers, self._laws_every = sink, layers, laws_every
        self._fits: dict[str, LawFit] = {}  # the latest, by layer
        # by step, ascending: what the sink has not taken yet, and spectra of it
        self._unfinished: dict[int, Unfinished] = {}
        self._known: dict[int, dict[str, Spectrum]] = {}
        self.written = -1  # the last step that the sink has; -1 before the first

    @property
    def waits(self) -> bool:
        """Whether a record waits."""
        return bool(self._unfinished)

    def add(self, one: Unfinished) -> None:
        """Keep a record, of a later step than all before."""
        self._unfinished[one.record.step] = one

    def write(self, known: Mapping[int, Mapping[str, Spectrum]]) -> None:
        """Hand the records of steps whose spectra are ``known``, by step and layer, to the sink."""
        self._known.update({step: dict(spectra) for step, spectra in known.items()})
        while self._known:
            step = min(self._known)
            self._sink.write(self._finish(self._unfinished[step], self._known[step]))
            del self._unfinished[step], self._known[step]
            self.written = step

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors; ``torch.save`` and ``weights_only=True`` take it."""
        return {
            "fits": {layer: _plain(asdict(fit)) for layer, fit in self._fits.items()},
            "unfinished": [one.state_dict() for one in self._unfinished.values()],
            "known": {
                step: {name: (one.values, one.method, one.error_bound) for name, one in spectra.items()}
                for step, spectra in self._known.items()
            },
            "written": self.written,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the one that ``state_dict`` was called on would have."""
        self._fits = {layer: LawFit(**fit) for layer, fit in state["fits"].items()}
        unfinished = [Unfinished.from_state(one) for one in state["unfinished"]]
        self._unfinished = {one.record.step: one for one in unfinished}
        self._known = {
            step: {name: Spectrum(*one) for name, one in spectra.items()}
            for step, spectra in state["known"].items()
        }
        self.written = state["written"]

    def _finish(self, one: Unfinished, spectra: Mapping[str, Spectrum]) -> StepRecord:
        due = self._laws_every > 0 and one.record.step % self._laws_every == 0
        layers = {}
        for shape in self._layers:
            layer = finished_layer(one.record.layers[shape.name], spectra[shape.name])
            layers[shape.name] = replace(layer, law_fit=self._fit(shape, one, layer) if due else None)
        return replace(one.record, layers=layers)

    def _fit(self, shape: LayerShape, one: Unfinished, layer: LayerRecord) -> LawFit | None:
        """The laws; None where none applies: a 1 x 1 layer, or a spectrum that is mostly zero."""
        beta1 = layer.noise.beta1 if layer.noise and one.learning_rate else None
        try:
            fit = fit_laws(
                layer.singular_values,
                m=shape.m,
                n=shape.n,
                step=one.record.step,
                # Without beta1 the rate that would use it is None, and the learning rate plays no part.
                learning_rate=one.learning_rate or 1.0,
                beta1=beta1,
                previous=self._fits.get(shape.name),
            )
        except InvalidValueError:
            return None
        self._fits[shape.name] = fit
        return fit


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Python's numbers in place of numpy's."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in fields.items()}
