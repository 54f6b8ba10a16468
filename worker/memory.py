"""Memory: how much there is, and a failed allocation told as what was asked for and what was free."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sigmascope.amounts import in_bytes
from sigmascope.errors import OutOfMemoryError

if TYPE_CHECKING:
    # a worker's first process speaks of its memory too, and has torch on Linux alone
    import torch

# torch's allocators and numpy's: "tried to allocate 7 bytes", "Tried to allocate 2.00 GiB", "Unable to ..."
_ASKED = re.compile(r"allocate ([\d.]+) ?(bytes|[KMGTPE]?i?B)")
_RAN_OUT = re.compile(
    r"out of memory|not enough memory|CUBLAS_STATUS_ALLOC_FAILED|can't allocate memory", re.I
)


# where Linux tells a container what it may have: limit, use, and the name of what it would give back at once
CGROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "inactive_file"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "total_inactive_file",
    ),
)


def host_memory() -> tuple[int, int]:
    """(free, total) bytes of this machine; free is what a new process may have without swapping.

    In a container with a limit of its own, what is within it: beyond, the system kills.
    """
    free, total = _machine_memory()
    for group in CGROUPS:
        room = _container_memory(*group)
        if room is not None:
            free, total = min(free, room[0]), min(total, room[1])
    return free, total


def _container_memory(limit: str, use: str, cache: str) -> tuple[int, int] | None:
    """(free, total) bytes of a container; None where it has no limit."""
    try:
        total = int(Path(limit).read_text())
        used = int(Path(use).read_text())
        statistics = dict(
            line.split() for line in Path(use).with_name("memory.stat").read_text().splitlines()
        )
    except (OSError, ValueError):  # none of this kind, or "max"
        return None
    return max(0, total - used + int(statistics.get(cache, 0))), total


def _machine_memory() -> tuple[int, int]:
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:  # not Linux, where no number tells what caches would give back
        return total, total
    found = dict(line.split(":", 1) for line in lines)
    return 1024 * int(found["MemAvailable"].split()[0]), total


def device_memory(device: torch.device) -> tuple[int, int]:
    """(free, total) bytes where ``device`` computes; on a GPU, what torch holds unused counts as free."""
    if device.type != "cuda":
        return host_memory()
    import torch

    free, total = torch.cuda.mem_get_info(device)
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device), total


@dataclass(frozen=True, slots=True)
class Room:
    """Memory of a device, called ``name``, in bytes."""

    name: str
    free: int
    total: int

    @classmethod
    def on(cls, device: torch.device) -> Room:
        """As it is at this moment."""
        return cls(device.type, *device_memory(device))

    def describe(self) -> str:
        """For example ``1.0 GiB of 15.5 GiB free``."""
        return f"{in_bytes(self.free)} of {in_bytes(self.total)} free"


@contextmanager
def memory_explained(device: torch.device) -> Iterator[None]:
    """Turns an allocation that fails on ``device`` or the CPU into one sentence with a remedy.

    Raises:
        OutOfMemoryError: with what was asked for, what was free, and how much there is.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _RAN_OUT.search(str(error)):
            raise
        asked = _ASKED.search(str(error))
        raise OutOfMemoryError(
            f"out of memory on {device.type}: {_amount(*asked.groups()) if asked else 'more'} asked for, "
            f"{Room.on(device).describe()}. Choose a smaller batch_size or model, or fewer "
            "runs at once; what was recorded before is kept."
        ) from error


def _amount(number: str, unit: str) -> str:
    return in_bytes(float(number)) if unit == "bytes" else f"{number} {unit}"
