"""A run repeated from its first batch, and continued from some of its steps with other batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sigmascope.errors import DivergedError, NumericalError
from sigmascope.schemas import TrainSpec
from sigmascope.spectra import exact_spectra
from worker.building import Data, recorded_matrices
from worker.datasets.sampling import continued_indices
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
    goes_on: Callable[[int], bool] = lambda _made: True,
) -> Continued | None:
    """Train a new ``model`` as ``spec`` says to the last of ``origins``, and from each on ``members`` times.

    Every continuation goes on for ``horizon`` batches from the weights and the state of the optimizer at its
    origin, at the rates of these steps, with batches of its own: it sees nothing that the run has seen after
    the origin. What is left of an epoch there is known, and is drawn in another order.

    Args:
        spec: of the run.
        model: as it was before the first batch.
        data: on the device of the model.
        origins: steps of the run, ascending.
        horizon: batches that training goes on for.
        members: continuations of an origin.
        seed: of their batches.
        check: is shown the repeated run at each origin, before that is continued.
        goes_on: is told after each batch how many continuations are done; all ends where it says no.

    Returns:
        None where ``goes_on`` said no.

    Raises:
        DivergedError: the run, or a continuation.
    """
    optimizer = make_optimizer(spec, model)
    # nobody reads the test split
    quiet = spec.model_copy(update={"evaluate_every": spec.batches + 1})
    seeds = np.random.default_rng([spec.seed, seed])
    now: list[dict[str, Values]] = []
    ahead: list[list[dict[str, Values]]] = []
    made = reached = 0

    def stops() -> bool:
        return not goes_on(made)

    for origin in origins:
        train_on(quiet, model, data, optimizer, after=reached, until=origin, stops=stops)
        if stops():
            return None
        reached = origin
        now.append(singular_values(spec, model))
        check(origin, now[-1])
        ahead.append([])
        for number in seeds.integers(2**31, size=members).tolist():
            ours, stepping = branch(spec, model, optimizer)
            try:
                train_on(
                    quiet, ours, data, stepping, after=origin, until=origin + horizon, stops=stops,
                    batch_of=other_batches(spec, data, after=origin, other=number),
                )  # fmt: skip
                if stops():
                    return None
                ahead[-1].append(singular_values(spec, ours))
            except NumericalError as error:
                reason = error.__cause__ if isinstance(error, DivergedError) else error
                raise DivergedError(
                    f"continued from step {origin} with other batches, training diverges: {reason}; score "
                    "the other methods alone, or a shorter horizon"
                ) from error
            made += 1
            if stops():
                return None
    names = now[0]
    return Continued(
        {name: np.array([one[name] for one in now]) for name in names},
        {name: np.array([[one[name] for one in of] for of in ahead]) for name in names},
    )


def branch(
    spec: TrainSpec, model: nn.Module, optimizer: torch.optim.SGD
) -> tuple[nn.Module, torch.optim.SGD]:
    """Copies that share nothing with these, and would go on as they would."""
    ours = copy.deepcopy(model)
    stepping = make_optimizer(spec, ours)
    stepping.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return ours, stepping


def other_batches(spec: TrainSpec, data: Data, *, after: int, other: int) -> Callable[[int], torch.Tensor]:
    """The samples of each batch after the origin ``after``, by the seed ``other``."""

    def batch_of(step: int) -> torch.Tensor:
        return continued_indices(
            data.sample_count, batch_size=spec.batch_size, step=step, seed=spec.seed, after=after, other=other
        )

    return batch_of


def train_on(
    spec: TrainSpec,
    model: nn.Module,
    data: Data,
    optimizer: torch.optim.SGD,
    *,
    after: int,
    until: int,
    stops: Callable[[], bool] = lambda: False,
    batch_of: Callable[[int], torch.Tensor] | None = None,
) -> None:
    """The batches ``after`` + 1 to ``until``."""
    left = until - after

    def stop() -> bool:
        nonlocal left
        left -= 1
        return left <= 0 or stops()

    if left > 0:
        train(
            spec, model, data, watcher=Unwatched(), stop=stop, optimizer=optimizer, after=after,
            batch_of=batch_of,
        )  # fmt: skip


def singular_values(spec: TrainSpec, model: nn.Module) -> dict[str, Values]:
    """All of every recorded layer, so exact that changes within a few batches are not lost in rounding."""
    weights = {name: matrix.tensor() for name, matrix in recorded_matrices(spec, model).items()}
    found = exact_spectra(weights, method="gram64")
    return {name: one.values.double().numpy() for name, one in found.items()}
