"""A training run from its claim to its row: where it computed, and what is said when it could not begin."""

from __future__ import annotations

import gzip
import hashlib
import re
import sysconfig
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from sqlalchemy import Engine

from backend.settings import JOB_TASK, Settings
from backend.storage import results, runs
from backend.storage.results import Window
from backend.storage.tables import RunRow
from sigmascope.schemas import TrainSpec
from worker import celery_app, jobs, memory, training
from worker.datasets.python_stdlib import MODULES

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


def test_a_run_tells_where_its_data_came_from(engine: Engine, settings: Settings) -> None:
    gpt = {"kind": "gpt", "width": 8, "layers": 1, "heads": 2, "context": 8}
    row = worked_on(engine, settings, model=gpt, dataset="python-stdlib")
    assert row.status == "finished"
    folder = Path(sysconfig.get_path("stdlib"))
    sources = [(folder / f"{module}.py").read_bytes().decode() for module in MODULES]
    text = "\n".join(source.encode("ascii", "replace").decode() for source in sources)
    assert row.provenance["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert row.provenance["source"].startswith("standard library of Python")
    assert row.provenance["licence"] == "PSF-2.0"


def test_a_run_that_cannot_fit_fails_before_it_asks_for_memory(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 hidden layers of 8192 with momentum need 17 GiB, on a machine of 1 GiB."""
    monkeypatch.setattr(memory, "host_memory", lambda: (2**29, 2**30))
    row = worked_on(engine, settings, model={"width": 8192, "depth": 16}, momentum=0.9, device="cpu")
    assert (row.status, row.step) == ("failed", 0)
    said = re.fullmatch(
        r"this run needs about ([\d.]+) GiB on cpu \(.* for weights and their gradients, .* for predictors, "
        r".* for a batch, .* for the data\), which has 512\.0 MiB of 1\.0 GiB free\. Choose a smaller model",
        str(row.error),
    )
    assert said, row.error
    assert float(said[1]) == pytest.approx(16, abs=1)
    assert row.memory is not None
    assert (row.memory["free"], row.memory["total"]) == (2**29, 2**30)
    assert row.memory["needed"] / 2**30 == pytest.approx(float(said[1]), abs=0.1)


def test_an_error_nobody_foresaw_fails_the_run_and_loses_no_step(
    database_url: str, engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The eleventh batch meets a GPU that fell from its bus; the ten before it are there."""
    rate_of = training.learning_rate

    def broken(spec: TrainSpec, step: int) -> float:
        if step == 11:
            raise RuntimeError("CUDA error: unspecified launch failure")
        return rate_of(spec, step)

    monkeypatch.setattr(training, "learning_rate", broken)
    monkeypatch.setattr(celery_app, "end_with_parent", lambda _: None)  # this process is pytest's
    spec = TrainSpec.model_validate({**SMALL, "batches": 40})
    with engine.begin() as connection:
        fields = spec.model_dump(mode="json")
        run_id = runs.create(connection, kind="train", name="r", spec=fields, total_steps=40, now=time.time())
    app = celery_app.create_celery(settings.model_copy(update={"database_url": database_url}))
    app.tasks[JOB_TASK].apply(args=[run_id])
    with runs.reading_session(engine) as session:
        row = session.get_one(RunRow, run_id)
        assert (row.status, row.step) == ("failed", 10)
        assert str(row.error).startswith("unexpected RuntimeError: CUDA error: unspecified launch failure. ")
        assert "recorded before is kept" in str(row.error)
    with engine.connect() as connection:
        found = results.spectra(connection, run_id, "hidden.0", Window())
    assert found.steps.tolist() == list(range(11))
