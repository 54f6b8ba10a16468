"""From a specification to its recorder."""

from __future__ import annotations

from typing import Any

import pytest

from sigmascope.recorder import Recorder
from sigmascope.schemas import TrainSpec
from sigmascope.sinks import MemorySink
from worker import building
from worker.building import build_model, make_recorder
from worker.datasets.catalogue import load

GPT = {"kind": "gpt", "width": 64, "layers": 2, "heads": 2, "context": 64}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"model": {"width": 32, "depth": 1}}, 128),
        ({"model": {"width": 1024, "depth": 3}, "batch_size": 256}, 45),  # 2.9 M weights
        ({"model": GPT, "dataset": "python-stdlib", "batch_size": 64}, 77),  # 0.1 M, 4096 positions
        ({"model": GPT, "dataset": "python-stdlib", "batch_size": 4096}, 2),
    ],
)
def test_adaptive_spectra_come_some_two_seconds_late(
    fields: dict[str, Any], expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = TrainSpec.model_validate({"spectra": "adaptive", **fields})
    data = load(spec.dataset, context=64)
    lags = []

    def seen(*args: Any, lag: int, **options: Any) -> Recorder:
        lags.append(lag)
        return Recorder(*args, lag=lag, **options)

    monkeypatch.setattr(building, "Recorder", seen)
    with make_recorder(spec, build_model(spec, data), data, MemorySink()):
        assert lags == [pytest.approx(expected, rel=0.05)]
