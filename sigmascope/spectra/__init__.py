"""Spectra of weight matrices in torch."""

from sigmascope.spectra.adaptive import AdaptiveSpectra
from sigmascope.spectra.batched import exact_spectra
from sigmascope.spectra.exact import Spectrum, exact_spectrum
from sigmascope.spectra.matrices import WeightMatrix, split_qkv, weight_matrices
from sigmascope.spectra.orientation import tall
from sigmascope.spectra.reader import CHOICES, SpectraReader
from sigmascope.spectra.slq import slq_spectrum

__all__ = [
    "CHOICES",
    "AdaptiveSpectra",
    "SpectraReader",
    "Spectrum",
    "WeightMatrix",
    "exact_spectra",
    "exact_spectrum",
    "slq_spectrum",
    "split_qkv",
    "tall",
    "weight_matrices",
]
