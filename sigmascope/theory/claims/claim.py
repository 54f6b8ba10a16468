"""What a claim is, what is measured of it, and how a verdict follows.

A :class:`Claim` holds a statement of the paper in two forms, ``printed`` and ``exact``, each a function of a
measurement's ``arguments``. ``measure`` knows neither of them: it takes its numbers from simulation, finite
differences or quadrature. :func:`judge` then compares, so that any formula can stand in for either form. The
paper's form is met with the leniency that its statement asks for; the exact one has to hold as it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.theory.ito import Form, check_form

# a true formula deviates by more in one of two million Gaussian measurements
TOLERANCE = 5.0


class Verdict(StrEnum):
    """What the measurements say of a formula."""

    holds = "holds"
    leading = "holds to leading order"
    heuristic = "heuristic"
    fails = "does not hold"


@dataclass(frozen=True, slots=True)
class Laboratory:
    """What a measurement may use: random numbers, and a clock where the claim is one of cost.

    ``clock`` returns seconds, as ``time.perf_counter`` does.
    """

    rng: np.random.Generator
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One number seen, its error, and what a formula needs to predict it.

    Attributes:
        label: what was measured, with its unit or axis.
        value: as seen.
        standard_error: of ``value``: over independent samples, or the estimated error of the numerical
            method. Positive.
        arguments: keyword arguments of the formulas.
        size: what has to grow for a limit to be reached, such as n or 1 / eta; 1 where nothing does.
        printed_error: of the printed prediction, in addition: where it is itself an estimate from samples, or
            leaves constants open as O() does. The exact prediction has no such allowance.
    """

    label: str
    value: float
    standard_error: float
    # arrays among them have no equality of their own
    arguments: Mapping[str, Any] = field(default_factory=dict, compare=False)
    size: float = 1.0
    printed_error: float = 0.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.value) and np.isfinite(self.standard_error) and self.standard_error > 0):
            raise NumericalError(
                f"{self.label}: measured {self.value} with standard error {self.standard_error}; "
                "both must be finite and the error positive"
            )
        if not (np.isfinite(self.printed_error) and self.printed_error >= 0):
            raise NumericalError(
                f"{self.label}: printed_error must be >= 0 and finite, got {self.printed_error}; "
                "leave it out where the printed form predicts one number"
            )

    def error(self, form: Form) -> float:
        """Standard error of ``value`` minus the prediction of this form."""
        own = self.printed_error if form == "as_printed" else 0.0
        return float(np.hypot(self.standard_error, own))


Formula = Callable[..., float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A statement of the paper that can be checked.

    Attributes:
        id: such as ``theorem-3.1``; a second claim of the same statement adds a word.
        statement: its name in the paper.
        title: what it says, in a few words.
        printed_formula: as the paper has it.
        exact_formula: what follows when the derivation is done exactly; the same words where they agree.
        reference: where the exact form comes from.
        method: how it is measured.
        finding: what the comparison means, in a sentence or two.
        measure: yields measurements; knows no formula.
        printed: the printed formula, called with a measurement's ``arguments``.
        exact: the exact one.
        order: for a statement about a limit, the power of 1 / size with which deviations vanish; a printed
            formula whose deviations extrapolate to 0 with it holds to leading order.
        proportional: True for an estimate by dimensions: a printed formula that is right up to one common
            factor is heuristic.
    """

    id: str
    statement: str
    title: str
    printed_formula: str
    exact_formula: str
    reference: str
    method: str
    finding: str
    measure: Callable[[Laboratory], Iterable[Measurement]]
    printed: Formula
    exact: Formula
    order: float | None = None
    proportional: bool = False


@dataclass(frozen=True, slots=True)
class FormResult:
    """How one form fares.

    Attributes:
        predictions: one for each measurement.
        deviation: largest |prediction - value| in standard errors.
        relative_deviation: |prediction - value| / |value| at that measurement.
        limit_deviation: for a statement about a limit, its extrapolated deviation in standard errors.
        factor: for an estimate by dimensions, the common factor of value to prediction.
        verdict: what follows; for an exact form either that it holds or that it does not.
    """

    predictions: tuple[float, ...]
    deviation: float
    relative_deviation: float
    limit_deviation: float | None
    factor: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """A claim with its evidence."""

    claim: Claim
    measurements: tuple[Measurement, ...]
    printed: FormResult
    exact: FormResult
    seconds: float

    @property
    def verdict(self) -> str:
        """The paper's verdict: that of the printed form, which when it fails does so *as printed*."""
        fails = self.printed.verdict is Verdict.fails
        return "does not hold as printed" if fails else str(self.printed.verdict)

    @property
    def telling(self) -> int:
        """Index of the measurement that parts the two forms most, in standard errors."""
        apart = [
            abs(p - e) / m.standard_error
            for p, e, m in zip(
                self.printed.predictions, self.exact.predictions, self.measurements, strict=True
            )
        ]
        return int(np.argmax(apart))


def judge(
    claim: Claim, formula: Formula, measurements: Iterable[Measurement], *, form: Form = "exact"
) -> FormResult:
    """Compare ``formula`` with what was measured.

    It ``holds`` when every prediction lies within five standard errors; if not, an exact form ``does not
    hold``. One ``as_printed`` then still ``holds to leading order`` when the claim has an ``order`` and the
    deviations shrink and extrapolate to within five standard errors of 0, and is ``heuristic`` when the claim
    is ``proportional`` and one factor for all brings every prediction within five. InvalidValueError without
    measurements, or for an unknown form.
    """
    check_form(form)
    seen = tuple(measurements)
    if not seen:
        raise InvalidValueError(f"{claim.id} was judged without a measurement; let it measure first")
    predictions = np.array([float(formula(**one.arguments)) for one in seen])
    values = np.array([one.value for one in seen])
    errors = np.array([one.error(form) for one in seen])
    off = np.abs(predictions - values)
    # a formula that yields NaN deviates without bound
    scores = np.where(np.isfinite(off), off / errors, np.inf)
    worst = int(np.argmax(scores))
    limit = factor = None
    lenient = Verdict.fails
    if claim.order is not None and np.isfinite(off).all():
        sizes = np.array([one.size for one in seen])
        limit = extrapolate(predictions - values, errors, sizes**-claim.order)
        if limit <= TOLERANCE and off[np.argmax(sizes)] < off[np.argmin(sizes)]:
            lenient = Verdict.leading
    if claim.proportional and np.isfinite(off).all():
        factor = common_factor(predictions, values, errors)
        if (np.abs(factor * predictions - values) <= TOLERANCE * errors).all():
            lenient = Verdict.heuristic
    verdict = lenient if form == "as_printed" else Verdict.fails
    if scores[worst] <= TOLERANCE:
        verdict = Verdict.holds
    relative = off[worst] / abs(values[worst]) if values[worst] else np.inf
    return FormResult(
        tuple(predictions.tolist()), float(scores[worst]), float(relative), limit, factor, verdict
    )


def extrapolate(
    deviations: NDArray[np.float64], errors: NDArray[np.float64], small: NDArray[np.float64]
) -> float:
    """|a| in its standard errors, from the least-squares line deviation = a + c small.

    The chi-square of the line, when above its expectation, widens the error: with a wrong order nothing is
    certain. InvalidValueError for fewer than three different sizes.
    """
    if len(np.unique(small)) < 3:
        raise InvalidValueError(f"a limit needs at least 3 sizes, got {len(np.unique(small))}")
    design = np.stack([np.ones_like(small), small], axis=1) / errors[:, None]
    covariance = np.linalg.inv(design.T @ design)
    a, c = covariance @ design.T @ (deviations / errors)
    misfit = np.sum(((deviations - a - c * small) / errors) ** 2) / max(len(small) - 2, 1)
    return float(abs(a) / np.sqrt(covariance[0, 0] * max(misfit, 1.0)))


def common_factor(
    predictions: NDArray[np.float64], values: NDArray[np.float64], errors: NDArray[np.float64]
) -> float:
    """The c that brings c * prediction closest to the values, by weighted least squares."""
    weighted = predictions / errors
    norm = float(weighted @ weighted)
    return float(weighted @ (values / errors) / norm) if norm > 0 else 0.0
