"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

import torch
from torch import nn

from sigmascope.errors import DivergedError, NumericalError
from sigmascope.schemas import TrainSpec
from worker.building import Data
from worker.datasets.sampling import batch_indices
from worker.devices import autocast
from worker.evaluation import SOME, accuracy_of, evaluate, loss_of
from worker.optimisation import clip, learning_rate, make_optimizer, set_learning_rate


class Watcher(Protocol):
    """What the loop tells of itself; a :class:`~sigmascope.recorder.Recorder` is one."""

    def observe(self, optimizer: torch.optim.Optimizer) -> None:
        """Gradients are there, and ``optimizer`` has not yet applied them."""

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        """``step`` batches have been applied."""


class Unwatched:
    """Nobody looks."""

    def observe(self, optimizer: torch.optim.Optimizer) -> None:
        """Nothing."""

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        """Nothing."""


def train(
    spec: TrainSpec,
    model: nn.Module,
    data: Data,
    *,
    watcher: Watcher,
    stop: Callable[[], bool],
    optimizer: torch.optim.SGD | None = None,
    after: int = 0,
    batch_of: Callable[[int], torch.Tensor] | None = None,
    evaluates: bool = True,
) -> None:
    """Train by SGD, telling ``watcher`` before the first batch and after every one.

    Evaluations look at a part of a large test split, the last one at all of it; without ``evaluates`` there
    are none. ``stop`` is asked after each batch. The weights do not depend on who watches. Evaluations are in
    float32, whatever the precision.

    Batches and rates are functions of the step: with ``model`` and ``optimizer`` as they were ``after`` so
    many batches, training goes on as if it had never been interrupted; or by other samples, where
    ``batch_of`` says which are in a batch.

    Raises:
        DivergedError: loss, gradient or weights are NaN or infinite; steps before are recorded.
    """
    if optimizer is None:
        optimizer = make_optimizer(spec, model)
    if batch_of is None:
        batch_of = partial(_usual_batch, spec, data.sample_count)
    if after == 0:
        watcher.record(0, evaluate(model, data, labels=SOME) if evaluates else {})
    for step in range(after + 1, spec.batches + 1):
        started = time.perf_counter()
        rate = learning_rate(spec, step)
        x, y = data.batch(batch_of(step))
        try:
            with autocast(spec.precision, x.device):
                scores = model(x)
                loss = loss_of(scores, y)
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            # read once, and late: a GPU is waited for here and nowhere else in a step
            reached, accuracy = torch.stack([loss.detach(), accuracy_of(scores, y)]).tolist()
            if not math.isfinite(reached):
                raise NumericalError(f"the loss is {reached}")
            clip(model.parameters(), spec)
            set_learning_rate(optimizer, rate)
            watcher.observe(optimizer)
            optimizer.step()

            metrics = {
                "loss": reached,
                "accuracy": accuracy,
                "learning_rate": rate,
                "seconds": time.perf_counter() - started,
            }
            if evaluates and (step % spec.evaluate_every == 0 or step == spec.batches):
                metrics |= evaluate(model, data, labels=None if step == spec.batches else SOME)
                if not math.isfinite(metrics["test_loss"]):
                    raise NumericalError(f"the loss on the test split is {metrics['test_loss']}")
            watcher.record(step, metrics)
        except NumericalError as error:
            raise DivergedError(
                f"training diverged at step {step} with learning_rate {rate:g}: {error}. "
                f"Choose a smaller learning_rate; steps 0 to {step - 1} are kept."
            ) from error
        if stop():
            return


def _usual_batch(spec: TrainSpec, size: int, step: int) -> torch.Tensor:
    return batch_indices(size, batch_size=spec.batch_size, step=step, seed=spec.seed)
