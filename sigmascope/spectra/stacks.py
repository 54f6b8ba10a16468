"""Many small tensors as one: a GPU waits for every launch and every look, whatever their size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch

K = TypeVar("K")
_ALIGNED = 64  # bytes; torch's own tensors begin at a multiple


def stacked(tensors: Sequence[torch.Tensor]) -> torch.Tensor:
    """(len(tensors), ...); a single one :func:`aligned`, without a dimension more."""
    return torch.stack(list(tensors)) if len(tensors) > 1 else aligned(tensors[0])


def aligned(tensor: torch.Tensor) -> torch.Tensor:
    """``tensor``, copied where it does not begin in memory as a tensor of its own would: seldom.

    Where numbers lie decides the order in which MKL adds them, so the last bit: a part of an older stack
    gives the same as a copy of it that a state was restored from.
    """
    return tensor.clone() if tensor.data_ptr() % _ALIGNED else tensor


def unstacked(stack: torch.Tensor, count: int) -> Sequence[torch.Tensor]:
    """The ``count`` tensors that :func:`stacked` made ``stack`` of."""
    return stack.unbind() if count > 1 else (stack,)


def by_shape(
    work: Callable[..., tuple[torch.Tensor, ...]], *lists: Sequence[torch.Tensor]
) -> list[tuple[torch.Tensor, ...]]:
    """``work`` of the tensors in the first place of all ``lists``, in the second, and so on, by place.

    It is called with those of equal shapes ``stacked``, and its results are taken apart.
    """
    if len(lists[0]) == 1:
        return [work(*(aligned(tensors[0]) for tensors in lists))]
    alike: dict[tuple[torch.Size, ...], list[int]] = {}
    for place, tensors in enumerate(zip(*lists, strict=True)):
        alike.setdefault(tuple(tensor.shape for tensor in tensors), []).append(place)
    found: dict[int, tuple[torch.Tensor, ...]] = {}
    for places in alike.values():
        results = work(*(stacked([tensors[place] for place in places]) for tensors in lists))
        apart = (unstacked(result, len(places)) for result in results)
        found |= zip(places, zip(*apart, strict=True), strict=True)
    return [found[place] for place in range(len(found))]


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
