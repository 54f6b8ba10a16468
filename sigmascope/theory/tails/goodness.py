"""Could the points have come from the fitted law? Clauset, Shalizi and Newman (2009), section 4.1."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.tails.families import FITS, check_law
from sigmascope.theory.tails.fit import LawName, TailFit
from sigmascope.theory.tails.law import TailLaw
from sigmascope.theory.tails.lower import choose_lower
from sigmascope.theory.tails.points import MIN_POINTS, beyond


@dataclass(frozen=True, slots=True)
class Goodness:
    """How often data of the fitted law lie at least as far from their own fit as these points from theirs.

    Attributes:
        fit: the fit under test; ``fit.ks`` is the statistic.
        p_value: (1 + replicates that lie as far) / (1 + replicates). Below 0.1 the authors rule the law out.
            A large value does not prove it: other laws may fit as well.
        standard_error: Monte Carlo error of ``p_value``, sqrt(p (1 - p) / replicates).
        replicates: number of synthetic data sets.
    """

    fit: TailFit[TailLaw]
    p_value: float
    standard_error: float
    replicates: int


def distances_beyond(fit: TailFit[TailLaw], replicates: int, rng: np.random.Generator) -> tuple[float, ...]:
    """Distances of refitted synthetic tails, ``lower`` fixed."""
    draws = (fit.law.rvs(fit.points, rng=rng) for _ in range(replicates))
    return tuple(refit(fit.name, tail, fit.law.lower).ks for tail in draws)


def refit(name: LawName, points: FloatArray, lower: float) -> TailFit[TailLaw]:
    """The law ``name`` of synthetic ``points``, of which one may round down to ``lower`` itself."""
    return FITS[name](np.maximum(points, np.nextafter(lower, math.inf)), lower)


def distances_anywhere(
    fit: TailFit[TailLaw], body: FloatArray, smallest: int, replicates: int, rng: np.random.Generator
) -> tuple[float, ...]:
    """Distances of synthetic data with their own choice of ``lower``.

    Each point comes from the law with the tail's share of the data as probability, else from the ``body``
    below it, with replacement.
    """
    size = body.size + fit.points

    def one() -> float:
        tail = int(rng.binomial(size, fit.points / size))
        below = rng.choice(body, size - tail) if body.size else body
        return best_power_law(np.concatenate([below, fit.law.rvs(tail, rng=rng)]), smallest)[0].ks

    return tuple(one() for _ in range(replicates))


def best_power_law(points: FloatArray, smallest: int) -> tuple[TailFit[TailLaw], FloatArray]:
    """The power law beyond the chosen ``lower``, and the points below it."""
    lower = choose_lower(points, smallest=smallest).lower
    return FITS["power_law"](points[points > lower], lower), points[points <= lower]


def goodness_of_fit(
    points: ArrayLike,
    *,
    rng: np.random.Generator,
    lower: float | None = None,
    law: LawName = "power_law",
    smallest: int = MIN_POINTS,
    replicates: int = 1000,
) -> Goodness:
    """p-value of ``law`` for the points beyond ``lower``, by refitting synthetic data; axis: the points' own.

    With ``lower`` the points at or below it are left out, and synthetic tails of the same size are drawn from
    the fit. Without, it is chosen by :func:`~sigmascope.theory.tails.lower.choose_lower` in tails of
    ``smallest`` points or more, for the power law only, and chosen anew for every synthetic data set, whose
    part below it is resampled from the points. 1000 replicates give the p-value to 0.016 or better.

    InvalidValueError: NaN, too few points, no spread, an unknown law, another law without ``lower``, fewer
    than one replicate.
    """
    check_law(law)
    if replicates < 1:
        raise InvalidValueError(f"replicates must be >= 1, got {replicates}; 1000 give two digits")
    if lower is not None:
        tail = beyond(points, lower)
        fit = FITS[law](tail, lower)
        seen = distances_beyond(fit, replicates, rng)
    elif law == "power_law":
        fit, body = best_power_law(np.asarray(points, dtype=np.float64).ravel(), smallest)
        seen = distances_anywhere(fit, body, smallest, replicates, rng)
    else:
        raise InvalidValueError(f"lower is needed to test {law!r}; it can be chosen for power_law alone")
    return summary(fit, np.array(seen))


def summary(fit: TailFit[TailLaw], seen: FloatArray) -> Goodness:
    """The p-value from the replicates' distances."""
    # counting the data themselves keeps p > 0 and the test honest at any number of replicates
    p_value = float(1 + np.count_nonzero(seen >= fit.ks)) / (1 + seen.size)
    return Goodness(fit, p_value, math.sqrt(p_value * (1 - p_value) / seen.size), seen.size)
