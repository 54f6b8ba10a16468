"""Forecasts of the eight largest singular values, 100 batches ahead, from every batch after the 200th.

Nine runs of 800 batches: MLPs, ViTs and GPTs, plain SGD at a constant rate, on the data sets that need no
download and, where SIGMASCOPE_DATA_DIR is set, on CIFAR-10 and Shakespeare too. Of each run up to six weight
matrices with at least 64 singular values. One forecaster with one setting for all; nothing is tuned per run.

    best_forecast_skill_vs_persistence   1 - MAE / MAE(persistence) of ``damped_trend``, over the layers of a
                                         run, mean over runs
    best_forecast_mae_vs_linear          its MAE over that of ``linear``, the same way
    forecast_coverage_90                 share of outcomes inside its 90 % band, mean over runs
    skill_RUN, coverage_RUN              the same for each run
    sde_skill_vs_persistence             of the paper's equation, every 25th origin
    sde_as_printed_skill_vs_persistence  the same with the repulsion as printed
    hindsight_skill                      what limits it: skill of the best fixed mix of fifteen trends, its
                                         weights fitted to each run's own outcomes afterwards, mean over runs
    hindsight_skill_RUN                  the same for each run; what cannot be foreseen at all is measured by
                                         benchmarks.foreseeable
    unforeseeable_share                  the MAE of a random walk with the variance of changes over 25
                                         batches, drift taken out, over that of persistence
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmarks.report import Report, parse_args
from sigmascope.schemas import TrainSpec
from sigmascope.theory.forecasting import History, Score, rolling_evaluation
from sigmascope.theory.forecasting.trends import OFFSET, Clock, foreseen
from worker.building import Data, build_model
from worker.datasets.catalogue import OFFLINE, load
from worker.datasets.files import DataFiles
from worker.datasets.sampling import batch_indices
from worker.evaluation import loss_of
from worker.optimisation import make_optimizer

BATCHES, HORIZON, FIRST, K, LAYERS, SMALLEST = 800, 100, 200, 8, 6, 64
CLOCKS: tuple[Clock, ...] = (lambda t: t, lambda t: np.sqrt(t + OFFSET), lambda t: np.log(t + OFFSET))
VIT = {"kind": "vit", "width": 128, "patch": 7}
GPT = {"kind": "gpt", "width": 128, "layers": 2, "context": 64}
RUNS: dict[str, dict[str, object]] = {
    "mlp-256": {"model": {"width": 256}, "learning_rate": 0.05, "seed": 10},
    "mlp-192": {"model": {"width": 192}, "learning_rate": 0.1, "batch_size": 64, "seed": 11},
    "mlp-teacher": {
        "model": {"width": 224}, "dataset": "gaussian-teacher", "learning_rate": 0.05, "seed": 12,
    },
    "vit": {"model": VIT, "learning_rate": 0.05, "batch_size": 64, "seed": 13},
    "vit-fast": {"model": VIT, "learning_rate": 0.1, "batch_size": 128, "seed": 14},
    "gpt": {
        "model": GPT, "dataset": "python-stdlib", "learning_rate": 0.3, "batch_size": 16, "seed": 15,
    },
    "gpt-slow": {
        "model": GPT, "dataset": "python-stdlib", "learning_rate": 0.1, "batch_size": 12, "seed": 16,
    },
    "mlp-cifar10": {"model": {"width": 256}, "dataset": "cifar10", "learning_rate": 0.05, "seed": 17},
    "gpt-shakespeare": {
        "model": GPT, "dataset": "shakespeare", "learning_rate": 0.2, "batch_size": 16, "seed": 18,
    },
}  # fmt: skip


def histories(spec: TrainSpec, files: DataFiles) -> dict[str, History]:
    """Train and keep the true spectra of each layer after every batch."""
    data = load(spec.dataset, files, context=getattr(spec.model, "context", 1))
    model = build_model(spec, data)
    optimizer = make_optimizer(spec, model)
    weights = followed(model)
    spectra: dict[str, list[np.ndarray]] = {name: [] for name in weights}
    for step in range(BATCHES + 1):
        if step:
            train(spec, data, model, optimizer, step=step, seed=spec.seed)
        for name, weight in weights.items():
            spectra[name].append(exact_values(weight.detach()))
    return {
        name: History.of(
            np.array(values)[:, :K], m=max(weights[name].shape), spectra=np.array(values),
            strength=strength(np.array(values), max(weights[name].shape)),
        )
        for name, values in spectra.items()
    }  # fmt: skip


def followed(model: nn.Module) -> dict[str, torch.Tensor]:
    """The weights that are forecast, by name."""
    found = {
        name: weight
        for name, weight in model.named_parameters()
        if weight.ndim == 2
        and min(weight.shape) >= SMALLEST
        and "tokens" not in name
        and "positions" not in name
    }
    return dict(list(found.items())[:LAYERS])


def train(
    spec: TrainSpec, data: Data, model: nn.Module, optimizer: torch.optim.Optimizer, *, step: int, seed: int
) -> None:
    """One batch, which ``step`` and ``seed`` choose."""
    chosen = batch_indices(data.sample_count, batch_size=spec.batch_size, step=step, seed=seed)
    x, y = data.batch(chosen)
    optimizer.zero_grad()
    torch.autograd.backward(loss_of(model(x), y))
    optimizer.step()


def exact_values(weight: torch.Tensor) -> np.ndarray:
    """All singular values in float64: trends of 1e-5 a batch must not drown in rounding."""
    matrix = weight.double()
    gram = matrix @ matrix.T if matrix.shape[0] < matrix.shape[1] else matrix.T @ matrix
    values: np.ndarray = torch.linalg.eigvalsh(gram).flip(0).clamp(min=0.0).sqrt().numpy()
    return values


def strength(values: np.ndarray, m: int) -> np.ndarray:
    """Eta D if noise alone made the sum of eigenvalues grow: an upper bound."""
    growth = np.diff((values**2).sum(axis=1), prepend=np.nan)
    return np.maximum(growth, 0.0) / (2 * m * values.shape[1])


def pooled(scores: list[Score]) -> tuple[float, float]:
    """Sums of absolute errors, of the forecaster and of persistence."""
    ours, idle = zip(*(score.absolute_errors for score in scores), strict=True)
    return sum(ours), sum(idle)


def unforeseeable(past: dict[str, History]) -> float:
    """See the module's docstring."""
    lag, noise, idle = 25, 0.0, 0.0
    for one in past.values():
        values = one.values
        second = values[2 * lag :] - 2 * values[lag:-lag] + values[: -2 * lag]
        variance = (second[FIRST:] ** 2).mean(axis=0) / (2 * lag)
        noise += float(np.sqrt(2 / np.pi * HORIZON * variance).sum()) * (len(values) - HORIZON - FIRST)
        idle += float(np.abs(values[FIRST + HORIZON :] - values[FIRST:-HORIZON]).sum())
    return noise / idle


def hindsight(past: dict[str, History]) -> float:
    """See the module's docstring. One weight a trend for all layers and values of the run.

    The trends are lines, straight in t, in sqrt(t) and in log(t), by five half-lives of the past each. The
    weights minimise the absolute error, by least squares weighed anew until they hardly change.
    """
    foreseen_by, came = [], []
    for one in past.values():
        values, steps = one.values, np.arange(len(one.values), dtype=float)
        origins = slice(FIRST, len(values) - HORIZON)
        trends = [
            foreseen(values, steps, HORIZON, half_life, clock=clock)[origins].ravel()
            for clock in CLOCKS
            for half_life in (10.0, 20.0, 40.0, 80.0, 160.0)
        ]
        foreseen_by.append(np.stack(trends, axis=1))
        came.append((values[FIRST + HORIZON :] - values[origins]).ravel())
    X, y = np.concatenate(foreseen_by), np.concatenate(came)
    weight = np.ones(len(y))
    for _ in range(20):
        root = np.sqrt(weight)
        mix = np.linalg.lstsq(X * root[:, None], y * root, rcond=None)[0]
        weight = 1.0 / np.maximum(np.abs(y - X @ mix), 1e-3 * np.abs(y).mean())
    return float(1.0 - np.abs(y - X @ mix).sum() / np.abs(y).sum())


def specifications() -> Iterator[tuple[str, TrainSpec, DataFiles]]:
    """Of the runs whose data are here."""
    folder = os.environ.get("SIGMASCOPE_DATA_DIR")
    files = DataFiles(data_dir=Path(folder) if folder else None)
    for name, fields in RUNS.items():
        spec = TrainSpec.model_validate({"batches": BATCHES, **fields})
        if folder or spec.dataset in OFFLINE:
            yield name, spec, files


def measure(report: Report) -> None:
    """Print the figures of the module's docstring."""
    skills, ratios, coverages, afterwards, limits = [], [], [], [], []
    equations: dict[str, list[float]] = {"sde": [], "sde_as_printed": []}
    for name, spec, files in specifications():
        past = histories(spec, files)
        common = {"horizon": HORIZON, "first_origin": FIRST}
        best = [rolling_evaluation(one, method="damped_trend", **common) for one in past.values()]
        line = [rolling_evaluation(one, method="linear", **common) for one in past.values()]
        ours, idle = pooled(best)
        skills.append(1 - ours / idle)
        ratios.append(ours / pooled(line)[0])
        coverages.append(float(np.mean([score.coverage_90 for score in best])))
        afterwards.append(hindsight(past))
        limits.append(unforeseeable(past))
        report.emit(f"skill_{name}", skills[-1], "1")
        report.emit(f"coverage_{name}", coverages[-1], "1")
        report.emit(f"hindsight_skill_{name}", afterwards[-1], "1")
        for method, found in equations.items():
            by_sde = [
                rolling_evaluation(
                    one, method=method, every=25, rng=np.random.default_rng(0), paths=50, **common
                )
                for one in past.values()
            ]
            total, still = pooled(by_sde)
            found.append(1 - total / still)
    report.emit("best_forecast_skill_vs_persistence", float(np.mean(skills)), "1")
    report.emit("best_forecast_mae_vs_linear", float(np.mean(ratios)), "1")
    report.emit("forecast_coverage_90", float(np.mean(coverages)), "1")
    report.emit("hindsight_skill", float(np.mean(afterwards)), "1")
    report.emit("unforeseeable_share", float(np.mean(limits)), "1")
    for method, found in equations.items():
        report.emit(f"{method}_skill_vs_persistence", float(np.mean(found)), "1")
    report.emit("runs", len(skills), "1")


if __name__ == "__main__":
    measure(parse_args(__doc__))
