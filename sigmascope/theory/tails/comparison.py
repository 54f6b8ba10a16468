"""Which law of a tail the points prefer: log-likelihood ratios of every pair.

Vuong (1989); Clauset, Shalizi and Newman (2009), section 5 and appendix C.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from types import MappingProxyType
from typing import Any, Literal

from numpy.typing import ArrayLike
from scipy.special import erfc

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.tails.families import FITS, PARAMETERS
from sigmascope.theory.tails.fit import LawName, TailFit
from sigmascope.theory.tails.points import check_tail

LEVEL = 0.1
# log likelihoods that differ by less, in sum and in spread, belong to one law
COINCIDE = 1e-5

Share = Literal["whole", "half"]

# (the smaller family, the larger): how much of the chi-square twice the larger one's gain follows. Half
# where the smaller lies on the larger one's boundary: half of all data then gain nothing (Chernoff 1954). The
# last two are the one family x^(-alpha) exp(-rate x) in two pieces that overlap: alpha < 1 and alpha >= 0.
NESTINGS: Mapping[tuple[LawName, LawName], Share] = MappingProxyType(
    {
        # rate = 0 is a boundary, too, but Chernoff needs x^2 to have a mean. For alpha <= 3 it has none, and
        # nearly all data gain something: halved, the 10 % test rejects 20 % of true power laws
        ("power_law", "truncated_power_law"): "whole",
        ("power_law", "lognormal"): "half",  # mu = -oo
        ("exponential", "truncated_power_law"): "half",  # alpha = 0
        ("exponential", "truncated_gamma"): "whole",  # shape = 1, inside
        ("truncated_gamma", "truncated_power_law"): "half",  # alpha = 1
        ("truncated_power_law", "truncated_gamma"): "half",  # alpha = 0
    }
)

# of these, the larger families whose further parameter only adds to the smaller law
EXTENSIONS: frozenset[tuple[LawName, LawName]] = frozenset(
    {
        ("power_law", "truncated_power_law"),
        ("exponential", "truncated_power_law"),
        ("exponential", "truncated_gamma"),
    }
)


@dataclass(frozen=True, slots=True)
class PairTest:
    """Two fits of the same points, with R = sum_i [log p_first(x_i) - log p_second(x_i)].

    Attributes:
        first: name of the law that R > 0 favours.
        second: name of the law that R < 0 favours.
        log_ratio: R.
        ratio: R / (sqrt(points) s), s the standard deviation of the terms; 0 where the fits coincide.
        p_value: probability of so large an R when neither law is better: ``nested_p`` where there is one,
            otherwise ``vuong_p``.
        vuong_p: two-sided, erfc(abs(ratio) / sqrt 2), which holds for families that do not overlap. For a
            nested pair it is far too large, and given for comparison with other programs alone.
        nested_p: for nested families, the probability that the larger one gains abs(R) on data of the
            smaller: chi-square with one degree of freedom beyond 2 abs(R), whole or halved as ``NESTINGS``
            has it. For the power law with and without a cut-off the whole one errs on the side of the power
            law when alpha > 2. None for other pairs.
    """

    first: LawName
    second: LawName
    log_ratio: float
    ratio: float
    p_value: float
    vuong_p: float
    nested_p: float | None

    @property
    def coincide(self) -> bool:
        """True when the two fits are one law: nothing can part them."""
        return self.p_value == 1.0 and abs(self.log_ratio) <= COINCIDE

    def favours(self, level: float = LEVEL) -> LawName | None:
        """The law of larger likelihood if p < ``level``; None when the points do not decide."""
        if self.p_value >= level:
            return None
        return self.first if self.log_ratio > 0 else self.second

    def reversed(self) -> PairTest:
        """The same with first and second exchanged."""
        return PairTest(
            self.second,
            self.first,
            -self.log_ratio,
            -self.ratio,
            self.p_value,
            self.vuong_p,
            self.nested_p,
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """All laws of one tail, pair by pair; axis: that of the points.

    Attributes:
        points: number of points.
        lower: where the tail begins.
        fits: of every law, in the order of :data:`~sigmascope.theory.tails.families.FITS`.
        pairs: every pair once.
        best: the law of smallest Akaike criterion, 2 parameters - 2 log likelihood.
        rivals: laws that ``best`` does not beat at ``level``.
        extensions: laws that contain ``best`` and coincide with it or gain nothing significant by their
            further parameter. No data can ever reject them in its favour. A lognormal law of finite sigma
            counts as a rival of the power law and not as its extension.
        level: below which p decides, 0.1 as is customary since Clauset, Shalizi and Newman.
    """

    points: int
    lower: float
    fits: tuple[TailFit[Any], ...]
    pairs: tuple[PairTest, ...]
    best: LawName
    rivals: tuple[LawName, ...]
    extensions: tuple[LawName, ...]
    level: float

    @property
    def decided(self) -> bool:
        """True when ``best`` has no rivals."""
        return not self.rivals

    def fit(self, name: LawName) -> TailFit[Any]:
        """The fit of one law; InvalidValueError when it is not among them."""
        for fit in self.fits:
            if fit.name == name:
                return fit
        raise InvalidValueError(f"law must be one of {', '.join(f.name for f in self.fits)}, got {name!r}")

    def pair(self, first: LawName, second: LawName) -> PairTest:
        """The test of ``first`` against ``second``; InvalidValueError when there is none."""
        return pair_of(self.pairs, first, second)

    @property
    def verdict(self) -> str:
        """What the points say, in a sentence."""
        name = readable(self.best)
        wider = f"; {listed(self.extensions)} can imitate it and gain nothing" if self.extensions else ""
        if self.decided:
            return f"{self.points} points prefer the {name} (p < {self.level:g}){wider}"
        return (
            f"undecided: the {name} fits {self.points} points best, but they do not rule out "
            f"{listed(self.rivals)} at p < {self.level:g}{wider}"
        )


def readable(name: str) -> str:
    """The family's name in prose."""
    words = name.replace("_", " ")
    return words if words.endswith("law") else f"{words} law"


def listed(names: tuple[str, ...]) -> str:
    """Names in a row."""
    return ", ".join(f"the {readable(name)}" for name in names)


def pair_of(pairs: tuple[PairTest, ...], first: LawName, second: LawName) -> PairTest:
    """The test of ``first`` against ``second`` among ``pairs``, turned round if need be."""
    for pair in pairs:
        if (pair.first, pair.second) == (first, second):
            return pair
        if (pair.second, pair.first) == (first, second):
            return pair.reversed()
    raise InvalidValueError(f"{first!r} and {second!r} were not compared; give two different laws of them")


def pair_test(first: TailFit[Any], second: TailFit[Any], points: FloatArray) -> PairTest:
    """R, its normalisation and its p-values for two fits of ``points``."""
    terms = first.law.log_pdf(points) - second.law.log_pdf(points)
    total = float(terms.sum())
    spread = math.sqrt(points.size) * float(terms.std())
    same = abs(total) <= COINCIDE and spread <= COINCIDE
    ratio = 0.0 if same else total / max(spread, COINCIDE)
    vuong_p = float(erfc(abs(ratio) / math.sqrt(2.0)))
    winner, loser = (first, second) if total > 0 else (second, first)
    nested_p = nested_p_value(loser.name, winner.name, abs(total))
    p_value = vuong_p if nested_p is None else nested_p
    return PairTest(first.name, second.name, total, ratio, p_value, vuong_p, nested_p)


def nested_p_value(smaller: LawName, larger: LawName, gain: float) -> float | None:
    """The p-value of the larger family's gain; 1 without a gain, None when they are not nested."""
    share = NESTINGS.get((smaller, larger))
    if share is None:
        # without a gain rounding may name the smaller one the winner
        return 1.0 if gain <= COINCIDE and (larger, smaller) in NESTINGS else None
    if gain <= COINCIDE:
        return 1.0
    p_value = float(erfc(math.sqrt(gain)))  # chi-square with one degree of freedom beyond 2 gain
    return p_value / 2 if share == "half" else p_value


def akaike(fit: TailFit[Any]) -> float:
    """2 parameters - 2 log likelihood, rounded so that fits that coincide are equal."""
    return round(2 * PARAMETERS[fit.name] - 2 * fit.log_likelihood, 4)


def extends(pair: PairTest) -> bool:
    """True when ``second`` contains ``first``, or coincides with it; asked of pairs that p leaves open."""
    return pair.coincide or (pair.first, pair.second) in EXTENSIONS


def compare(points: ArrayLike, *, lower: float, level: float = LEVEL) -> Comparison:
    """Fit all five laws to ``points``, all beyond ``lower``, and test every pair; axis: that of the points.

    InvalidValueError: fewer than MIN_POINTS points, NaN, a point not beyond ``lower``, no spread, a level
    outside (0, 1).
    """
    if not 0.0 < level < 1.0:
        raise InvalidValueError(f"level must be in (0, 1), got {level}; 0.1 is customary")
    values = check_tail(points, lower)
    fits = tuple(fit(values, lower) for fit in FITS.values())
    pairs = tuple(pair_test(a, b, values) for a, b in combinations(fits, 2))
    best = min(fits, key=akaike).name
    against = [pair_of(pairs, best, fit.name) for fit in fits if fit.name != best]
    standing = [pair for pair in against if pair.favours(level) != best]
    extensions = tuple(p.second for p in standing if p.favours(level) is None and extends(p))
    rivals = tuple(p.second for p in standing if p.second not in extensions)
    return Comparison(values.size, float(lower), fits, pairs, best, rivals, extensions, level)
