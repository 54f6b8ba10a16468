"""The forecaster that trains on: its scores on a recorded run, all layers at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from sigmascope.errors import InvalidValueError
from sigmascope.schemas import CONTINUED, ForecastSpec, TrainSpec
from sigmascope.spectra import weight_matrices
from sigmascope.theory.forecasting import History, Score, judged, of_members
from worker.building import Data, build_model
from worker.continued import Values, continued
from worker.devices import make_repeatable
from worker.training_job import thread_count

# of sigma_1, by which a run that is repeated may differ from what was recorded
SAME_RUN = 0.01


def continued_scores(
    spec: ForecastSpec,
    trained: TrainSpec,
    data: Data,
    pasts: Mapping[str, History],
    origins: Sequence[int],
    device: torch.device,
    *,
    goes_on: Callable[[int], bool],
) -> dict[str, Score]:
    """Of ``continued_training`` on the run that ``trained`` describes, by layer; none where it is ended.

    The run is repeated on ``device``, where ``data`` are, and the changes that continuations see are added to
    what was recorded at their origin. ``goes_on`` is as for :func:`worker.continued.continued`.

    Raises:
        InvalidValueError: data do not fit, or the repeated run is not near the one that was recorded.
        DivergedError: a continuation.
    """

    def check(origin: int, now: Mapping[str, Values]) -> None:
        for name, past in pasts.items():
            recorded = past.values[origin]
            check_same_run(spec.run, origin, name, now[name][: len(recorded)], recorded)

    make_repeatable(device)
    model = build_model(trained, data).to(device)
    torch.set_num_threads(thread_count(min(one.tensor().shape) for one in weight_matrices(model).values()))
    found = continued(
        trained,
        model,
        data,
        origins=origins,
        horizon=spec.horizon,
        members=spec.members,
        seed=spec.seed,
        check=check,
        goes_on=goes_on,
    )
    if found is None:
        return {}
    return {
        name: judge(past, origins, found.now[name], found.ahead[name], horizon=spec.horizon)
        for name, past in pasts.items()
    }


def judge(past: History, origins: Sequence[int], now: Values, ahead: Values, *, horizon: int) -> Score:
    """The score of continuations from ``now`` (o, n) to ``ahead`` (o, members, n)."""
    steps = np.array(origins)
    held = past.values[steps]
    foreseen = quantiles_of(held, now[:, : held.shape[1]], ahead[..., : held.shape[1]])
    return judged(CONTINUED, horizon, foreseen, past.values[steps + horizon], held)


def quantiles_of(recorded: Values, now: Values, ahead: Values) -> Values:
    """(o, k, 5): the changes from ``now`` (o, k) to ``ahead`` (o, members, k), from what was ``recorded``."""
    return np.maximum(of_members(recorded[:, None] + ahead - now[:, None]), 0.0)


def check_data_set(run_id: str, here: str, recorded: str) -> None:
    """InvalidValueError where a run was trained on other data than those that are here, by their SHA-256."""
    if here != recorded:
        raise InvalidValueError(
            f"run {run_id} cannot be repeated here: it was trained on data of SHA-256 "
            f"{recorded or 'unknown'}, those here have {here}; bring its data back, or score the other "
            "methods"
        )


def check_same_run(run_id: str, step: int, layer: str, now: Values, recorded: Values) -> None:
    """InvalidValueError where a repeated run (k,) is far from the one that was recorded (k,)."""
    apart = float(np.abs(now - recorded).max())
    if not apart <= SAME_RUN * recorded[0]:
        raise InvalidValueError(
            f"run {run_id} cannot be repeated here: at step {step} a value of layer {layer} is {apart:.2g} "
            f"from what was recorded, where the largest is {recorded[0]:.3g}; choose the device that it ran "
            "on, or score the other methods"
        )
