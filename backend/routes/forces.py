"""What moved the largest singular values of a layer, batch by batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import APIRouter
from numpy.typing import NDArray

from backend.deps import LayerDep, ReadDep, RunDep, WindowDep
from backend.storage import results
from backend.storage.histories import noise_strength
from backend.storage.results import Frames, Window
from sigmascope.errors import NotFoundError
from sigmascope.schemas import Forces
from sigmascope.theory.forces import HALF_LIFE, forces

router = APIRouter(prefix="/runs/{run_id}/layers/{layer}/forces", tags=["forces"])

PARTS = ("observed", "drift", "noise", "repulsion", "repulsion_as_printed", "turning", "remainder")


@router.get("")
def get_forces(run: RunDep, layer: LayerDep, window: WindowDep, connection: ReadDep) -> Forces:
    """The change of each tracked value in each batch, parted into its causes; step 1 is the first batch."""
    updates, variance, turned = results.mode_updates(connection, run.id, layer.name, Window(last=window.last))
    some = (
        updates if len(updates.steps) else results.mode_updates(connection, run.id, layer.name, Window())[0]
    )
    if not len(some.steps):
        raise NotFoundError(
            f"run {run.id} has no updates along the modes of {layer.name} yet; they come with the first "
            "batch, where the tracker 'subspace' is on"
        )
    before = Window(after=window.after - 1, first=max(window.first - 1, 0), last=window.last)
    spectra = results.spectra(connection, run.id, layer.name, before)
    steps = both(updates.steps, spectra.steps, window)
    rows = np.searchsorted(spectra.steps, steps)
    here = np.searchsorted(updates.steps, steps)
    after = dict(zip(turned.steps.tolist(), turned.values, strict=True))
    unknown = np.full(some.values.shape[1], np.nan)
    strength = noise_strength(connection, run.id, layer.name, Window(last=window.last))
    # rows follow one another, but where a recorder skipped steps
    parts = [
        forces(
            spectra.values[rows[part[0]] - 1 : rows[part[-1]] + 1],
            updates.values[here[part]],
            [strength.get(int(step), np.nan) for step in steps[part]],
            m=layer.m,
            turned=[after.get(int(step), unknown) for step in steps[part]],
            earlier=updates.values[: here[part[0]]],
            ages=steps[part[0]] - updates.steps[: here[part[0]]],
        )
        for part in consecutive(steps)
    ]
    kept = np.isin(steps, thinned(updates.steps, window))
    return Forces(
        layer=layer.name,
        k=len(unknown),
        half_life=HALF_LIFE,
        steps=steps[kept].tolist(),
        anisotropy=table([anisotropy(variance, steps, strength, k=len(unknown))], kept),
        **{name: table([getattr(one, name) for one in parts], kept) for name in PARTS},
    )


def anisotropy(
    variance: Frames, steps: NDArray[np.int64], strength: Mapping[int, float], *, k: int
) -> NDArray[np.float64]:
    """(steps, k) Var(u_k^T G v_k) / (2 eta D); NaN where one of them is not known, or eta is 0."""
    seen = dict(zip(variance.steps.tolist(), variance.values, strict=True))
    rows = np.full((len(steps), k), np.nan)
    for row, step in enumerate(steps.tolist()):
        if step in seen and strength.get(step, 0.0) > 0:
            rows[row] = seen[step] / (2 * strength[step])
    return rows


def both(updated: NDArray[np.int64], recorded: NDArray[np.int64], window: Window) -> NDArray[np.int64]:
    """Steps with an update whose spectrum, and the one before it, is there."""
    whole = np.intersect1d(recorded, recorded + 1)
    steps = np.intersect1d(updated, whole)
    return steps[(steps > window.after) & (steps >= window.first)]


def consecutive(steps: NDArray[np.int64]) -> list[NDArray[np.intp]]:
    """Indices of the stretches without a gap."""
    return np.split(np.arange(len(steps)), np.flatnonzero(np.diff(steps) != 1) + 1) if len(steps) else []


def thinned(updated: NDArray[np.int64], window: Window) -> NDArray[np.int64]:
    """The first step with an update at or after each that the window asks for, before the next of those."""
    _, first = np.unique((updated - window.first) // window.every, return_index=True)
    return updated[first]


def table(parts: list[NDArray[np.float64]], kept: NDArray[np.bool_]) -> Any:
    """Rows as lists, null for NaN."""
    rows = np.concatenate(parts)[kept] if parts else np.empty((0, 0))
    return [[None if np.isnan(one) else float(one) for one in row] for row in rows]
