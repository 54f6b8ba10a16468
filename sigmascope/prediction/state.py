"""What a predictor saves and restores: plain values and tensors, as torch.load(weights_only=True) reads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import torch

from sigmascope.errors import InvalidValueError

Entry: TypeAlias = str | int | float | list[int] | torch.Tensor | None
State: TypeAlias = dict[str, Entry]


def saved(settings: Mapping[str, str | int | float], tensors: Mapping[str, torch.Tensor | None]) -> State:
    """Both together; each tensor a copy that later steps do not change, of the same strides.

    The strides matter: they choose the order in which products are summed, so the last bit.
    """
    copies = {name: None if tensor is None else tensor.detach().clone() for name, tensor in tensors.items()}
    return {**settings, **copies}


def restored(state: Mapping[str, Entry], *, settings: Mapping[str, str | int | float]) -> State:
    """``state`` with its tensors copied, once its settings are seen to be ``settings``.

    Raises:
        InvalidValueError: a setting is missing or differs: the state belongs to another predictor.
    """
    for setting, mine in settings.items():
        if state.get(setting) != mine:
            raise InvalidValueError(
                f"the state has {setting} = {state.get(setting)!r} but this predictor {mine!r}: "
                "build it as the one that was saved"
            )
    return {
        name: entry.detach().clone() if isinstance(entry, torch.Tensor) else entry
        for name, entry in state.items()
    }


def tensor_of(state: Mapping[str, Entry], name: str) -> torch.Tensor:
    """The tensor called ``name``.

    Raises:
        InvalidValueError: there is none.
    """
    entry = state.get(name)
    if not isinstance(entry, torch.Tensor):
        raise InvalidValueError(f"the state lacks the tensor {name!r}: it was not saved by state_dict()")
    return entry


def shape_of(state: Mapping[str, Entry]) -> torch.Size | None:
    """The shape of W_0, None before start.

    Raises:
        InvalidValueError: no shape is saved.
    """
    entry = state.get("shape", "")
    if entry is None:
        return None
    if not isinstance(entry, list):
        raise InvalidValueError("the state lacks 'shape': it was not saved by state_dict()")
    return torch.Size(entry)


def as_list(shape: torch.Size | None) -> list[int] | None:
    """``shape`` as plain numbers."""
    return None if shape is None else list(shape)
