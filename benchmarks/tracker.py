"""Trackers of the top singular values beside the exact ones, over 800 batches of a real training run.

MLP 784-1024-1024-1024-10, W ~ N(0, 1/fan_in), zero biases, ReLU, on MNIST; SGD 0.05, batches of 128; the
second layer, k = 8. After every batch the truth is ``torch.linalg.svdvals`` of the weights. Each batch times,
in one process, both trackers (taking turns at being first) and svdvals; ratios are those of medians.

    subspace_skill, algorithm1_skill   1 - MAE(tracker) / MAE(holding sigma(0)), over all batches and k values
    subspace_max_rel_error             largest |predicted - true| / true
    subspace_speedup_vs_svdvals        median time of svdvals over that of one step of the tracker
    subspace_cost_vs_algorithm1        median time of one step over that of one step of Algorithm 1
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks.report import Report, parse_args
from sigmascope.prediction import Algorithm1, Predictor, Subspace
from sigmascope.theory.scoring import skill
from worker.datasets.images import batch_indices, load
from worker.models.mlp import Mlp

WIDTH, DEPTH, BATCHES, BATCH_SIZE, LEARNING_RATE, K, SEED = 1024, 3, 800, 128, 0.05, 8, 0
LAYER = 1


@dataclass
class Series:
    """One method's values (batches, k) and seconds for each batch."""

    values: list[np.ndarray] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def timed(self, work: Callable[[], torch.Tensor]) -> None:
        """Keep what ``work`` returns and how long it took."""
        started = time.perf_counter()
        result = work()
        self.seconds.append(time.perf_counter() - started)
        self.values.append(result[:K].numpy())

    def table(self) -> np.ndarray:
        """(batches, k) float64."""
        return np.array(self.values, dtype=np.float64)


def measure() -> tuple[np.ndarray, dict[str, Series]]:
    """sigma(0), (k,), and the series of ``svdvals`` and of each tracker."""
    data = load("mnist-builtin")
    model = Mlp(
        features=data.features,
        classes=data.classes,
        width=WIDTH,
        depth=DEPTH,
        generator=torch.Generator().manual_seed(SEED),
    )
    weight = model.hidden[LAYER].get_parameter("weight")
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    trackers: list[Predictor] = [Algorithm1(K), Subspace(K)]
    for tracker in trackers:
        tracker.start(weight)
    hold = torch.linalg.svdvals(weight.detach())[:K].double().numpy()
    series = {name: Series() for name in ("svdvals", *(tracker.name for tracker in trackers))}

    for step in range(1, BATCHES + 1):
        chosen = batch_indices(len(data.train_x), batch_size=BATCH_SIZE, step=step, seed=SEED)
        optimizer.zero_grad()
        cross_entropy(model(data.train_x[chosen]), data.train_y[chosen]).backward()
        G = -LEARNING_RATE * _gradient(weight)
        trackers.reverse()
        for tracker in trackers:
            series[tracker.name].timed(lambda tracker=tracker, G=G: _advance(tracker, G))  # type: ignore[misc]
        optimizer.step()
        series["svdvals"].timed(lambda: torch.linalg.svdvals(weight.detach()))
    return hold, series


def _gradient(weight: torch.Tensor) -> torch.Tensor:
    gradient = weight.grad
    assert gradient is not None
    return gradient


def _advance(tracker: Predictor, G: torch.Tensor) -> torch.Tensor:
    tracker.step(G)
    return tracker.singular_values


def emit_figures(report: Report, hold: np.ndarray, series: dict[str, Series]) -> None:
    """Print the figures of the module's docstring."""
    truth = series["svdvals"].table()
    seconds = {name: median(entry.seconds) for name, entry in series.items()}
    subspace = series["subspace"].table()
    held = np.broadcast_to(hold, truth.shape)
    report.emit("subspace_skill", skill(truth, subspace, held), "1")
    report.emit("subspace_max_rel_error", np.abs(subspace / truth - 1).max(), "1")
    report.emit("subspace_speedup_vs_svdvals", seconds["svdvals"] / seconds["subspace"], "x")
    report.emit("subspace_cost_vs_algorithm1", seconds["subspace"] / seconds["algorithm1"], "x")
    report.emit("algorithm1_skill", skill(truth, series["algorithm1"].table(), held), "1")
    for name, value in seconds.items():
        report.emit(f"{name}_milliseconds", 1e3 * value, "ms")


if __name__ == "__main__":
    emit_figures(parse_args(__doc__), *measure())
