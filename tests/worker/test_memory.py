"""Memory that is not there: what was asked for, what was free, and nothing lost of what was recorded."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import torch
from sqlalchemy import Engine

from backend.settings import Settings
from backend.storage import results, runs
from backend.storage.results import Window
from sigmascope.amounts import in_bytes
from sigmascope.errors import OutOfMemoryError
from sigmascope.schemas import TrainSpec
from worker import jobs, memory, training
from worker.memory import host_memory, memory_explained

CPU = torch.device("cpu")
HUGE = 2**50  # bytes, a PiB: no system grants it


@pytest.mark.parametrize(
    "ask",
    [lambda: torch.empty(HUGE, dtype=torch.uint8), lambda: np.empty(HUGE, dtype=np.uint8)],
    ids=["torch", "numpy"],
)
def test_what_was_asked_for_and_what_was_free(ask: object) -> None:
    said = r"out of memory on cpu: 1\.0\d* PiB asked for, [\d.]+ [MGT]iB of [\d.]+ [GT]iB free\. .*batch_size"
    with pytest.raises(OutOfMemoryError, match=said), memory_explained(CPU):
        ask()  # type: ignore[operator]


def test_a_gpus_words_are_read() -> None:
    words = "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.11 GiB"
    with pytest.raises(OutOfMemoryError, match=r"20\.00 GiB asked for"), memory_explained(CPU):
        raise torch.OutOfMemoryError(words)


def test_other_errors_pass() -> None:
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied") as caught, memory_explained(CPU):
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert not isinstance(caught.value, OutOfMemoryError)


def test_the_hosts_memory() -> None:
    free, total = host_memory()
    assert 0 < free <= total


def test_a_containers_limit_is_its_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    limit, use = tmp_path / "memory.max", tmp_path / "memory.current"
    monkeypatch.setattr(memory, "CGROUPS", ((str(limit), str(use), "inactive_file"),))
    of_machine = memory._machine_memory()[1]
    assert host_memory()[1] == of_machine
    use.write_text(f"{2**26}\n")
    (tmp_path / "memory.stat").write_text(f"anon {2**25}\ninactive_file {2**24}\n")
    limit.write_text("max\n")
    assert host_memory()[1] == of_machine
    limit.write_text(f"{2**27}\n")
    assert host_memory() == (2**27 - 2**26 + 2**24, 2**27)


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**31, "2.0 GiB"), (2**70, "1024.0 EiB")],
)
def test_bytes_as_people_read_them(count: int, said: str) -> None:
    assert in_bytes(count) == said


def test_a_run_out_of_memory_fails_and_keeps_its_record(
    engine: Engine, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The eleventh batch asks for a PiB; the ten before it are there."""
    rate_of = training.learning_rate

    def greedy(spec: TrainSpec, step: int) -> float:
        if step == 11:
            torch.empty(HUGE, dtype=torch.uint8)
        return rate_of(spec, step)

    monkeypatch.setattr(training, "learning_rate", greedy)
    spec = TrainSpec.model_validate({"model": {"width": 8, "depth": 1}, "batches": 40, "batch_size": 8})
    with engine.begin() as connection:
        fields = spec.model_dump(mode="json")
        run_id = runs.create(connection, kind="train", name="r", spec=fields, total_steps=40, now=time.time())
        held = runs.claim(connection, run_id, owner="w", now=time.time(), lease_seconds=60, versions={})
    assert held
    jobs.execute(engine, held, settings)
    with runs.reading_session(engine) as session:
        row = runs.get(session, run_id)
        assert row is not None
        assert (row.status, row.step) == ("failed", 10)
        assert "1.0 PiB asked for" in str(row.error)
        assert row.device
    with engine.connect() as connection:
        found = results.spectra(connection, run_id, "hidden.0", Window())
    assert list(found.steps) == list(range(11))
