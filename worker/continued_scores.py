"""The forecaster that trains on: its scores on a recorded run, all layers at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from sigmascope.errors import InvalidValueError
from sigmascope.schemas import CONTINUED, ForecastSpec, TrainSpec
from sigmascope.spectra import weight_matrices
from sigmascope.theory.forecasting import History, Score, Steps, as_parted, judged, of_members
from worker.building import Data, build_model
from worker.continued import Continued, Values, continued
from worker.devices import make_repeatable
from worker.training_job import thread_count

# of sigma_1, by which a run that is repeated may differ from what was recorded
SAME_RUN = 0.01


def continued_scores(
    spec: ForecastSpec,
    trained: TrainSpec,
    data: Data,
    pasts: Mapping[str, History],
    origins: Sequence[range],
    device: torch.device,
    *,
    goes_on: Callable[[int], bool],
) -> dict[str, Score]:
    """Of ``continued_training`` on the run that ``trained`` describes, by layer; none where it is ended.

    The run is repeated on ``device``, where ``data`` are. ``origins`` and ``goes_on`` are as for
    :func:`worker.continued.continued`.

    Raises:
        InvalidValueError: data do not fit, or the repeated run is not near the one that was recorded.
        DivergedError: a continuation.
    """

    def check(step: int, now: Mapping[str, Values]) -> None:
        for name, past in pasts.items():
            check_same_run(spec.run, step, name, now[name], past.values[step])

    make_repeatable(device)
    model = build_model(trained, data).to(device)
    torch.set_num_threads(thread_count(min(one.tensor().shape) for one in weight_matrices(model).values()))
    found = continued(
        trained,
        model,
        data,
        kept={name: past.values.shape[1] for name, past in pasts.items()},
        origins=origins,
        horizon=spec.horizon,
        members=spec.members,
        seed=spec.seed,
        check=check,
        goes_on=goes_on,
    )
    if found is None:
        return {}
    return {name: judge(past, origins, found, name, horizon=spec.horizon) for name, past in pasts.items()}


def judge(
    past: History, origins: Sequence[range], found: Sequence[Continued], layer: str, *, horizon: int
) -> Score:
    """The score on a layer of what continuations ``found`` for each of ``origins``."""
    foreseen = [
        forecasts(past, group, of.steps, of.values[layer], horizon=horizon)
        for group, of in zip(origins, found, strict=True)
    ]
    steps = np.concatenate(origins)
    return judged(
        CONTINUED, horizon, np.concatenate(foreseen), past.values[steps + horizon], past.values[steps]
    )


def forecasts(past: History, origins: range, steps: Steps, values: Values, *, horizon: int) -> Values:
    """(o, k, 5): quantiles by members that were looked at ``steps`` (s,) and had ``values`` (members, s, k).

    They branch off at the first of ``steps`` and ``origins`` from what was recorded there: a repeated run may
    be a little off.
    """
    recorded = past.values[origins]
    members = values + recorded[0] - values[:, :1]
    meanwhile, ahead = (values_at(np.array(origins) + later, steps, members) for later in (0, horizon))
    return np.maximum(of_members(as_parted(recorded, meanwhile, ahead)), 0.0)


def values_at(wanted: Steps, steps: Steps, values: Values) -> Values:
    """(o, members, k) at the ``wanted`` (o,) steps, of ``values`` (members, s, k) at ``steps`` (s,).

    Their mean is on the line between two looks. Each parts from it as at the nearest look: on lines of their
    own, members would lie closer together than they do.
    """
    mean = values.mean(axis=0)
    place = np.interp(wanted, steps, np.arange(len(steps)))
    before = np.minimum(place.astype(int), len(steps) - 2)
    share = (place - before)[:, None]
    between = (1.0 - share) * mean[before] + share * mean[before + 1]
    nearest = np.abs(np.subtract.outer(wanted, steps)).argmin(axis=1)
    return np.asarray(between[:, None] + (values - mean).swapaxes(0, 1)[nearest])


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
