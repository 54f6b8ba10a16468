"""The tail of a spectrum in one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.theory.tails.comparison import LEVEL, Comparison, compare
from sigmascope.theory.tails.fit import LawName, TailFit
from sigmascope.theory.tails.points import beyond


@dataclass(frozen=True, slots=True)
class TailReport:
    """Everything beyond ``lower``; axis: that of the values.

    Attributes:
        lower: where the tail begins.
        points: number of values beyond it.
        total: number of values.
        alpha: exponent of the fitted power law, whether or not that is the law preferred.
        alpha_error: its standard error, (alpha - 1) / sqrt(points).
        comparison: the five fits and their tests against each other.
    """

    lower: float
    points: int
    total: int
    alpha: float
    alpha_error: float
    comparison: Comparison

    @property
    def best(self) -> TailFit[Any]:
        """The fit of the law that suits best; see ``comparison.decided`` before quoting it."""
        return self.comparison.fit(self.comparison.best)

    def fit(self, name: LawName) -> TailFit[Any]:
        """The fit of one law."""
        return self.comparison.fit(name)


def fit_tail(values: ArrayLike, lower: float, *, level: float = LEVEL) -> TailReport:
    """Fit and compare all laws of the ``values`` beyond ``lower``; the rest is left out.

    ``values`` and ``lower`` are both eigenvalues (lambda = sigma^2) or both singular values. Power law and
    lognormal keep their likelihood ratio under that change; the others become other laws. ``lower`` is the
    noise edge (:meth:`sigmascope.theory.edge.EdgeScaling.edge`, a singular value) or the choice of
    :func:`~sigmascope.theory.tails.lower.choose_lower`.

    InvalidValueError: fewer than MIN_POINTS values beyond ``lower``, NaN, no spread, lower <= 0.
    """
    tail = beyond(values, lower)
    comparison = compare(tail, lower=lower, level=level)
    law = comparison.fit("power_law").law
    return TailReport(
        lower=float(lower),
        points=tail.size,
        total=int(np.size(values)),
        alpha=law.alpha,
        alpha_error=law.standard_error(tail.size),
        comparison=comparison,
    )
