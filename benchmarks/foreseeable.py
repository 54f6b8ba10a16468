"""How much of a spectrum's future can be foreseen at all, by anybody who does not know the next batches.

The runs of benchmarks.forecast. From four origins of each, training goes on six times for 100 batches, every
time with other batches of the same data. Five of the outcomes foresee the sixth by their median: a forecaster
that has the network, the data and the loss, and five times the computing. It errs by the noise of the
batches, and by that of a median of five, which adds an eighth.

    foreseeable_skill        1 - MAE / MAE(persistence) of that forecaster, mean over runs
    foreseeable_skill_RUN    the same for each run
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import nn

from benchmarks.forecast import HORIZON, K, exact_values, followed, specifications, train
from benchmarks.report import Report, parse_args
from sigmascope.schemas import TrainSpec
from worker.building import Data, build_model
from worker.datasets.catalogue import load
from worker.optimisation import make_optimizer

ORIGINS, FUTURES = (200, 350, 500, 650), 6


def values(model: nn.Module) -> np.ndarray:
    """(layers, k)."""
    return np.array([exact_values(weight.detach())[:K] for weight in followed(model).values()])


def futures(
    spec: TrainSpec, data: Data, model: nn.Module, optimizer: torch.optim.SGD, origin: int
) -> np.ndarray:
    """(futures, layers, k) values after ``HORIZON`` batches of one's own each."""
    found = []
    for number in range(FUTURES):
        ours = copy.deepcopy(model)
        stepping = make_optimizer(spec, ours)
        stepping.load_state_dict(optimizer.state_dict())
        for step in range(origin + 1, origin + HORIZON + 1):
            train(spec, data, ours, stepping, step=step, seed=spec.seed + 1000 + 100 * number)
        found.append(values(ours))
    return np.array(found)


def skill(spec: TrainSpec, data: Data) -> float:
    """See the module's docstring."""
    model = build_model(spec, data)
    optimizer = make_optimizer(spec, model)
    error = idle = 0.0
    for step in range(ORIGINS[-1] + 1):
        if step:
            train(spec, data, model, optimizer, step=step, seed=spec.seed)
        if step in ORIGINS:
            now, came = values(model), futures(spec, data, model, optimizer, step)
            for number, one in enumerate(came):
                error += float(np.abs(one - np.median(np.delete(came, number, axis=0), axis=0)).sum())
                idle += float(np.abs(one - now).sum())
    return 1.0 - error / idle


def measure(report: Report) -> None:
    """Print the figures of the module's docstring."""
    found = []
    for name, spec, files in specifications():
        found.append(skill(spec, load(spec.dataset, files, context=getattr(spec.model, "context", 1))))
        report.emit(f"foreseeable_skill_{name}", found[-1], "1")
    report.emit("foreseeable_skill", float(np.mean(found)), "1")


if __name__ == "__main__":
    measure(parse_args(__doc__))
