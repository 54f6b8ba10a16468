"""What a simulation stored: its paths, and views of them."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated

import numpy as np
from fastapi import APIRouter, Depends, Query, Response
from numpy.typing import NDArray
from scipy.stats import chi
from sqlalchemy import Connection

from backend.blobs import blob
from backend.deps import ReadDep, RunDep, WindowDep, require_kind
from backend.routes.law_fits import marchenko_pastur_curve
from backend.storage import theory
from backend.storage.results import Frames, Window
from backend.storage.theory import StoredSnapshot
from sigmascope.errors import InvalidValueError
from sigmascope.schemas import Curve, Ensemble, EnsembleHistograms, EnsembleSummary, SimulateSpec
from sigmascope.theory.laws import StationaryGamma, on_singular_value_axis

router = APIRouter(prefix="/runs/{run_id}/ensemble", tags=["ensembles"])

BLOB_LIMIT = 64_000_000  # values in one answer
JSON_LIMIT = 1_000_000


def simulation(run: RunDep) -> SimulateSpec:
    """What the run was asked to simulate; 404 when it is of another kind."""
    require_kind(run, "simulate")
    return SimulateSpec.model_validate(run.spec)


SpecDep = Annotated[SimulateSpec, Depends(simulation)]
Top = Annotated[int | None, Query(ge=1, description="only the so many largest values")]


@router.get("")
def get_ensemble(run: RunDep, spec: SpecDep, window: WindowDep, connection: ReadDep) -> Ensemble:
    """What is stored, and the entry variance at each recorded step."""
    moments = theory.times(connection, run.id, window)
    return Ensemble(
        process=spec.process,
        form=spec.form,
        m=spec.m,
        n=spec.n,
        paths=spec.paths,
        steps=[step for step, _ in moments],
        times=[time for _, time in moments],
        entry_variance=[entry_variance(spec, time) for _, time in moments],
    )


@router.get("/paths.f32", response_class=Response)
def get_paths(
    run: RunDep,
    spec: SpecDep,
    window: WindowDep,
    connection: ReadDep,
    k: Top = None,
    paths: Annotated[int | None, Query(ge=1, description="only the first so many paths")] = None,
) -> Response:
    """Little-endian float32, a row a step: path after path, its k largest values descending."""
    chosen_k, chosen_paths = min(k or spec.n, spec.n), min(paths or spec.paths, spec.paths)
    steps = len(theory.times(connection, run.id, window))
    size = steps * chosen_paths * chosen_k
    if size > BLOB_LIMIT:
        raise InvalidValueError(
            f"{size:,} values exceed {BLOB_LIMIT:,} in one answer; narrow first, last or every, or give k or "
            "paths"
        )
    seen = list(theory.snapshots(connection, run.id, window, n=spec.n, first_paths=chosen_paths))
    width = chosen_paths * chosen_k
    rows = np.empty((len(seen), width), np.float32)
    for row, one in zip(rows, seen, strict=True):
        row[:] = one.singular_values[:, :chosen_k].reshape(-1)
    return blob(Frames(np.array([one.step for one in seen], np.int64), rows))


@router.get("/histograms")
def get_histograms(
    run: RunDep,
    spec: SpecDep,
    window: WindowDep,
    connection: ReadDep,
    bins: Annotated[int, Query(ge=1, le=512, description="of equal width")] = 64,
) -> EnsembleHistograms:
    """Densities of all singular values, pooled over paths, made from the stored paths."""
    moments = theory.times(connection, run.id, window)
    check_json(len(moments) * bins, "bins")
    edges = np.linspace(0.0, upper_end(connection, run.id, window, spec), bins + 1)
    width = edges[1] - edges[0]
    density, errors = [], []
    for one in theory.snapshots(connection, run.id, window, n=spec.n):
        counts = counts_by_path(one.singular_values, edges) / (spec.n * width)
        density.append(counts.mean(axis=0).tolist())
        errors.append(standard_error(counts).tolist())
    return EnsembleHistograms(
        steps=[step for step, _ in moments],
        edges=edges.tolist(),
        density=density,
        standard_error=errors,
        entry_variance=[entry_variance(spec, time) for _, time in moments],
        law_name="Marchenko-Pastur" if spec.n > 1 else "gamma, exact (n = 1)",
        law=marchenko_pastur_curve(spec.m, spec.n) if spec.n > 1 else one_particle_curve(spec.m),
        printed_law=printed_curve(spec),
    )


@router.get("/summary")
def get_summary(
    run: RunDep,
    spec: SpecDep,
    window: WindowDep,
    connection: ReadDep,
    k: Annotated[int, Query(ge=1, le=1024, description="so many of the largest values")] = 8,
) -> EnsembleSummary:
    """Mean and spread over paths of the largest values, and of the sum of all eigenvalues."""
    top = min(k, spec.n)
    check_json(len(theory.times(connection, run.id, window)) * top, "k")
    seen = [summarise(one, top) for one in theory.snapshots(connection, run.id, window, n=spec.n)]
    return EnsembleSummary(
        steps=[one.step for one, *_ in seen],
        times=[one.time for one, *_ in seen],
        mean=[values.mean(axis=0).tolist() for _, values, _ in seen],
        standard_error=[standard_error(values).tolist() for _, values, _ in seen],
        spread=[values.std(axis=0).tolist() for _, values, _ in seen],
        eigenvalue_sum=[float(sums.mean()) for *_, sums in seen],
        eigenvalue_sum_error=[float(standard_error(sums)) for *_, sums in seen],
        expected_sum=expected_sums([(one.time, sums) for one, _, sums in seen], spec),
    )


def summarise(
    one: StoredSnapshot, top: int
) -> tuple[StoredSnapshot, NDArray[np.float64], NDArray[np.float64]]:
    """The snapshot, its top values, and the sum of the eigenvalues of each path."""
    values = one.singular_values.astype(np.float64)
    return one, values[:, :top], np.asarray((values**2).sum(axis=1))


def expected_sums(seen: list[tuple[float, NDArray[np.float64]]], spec: SimulateSpec) -> list[float]:
    """Mean sum of eigenvalues of the exact process, from the first one stored.

    d E sum lambda = (2 eta D m n - 2 kappa E sum lambda) dt.
    """
    if not seen:
        return []
    first_time, first = seen[0]
    start = float(first.mean())
    return [
        start * decay(spec, time - first_time) + spec.m * spec.n * gained(spec, time - first_time)
        for time, _ in seen
    ]


def entry_variance(spec: SimulateSpec, time: float) -> float:
    """Variance of W's entries after ``time``, over start and noise."""
    return spec.start_variance * decay(spec, time) + gained(spec, time)


def decay(spec: SimulateSpec, time: float) -> float:
    """What is left of a variance: e^(-2 kappa t)."""
    return float(np.exp(-2.0 * spec.restoring_rate * time))


def gained(spec: SimulateSpec, time: float) -> float:
    """Variance that the noise has added: eta D (1 - e^(-2 kappa t)) / kappa, or 2 eta D t."""
    rate, strength = spec.restoring_rate, spec.learning_rate * spec.diffusion
    return float(-strength * np.expm1(-2.0 * rate * time) / rate) if rate else 2.0 * strength * time


def upper_end(connection: Connection, run_id: str, window: Window, spec: SimulateSpec) -> float:
    """A little beyond the largest value stored."""
    tops = [
        float(one.singular_values[:, 0].max())
        for one in theory.snapshots(connection, run_id, window, n=spec.n)
    ]
    return 1.02 * max(tops, default=1.0) or 1.0


def counts_by_path(values: NDArray[np.float32], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """How many of each path's values (paths, n) fall in each bin: (paths, bins)."""
    paths, bins = len(values), len(edges) - 1
    places = np.clip((values / edges[-1] * bins).astype(np.intp), 0, bins - 1)
    flat = places + bins * np.arange(paths)[:, None]
    return np.bincount(flat.ravel(), minlength=paths * bins).reshape(paths, bins).astype(np.float64)


def standard_error(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the mean over the first axis; 0 for one path, whose spread is unknown."""
    if len(values) < 2:
        return np.zeros(values.shape[1:])
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def check_json(size: int, argument: str) -> None:
    """InvalidValueError when an answer would hold more than ``JSON_LIMIT`` numbers."""
    if size > JSON_LIMIT:
        raise InvalidValueError(
            f"{size:,} numbers exceed {JSON_LIMIT:,} in JSON; lower {argument}, or narrow first, last, every"
        )


@lru_cache(maxsize=64)
def one_particle_curve(m: int) -> Curve:
    """Density of the singular value of an m x 1 matrix of unit entry variance: chi with m degrees."""
    law = chi(m)
    x = np.linspace(law.ppf(1e-6), law.ppf(1 - 1e-6), 257)
    return Curve(x=x.tolist(), pdf=law.pdf(x).tolist())


def printed_curve(spec: SimulateSpec) -> Curve | None:
    """The stationary gamma law as printed, where there is one."""
    if spec.restoring_rate == 0 or spec.diffusion == 0:
        return None
    law = on_singular_value_axis(
        StationaryGamma.as_printed(
            m=spec.m,
            n=spec.n,
            beta1=2.0 * spec.restoring_rate,
            learning_rate=spec.learning_rate,
            D=spec.diffusion,
        )
    )
    x = np.linspace(float(law.ppf(1e-6)), float(law.ppf(1 - 1e-6)), 257)
    return Curve(x=x.tolist(), pdf=law.pdf(x).tolist())
