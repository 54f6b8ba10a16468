"""The laws over a layer's spectrum, step by step."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from fastapi import APIRouter
from scipy.special import gammaln

from backend.deps import LayerDep, ReadDep, RunDep, WindowDep
from backend.storage import results
from backend.storage.tables import LawFitRow
from sigmascope.schemas import Curve, LawFits
from sigmascope.theory.laws.marchenko_pastur import marchenko_pastur_singular
from sigmascope.theory.laws.tracy_widom import TracyWidom

router = APIRouter(prefix="/runs/{run_id}/layers/{layer}/laws", tags=["laws"])


@router.get("")
def get_law_fits(run: RunDep, layer: LayerDep, window: WindowDep, connection: ReadDep) -> LawFits:
    """Unit curves of the laws, and the parameters that place them at each step."""
    table = LawFitRow
    where = (table.run_id == run.id, table.layer == layer.name, *window.where(table.step))
    fits = results.columns(connection, table, results.FITS, where)
    return LawFits(
        layer=layer.name,
        marchenko_pastur=marchenko_pastur_curve(layer.m, layer.n),
        tracy_widom=tracy_widom_curve(),
        steps=fits.pop("step"),
        fits={**fits, "printed_log_norm": _log_norms(fits["printed_shape"], fits["printed_rate"])},
    )


@lru_cache(maxsize=256)
def marchenko_pastur_curve(m: int, n: int) -> Curve:
    """Density of the singular values of an m x n matrix with unit entry variance, dense at the edges."""
    law = marchenko_pastur_singular(m, n)
    lower, upper = law.support()
    x = lower + (upper - lower) * 0.5 * (1 - np.cos(np.linspace(0, np.pi, 257)))
    return Curve(x=x.tolist(), pdf=law.pdf(x).tolist())


@lru_cache(maxsize=1)
def tracy_widom_curve() -> Curve:
    """F_1' where it can be seen."""
    x = np.linspace(-5.5, 4.5, 201)
    return Curve(x=x.tolist(), pdf=TracyWidom(beta=1).pdf(x).tolist())


def _log_norms(shapes: list[Any], rates: list[Any]) -> list[float | None]:
    return [
        None if rate is None or rate <= 0 else float(shape * np.log(rate) - gammaln(shape))
        for shape, rate in zip(shapes, rates, strict=True)
    ]
