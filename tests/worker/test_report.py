"""What a worker says of itself."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from sigmascope.schemas import DeviceMemory
from worker import report


def test_gpus_are_read_from_nvidias_tool() -> None:
    listing = "NVIDIA L4, 22563, 23034\nNVIDIA A100-SXM4-80GB, 81000, 81920\n"
    first, second = (DeviceMemory.model_validate(one) for one in report.parse(listing))
    assert (first.name, first.kind) == ("NVIDIA L4", "cuda")
    assert (second.memory_free, second.memory_total) == (81000 * 2**20, 81920 * 2**20)


@pytest.mark.parametrize("listing", ["", "\n", "No devices were found\n", "NVIDIA L4, [N/A], 23034\n"])
def test_what_is_no_gpu_is_left_out(listing: str) -> None:
    assert report.parse(listing) == []


def test_a_worker_names_its_own_gpu_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def answer(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, stdout="NVIDIA L4, 10, 20\n")

    monkeypatch.setattr(subprocess, "run", answer)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    report._gpus.cache_clear()
    assert [one["kind"] for one in report.devices()] == ["cuda", "cpu"]
    assert asked[0][-1] == "--id=1"
    report._gpus.cache_clear()


@pytest.mark.parametrize(
    "error", [FileNotFoundError("nvidia-smi"), subprocess.TimeoutExpired("nvidia-smi", 3)]
)
def test_without_that_tool_there_is_the_cpu(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    report._gpus.cache_clear()
    (only,) = (DeviceMemory.model_validate(one) for one in report.devices())
    assert only.kind == "cpu"
    assert 0 < only.memory_free <= only.memory_total
    report._gpus.cache_clear()
