"""What a forecast may see of a recorded layer."""

from __future__ import annotations

import numpy as np
from sqlalchemy import Connection, select

from backend.storage import results
from backend.storage.results import Frames, Window
from backend.storage.tables import MetricsRow, NoiseRow, RunRow
from sigmascope.errors import InvalidValueError
from sigmascope.records import LayerShape
from sigmascope.schemas import TrainSpec
from sigmascope.theory.forecasting import History

# values forecast where no tracker says how many
USUAL_K = 8


def history(
    connection: Connection, run_id: str, layer: LayerShape, *, k: int | None = None, last: int | None = None
) -> History:
    """The k largest values (those tracked, when None) of the steps from 0 to ``last``, row = step.

    InvalidValueError: steps are missing in between, or nothing is recorded.
    """
    window = Window(last=last)
    spectra = results.spectra(connection, run_id, layer.name, window)
    if not len(spectra.steps) or spectra.steps[-1] != len(spectra.steps) - 1:
        raise InvalidValueError(
            f"a forecast needs every step from 0 on, but {layer.name} of run {run_id} has "
            f"{len(spectra.steps)} steps recorded; record every step"
        )
    noise = results.mode_updates(connection, run_id, layer.name, window).noise_variance
    in_all = lasting(spec_of(connection, run_id)) ** 2
    count = min(k or (noise.values.shape[1] if len(noise.steps) else USUAL_K), layer.n)
    strength = noise_strength(connection, run_id, layer.name, window)
    return History.of(
        spectra.values[:, :count],
        m=layer.m,
        spectra=spectra.values,
        strength=[in_all * strength.get(step, np.nan) for step in spectra.steps.tolist()],
        noise_variance=in_all * aligned(noise, len(spectra.steps), count),
    )


def spec_of(connection: Connection, run_id: str) -> TrainSpec:
    """What a training run was asked to do."""
    spec = connection.execute(select(RunRow.spec).where(RunRow.id == run_id)).scalar_one()
    return TrainSpec.model_validate(spec)


def data_set_of(connection: Connection, run_id: str) -> str:
    """The SHA-256 of the data that a training run was trained on."""
    provenance: dict[str, str] = connection.execute(
        select(RunRow.provenance).where(RunRow.id == run_id)
    ).scalar_one()
    return provenance.get("sha256", "")


def fresh(spec: TrainSpec) -> float:
    """How often a batch's own gradient is in its step: once, and with Nesterov's momentum mu times more."""
    return 1.0 + spec.momentum if spec.nesterov else 1.0


def lasting(spec: TrainSpec) -> float:
    """What a batch moves W by in all, over its part of its own step.

    Momentum mu goes on with it, sum_t mu^t = 1 / (1 - mu) times the gradient.
    """
    return 1.0 / (1.0 - spec.momentum) / fresh(spec)


def aligned(noise: Frames, rows: int, k: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """(rows, k), NaN where a step has no noise."""
    table = np.full((rows, k), np.nan)
    inside = noise.steps < rows
    columns = min(k, noise.values.shape[1])
    if inside.any():
        table[noise.steps[inside], :columns] = noise.values[inside, :columns]
    return table


def noise_strength(connection: Connection, run_id: str, layer: str, window: Window) -> dict[int, float]:
    """Eta D of each batch's own step, from the first measurement on; D stands until it is measured again.

    Nesterov's momentum has 1 + mu of the gradient in the step, and (1 + mu)^2 of its variance.
    """
    here = (NoiseRow.run_id == run_id, NoiseRow.layer == layer, *window.where(NoiseRow.step))
    in_run = (MetricsRow.run_id == run_id, *window.where(MetricsRow.step))
    noise = results.columns(connection, NoiseRow, ("diffusion",), here)
    if not noise["step"]:
        return {}
    measured = dict(zip(noise["step"], noise["diffusion"], strict=True))
    rates = results.columns(connection, MetricsRow, ("learning_rate",), in_run)
    factor, diffusion, found = fresh(spec_of(connection, run_id)) ** 2, None, {}
    for step, rate in zip(rates["step"], rates["learning_rate"], strict=True):
        diffusion = measured.get(step, diffusion)
        if rate is not None and diffusion is not None:
            found[step] = factor * rate * diffusion
    return found
