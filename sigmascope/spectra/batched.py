"""Spectra of many matrices at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Lock
from typing import TypeVar

import torch

from sigmascope.apart import apart_from_training
from sigmascope.spectra.exact import METHODS, Spectrum, bounded, check_finite, choose, decomposable
from sigmascope.spectra.layer_errors import at_layer
from sigmascope.spectra.matrices import identity
from sigmascope.spectra.orientation import tall

# up to this cost, that of 1024 x 1024, a second thread gains a tenth or less; beyond, threads to this power
_SINGLE, _GAIN = 1024.0**3, 0.8
_ONE_POOL = Lock()
R = TypeVar("R")


@apart_from_training
def exact_spectra(
    weights: Mapping[str, torch.Tensor],
    *,
    method: str = "auto",
    accuracy: float | None = None,
    step: int | None = None,
) -> dict[str, Spectrum]:
    """:func:`exact_spectrum` of every weight, by name, faster than one after another.

    On the CPU the matrices are decomposed side by side, one thread each as long as there are enough of one
    size (:func:`rounds`): LAPACK's reduction to tridiagonal form gains little from a second thread before the
    matrix outgrows the caches, and a batched call of torch is a loop. On a GPU those of equal shape go into
    one batched call, and results move to the CPU once a shape. A weight that stands under several names is
    decomposed once.

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
    here = {name: matrix for name, matrix in matrices.items() if matrix.device.type == "cpu"}
    costs = {name: float(matrix.numel() * matrix.shape[1]) for name, matrix in here.items()}
    found: dict[str, torch.Tensor] = {}
    for names, share in rounds(costs, threads=torch.get_num_threads()):
        works = [partial(METHODS[chosen[name]], here[name]) for name in names]
        found |= zip(names, _all_done(works, share=share), strict=True)
    return found


def rounds(costs: Mapping[str, float], *, threads: int) -> list[tuple[list[str], int]]:
    """What is decomposed side by side, one round after the other, and with how many threads each.

    The most costly go first. So many as there are threads start together, unless the first would then be
    waited for longer than it takes to do them in turn with all threads. What gains nothing by a second thread
    has one, if it is not the only one. Rounds of one thread each are one round, in which whoever is done goes
    on.

    Args:
        costs: m n^2 by name.
        threads: at most at work.
    """
    waiting = sorted(costs, key=lambda name: -costs[name])
    plan: list[tuple[list[str], int]] = []
    while waiting:
        group = waiting[:threads]
        share = threads // len(group)
        in_turn = sum(costs[name] for name in group) / threads**_GAIN
        if costs[group[0]] <= _SINGLE and len(costs) > 1:
            share = 1
        elif in_turn < costs[group[0]] / share**_GAIN:
            group, share = group[:1], threads
        waiting = waiting[len(group) :]
        if plan and plan[-1][1] == share == 1:
            plan[-1][0].extend(group)
        else:
            plan.append((group, share))
    return plan


def _all_done(works: Sequence[Callable[[], torch.Tensor]], *, share: int) -> list[torch.Tensor]:
    """What the ``works`` return, done side by side with so many of torch's threads each."""
    threads = torch.get_num_threads()
    if len(works) == 1 and share == threads:
        return [works[0]()]
    workers = min(threads // share, len(works))
    # The number that new threads start with is one for all, and the workers change it: one pool at a time.
    with _ONE_POOL:
        usual = _in_a_new_thread(torch.get_num_threads)
        try:
            with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(share,)) as pool:
                return [done.result() for done in [pool.submit(work) for work in works]]
        finally:
            _in_a_new_thread(partial(torch.set_num_threads, usual))


def _in_a_new_thread(work: Callable[[], R]) -> R:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


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
