"""Spectra of many matrices at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from sigmascope.errors import NumericalError
from sigmascope.spectra.exact import METHODS, Spectrum, bounded, check_finite, choose, decomposable
from sigmascope.spectra.orientation import tall

# Up to this many singular values LAPACK gains nothing from a second thread
_SINGLE_THREADED = 512


@torch.no_grad()
def exact_spectra(
    weights: Mapping[str, torch.Tensor], *, method: str = "auto", accuracy: float | None = None
) -> dict[str, Spectrum]:
    """:func:`exact_spectrum` of every weight, by name, faster than one after another.

    On the CPU, matrices of up to 512 singular values are decomposed side by side, one thread each; larger
    ones take all threads in turn. On a GPU those of equal shape go into one batched call, and results move to
    the CPU once a shape. A weight that stands under several names is decomposed once.

    Raises:
        InvalidValueError: as :func:`exact_spectrum`.
        NumericalError: NaN or infinity in a weight; the message names it.
    """
    matrices = {name: tall(weight) for name, weight in weights.items()}
    for name, matrix in matrices.items():
        try:
            check_finite(matrix)
        except NumericalError as error:
            raise NumericalError(f"layer {name}: {error}") from error
    first = {identity(weight): name for name, weight in reversed(list(weights.items()))}
    distinct = {name: decomposable(matrices[name]) for name in first.values()}
    chosen = {name: choose(method, matrix, accuracy=accuracy) for name, matrix in distinct.items()}
    values = {**_on_cpu(distinct, chosen), **_on_gpu(distinct, chosen)}
    found = {name: bounded(values[name], chosen[name], matrices[name]) for name in distinct}
    return {name: found[first[identity(weight)]] for name, weight in weights.items()}


def identity(weight: torch.Tensor) -> tuple[object, ...]:
    """Equal for views of the same memory with the same entries."""
    return weight.data_ptr(), tuple(weight.shape), weight.stride(), weight.dtype, weight.device


def _on_cpu(matrices: Mapping[str, torch.Tensor], chosen: Mapping[str, str]) -> dict[str, torch.Tensor]:
    here = {name: matrix for name, matrix in matrices.items() if matrix.device.type == "cpu"}
    small = [name for name, matrix in here.items() if matrix.shape[1] <= _SINGLE_THREADED]
    values = {name: METHODS[chosen[name]](here[name]) for name in here if name not in small}
    if len(small) < 2:
        return values | {name: METHODS[chosen[name]](here[name]) for name in small}
    # the largest first: the threads end together
    small.sort(key=lambda name: here[name].shape[1], reverse=True)
    with _one_thread_each() as pool:
        found = pool.map(lambda name: METHODS[chosen[name]](here[name]), small)
        return values | dict(zip(small, found, strict=True))


@contextmanager
def _one_thread_each() -> Iterator[ThreadPoolExecutor]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads, initializer=lambda: torch.set_num_threads(1)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)


def _on_gpu(matrices: Mapping[str, torch.Tensor], chosen: Mapping[str, str]) -> dict[str, torch.Tensor]:
    groups: dict[tuple[object, ...], list[str]] = {}
    for name, matrix in matrices.items():
        if matrix.device.type != "cpu":
            key = (tuple(matrix.shape), matrix.dtype, matrix.device, chosen[name])
            groups.setdefault(key, []).append(name)
    values: dict[str, torch.Tensor] = {}
    for names in groups.values():
        stack = torch.stack([matrices[name] for name in names])
        values |= dict(zip(names, METHODS[chosen[names[0]]](stack).cpu(), strict=True))
    return values
