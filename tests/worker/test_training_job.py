"""A training run from its claim to its row: where it computed, and what is said when it could not begin."""

from __future__ import annotations

import gzip
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage import runs
from backend.storage.tables import RunRow
from sigmascope.schemas import TrainSpec
from worker import jobs

SMALL = {"model": {"width": 8, "depth": 1}, "batches": 3, "batch_size": 8}


def worked_on(engine: Engine, settings: Settings, **fields: Any) -> RunRow:
    """The row of a run of these ``fields`` after a worker had it."""
    spec = TrainSpec.model_validate({**SMALL, **fields})
    with engine.begin() as connection:
        run_id = runs.create(
            connection,
            kind="train",
            name="r",
            spec=spec.model_dump(mode="json"),
            total_steps=3,
            now=time.time(),
        )
        held = runs.claim(connection, run_id, owner="w", now=time.time(), lease_seconds=60, versions={})
    assert held
    jobs.execute(engine, held, settings)
    with runs.reading_session(engine) as session:
        row = runs.get(session, run_id)
        assert row is not None
        session.expunge(row)
    return row


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_auto_without_a_gpu_is_stated_in_the_record(
    engine: Engine, settings: Settings, precision: str
) -> None:
    row = worked_on(engine, settings, precision=precision)
    assert (row.status, row.step) == ("finished", 3)
    assert str(row.device).endswith("(auto: no CUDA or MPS here)")
    assert row.spec["precision"] == precision


@pytest.mark.usefixtures("no_gpu")
@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_fails_the_run(engine: Engine, settings: Settings, device: str) -> None:
    row = worked_on(engine, settings, device=device)
    assert row.status == "failed"
    assert f"device '{device}' is not available on this worker; choose 'cpu' or 'auto'" in str(row.error)


@pytest.mark.usefixtures("no_gpu")
def test_a_worker_may_fall_back_and_states_it(engine: Engine, settings: Settings) -> None:
    row = worked_on(engine, settings.model_copy(update={"missing_device": "cpu"}), device="cuda")
    assert row.status == "finished"
    assert str(row.device).endswith("(cuda was asked for and is not here)")


def test_a_damaged_file_fails_the_run_and_is_named(
    engine: Engine, settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    whole = gzip.compress(b"\x00\x00\x08\x03" + bytes(5000))
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (folder / f"{name}-ubyte.gz").write_bytes(whole[:-9])
    row = worked_on(engine, settings.model_copy(update={"data_dir": tmp_path / "data"}), dataset="mnist")
    assert row.status == "failed"
    assert "-ubyte.gz cannot be read" in str(row.error)
    assert "fetch it again" in str(row.error)
