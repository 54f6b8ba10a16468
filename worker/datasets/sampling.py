"""Which samples a batch holds."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from sigmascope.errors import InvalidValueError


def batch_indices(size: int, *, batch_size: int, step: int, seed: int) -> Tensor:
    """Indices of the samples in batch ``step`` = 1, 2, ...: a function of (seed, step) alone.

    Each epoch is a fresh permutation, without the remainder that fills no batch.

    Raises:
        InvalidValueError: the batch is larger than the data set.
    """
    if batch_size > size:
        raise _too_large(size, batch_size)
    epoch, position = divmod(step - 1, size // batch_size)
    return _order(size, seed=seed, epoch=epoch)[position * batch_size : (position + 1) * batch_size].clone()


def continued_indices(size: int, *, batch_size: int, step: int, seed: int, after: int, other: int) -> Tensor:
    """Indices in batch ``step`` > ``after`` where chance goes another way after batch ``after``.

    The run of ``seed`` is in the middle of an epoch then: what is left of it is drawn anew, by ``other``, as
    are the epochs after it. This is how batches come, given those that were.

    Raises:
        InvalidValueError: the batch is larger than the data set.
    """
    if batch_size > size:
        raise _too_large(size, batch_size)
    (now, used), (epoch, position) = (divmod(made, size // batch_size) for made in (after, step - 1))
    if epoch > now:
        return batch_indices(size, batch_size=batch_size, step=step, seed=other)
    left = _order(size, seed=seed, epoch=now)[used * batch_size :]
    first = (position - used) * batch_size
    return left[_order(len(left), seed=other, epoch=now)[first : first + batch_size]]


@lru_cache(maxsize=4)
def _order(size: int, *, seed: int, epoch: int) -> Tensor:
    # kept, because permuting the million samples of a text takes longer than a batch of a small model
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed * 1_000_003 + epoch))


def _too_large(size: int, batch_size: int) -> InvalidValueError:
    return InvalidValueError(f"batch_size must be at most the data set's {size} samples, got {batch_size}")


def evenly_spaced(size: int, *, limit: int | None) -> Tensor:
    """At most ``limit`` indices below ``size``, in order and evenly spaced; all of them when None.

    Even spacing, because a test split may be sorted by class.

    Raises:
        InvalidValueError: limit below 1.
    """
    if limit is None or limit >= size:
        return torch.arange(size)
    if limit < 1:
        raise InvalidValueError(f"limit must be at least 1, got {limit}; None takes every sample")
    return torch.arange(limit) * size // limit
