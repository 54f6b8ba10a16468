"""Spectra of many matrices at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import torch

from sigmascope.spectra.exact import METHODS, Spectrum, bounded, check_finite, choose, decomposable
from sigmascope.spectra.layer_errors import at_layer
from sigmascope.spectra.matrices import identity
from sigmascope.spectra.orientation import tall


@torch.no_grad()
def exact_spectra(
    weights: Mapping[str, torch.Tensor],
    *,
    method: str = "auto",
    accuracy: float | None = None,
    step: int | None = None,
) -> dict[str, Spectrum]:
    """:func:`exact_spectrum` of every weight, by name, faster than one after another.

    On the CPU the matrices are decomposed side by side, one thread each: LAPACK's reduction to tridiagonal
    form gains little from a second thread, and a batched call of torch is a loop. Fewer matrices than threads
    share these among them. On a GPU those of equal shape go into one batched call, and results move to the
    CPU once a shape. A weight that stands under several names is decomposed once.

    Raises:
        InvalidValueError: as :func:`exact_spectrum`; where it is about a weight, the message names it.
        NumericalError: NaN or infinity in a weight; the message names it, and ``step`` where it is given.
    """
    first = {identity(weight): name for name, weight in reversed(list(weights.items()))}
    matrices: dict[str, torch.Tensor] = {}
    chosen: dict[str, str] = {}
    for name in (name for name, weight in weights.items() if first[identity(weight)] == name):
        with at_layer(name, step=step):
            matrix = tall(weights[name])
            check_finite(matrix)
        matrices[name] = decomposable(matrix)
        chosen[name] = choose(method, matrices[name], accuracy=accuracy)
    values = {**_on_cpu(matrices, chosen), **_on_gpu(matrices, chosen)}
    found = {name: bounded(values[name], chosen[name], matrices[name]) for name in matrices}
    return {name: found[first[identity(weight)]] for name, weight in weights.items()}


def _on_cpu(matrices: Mapping[str, torch.Tensor], chosen: Mapping[str, str]) -> dict[str, torch.Tensor]:
    # the largest first: the threads end together
    here = sorted(
        (name for name, matrix in matrices.items() if matrix.device.type == "cpu"),
        key=lambda name: matrices[name].numel() * matrices[name].shape[1],
        reverse=True,
    )
    if len(here) < 2 or torch.get_num_threads() == 1:
        return {name: METHODS[chosen[name]](matrices[name]) for name in here}
    with _side_by_side(len(here)) as pool:
        found = pool.map(lambda name: METHODS[chosen[name]](matrices[name]), here)
        return dict(zip(here, found, strict=True))


@contextmanager
def _side_by_side(count: int) -> Iterator[ThreadPoolExecutor]:
    """A pool of workers with as many of torch's threads in all as there are now."""
    threads = torch.get_num_threads()
    workers = min(threads, count)
    share = threads // workers
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(share,)) as pool:
            yield pool
    finally:
        # The number that new threads start with is one for all, and the workers have changed it.
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
