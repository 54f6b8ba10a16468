"""The result of fitting one law to one tail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

import numpy as np

from sigmascope.theory.laws.law import FloatArray, Law
from sigmascope.theory.tails.law import TailLaw

LawT = TypeVar("LawT", bound=TailLaw)
LawT_co = TypeVar("LawT_co", bound=TailLaw, covariant=True)
LawName = Literal["power_law", "truncated_power_law", "lognormal", "exponential", "truncated_gamma"]


@dataclass(frozen=True, slots=True)
class TailFit(Generic[LawT_co]):
    """Maximum-likelihood law of the points beyond ``law.lower``; axis: that of the points.

    Attributes:
        name: of the family.
        law: its member of largest likelihood.
        points: number of points fitted.
        log_likelihood: at the maximum.
        ks: Kolmogorov distance of the points from ``law``.
        boundary: None, or which limit of the family the likelihood rises to.
    """

    name: LawName
    law: LawT_co
    points: int
    log_likelihood: float
    ks: float
    boundary: str | None = None

    @property
    def at_boundary(self) -> bool:
        """True when the maximum lies in a limit of the family, named by ``boundary``."""
        return self.boundary is not None


def kolmogorov_distance(points: FloatArray, law: Law) -> float:
    """Sup |F_n - F| of the empirical cdf of ``points`` (any order) from that of ``law``."""
    cdf = law.cdf(np.sort(points))
    ranks = np.arange(cdf.size + 1) / cdf.size
    return float(max((ranks[1:] - cdf).max(), (cdf - ranks[:-1]).max()))


def as_fit(name: LawName, law: LawT, points: FloatArray, *, boundary: str | None = None) -> TailFit[LawT]:
    """``law`` with its log likelihood and Kolmogorov distance on ``points``."""
    log_likelihood = float(law.log_pdf(points).sum())
    return TailFit(name, law, points.size, log_likelihood, kolmogorov_distance(points, law), boundary)
