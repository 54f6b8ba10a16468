"""Many predictors: one decomposition starts all of a layer, those alike step in a few batched calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.prediction.predictor import Predictor
from sigmascope.prediction.subspace import Modes, Subspace
from sigmascope.prediction.update import WeightChange
from sigmascope.spectra.orientation import tall
from sigmascope.spectra.triplets import Triplets


def start_together(predictors: Iterable[Predictor], W0: torch.Tensor) -> None:
    """``start`` of each predictor at ``W0``, which is decomposed once for all.

    Raises:
        InvalidValueError, NumericalError: as ``start``.
    """
    triplets = Triplets(tall(W0))
    for predictor in predictors:
        predictor.start(W0, triplets=triplets)


def step_together(predictors: Sequence[Predictor], changes: Sequence[WeightChange]) -> None:
    """``step`` of each predictor with its change, faster than one after another.

    What they do with the large matrices is done in turn, the small operations after it once for all those of
    one ``likeness``: on a GPU their launches are most of a step, and on a CPU each of them takes two or three
    times as long where large matrices have pushed its code out of the caches.

    Raises:
        InvalidValueError: as ``step``, or there are not as many changes as predictors.
        NumericalError: as ``step``; ``places`` are those of the predictors. Which others have stepped by then
            is not defined.
    """
    if len(changes) != len(predictors):
        raise InvalidValueError(
            f"{len(predictors)} predictors need as many changes, got {len(changes)}: pass one for each"
        )
    for places in alike(predictors):
        group = [predictors[place] for place in places]
        try:
            group[0].step_alike(group, [changes[place] for place in places])
        except NumericalError as error:
            error.places = tuple(places[place] for place in error.places)
            raise


def modes_together(trackers: Sequence[Subspace]) -> list[Modes]:
    """``modes`` of each tracker, faster than one after another."""
    found: dict[int, Modes] = {}
    for places in alike(trackers):
        found |= zip(places, Subspace.modes_alike([trackers[place] for place in places]), strict=True)
    return [found[place] for place in range(len(trackers))]


def alike(predictors: Sequence[Predictor]) -> list[list[int]]:
    """The places of those of one ``likeness``, side by side."""
    found: dict[tuple[object, ...], list[int]] = {}
    for place, predictor in enumerate(predictors):
        found.setdefault(predictor.likeness, []).append(place)
    return list(found.values())
