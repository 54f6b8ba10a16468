"""Spectra of weight matrices in torch."""

from sigmascope.spectra.exact import Spectrum, exact_spectrum
from sigmascope.spectra.orientation import tall

__all__ = ["Spectrum", "exact_spectrum", "tall"]
