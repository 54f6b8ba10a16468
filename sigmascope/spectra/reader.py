"""The spectra of all layers of a model at a step, by whatever method was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from sigmascope.errors import InvalidValueError
from sigmascope.spectra.adaptive import AdaptiveSpectra
from sigmascope.spectra.adaptive_layer import LAG, TOLERANCE
from sigmascope.spectra.batched import exact_spectra
from sigmascope.spectra.exact import METHODS, Spectrum, check_accuracy
from sigmascope.spectra.layer_errors import at_layer
from sigmascope.spectra.matrices import identity
from sigmascope.spectra.slq import slq_spectrum

CHOICES = ("auto", *METHODS, "adaptive", "slq")


class SpectraReader:
    """Reads spectra step after step; ``adaptive`` knows some of them only later.

    Args:
        method: ``auto``, ``svd``, ``gram`` or ``gram64``, as for :func:`exact_spectrum`; ``adaptive``
            (:class:`AdaptiveSpectra`) or ``slq`` (:func:`slq_spectrum`).
        accuracy: for ``auto`` and ``gram``, the absolute error wanted, in units of sigma_max; for
            ``adaptive``, the error wanted in bins of a histogram with 64 bins.
        lag: for ``adaptive``, batches that a spectrum waits at most.

    Raises:
        InvalidValueError: unknown method; an accuracy that is not positive, or of a method that has none; a
            lag below 1.
    """

    def __init__(self, method: str = "auto", *, accuracy: float | None = None, lag: int = LAG) -> None:
        if method not in CHOICES:
            raise InvalidValueError(f"unknown spectra method {method!r}; choose one of {', '.join(CHOICES)}")
        if accuracy is not None and method not in ("auto", "gram", "adaptive"):
            raise InvalidValueError(f"the method {method!r} has no accuracy to choose, got {accuracy}")
        self._method, self._accuracy = method, check_accuracy(accuracy)
        self._adaptive = AdaptiveSpectra(
            tolerance=TOLERANCE if method != "adaptive" or accuracy is None else accuracy, lag=lag
        )

    def read(
        self,
        weights: Mapping[str, torch.Tensor],
        *,
        step: int,
        top: Mapping[str, torch.Tensor] | None = None,
        starts: Mapping[str, int] | None = None,
    ) -> dict[int, dict[str, Spectrum]]:
        """The spectra that are known by now, by step and layer.

        Each step comes once, in order: ``adaptive`` may hand it out by a later call, the others by this one.
        For ``adaptive`` are ``top`` and ``starts``, as there.

        Raises:
            InvalidValueError: a weight is no matrix, or (``adaptive``) has changed its shape.
            NumericalError: NaN or infinity. Both messages name the layer and the step.
        """
        if self._method == "adaptive":
            return self._adaptive.read(weights, step=step, top=top, starts=starts)
        if self._method == "slq":
            return {step: _estimated(weights, step=step)}
        return {step: exact_spectra(weights, method=self._method, accuracy=self._accuracy, step=step)}

    def settle(self, weights: Mapping[str, torch.Tensor]) -> dict[int, dict[str, Spectrum]]:
        """The spectra that are not known yet, by a look at the weights as they are now."""
        return self._adaptive.settle(weights)

    def state_dict(self) -> dict[str, Any]:
        """The method, and what ``adaptive`` remembers."""
        return {"method": self._method, "adaptive": self._adaptive.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the one that ``state_dict`` was called on would have, bit for bit.

        Raises:
            InvalidValueError: it had another method.
        """
        self.check_state(state)
        self._adaptive.load_state_dict(state["adaptive"])

    def check_state(self, state: Mapping[str, Any]) -> None:
        """InvalidValueError where it is of another method."""
        if state["method"] != self._method:
            raise InvalidValueError(
                f"the state is of spectra by {state['method']!r}, this by {self._method!r}: choose the same"
            )


def _estimated(weights: Mapping[str, torch.Tensor], *, step: int) -> dict[str, Spectrum]:
    """By quadrature, each distinct weight once."""
    found: dict[tuple[object, ...], Spectrum] = {}
    for name, weight in weights.items():
        if identity(weight) not in found:
            with at_layer(name, step=step):
                found[identity(weight)] = slq_spectrum(weight)
    return {name: found[identity(weight)] for name, weight in weights.items()}
