"""The laws themselves, without a run: curves, edges, p-values and a fit, answered at once."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from fastapi import APIRouter, Query
from numpy.typing import NDArray

from sigmascope.errors import InvalidValueError
from sigmascope.schemas import Axis, Edge, LawCurve, NoiseFit, PValues, SpectrumToFit
from sigmascope.theory.edge import Method, check_spectrum, edge_scaling, fit_bulk
from sigmascope.theory.law_fit import bulk_distance
from sigmascope.theory.laws import (
    Law,
    MarchenkoPastur,
    StationaryGamma,
    TracyWidom,
    on_singular_value_axis,
)

router = APIRouter(prefix="/laws", tags=["laws"])

Rows = Annotated[int, Query(ge=1, le=1_000_000, description="rows m of W")]
Columns = Annotated[int, Query(ge=1, le=1_000_000, description="columns n of W")]
Variance = Annotated[float, Query(gt=0, allow_inf_nan=False, description="variance of an entry of W")]
CentringMethod = Annotated[
    Method,
    Query(description="of centring and scaling: Ma (2012), Johnstone (2001), or Lemma 6.11 as printed"),
]
Points = Annotated[int, Query(ge=2, le=2001, description="points of the curve")]
TAIL_MASS = 1e-6


@router.get("/marchenko-pastur")
def get_marchenko_pastur(
    m: Rows,
    n: Columns,
    entry_variance: Variance = 1.0,
    axis: Annotated[Axis, Query(description="of W, or of W^T W / m")] = "singular_values",
    points: Points = 257,
) -> LawCurve:
    """Marchenko-Pastur: the bulk of the singular values of W, or of the eigenvalues of W^T W / m.

    With m < n, n - m of the n values are 0: the atom.
    """
    of_eigenvalues = MarchenkoPastur(n / m, entry_variance)
    law: Law = of_eigenvalues
    lower, upper = of_eigenvalues.bulk()
    if axis == "singular_values":
        law = on_singular_value_axis(of_eigenvalues, m=m)
        lower, upper = float(np.sqrt(m * lower)), float(np.sqrt(m * upper))
    # denser at the edges, where the density is a square root
    x = lower + (upper - lower) * 0.5 * (1 - np.cos(np.linspace(0, np.pi, points)))
    return curve("Marchenko-Pastur", law, x, atom=of_eigenvalues.atom)


@router.get("/tracy-widom")
def get_tracy_widom(
    beta: Annotated[int, Query(description="1: real, 2: complex, 4: quaternion")] = 1,
    points: Points = 257,
) -> LawCurve:
    """Tracy-Widom: the scaled largest eigenvalue of noise."""
    law = TracyWidom(beta)
    return curve(f"Tracy-Widom, beta = {beta}", law, between_quantiles(law, points))


@router.get("/stationary-gamma")
def get_stationary_gamma(
    m: Rows,
    n: Columns,
    beta1: Annotated[float, Query(gt=0, allow_inf_nan=False, description="restoring rate of lambda")],
    learning_rate: Annotated[float, Query(gt=0, allow_inf_nan=False)],
    diffusion: Annotated[float, Query(gt=0, allow_inf_nan=False, description="D")],
    form: Annotated[
        Literal["as_printed", "exact"], Query(description="exact: one particle, n = 1")
    ] = "as_printed",
    axis: Annotated[Axis, Query(description="of W, or of W^T W")] = "singular_values",
    points: Points = 257,
) -> LawCurve:
    """The stationary gamma law of Theorem 3.2; the exact one holds for n = 1 alone."""
    if form == "as_printed":
        law = StationaryGamma.as_printed(m=m, n=n, beta1=beta1, learning_rate=learning_rate, D=diffusion)
    elif n == 1:
        law = StationaryGamma.exact_one_particle(m=m, beta1=beta1, learning_rate=learning_rate, D=diffusion)
    else:
        raise InvalidValueError(
            f"the exact gamma law is that of one particle, n = 1, got n={n}; interacting particles follow "
            "Marchenko-Pastur at entry variance 2 eta D / beta1"
        )
    shown: Law = on_singular_value_axis(law) if axis == "singular_values" else law
    return curve(f"gamma, {form.replace('_', ' ')}", shown, between_quantiles(shown, points))


@router.get("/edge")
def get_edge(
    m: Rows,
    n: Columns,
    entry_variance: Variance = 1.0,
    method: CentringMethod = "ma",
    level: Annotated[float, Query(gt=0, lt=1, description="noise exceeds the edge so often")] = 0.05,
) -> Edge:
    """Where the largest singular value of an m x n noise matrix lies."""
    scaling = edge_scaling(m, n, entry_variance=entry_variance, method=method)
    return Edge(
        m=m,
        n=n,
        entry_variance=entry_variance,
        method=method,
        level=level,
        center=scaling.center,
        scale=scaling.scale,
        edge=scaling.edge(level),
        bulk_edge=float(np.sqrt(entry_variance) * (np.sqrt(m) + np.sqrt(n))),
    )


@router.get("/p-value")
def get_p_value(
    singular_value: Annotated[
        list[float], Query(min_length=1, max_length=1000, description="of W; may be repeated")
    ],
    m: Rows,
    n: Columns,
    entry_variance: Variance = 1.0,
    method: CentringMethod = "ma",
) -> PValues:
    """How probable it is that pure noise has a largest singular value beyond each of these."""
    values = np.asarray(singular_value)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise InvalidValueError(f"singular_value must be finite and >= 0, got {singular_value}")
    scaling = edge_scaling(m, n, entry_variance=entry_variance, method=method)
    return PValues(
        singular_values=values.tolist(),
        statistics=scaling.statistic(values).tolist(),
        p_values=scaling.p_value(values).tolist(),
    )


@router.post("/fit")
def fit_spectrum(spectrum: SpectrumToFit) -> NoiseFit:
    """Entry variance of the bulk, the edge, and what lies beyond it, from all n singular values of W."""
    m, n = spectrum.m, spectrum.n
    values = check_spectrum(spectrum.singular_values, m, n)
    bulk = fit_bulk(values, m=m, n=n, level=spectrum.level)
    return NoiseFit(
        entry_variance=bulk.entry_variance,
        edge=bulk.residual.edge(spectrum.level),
        p_value=float(bulk.whole.p_value(values[0])),
        outliers=values[: bulk.outliers].tolist(),
        truncated=bulk.truncated,
        ks=bulk_distance(values[bulk.outliers :], bulk, m=m, n=n),
    )


def between_quantiles(law: Law, points: int) -> NDArray[np.float64]:
    """Evenly spaced from one tail to the other."""
    low, high = float(law.ppf(TAIL_MASS)), float(law.ppf(1 - TAIL_MASS))
    return np.linspace(low, high, points)


def curve(name: str, law: Law, x: NDArray[np.float64], *, atom: float = 0.0) -> LawCurve:
    """The answer for a law at these points; an endless support ends in null."""
    pdf = law.pdf(x)
    low, high = law.support()
    return LawCurve(
        law=name,
        x=x.tolist(),
        # a density may diverge at the hard edge of a square matrix
        pdf=np.where(np.isfinite(pdf), pdf, 0.0).tolist(),
        cdf=law.cdf(x).tolist(),
        support=(low if np.isfinite(low) else x[0], high if np.isfinite(high) else None),
        mean=law.mean(),
        var=law.var(),
        atom=atom,
    )
