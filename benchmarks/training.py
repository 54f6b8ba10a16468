"""A training step inside the worker's loop beside the same step in a loop of five lines.

Both train the same network on the same data by the same optimiser, in alternating blocks in one process.
Nobody records, and the evaluations before the first and after the last batch are not timed. Ratios are of
medians.

    mlp_step_vs_minimal_loop    784-1024-1024-1024-10, batch 128
    vit_step_vs_minimal_loop    two layers of width 256, patches of 7, batch 64
    gpt_step_vs_minimal_loop    four layers of width 256, 12 windows of 256 characters, gradients clipped
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from statistics import median

import torch
from torch.nn.functional import cross_entropy
from torch.nn.utils import clip_grad_norm_

from benchmarks.report import Report, parse_args_on_device
from sigmascope.schemas import GptSpec, TrainSpec
from worker.building import Data, build_model
from worker.datasets.catalogue import load
from worker.datasets.files import DataFiles
from worker.training import Unwatched, train

ROUNDS = 15
# batches in a block: about half a second each on one core
CASES = {
    "mlp": ("mlp-mnist", "mnist-builtin", 20),
    "vit": ("vit-mnist", "mnist-builtin", 4),
    "gpt": ("gpt2", "python-stdlib", 1),
}


class MinimalLoop:
    """What one would write by hand for ``spec``."""

    def __init__(self, spec: TrainSpec, data: Data, device: torch.device) -> None:
        self.spec, self.data = spec, data
        self.model = build_model(spec, data).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=spec.learning_rate)
        self.order = torch.randperm(self.data.sample_count, generator=torch.Generator().manual_seed(0))
        self.step = 0

    def block(self, batches: int) -> float:
        """Seconds of so many batches."""
        started = time.perf_counter()
        size = self.spec.batch_size
        for _ in range(batches):
            position = self.step % (self.data.sample_count // size) * size
            x, y = self.data.batch(self.order[position : position + size])
            self.optimizer.zero_grad()
            cross_entropy(self.model(x).flatten(0, -2), y.flatten()).backward()
            if self.spec.clip_norm:
                clip_grad_norm_(self.model.parameters(), self.spec.clip_norm)
            self.optimizer.step()
            self.step += 1
        next(self.model.parameters()).detach().flatten()[0].cpu()  # a GPU is done when this is here
        return time.perf_counter() - started


@dataclass
class TakingTurns:
    """What the worker's loop asks after a batch whether to stop; after a block, the other loop has a turn."""

    other: MinimalLoop
    block: int
    ours: list[float] = field(default_factory=list)
    theirs: list[float] = field(default_factory=list)
    batches: int = 0
    started: float = 0.0

    def __call__(self) -> bool:
        """True after the last round; the first one warms up and does not count."""
        self.batches += 1
        if self.batches % self.block:
            return False
        self.ours.append(time.perf_counter() - self.started)
        self.theirs.append(self.other.block(self.block))
        self.started = time.perf_counter()
        return len(self.ours) > ROUNDS


def data_of(spec: TrainSpec) -> Data:
    """The data set of ``spec``, one that needs no file."""
    context = spec.model.context if isinstance(spec.model, GptSpec) else 1
    return load(spec.dataset, DataFiles(), context=context)


def compare(report: Report, name: str, device: torch.device) -> None:
    """One architecture."""
    preset, dataset, block = CASES[name]
    spec = TrainSpec.model_validate(
        {"preset": preset, "dataset": dataset, "batches": 100_000, "evaluate_every": 100_000}
    )
    data = data_of(spec).to(device)
    turns = TakingTurns(MinimalLoop(spec, data, device), block)
    train(spec, build_model(spec, data).to(device), data, watcher=Unwatched(), stop=turns)
    ours, theirs = median(turns.ours[1:]), median(turns.theirs[1:])
    report.emit(f"{name}_step_vs_minimal_loop", ours / theirs, "x")
    report.emit(f"{name}_minimal_milliseconds", 1e3 * theirs / block, "ms")


if __name__ == "__main__":
    figures, where = parse_args_on_device(__doc__)
    for architecture in CASES:
        compare(figures, architecture, torch.device(where))
