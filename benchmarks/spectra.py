"""Spectra beside LAPACK's svdvals, and what recording costs a training loop.

Ratios are of medians, taken in turns in one process; with ``--device cuda`` both sides are on the GPU.

    gram_f32_speedup_vs_svdvals_1024      1024 x 1024, entries N(0, 1/1024); error absolute, against float64
    gpt_16_layers_speedup_vs_svdvals      4 each of 256x256, 768x256, 1024x256 and 256x1024, over a loop
    slq_4096_speedup_vs_svdvals           4096 x 4096, noise and 8 outliers; with Kolmogorov distance and
                                          the largest relative error of the top 5
    recorder_overhead_adaptive            time of training an MLP 784-1024-1024-1024-10 (MNIST, SGD 0.05,
                                          batch 128) with adaptive spectra and top-8 subspace tracking of
                                          all layers, over training bare, in alternating blocks
    adaptive_max_error_in_histogram_bins  largest |recorded - exact| over sigma_max / 64, every 10th batch
    recorder_overhead_exact               the same with exact spectra after every batch
    exact_recorder_gain_vs_naive_hook     training with an svdvals hook on every layer, over that
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from benchmarks.report import Report, parse_args_on_device
from sigmascope.recorder import Recorder
from sigmascope.sinks import MemorySink
from sigmascope.spectra import exact_spectra, exact_spectrum, slq_spectrum
from sigmascope.spectra.adaptive_layer import BINS
from worker.datasets.catalogue import load_images
from worker.models.mlp import Mlp

BATCHES, BLOCK, BATCH_SIZE, LEARNING_RATE = 400, 50, 128, 0.05
EXACT_BATCHES = 12
GPT_SHAPES = ((256, 256), (768, 256), (1024, 256), (256, 1024))


def alternating(rounds: int, **works: Callable[[], object]) -> dict[str, float]:
    """Median seconds of each, taken in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        work()
    for _ in range(rounds):
        for name, work in works.items():
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return {name: median(values) for name, values in seconds.items()}


def svdvals(weight: torch.Tensor) -> torch.Tensor:
    """What torch offers; on a GPU it has not happened before the values are here."""
    return torch.linalg.svdvals(weight).cpu()


def gram(report: Report, device: str) -> None:
    """One square layer."""
    W = (torch.randn(1024, 1024, generator=torch.Generator().manual_seed(0)) / 32).to(device)
    taken = alternating(9, svd=lambda: svdvals(W), gram=lambda: exact_spectrum(W, method="gram"))
    report.emit("gram_f32_speedup_vs_svdvals_1024", taken["svd"] / taken["gram"], "x")
    exact = svdvals(W.double())
    error = (exact_spectrum(W, method="gram").values - exact).abs().max()
    report.emit("gram_f32_max_abs_error", float(error), "sigma")


def gpt(report: Report, device: str) -> None:
    """Many small layers."""
    generator = torch.Generator().manual_seed(1)
    weights = {
        f"{shape}.{i}": (torch.randn(shape, generator=generator) / 16).to(device)
        for i in range(4)
        for shape in GPT_SHAPES
    }
    taken = alternating(
        9,
        svd=lambda: [svdvals(weight) for weight in weights.values()],
        ours=lambda: exact_spectra(weights),
    )
    report.emit("gpt_16_layers_speedup_vs_svdvals", taken["svd"] / taken["ours"], "x")


def slq(report: Report, device: str) -> None:
    """One layer too large to decompose."""
    generator = torch.Generator().manual_seed(2)
    W = torch.randn(4096, 4096, generator=generator) / 64
    for strength in range(3, 11):
        u, v = torch.randn(2, 4096, generator=generator) / 64
        W += strength * torch.outer(u, v)
    W = W.to(device)
    taken = alternating(2, svd=lambda: svdvals(W), slq=lambda: slq_spectrum(W))
    report.emit("slq_4096_speedup_vs_svdvals", taken["svd"] / taken["slq"], "x")
    exact, estimate = svdvals(W.double()), slq_spectrum(W).values.double()
    report.emit("slq_4096_kolmogorov_distance", kolmogorov(exact.numpy(), estimate.numpy()), "1")
    report.emit("slq_4096_top5_rel_error", float((estimate[:5] / exact[:5] - 1).abs().max()), "1")


def kolmogorov(one: np.ndarray, other: np.ndarray) -> float:
    """Largest difference of two empirical distribution functions."""
    one, other = np.sort(one), np.sort(other)
    points = np.concatenate([one, other])
    below = [np.searchsorted(values, points, side="right") / len(values) for values in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


class Training:
    """A network in training; every block of batches is timed by itself."""

    def __init__(self, watch: Callable[[Mlp, MemorySink], Callable[[int, str], None]], device: str) -> None:
        self.data = load_images("mnist-builtin").to(torch.device(device))
        generator = torch.Generator().manual_seed(0)
        self.model = Mlp(features=784, classes=10, width=1024, depth=3, generator=generator).to(device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=LEARNING_RATE)
        self.sink, self.step = MemorySink(), 0
        self.watch = watch(self.model, self.sink)

    def block(self, batches: int) -> float:
        """Seconds of so many batches."""
        order = torch.Generator().manual_seed(self.step)
        started = time.perf_counter()
        for _ in range(batches):
            self.step += 1
            chosen = torch.randint(len(self.data.train_x), (BATCH_SIZE,), generator=order)
            self.optimizer.zero_grad()
            x, y = self.data.batch(chosen)
            cross_entropy(self.model(x), y).backward()
            self.watch(self.step, "before")
            self.optimizer.step()
            self.watch(self.step, "after")
        self.model.head.get_parameter("bias").detach().cpu()  # a GPU is done when this is here
        return time.perf_counter() - started


def bare(_model: Mlp, _sink: MemorySink) -> Callable[[int, str], None]:
    """Nobody looks."""
    return lambda _step, _when: None


def naive(model: Mlp, _sink: MemorySink) -> Callable[[int, str], None]:
    """What one would write first: svdvals of every layer after each batch."""
    layers = [*model.hidden, model.head]

    def watch(_step: int, when: str) -> None:
        if when == "after":
            for layer in layers:
                svdvals(layer.get_parameter("weight").detach())

    return watch


def recording(spectra: str) -> Callable[[Mlp, MemorySink], Callable[[int, str], None]]:
    """Spectra and the subspace tracker; laws, forces and noise are left to those who want them."""

    def start(model: Mlp, sink: MemorySink) -> Callable[[int, str], None]:
        recorder = Recorder(
            model, sink, sample_count=10_000, learning_rate=LEARNING_RATE, predictors=("subspace",),
            spectra=spectra, laws_every=0, modes_every=0, noise_every=0,
        )  # fmt: skip
        recorder.record(0)
        return lambda step, when: recorder.observe() if when == "before" else recorder.record(step)

    return start


def overhead(report: Report, device: str) -> None:
    """Adaptive recording beside bare training, then exact recording beside a naive hook."""
    runs = {"bare": Training(bare, device), "adaptive": Training(recording("adaptive"), device)}
    seconds = dict.fromkeys(runs, 0.0)
    for _ in range(BATCHES // BLOCK):
        for name, run in runs.items():
            seconds[name] += run.block(BLOCK)
    report.emit("recorder_overhead_adaptive", seconds["adaptive"] / seconds["bare"], "x")
    report.emit("bare_milliseconds", 1e3 * seconds["bare"] / BATCHES, "ms")
    exact = {
        "exact": Training(recording("auto"), device),
        "naive": Training(naive, device),
        "bare": runs["bare"],
    }
    taken = {name: run.block(EXACT_BATCHES) for name, run in exact.items()}
    report.emit("recorder_overhead_exact", taken["exact"] / taken["bare"], "x")
    report.emit("exact_recorder_gain_vs_naive_hook", taken["naive"] / taken["exact"], "x")


def adaptive_error(report: Report, device: str) -> None:
    """A second run, whose recorded spectra are compared with exact ones."""
    run, exact = Training(recording("adaptive"), device), {}
    for _ in range(BATCHES // 10):
        run.block(10)
        for i, layer in enumerate(run.model.hidden):
            exact[run.step, f"hidden.{i}"] = exact_spectrum(
                layer.get_parameter("weight"), method="svd"
            ).values
    worst, records = 0.0, run.sink.records
    for (step, name), values in exact.items():
        recorded = torch.from_numpy(records[step].layers[name].singular_values)
        worst = max(worst, float((recorded - values).abs().max() / (values[0] / BINS)))
    exact_steps = sum(one.layers["hidden.1"].method != "adaptive" for one in records)
    report.emit("adaptive_max_error_in_histogram_bins", worst, "bins")
    report.emit("adaptive_share_of_exact_steps", exact_steps / len(records), "1")


if __name__ == "__main__":
    target, where = parse_args_on_device(__doc__)
    for figure in (gram, gpt, slq, overhead, adaptive_error):
        figure(target, where)
