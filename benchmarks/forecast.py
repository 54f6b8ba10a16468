"""Forecasts of the eight largest singular values, 100 batches ahead, from every batch after the 200th.

Nine runs of 800 batches: MLPs, ViTs and GPTs, plain SGD at a constant rate, on the data sets that need no
download and, where SIGMASCOPE_DATA_DIR is set, on CIFAR-10 and Shakespeare too. Of each run up to six weight
matrices with at least 64 singular values. One setting for all; nothing is tuned per run.

No forecast sees anything that came after its origin. ``damped_trend`` sees the past of the values alone, and
costs next to nothing. ``continued_training`` has the network and the data, and trains seven batches for each
batch of the run: five continuations of 199 batches from every 100th step.

    damped_trend_skill_vs_persistence    1 - MAE / MAE(persistence), over the layers of a run
    damped_trend_mae_vs_linear           MAE over that of ``linear``, the same way
    damped_trend_coverage_90             share of outcomes inside the 90 % band
    continued_training_...               the same three
    best_forecast_skill_vs_persistence   the same three of the one of both that has more skill on average
    best_forecast_mae_vs_linear
    forecast_coverage_90
    sde_skill_vs_persistence             of the paper's equation, every 25th origin
    sde_as_printed_skill_vs_persistence  the same with the repulsion as printed
    hindsight_skill                      what limits trends: skill of the best fixed mix of fifteen, its
                                         weights fitted to each run's own outcomes afterwards
    unforeseeable_share                  the MAE of a random walk with the variance of changes over 25
                                         batches, drift taken out, over that of persistence

Means over runs; with ``_RUN`` behind its name, a figure of one run.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from backend.storage.forecasts import continued_origins
from benchmarks.report import Report, parse_args
from sigmascope.schemas import ForecastSpec, TrainSpec
from sigmascope.theory.forecasting import History, Score, rolling_evaluation
from sigmascope.theory.forecasting.trends import OFFSET, Clock, foreseen
from worker.building import Data, build_model
from worker.continued import continued
from worker.continued_scores import judge
from worker.datasets.catalogue import OFFLINE, load
from worker.datasets.files import DataFiles
from worker.training import Unwatched, train

BATCHES, HORIZON, FIRST, K, LAYERS, SMALLEST = 800, 100, 200, 8, 6, 64
METHODS = ("damped_trend", "continued_training")
JUDGED = ("skill_vs_persistence", "mae_vs_linear", "coverage_90")
BEST = ("best_forecast_skill_vs_persistence", "best_forecast_mae_vs_linear", "forecast_coverage_90")
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


class Spectra(Unwatched):
    """Keeps the true spectra of each layer after every batch."""

    def __init__(self, model: nn.Module) -> None:
        self.weights = followed(model)
        self.spectra: dict[str, list[np.ndarray]] = {name: [] for name in self.weights}

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        """As they are now."""
        for name, weight in self.weights.items():
            self.spectra[name].append(exact_values(weight.detach()))


def histories(spec: TrainSpec, files: DataFiles) -> dict[str, History]:
    """Train, and the spectra of each layer."""
    data = data_of(spec, files)
    model = build_model(spec, data)
    seen = Spectra(model)
    train(spec, model, data, watcher=seen, stop=lambda: False)
    return {
        name: History.of(
            np.array(values)[:, :K], m=max(seen.weights[name].shape), spectra=np.array(values),
            strength=strength(np.array(values), max(seen.weights[name].shape)),
        )
        for name, values in seen.spectra.items()
    }  # fmt: skip


def data_of(spec: TrainSpec, files: DataFiles) -> Data:
    """What a run trains on."""
    return load(spec.dataset, files, context=getattr(spec.model, "context", 1))


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


def mae(scores: list[Score]) -> float:
    """Sum of absolute errors over layers, origins and values."""
    return sum(score.absolute_errors[0] for score in scores)


def skill(scores: list[Score]) -> float:
    """Over that of persistence."""
    return 1.0 - mae(scores) / sum(score.absolute_errors[1] for score in scores)


def coverage(scores: list[Score]) -> float:
    """Of the 90 % band, mean over layers."""
    return float(np.mean([score.coverage_90 for score in scores]))


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
        spec = TrainSpec.model_validate({"batches": BATCHES, "evaluate_every": BATCHES, **fields})
        if folder or spec.dataset in OFFLINE:
            yield name, spec, files


def by_the_past(past: dict[str, History], method: str, **settings: Any) -> list[Score]:
    """Of each layer."""
    return [
        rolling_evaluation(one, method=method, horizon=HORIZON, first_origin=FIRST, **settings)
        for one in past.values()
    ]


def by_training_on(spec: TrainSpec, files: DataFiles, past: dict[str, History]) -> list[Score]:
    """Of each layer, by ``continued_training``."""
    job = ForecastSpec.model_validate({"run": "0" * 10, "horizon": HORIZON, "first_origin": FIRST})
    origins = continued_origins(job, BATCHES)
    data, layers = data_of(spec, files), {name: name.removesuffix(".weight") for name in past}
    found = continued(
        spec, build_model(spec, data), data, kept=dict.fromkeys(layers.values(), K), origins=origins,
        horizon=HORIZON, members=job.members, seed=job.seed,
    )  # fmt: skip
    assert found is not None  # nobody cancels it
    return [judge(one, origins, found, layers[name], horizon=HORIZON) for name, one in past.items()]


def measure(report: Report) -> None:
    """Print the figures of the module's docstring."""
    means: dict[str, list[float]] = {}

    def emit(run: str, **figures: float) -> None:
        for name, value in figures.items():
            report.emit(f"{name}_{run}", value, "1")
            means.setdefault(name, []).append(value)

    for name, spec, files in specifications():
        past = histories(spec, files)
        line = mae(by_the_past(past, "linear"))
        scores = by_the_past(past, "damped_trend"), by_training_on(spec, files, past)
        for method, found in zip(METHODS, scores, strict=True):
            of_it = (skill(found), mae(found) / line, coverage(found))
            emit(name, **{f"{method}_{what}": one for what, one in zip(JUDGED, of_it, strict=True)})
        emit(name, hindsight_skill=hindsight(past), unforeseeable_share=unforeseeable(past))
        for method in ("sde", "sde_as_printed"):
            by_sde = by_the_past(past, method, every=25, rng=np.random.default_rng(0), paths=50)
            emit(name, **{f"{method}_skill_vs_persistence": skill(by_sde)})
    figures = {figure: float(np.mean(values)) for figure, values in means.items()}
    best = max(METHODS, key=lambda method: figures[f"{method}_{JUDGED[0]}"])
    figures |= {figure: figures[f"{best}_{what}"] for figure, what in zip(BEST, JUDGED, strict=True)}
    for figure, value in figures.items():
        report.emit(figure, value, "1")
    report.emit("runs", len(means["hindsight_skill"]), "1")


if __name__ == "__main__":
    measure(parse_args(__doc__))
