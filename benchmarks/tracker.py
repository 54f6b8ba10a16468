"""Trackers of the top singular values beside the exact ones: on real training runs, and against size.

Two runs: MLP d-1024-1024-1024-10, W ~ N(0, 1/fan_in), zero biases, ReLU; SGD 0.05, 800 batches of 128; the
second layer, k = 8 and 32. On MNIST (shipped) the truth is ``torch.linalg.svdvals`` of the weights after
every batch; each batch times, in one process, all trackers (taking turns at being first) and svdvals, and
ratios are those of medians. On CIFAR-10, read from SIGMASCOPE_DATA_DIR and skipped with a note without it,
errors alone are measured, against the square roots of the Gram matrix's eigenvalues (1e-6 relative there).
With ``--device cuda`` training, trackers and svdvals are on the GPU, and CIFAR-10 is left out.

    subspace_skill, algorithm1_skill, first_order_skill
                                       1 - MAE(tracker) / MAE(holding sigma(0)), over batches and k values
    subspace_max_rel_error             largest |predicted - true| / true
    subspace_error_vs_algorithm1       ratio of their mean absolute errors
    subspace_speedup_vs_svdvals        median time of svdvals over that of one step of the tracker; the same
                                       figure ends in _1024_k8, and _1024_k32 is its fellow
    subspace_cost_vs_algorithm1        median time of one step over that of one step of Algorithm 1
    subspace_mean_cost_vs_algorithm1   the same of means: a step makes as many half steps as it needs
    ..._k32, cifar10_...               the same for k = 32, and on CIFAR-10

Against size, on Gaussian n x n matrices with small changes of leading rank one: n = 512, 1024, 2048 and
k = 8, 32, beside svdvals. The paper's section 7.1 gives a step O(k n^2), svdvals O(n^3), and the gain
Theta(n / k).

    TRACKER_ms_nN_kK                   median time of a step
    TRACKER_gain_nN_kK                 median time of svdvals over it
    TRACKER_gain_over_n_by_k_nN_kK     that gain over n / k: constant where it is Theta(n / k)
    TRACKER_cost_exponent_n, _k        least-squares exponents of the time in n and in k (paper: 2 and 1)
    TRACKER_gain_exponent              least-squares exponent of the gain in n / k (paper: 1)

Of many layers at once, the 16 of a GPT of four blocks and width 256 (512 on a GPU), k = 8:

    TRACKER_together_gain              median time of a step of each layer, one after another, over that of
                                       ``step_together``
"""

from __future__ import annotations

import math
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import mean, median

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks.report import Report, parse_args_on_device
from sigmascope.prediction import Predictor, WeightChange, make_predictor, step_together
from sigmascope.spectra.exact import exact_spectrum
from sigmascope.theory.scoring import skill
from worker.datasets.catalogue import load_images
from worker.datasets.files import DATA_DIR_SETTING, DataFiles
from worker.datasets.images import Images
from worker.datasets.sampling import batch_indices
from worker.models.mlp import Mlp

WIDTH, DEPTH, BATCHES, BATCH_SIZE, LEARNING_RATE, SEED = 1024, 3, 800, 128, 0.05, 0
LAYER = 1
RANKS = (8, 32)
TRACKERS = ("algorithm1", "first_order", "subspace")
SIZES = (512, 1024, 2048)
# Steps timed for each size; svdvals of 2048 takes a second
REPEATS: Mapping[int, int] = {512: 40, 1024: 20, 2048: 8}
TURNS = 50  # steps timed of many layers at once
Key = tuple[str, int]  # tracker and k


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
        self.values.append(result[: max(RANKS)].numpy())

    def table(self, k: int) -> np.ndarray:
        """(batches, k) float64."""
        return np.array(self.values, dtype=np.float64)[:, :k]

    @property
    def typical(self) -> float:
        """Median seconds."""
        return median(self.seconds)


@dataclass(frozen=True)
class Run:
    """A training run: sigma(0) (max k,), the truth, and each tracker's series."""

    hold: np.ndarray
    truth: Series
    trackers: Mapping[Key, Series]


def follow(
    data: Images,
    *,
    keys: Sequence[Key],
    exact: Callable[[torch.Tensor], torch.Tensor],
    timed: Callable[[torch.Tensor], torch.Tensor] | None = None,
) -> Run:
    """Train, with a tracker for each key and ``exact`` of the weights after every batch.

    The truth is that of ``exact``, and its time that of ``timed`` where another is given.
    """
    generator = torch.Generator().manual_seed(SEED)
    model = Mlp(features=data.features, classes=data.classes, width=WIDTH, depth=DEPTH, generator=generator)
    model.to(data.train_x.device)
    weight = model.hidden[LAYER].get_parameter("weight")
    optimizer = torch.optim.SGD(model.parameters(), lr=LEARNING_RATE)
    trackers = _started(keys, weight)
    series = {key: Series() for key in keys}
    hold, truth = exact(weight.detach())[: max(RANKS)].double().numpy(), Series()
    for step in range(1, BATCHES + 1):
        chosen = batch_indices(len(data.train_x), batch_size=BATCH_SIZE, step=step, seed=SEED)
        optimizer.zero_grad()
        x, y = data.batch(chosen)
        cross_entropy(model(x), y).backward()
        G = -LEARNING_RATE * _gradient(weight)
        _advance_all(trackers, series, G, turn=step)
        optimizer.step()
        truth.timed(lambda: (timed or exact)(weight.detach()))
        if timed:
            truth.values[-1] = exact(weight.detach())[: max(RANKS)].numpy()
    return Run(hold, truth, series)


def _started(keys: Sequence[Key], W0: torch.Tensor) -> dict[Key, Predictor]:
    trackers = {(name, k): make_predictor(name, k=k) for name, k in keys}
    for tracker in trackers.values():
        tracker.start(W0)
    return trackers


def _advance_all(
    trackers: Mapping[Key, Predictor], series: Mapping[Key, Series], G: torch.Tensor, *, turn: int
) -> None:
    """One timed step of each, in an order that turns: nobody always finds the caches as another left them."""
    keys = list(trackers)
    start = turn % len(keys)
    for key in keys[start:] + keys[:start]:
        series[key].timed(lambda tracker=trackers[key]: _advance(tracker, G))  # type: ignore[misc]


def _gradient(weight: torch.Tensor) -> torch.Tensor:
    gradient = weight.grad
    assert gradient is not None
    return gradient


def _advance(tracker: Predictor, G: torch.Tensor) -> torch.Tensor:
    tracker.step(G)
    return tracker.singular_values


def emit_accuracy(report: Report, run: Run, *, k: int, prefix: str, suffix: str) -> None:
    """Skills and errors of the trackers of k values."""
    truth = run.truth.table(k)
    held = np.broadcast_to(run.hold[:k], truth.shape)
    tables = {name: series.table(k) for (name, rank), series in run.trackers.items() if rank == k}
    error = {name: np.abs(table - truth).mean() for name, table in tables.items()}
    for name, table in tables.items():
        report.emit(f"{prefix}{name}_skill{suffix}", skill(truth, table, held), "1")
    worst = np.abs(tables["subspace"] / truth - 1).max()
    report.emit(f"{prefix}subspace_max_rel_error{suffix}", worst, "1")
    report.emit(f"{prefix}subspace_error_vs_algorithm1{suffix}", error["subspace"] / error["algorithm1"], "1")


def emit_cost(report: Report, run: Run, *, k: int, prefix: str, suffix: str) -> None:
    """What a step of the subspace tracker takes beside one of Algorithm 1."""
    ours, theirs = run.trackers["subspace", k], run.trackers["algorithm1", k]
    report.emit(f"{prefix}subspace_cost_vs_algorithm1{suffix}", ours.typical / theirs.typical, "x")
    means = mean(ours.seconds) / mean(theirs.seconds)
    report.emit(f"{prefix}subspace_mean_cost_vs_algorithm1{suffix}", means, "x")


def emit_speed(report: Report, run: Run, *, k: int, suffix: str) -> None:
    """Times of the trackers of k values beside svdvals."""
    seconds = {name: series.typical for (name, rank), series in run.trackers.items() if rank == k}
    gain = run.truth.typical / seconds["subspace"]
    if k == RANKS[0]:
        report.emit("subspace_speedup_vs_svdvals", gain, "x")
    report.emit(f"subspace_speedup_vs_svdvals_{WIDTH}_k{k}", gain, "x")
    for name, value in seconds.items():
        report.emit(f"{name}_milliseconds{suffix}", 1e3 * value, "ms")


def mnist(report: Report, device: str) -> None:
    """The figures of the run on MNIST."""
    keys = [*((name, 8) for name in TRACKERS), ("algorithm1", 32), ("subspace", 32)]
    data = load_images("mnist-builtin").to(torch.device(device))
    if device == "cpu":
        run = follow(data, keys=keys, exact=_svdvals)
    else:  # where svdvals in float32 is too far off to be the truth
        run = follow(data, keys=keys, exact=_gram, timed=_svdvals)
    for k in RANKS:
        suffix = "" if k == RANKS[0] else f"_k{k}"
        emit_accuracy(report, run, k=k, prefix="", suffix=suffix)
        emit_speed(report, run, k=k, suffix=suffix)
        emit_cost(report, run, k=k, prefix="", suffix=suffix)
    report.emit("svdvals_milliseconds", 1e3 * run.truth.typical, "ms")


def _svdvals(weight: torch.Tensor) -> torch.Tensor:
    return torch.linalg.svdvals(weight).cpu()  # on a GPU it has not happened before the values are here


def _gram(weight: torch.Tensor) -> torch.Tensor:
    return exact_spectrum(weight, method="gram").values


def cifar10(report: Report) -> None:
    """The errors on CIFAR-10, or a note that there is none."""
    folder = os.environ.get(DATA_DIR_SETTING)
    if not folder:
        # Not among the figures: standard output may be read by a program
        print(f"no figures on CIFAR-10: set {DATA_DIR_SETTING} to a folder that has it", file=sys.stderr)
        return
    run = follow(
        load_images("cifar10", DataFiles(data_dir=Path(folder))),
        keys=[(name, k) for k in RANKS for name in ("algorithm1", "subspace")],
        exact=_gram,
    )
    for k in RANKS:
        suffix = "" if k == RANKS[0] else f"_k{k}"
        emit_accuracy(report, run, k=k, prefix="cifar10_", suffix=suffix)
        emit_cost(report, run, k=k, prefix="cifar10_", suffix=suffix)


def sizes(report: Report, device: str) -> None:
    """Times and gains over n and k, and how they scale."""
    cost: dict[tuple[str, int, int], float] = {}
    gain: dict[tuple[str, int, int], float] = {}
    for n in SIZES:
        svdvals, series = _timed_at(n, device)
        report.emit(f"svdvals_ms_n{n}", 1e3 * svdvals, "ms")
        for (name, k), entry in series.items():
            cost[name, n, k] = entry.typical
            gain[name, n, k] = svdvals / entry.typical
            report.emit(f"{name}_ms_n{n}_k{k}", 1e3 * entry.typical, "ms")
            report.emit(f"{name}_gain_n{n}_k{k}", gain[name, n, k], "x")
            report.emit(f"{name}_gain_over_n_by_k_n{n}_k{k}", gain[name, n, k] * k / n, "1")
    for name in ("algorithm1", "subspace"):
        _emit_exponents(report, name, cost={key[1:]: value for key, value in cost.items() if key[0] == name})
        _emit_gain_exponent(report, name, {key[1:]: value for key, value in gain.items() if key[0] == name})


def _timed_at(n: int, device: str) -> tuple[float, dict[Key, Series]]:
    """Median seconds of svdvals, and the trackers' series, on n x n."""
    generator = torch.Generator().manual_seed(n)
    W = (torch.randn(n, n, generator=generator) / math.sqrt(n)).to(device)
    keys = [(name, k) for k in RANKS for name in ("algorithm1", "subspace")]
    trackers, series, svdvals = _started(keys, W), {key: Series() for key in keys}, Series()
    for turn in range(REPEATS[n]):
        column, row = torch.randn(n, 1, generator=generator), torch.randn(1, n, generator=generator)
        G = (1e-4 / n * (10 * column @ row + torch.randn(n, n, generator=generator))).to(device)
        _advance_all(trackers, series, G, turn=turn)
        W.add_(G)
        svdvals.timed(lambda: _svdvals(W))
    return svdvals.typical, series


def together(report: Report, device: str) -> None:
    """Layers of few shapes, one after another and together."""
    generator, width = torch.Generator().manual_seed(3), 256 if device == "cpu" else 512
    shapes = 4 * [(3 * width, width), (width, width), (4 * width, width), (width, 4 * width)]
    weights = [torch.randn(shape, generator=generator).to(device) / math.sqrt(shape[1]) for shape in shapes]
    changes = [
        WeightChange(torch.randn(shape, generator=generator).to(device), 1e-4 / width) for shape in shapes
    ]
    for name in TRACKERS:
        alone, side_by_side = ([make_predictor(name, k=RANKS[0]) for _ in weights] for _ in range(2))
        for trackers in (alone, side_by_side):
            for tracker, weight in zip(trackers, weights, strict=True):
                tracker.start(weight)
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for turn in range(2 * TURNS):
            started = time.perf_counter()
            if turn % 2:
                step_together(side_by_side, changes)
            else:
                for tracker, change in zip(alone, changes, strict=True):
                    tracker.step(change.direction, scale=change.scale)
            _ = [one.singular_values for one in (side_by_side if turn % 2 else alone)]
            seconds[turn % 2 == 1].append(time.perf_counter() - started)
        report.emit(f"{name}_together_gain", median(seconds[False]) / median(seconds[True]), "x")


def _emit_exponents(report: Report, name: str, *, cost: Mapping[tuple[int, int], float]) -> None:
    """Slopes of log seconds on log n and log k."""
    n, k, seconds = np.log([(n, k, value) for (n, k), value in cost.items()]).T
    slopes = np.linalg.lstsq(np.stack([n, k, np.ones_like(n)], axis=1), seconds, rcond=None)[0]
    report.emit(f"{name}_cost_exponent_n", slopes[0], "1")
    report.emit(f"{name}_cost_exponent_k", slopes[1], "1")


def _emit_gain_exponent(report: Report, name: str, gain: Mapping[tuple[int, int], float]) -> None:
    """Slope of the log gain on log(n / k)."""
    ratio, value = np.log([(n / k, value) for (n, k), value in gain.items()]).T
    report.emit(f"{name}_gain_exponent", np.polyfit(ratio, value, 1)[0], "1")


if __name__ == "__main__":
    figures, where = parse_args_on_device(__doc__)
    mnist(figures, where)
    if where == "cpu":
        cifar10(figures)
    sizes(figures, where)
    together(figures, where)
