"""Where a run computes, in which precision, and what to say when it is not where it was asked to be."""

from __future__ import annotations

import os
import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from sigmascope.errors import InvalidValueError

# in the order in which `auto` looks for them
ACCELERATORS = ("cuda", "mps")


@dataclass(frozen=True, slots=True)
class Placement:
    """A device, and why it is another than was asked for; "" where it is not."""

    device: torch.device
    note: str = ""

    def describe(self) -> str:
        """The device as a person would name it, with the note."""
        return f"{_name(self.device)} ({self.note})" if self.note else _name(self.device)


def choose_device(name: str, *, missing: Literal["fail", "cpu"] = "fail") -> Placement:
    """The device for ``auto``, ``cpu``, ``mps`` or ``cuda``; ``auto`` takes the CPU where nothing else is.

    ``missing`` says what becomes of ``cuda`` or ``mps`` where there is none: an error, or the CPU and a note.

    Raises:
        InvalidValueError: the device that was asked for is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name == "auto":
        found = next((one for one in ACCELERATORS if there[one]), None)
        return Placement(torch.device(found)) if found else _on_cpu("auto: no CUDA or MPS here")
    if there.get(name, False):
        return Placement(torch.device(name))
    if missing == "cpu":
        return _on_cpu(f"{name} was asked for and is not here")
    raise InvalidValueError(f"device {name!r} is not available on this worker; choose 'cpu' or 'auto'")


def make_repeatable(device: torch.device) -> None:
    """From here on this process computes the same bits each time; on the CPU it does so anyway."""
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS reads it when it starts
        # not warn_only, in which the backward pass of attention goes on as before
        torch.use_deterministic_algorithms(True)


def autocast(precision: Literal["float32", "bfloat16"], device: torch.device) -> AbstractContextManager[None]:
    """Where the forward pass runs: with ``bfloat16`` torch chooses the operations that take it.

    Weights, their gradients and the optimiser stay in float32, and so does all that is recorded.
    """
    return nullcontext() if precision == "float32" else torch.autocast(device.type, dtype=torch.bfloat16)


def processor() -> str:
    """The CPU with the instructions that torch takes from it, on which the last bits of a sum depend."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = named[0] if named else platform.processor() or platform.machine()
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}"


def _on_cpu(note: str) -> Placement:
    return Placement(torch.device("cpu"), note)


def _name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"cpu, {threads} thread{'s' if threads > 1 else ''}"
