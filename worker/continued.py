"""A run repeated from its first batch, and continued from some of its steps with other batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sigmascope.errors import DivergedError
from sigmascope.schemas import TrainSpec
from sigmascope.spectra import exact_spectra
from worker.building import Data, recorded_matrices
from worker.optimisation import make_optimizer
from worker.training import Unwatched, train

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Continued:
    """Singular values, descending, by layer.

    Attributes:
        now: (origins, n) of the repeated run.
        ahead: (origins, members, n) so many batches later, of each continuation.
    """

    now: Mapping[str, Values]
    ahead: Mapping[str, Values]


def continued(
    spec: TrainSpec,
    model: nn.Module,
    data: Data,
    *,
    origins: Sequence[int],
    horizon: int,
    members: int,
    seed: int,
    check: Callable[[int, Mapping[str, Values]], None] = lambda _origin, _now: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Continued | None:
    """Train a new ``model`` as ``spec`` says to the last of ``origins``, and from each on ``members`` times.

    Every continuation goes on for ``horizon`` batches from the weights and the state of the optimizer at its
    origin, at the rates of these steps, with batches of its own: it sees nothing that the run has seen after
    the origin. ``check`` is shown the repeated run at each origin before it is continued. ``cancelled`` is
    asked after each batch; None where it said so.

    Raises:
        DivergedError: the run, or a continuation.
    """
    optimizer = make_optimizer(spec, model)
    # nobody reads the test split
    quiet = spec.model_copy(update={"evaluate_every": spec.batches + 1})
    seeds = np.random.default_rng([spec.seed, seed])
    now: list[dict[str, Values]] = []
    ahead: list[list[dict[str, Values]]] = []
    reached = 0
    for origin in origins:
        train_on(quiet, model, data, optimizer, after=reached, until=origin, cancelled=cancelled)
        reached = origin
        now.append(singular_values(spec, model))
        if cancelled():
            return None
        check(origin, now[-1])
        ahead.append([])
        for number in seeds.integers(2**31, size=members).tolist():
            ours = copy.deepcopy(model)
            stepping = make_optimizer(spec, ours)
            stepping.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            other = quiet.model_copy(update={"seed": number})
            try:
                train_on(
                    other, ours, data, stepping, after=origin, until=origin + horizon, cancelled=cancelled
                )
            except DivergedError as error:
                raise DivergedError(
                    f"continued from step {origin} with other batches, training diverges: "
                    f"{error.__cause__ or error}; score the other methods, or a shorter horizon"
                ) from error
            ahead[-1].append(singular_values(spec, ours))
        if cancelled():
            return None
    names = now[0]
    return Continued(
        {name: np.array([one[name] for one in now]) for name in names},
        {name: np.array([[one[name] for one in of] for of in ahead]) for name in names},
    )


def train_on(
    spec: TrainSpec,
    model: nn.Module,
    data: Data,
    optimizer: torch.optim.SGD,
    *,
    after: int,
    until: int,
    cancelled: Callable[[], bool],
) -> None:
    """The batches ``after`` + 1 to ``until``."""
    left = until - after

    def stop() -> bool:
        nonlocal left
        left -= 1
        return left <= 0 or cancelled()

    if left > 0:
        train(spec, model, data, watcher=Unwatched(), stop=stop, optimizer=optimizer, after=after)


def singular_values(spec: TrainSpec, model: nn.Module) -> dict[str, Values]:
    """All of every recorded layer, so exact that changes within a few batches are not lost in rounding."""
    weights = {name: matrix.tensor() for name, matrix in recorded_matrices(spec, model).items()}
    found = exact_spectra(weights, method="gram64")
    return {name: one.values.double().numpy() for name, one in found.items()}
