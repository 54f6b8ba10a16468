"""The weight matrices of a model in training, as long as they are what they were when a recorder began."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import nn

from sigmascope.errors import InvalidValueError
from sigmascope.spectra.layer_errors import at_layer
from sigmascope.spectra.matrices import WeightMatrix


class Watched(Mapping[str, WeightMatrix]):
    """``matrices`` of ``model`` by name, read after every batch.

    Raises:
        InvalidValueError: there is none.
    """

    def __init__(self, model: nn.Module, matrices: Mapping[str, WeightMatrix]) -> None:
        if not matrices:
            raise InvalidValueError("matrices is empty, so nothing would be recorded: leave it out for all")
        self._model, self._matrices = model, dict(matrices)
        # where each module of the model is, as long as nothing is replaced
        self._places = [(one._modules, *place) for one in model.modules() for place in one._modules.items()]
        self._kinds = {name: _kind(matrix.weight()) for name, matrix in matrices.items()}

    def __getitem__(self, name: str) -> WeightMatrix:
        return self._matrices[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._matrices)

    def __len__(self) -> int:
        return len(self._matrices)

    def stored(self) -> dict[str, torch.Tensor]:
        """What the layers hold now: parameters, or what is computed of them.

        Raises:
            InvalidValueError: a layer is gone, or has changed its shape, type or device.
        """
        self._check_modules()
        found = {name: matrix.weight() for name, matrix in self._matrices.items()}
        for name, weight in found.items():
            before, now = self._kinds[name], _kind(weight)
            if now != before:
                with at_layer(name):
                    raise InvalidValueError(
                        f"the weight was {before[0]} on {before[1]} and is {now[0]} on {now[1]}; build a new "
                        "Recorder"
                    )
        return found

    def matrices(self, stored: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """(rows, columns) of each, detached views of what is stored."""
        return {name: self._matrices[name].view(weight) for name, weight in stored.items()}

    def now(self) -> dict[str, torch.Tensor]:
        """The matrices as they are now; InvalidValueError as for ``stored``."""
        return self.matrices(self.stored())

    def left(self) -> dict[str, torch.Tensor]:
        """Those matrices that are still there, in their shape."""
        found = {}
        for name, matrix in self._matrices.items():
            try:
                found[name] = matrix.tensor()
            except InvalidValueError:
                continue
        return found

    def _check_modules(self) -> None:
        """InvalidValueError where a layer is no part of the model any more."""
        if all(children.get(name) is child for children, name, child in self._places):
            return  # nothing in the model was replaced: asked twice a batch
        there = set(map(id, self._model.modules()))
        for name, matrix in self._matrices.items():
            if id(matrix.module) not in there:
                raise InvalidValueError(
                    f"layer {name} is no part of the model any more: it was replaced or removed; build a new "
                    "Recorder"
                )


def _kind(weight: torch.Tensor) -> tuple[torch.dtype, torch.device]:
    return weight.dtype, weight.device
