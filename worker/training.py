"""The training loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from sigmascope.errors import DivergedError, InvalidValueError, NumericalError
from sigmascope.recorder import Recorder
from sigmascope.schemas import TrainSpec
from sigmascope.sinks import Sink
from worker.datasets.images import Images, batch_indices
from worker.models.mlp import Mlp


def choose_device(name: str) -> torch.device:
    """The device for ``auto``, ``cpu`` or ``cuda``.

    Raises:
        InvalidValueError: CUDA was asked for and is not there.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise InvalidValueError("device 'cuda' is not available on this worker; choose 'cpu' or 'auto'")
    return torch.device(name)


def build_model(spec: TrainSpec, data: Images) -> nn.Module:
    """The network of ``spec``; its seed alone decides the initial weights."""
    return Mlp(
        features=data.features,
        classes=data.classes,
        width=spec.model.width,
        depth=spec.model.depth,
        generator=torch.Generator().manual_seed(spec.seed),
    )


def make_recorder(spec: TrainSpec, model: nn.Module, data: Images, sink: Sink) -> Recorder:
    """The recorder that ``spec`` asks for."""
    return Recorder(
        model,
        sink,
        top_k=spec.top_k,
        spectra=spec.spectra,
        sample_count=len(data.train_x),
        learning_rate=spec.learning_rate,
    )


class Watcher(Protocol):
    """What the loop tells of itself; a :class:`~sigmascope.recorder.Recorder` is one."""

    def observe(self) -> None:
        """Gradients are there and not yet applied."""

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        """``step`` batches have been applied."""


class Unwatched:
    """Nobody looks."""

    def observe(self) -> None:
        """Nothing."""

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        """Nothing."""


def train(
    spec: TrainSpec, model: nn.Module, data: Images, *, watcher: Watcher, stop: Callable[[], bool]
) -> None:
    """Train by plain SGD, telling ``watcher`` before the first batch and after every one.

    ``stop`` is asked after each batch. The weights do not depend on who watches.

    Raises:
        DivergedError: loss, gradient or weights are NaN or infinite; steps before are recorded.
    """
    optimizer = torch.optim.SGD(model.parameters(), lr=spec.learning_rate)
    watcher.record(0, _evaluate(model, data))
    for step in range(1, spec.batches + 1):
        started = time.perf_counter()
        chosen = batch_indices(len(data.train_x), batch_size=spec.batch_size, step=step, seed=spec.seed)
        x, y = data.train_x[chosen], data.train_y[chosen]
        try:
            scores = model(x)
            loss = cross_entropy(scores, y)
            if not torch.isfinite(loss):
                raise NumericalError(f"the loss is {loss.item()}")
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            watcher.observe()
            optimizer.step()

            metrics = {
                "loss": loss.item(),
                "accuracy": _accuracy(scores, y),
                "learning_rate": spec.learning_rate,
                "seconds": time.perf_counter() - started,
            }
            if step % spec.evaluate_every == 0 or step == spec.batches:
                metrics |= _evaluate(model, data)
                if not math.isfinite(metrics["test_loss"]):
                    raise NumericalError(f"the loss on the test split is {metrics['test_loss']}")
            watcher.record(step, metrics)
        except NumericalError as error:
            raise DivergedError(
                f"training diverged at step {step} with learning_rate {spec.learning_rate:g}: {error}. "
                f"Choose a smaller learning_rate; steps 0 to {step - 1} are kept."
            ) from error
        if stop():
            return


@torch.no_grad()
def _evaluate(model: nn.Module, data: Images) -> dict[str, float]:
    scores = model(data.test_x)
    return {
        "test_loss": cross_entropy(scores, data.test_y).item(),
        "test_accuracy": _accuracy(scores, data.test_y),
    }


def _accuracy(scores: Tensor, labels: Tensor) -> float:
    return (scores.argmax(1) == labels).float().mean().item()
