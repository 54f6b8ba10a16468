"""Laws, claims and simulated ensembles."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

from sigmascope.schemas.spectra import Curve

Axis = Literal["singular_values", "eigenvalues"]


class LawCurve(BaseModel):
    """A law where it can be seen, on the axis that was asked for.

    ``atom`` is the probability of exactly 0, which ``pdf`` does not show.
    """

    law: str
    x: list[float]
    pdf: list[float]
    cdf: list[float]
    support: tuple[float, float | None]
    mean: float
    var: float
    atom: float = 0.0


class Edge(BaseModel):
    """Where the largest singular value of an m x n noise matrix lies.

    ``center`` and ``scale`` speak of the eigenvalues of W^T W; ``edge``, which noise exceeds with probability
    ``level``, and ``bulk_edge``, where Marchenko-Pastur ends, of singular values.
    """

    m: int
    n: int
    entry_variance: float
    method: str
    level: float
    center: float
    scale: float
    edge: float
    bulk_edge: float


class PValues(BaseModel):
    """For each singular value: Tracy-Widom statistic, and the probability that noise exceeds it."""

    singular_values: list[float]
    statistics: list[float]
    p_values: list[float]


class SpectrumToFit(BaseModel):
    """All n singular values of an m x n matrix, m >= n."""

    m: int = Field(ge=1)
    n: int = Field(ge=1)
    singular_values: list[float] = Field(max_length=20_000)
    level: float = Field(0.05, gt=0, lt=1, description="of the edge test")


class NoiseFit(BaseModel):
    """Bulk and outliers of a spectrum; singular-value axis, p-value of the largest.

    At most half of the values are called outliers; ``truncated`` says that the next one lies beyond the edge,
    too, so that there is no bulk that the variance could be that of.
    """

    entry_variance: float
    edge: float
    p_value: float
    outliers: list[float]
    truncated: bool
    ks: float


class Statement(BaseModel):
    """A claim of the paper as printed and exact, before it is checked."""

    id: str
    statement: str
    title: str
    printed_formula: str
    exact_formula: str
    reference: str
    method: str
    finding: str


class Measured(BaseModel):
    """One measurement beside what both forms predict; null where a formula gives no number."""

    label: str
    value: float
    standard_error: float
    size: float
    printed: float | None
    exact: float | None


class FormVerdict(BaseModel):
    """How one form fares: its deviation in standard errors and relative, and the verdict.

    ``limit_deviation`` is that of the extrapolated limit, ``factor`` that of an estimate by dimensions.
    """

    verdict: str
    deviation: float | None
    relative_deviation: float | None
    limit_deviation: float | None
    factor: float | None


class CheckedClaim(Statement):
    """A claim with its evidence; ``telling`` is the measurement that parts the two forms most."""

    verdict: str
    measurements: list[Measured]
    telling: int
    printed: FormVerdict
    exact: FormVerdict
    seconds: float


class Ensemble(BaseModel):
    """What a simulation stored, and where its entry variance stands at each recorded step.

    ``entry_variance`` is that of W for the exact process: start_variance e^(-2 kappa t) + eta D
    (1 - e^(-2 kappa t)) / kappa.
    """

    process: str
    form: str
    m: int
    n: int
    paths: int
    steps: list[int]
    times: list[float]
    entry_variance: list[float]


class EnsembleHistograms(BaseModel):
    """Densities of the singular values, pooled over paths, one row a step; ``edges`` are common to all.

    ``standard_error`` is over paths. ``law`` is the density that the exact process follows at unit entry
    variance (for n > 1 in the limit of large n): at entry variance s^2 it is (s x, pdf / s).
    ``printed_law`` is the stationary gamma law as printed, on the same axis, where a force restores.
    """

    steps: list[int]
    edges: list[float]
    density: list[list[float]]
    standard_error: list[list[float]]
    entry_variance: list[float]
    law_name: str
    law: Curve
    printed_law: Curve | None


class EnsembleSummary(BaseModel):
    """Mean over paths of the k largest singular values, (steps, k), and its standard error.

    ``spread`` is the standard deviation over paths. ``eigenvalue_sum`` is the mean of sum sigma^2, whose
    exact value is m n times the entry variance: ``expected_sum``.
    """

    steps: list[int]
    times: list[float]
    mean: list[list[float]]
    standard_error: list[list[float]]
    spread: list[list[float]]
    eigenvalue_sum: list[float]
    eigenvalue_sum_error: list[float]
    expected_sum: list[float]
