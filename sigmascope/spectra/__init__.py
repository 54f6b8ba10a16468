"""Spectra of weight matrices in torch: exact, many at once, adaptive in time, and by Lanczos quadrature."""

from sigmascope.spectra.adaptive import AdaptiveSpectrum
from sigmascope.spectra.batched import exact_spectra
from sigmascope.spectra.exact import Spectrum, exact_spectrum
from sigmascope.spectra.orientation import tall
from sigmascope.spectra.reader import CHOICES, SpectraReader
from sigmascope.spectra.slq import slq_spectrum

__all__ = [
    "CHOICES",
    "AdaptiveSpectrum",
    "SpectraReader",
    "Spectrum",
    "exact_spectra",
    "exact_spectrum",
    "slq_spectrum",
    "tall",
]
