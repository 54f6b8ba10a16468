"""Many small tensors as one: a GPU waits for every launch and every look, whatever their size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeVar

import torch

K = TypeVar("K")
_ALIGNED = 64  # bytes; torch's own tensors begin at a multiple


def stacked(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(len(tensors), ...); a single one as it is, without a dimension more, and most often without a copy.

    It is copied where it does not begin as a tensor of its own would. Where in memory numbers lie decides the
    order in which MKL adds them, so the last bit: a part of an older stack gives the same as a copy of it
    that a state was restored from.
    """
    if len(tensors) > 1:
        return torch.stack(list(tensors))
    (one,) = tensors
    return one.clone() if one.data_ptr() % _ALIGNED else one


def unstacked(stack: torch.Tensor, count: int) -> Sequence[torch.Tensor]:
    """The ``count`` tensors that :func:`stacked` made ``stack`` of."""
    return stack.unbind() if count > 1 else (stack,)


def on_cpu(tensors: Mapping[K, torch.Tensor]) -> dict[K, torch.Tensor]:
    """The same tensors on the CPU, in the same order; those of one device and type move as one."""
    groups: dict[tuple[torch.device, torch.dtype], list[K]] = {}
    for key, tensor in tensors.items():
        if tensor.device.type != "cpu":
            groups.setdefault((tensor.device, tensor.dtype), []).append(key)
    moved = dict(tensors)
    for keys in groups.values():
        parts = [tensors[key] for key in keys]
        flat = torch.cat([part.flatten() for part in parts]).cpu()
        pieces = torch.split(flat, [part.numel() for part in parts])
        for key, part, piece in zip(keys, parts, pieces, strict=True):
            moved[key] = piece.view(part.shape)
    return moved
