"""Probability laws of spectra, one a file, behind one interface.

:class:`MarchenkoPastur`, :class:`TracyWidom` and :class:`StationaryGamma` are frozen dataclasses with
``pdf``, ``cdf``, ``sf``, ``ppf``, ``rvs``, ``support``, ``mean`` and ``var``;
:func:`on_singular_value_axis` takes a law of eigenvalues to the axis of singular values.
"""

from sigmascope.theory.laws.law import Law, PositiveLaw, SquareRootLaw, on_singular_value_axis
from sigmascope.theory.laws.marchenko_pastur import MarchenkoPastur, marchenko_pastur_singular
from sigmascope.theory.laws.stationary_gamma import StationaryGamma
from sigmascope.theory.laws.tracy_widom import TracyWidom

__all__ = [
    "Law",
    "MarchenkoPastur",
    "PositiveLaw",
    "SquareRootLaw",
    "StationaryGamma",
    "TracyWidom",
    "marchenko_pastur_singular",
    "on_singular_value_axis",
]
