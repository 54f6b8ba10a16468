"""The tail of a spectrum: laws beyond an edge, their fits, and which of them the points prefer.

Laws on x > lower behind the interface of :class:`~sigmascope.theory.laws.law.PositiveLaw`:
:class:`PowerLaw`, :class:`TruncatedPowerLaw`, :class:`LogNormal`, :class:`Exponential`,
:class:`TruncatedGamma`; a fit of each by maximum likelihood; :func:`choose_lower` for where the tail begins,
:func:`goodness_of_fit`, :func:`compare`, and :func:`fit_tail` for all of it. The axis is that of the points:
by default eigenvalues lambda = sigma^2 of W^T W (unscaled).
"""

from sigmascope.theory.tails.comparison import Comparison, PairTest, compare
from sigmascope.theory.tails.cut_off import partition
from sigmascope.theory.tails.exponential import Exponential, fit_exponential
from sigmascope.theory.tails.fit import LawName, TailFit
from sigmascope.theory.tails.goodness import Goodness, goodness_of_fit
from sigmascope.theory.tails.law import TailLaw
from sigmascope.theory.tails.lognormal import LogNormal, fit_lognormal
from sigmascope.theory.tails.lower import LowerChoice, choose_lower
from sigmascope.theory.tails.points import MIN_POINTS
from sigmascope.theory.tails.power_law import PowerLaw, fit_power_law
from sigmascope.theory.tails.report import TailReport, fit_tail
from sigmascope.theory.tails.truncated_gamma import (
    SMALLEST_SHAPE,
    TruncatedGamma,
    TruncatedGammaFit,
    fit_truncated_gamma,
)
from sigmascope.theory.tails.truncated_power_law import TruncatedPowerLaw, fit_truncated_power_law

__all__ = [
    "MIN_POINTS",
    "SMALLEST_SHAPE",
    "Comparison",
    "Exponential",
    "Goodness",
    "LawName",
    "LogNormal",
    "LowerChoice",
    "PairTest",
    "PowerLaw",
    "TailFit",
    "TailLaw",
    "TailReport",
    "TruncatedGamma",
    "TruncatedGammaFit",
    "TruncatedPowerLaw",
    "choose_lower",
    "compare",
    "fit_exponential",
    "fit_lognormal",
    "fit_power_law",
    "fit_tail",
    "fit_truncated_gamma",
    "fit_truncated_power_law",
    "goodness_of_fit",
    "partition",
]
