"""The forecaster that trains on: its scores on a recorded run, all layers at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from backend.settings import Settings
from sigmascope.errors import InvalidValueError
from sigmascope.schemas import CONTINUED, ForecastSpec, TrainSpec
from sigmascope.spectra import weight_matrices
from sigmascope.theory.forecasting import History, Score, Steps, judged, of_members
from worker.building import build_model
from worker.continued import Values, continued
from worker.devices import choose_device, make_repeatable
from worker.memory import memory_explained
from worker.training_job import load_data, thread_count

# of sigma_1, by which a run that is repeated may differ from what was recorded
SAME_RUN = 0.01


def continued_scores(
    spec: ForecastSpec,
    trained: TrainSpec,
    pasts: Mapping[str, History],
    settings: Settings,
    *,
    cancelled: Callable[[], bool],
) -> dict[str, Score]:
    """Of ``continued_training`` on the run that ``trained`` describes, by layer; none where it is cancelled.

    The run is repeated on ``spec.device``, and the changes that continuations see are added to what was
    recorded at their origin.

    Raises:
        InvalidValueError: the device is not there, data do not fit, or it is not the run that was recorded.
        NotFoundError: data are missing.
        OutOfMemoryError: on the device.
        DivergedError: a continuation.
    """
    steps = min(len(past.values) for past in pasts.values())
    origins = np.arange(spec.first_origin, steps - spec.horizon, spec.continue_every)

    def check(origin: int, now: Mapping[str, Values]) -> None:
        for name, past in pasts.items():
            recorded = past.values[origin]
            check_same_run(spec.run, origin, name, now[name][: len(recorded)], recorded)

    device = choose_device(spec.device, missing=settings.missing_device).device
    make_repeatable(device)
    with memory_explained(device):
        data = load_data(trained, settings).to(device)
        model = build_model(trained, data).to(device)
        torch.set_num_threads(
            thread_count(min(one.tensor().shape) for one in weight_matrices(model).values())
        )
        found = continued(
            trained,
            model,
            data,
            origins=origins.tolist(),
            horizon=spec.horizon,
            members=spec.members,
            seed=spec.seed,
            check=check,
            cancelled=cancelled,
        )
    if found is None:
        return {}
    return {
        name: judge(past, origins, found.now[name], found.ahead[name], spec) for name, past in pasts.items()
    }


def judge(past: History, origins: Steps, now: Values, ahead: Values, spec: ForecastSpec) -> Score:
    """The score of continuations from ``now`` (o, n) to ``ahead`` (o, members, n)."""
    values, k = past.values, past.values.shape[1]
    foreseen = of_members(values[origins][:, None] + ahead[..., :k] - now[:, None, :k])
    return judged(
        CONTINUED, spec.horizon, np.maximum(foreseen, 0.0), values[origins + spec.horizon], values[origins]
    )


def check_same_run(run_id: str, step: int, layer: str, now: Values, recorded: Values) -> None:
    """InvalidValueError where a repeated run (k,) is not the one that was recorded (k,)."""
    apart = float(np.abs(now - recorded).max())
    if not apart <= SAME_RUN * recorded[0]:
        raise InvalidValueError(
            f"run {run_id} cannot be repeated here: at step {step} a value of layer {layer} is {apart:.2g} "
            f"from what was recorded, where the largest is {recorded[0]:.3g}; choose the device that it ran "
            "on, or score the other methods"
        )
