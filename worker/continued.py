"""A run repeated from its first batch, and continued from some of its steps with other batches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sigmascope.errors import DivergedError
from sigmascope.schemas import TrainSpec
from sigmascope.spectra import exact_spectra
from sigmascope.theory.forecasting import Steps
from worker.building import Data, recorded_matrices
from worker.datasets.sampling import continued_indices
from worker.optimisation import make_optimizer
from worker.training import Unwatched, Watcher, train

Values = NDArray[np.float64]

LOOKS = 4  # at the values of a continuation, at most, in a horizon


@dataclass(frozen=True, slots=True)
class Continued:
    """What continuations from one step of a run saw.

    Attributes:
        steps: (s,) that they were looked at, from the one that they branch off at to their last.
        values: the k largest singular values, descending, by layer: (members, s, k).
    """

    steps: Steps
    values: Mapping[str, Values]


def continued(
    spec: TrainSpec,
    model: nn.Module,
    data: Data,
    *,
    kept: Mapping[str, int],
    origins: Sequence[range],
    horizon: int,
    members: int,
    seed: int,
    check: Callable[[int, Mapping[str, Values]], None] = lambda _step, _now: None,
    goes_on: Callable[[int], bool] = lambda _made: True,
) -> list[Continued] | None:
    """Train a new ``model`` as ``spec`` says, and from the first of each group of origins ``members`` times.

    Every continuation goes on from the weights and the state of the optimizer at that step, at the rates of
    the steps after it, with batches of its own: it sees nothing that the run has seen after that step. What
    is left of an epoch there is known, and is drawn in another order. It ends a horizon after the last of the
    group.

    Args:
        spec: of the run.
        model: as it was before the first batch.
        data: on the device of the model.
        kept: the layers that are looked at, and how many of the largest values of each.
        origins: groups of consecutive steps of the run, ascending.
        horizon: batches ahead.
        members: continuations of a step.
        seed: of their batches.
        check: is shown the repeated run at each step that it is continued from, before it is.
        goes_on: is told after each batch how many continuations are done; all ends where it says no.

    Returns:
        One for each group of ``origins``; None where ``goes_on`` said no.

    Raises:
        DivergedError: the run, or a continuation.
    """
    optimizer = make_optimizer(spec, model)
    seeds = np.random.default_rng([spec.seed, seed])
    found: list[Continued] = []
    made = reached = 0

    def stops() -> bool:
        return not goes_on(made)

    for group in origins:
        train_on(spec, model, data, optimizer, after=reached, until=group[0], stops=stops)
        if stops():
            return None
        reached, end = group[0], group[-1] + horizon
        now = singular_values(spec, model, kept)
        check(reached, now)
        steps = [*range(reached, end, -(-horizon // LOOKS)), end]
        paths: list[list[dict[str, Values]]] = []
        for number in seeds.integers(2**31, size=members).tolist():
            ours, stepping = branch(spec, model, optimizer)
            seen = Looks(spec, ours, kept, at=steps, known=now)
            batch_of = other_batches(spec, data, after=reached, other=number)
            try:
                train_on(
                    spec, ours, data, stepping, after=reached, until=end, stops=stops, watcher=seen,
                    batch_of=batch_of,
                )  # fmt: skip
            except DivergedError as error:
                raise DivergedError(
                    f"continued from step {reached} with other batches, training diverges: "
                    f"{error.__cause__}; score the other methods alone, or choose a shorter horizon or a "
                    "smaller continue_every"
                ) from error
            if stops():
                return None
            paths.append(seen.values)
            made += 1
            if stops():
                return None
        values = {name: np.array([[one[name] for one in path] for path in paths]) for name in kept}
        found.append(Continued(np.array(steps), values))
    return found


class Looks(Unwatched):
    """Looks at a run after some of its batches.

    Attributes:
        values: the singular values of each layer, look by look; the first are ``known``.
    """

    def __init__(
        self,
        spec: TrainSpec,
        model: nn.Module,
        kept: Mapping[str, int],
        *,
        at: Collection[int],
        known: dict[str, Values],
    ) -> None:
        self._spec, self._model, self._kept, self._at = spec, model, kept, at
        self.values = [known]

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        """As they are now, where they are wanted."""
        if step in self._at:
            self.values.append(singular_values(self._spec, self._model, self._kept))


def branch(
    spec: TrainSpec, model: nn.Module, optimizer: torch.optim.SGD
) -> tuple[nn.Module, torch.optim.SGD]:
    """Copies that share nothing with these, and would go on as they would."""
    ours = copy.deepcopy(model)
    stepping = make_optimizer(spec, ours)
    stepping.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return ours, stepping


def other_batches(spec: TrainSpec, data: Data, *, after: int, other: int) -> Callable[[int], torch.Tensor]:
    """The samples of each batch after step ``after``, by the seed ``other``."""

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
    stops: Callable[[], bool],
    watcher: Watcher | None = None,
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
            spec, model, data, watcher=watcher or Unwatched(), stop=stop, optimizer=optimizer, after=after,
            batch_of=batch_of, evaluates=False,
        )  # fmt: skip


def singular_values(spec: TrainSpec, model: nn.Module, kept: Mapping[str, int]) -> dict[str, Values]:
    """The largest of each layer, so exact that changes within a few batches are not lost in rounding."""
    matrices = recorded_matrices(spec, model)
    found = exact_spectra({name: matrices[name].tensor() for name in kept}, method="gram64")
    return {name: one.values[: kept[name]].double().numpy() for name, one in found.items()}
