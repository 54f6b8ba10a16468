"""The spectra of all layers of a model at a step, by whatever method was asked for."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.spectra.adaptive import TOLERANCE, AdaptiveSpectrum
from sigmascope.spectra.batched import exact_spectra
from sigmascope.spectra.exact import METHODS, Spectrum
from sigmascope.spectra.slq import slq_spectrum

CHOICES = ("auto", *METHODS, "adaptive", "slq")


class SpectraReader:
    """Reads spectra step after step; ``adaptive`` remembers what it read before.

    Args:
        method: ``auto``, ``svd``, ``gram``, ``gram64``, ``adaptive`` or ``slq``.
        accuracy: for ``auto``, the absolute error wanted, in units of sigma_max; for ``adaptive``, the error
            wanted in bins of a histogram with 64 bins.

    Raises:
        InvalidValueError: unknown method; an accuracy that is not positive, or of a method that has none.
    """

    def __init__(self, method: str = "auto", *, accuracy: float | None = None) -> None:
        if method not in CHOICES:
            raise InvalidValueError(f"unknown spectra method {method!r}; choose one of {', '.join(CHOICES)}")
        if accuracy is not None and method not in ("auto", "adaptive"):
            raise InvalidValueError(f"the method {method!r} has no accuracy to choose, got {accuracy}")
        self._method, self._accuracy = method, accuracy
        self._adaptive: dict[str, AdaptiveSpectrum] = {}
        if method == "adaptive":
            self._new_adaptive()  # refuses a bad accuracy at once

    def read(
        self,
        weights: Mapping[str, torch.Tensor],
        *,
        step: int,
        top: Mapping[str, torch.Tensor] | None = None,
    ) -> dict[str, Spectrum]:
        """The spectrum of every weight; ``top`` holds tracked largest values, for ``adaptive``.

        Raises:
            InvalidValueError: a weight is no matrix, or has changed its shape.
            NumericalError: NaN or infinity; the message names layer and step.
        """
        try:
            if self._method in ("adaptive", "slq"):
                tracked = top or {}
                return {
                    name: self._one(name, weight, step, tracked.get(name)) for name, weight in weights.items()
                }
            return exact_spectra(weights, method=self._method, accuracy=self._accuracy)
        except NumericalError as error:
            raise NumericalError(f"step {step}, {error}") from error

    def _one(self, name: str, weight: torch.Tensor, step: int, top: torch.Tensor | None) -> Spectrum:
        try:
            if self._method == "slq":
                return slq_spectrum(weight)
            return self._adaptive_of(name).read(weight, step=step, top=top)
        except NumericalError as error:
            raise NumericalError(f"layer {name}: {error}") from error

    def _adaptive_of(self, name: str) -> AdaptiveSpectrum:
        if name not in self._adaptive:
            self._adaptive[name] = self._new_adaptive()
        return self._adaptive[name]

    def _new_adaptive(self) -> AdaptiveSpectrum:
        return AdaptiveSpectrum(tolerance=TOLERANCE if self._accuracy is None else self._accuracy)
