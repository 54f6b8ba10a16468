"""What a worker says of itself when the service asks: queues, runs in hand, devices and their memory.

The answer comes from the worker's first process, which must never touch CUDA: its children are forks, and
CUDA does not survive a fork. NVIDIA's own tool is asked instead.
"""

from __future__ import annotations

import os
import subprocess
import time
from functools import lru_cache
from typing import Any

from celery.worker import state as worker_state
from celery.worker.control import inspect_command

from backend.settings import REPORT_COMMAND
from worker.memory import host_memory
from worker.versions import versions

SMI = ("nvidia-smi", "--query-gpu=name,memory.free,memory.total", "--format=csv,noheader,nounits")
SMI_SECONDS = 3  # a driver that has to wake up takes its time
FRESH_SECONDS = 2


@inspect_command(name=REPORT_COMMAND)  # type: ignore[untyped-decorator]
def report(state: Any) -> dict[str, Any]:
    """The fields of :class:`sigmascope.schemas.Worker` without its name."""
    return {
        "queues": sorted(state.app.amqp.queues.consume_from),
        "concurrency": state.app.conf.worker_concurrency,
        "runs": [str(request.args[0]) for request in worker_state.active_requests if request.args],
        "devices": devices(),
        "versions": versions(),
    }


def devices() -> list[dict[str, Any]]:
    """The GPUs that this worker may use, and the CPU; the fields of ``DeviceMemory``."""
    free, total = host_memory()
    cpu = {"name": f"{os.cpu_count()} CPU cores", "kind": "cpu", "memory_free": free, "memory_total": total}
    # several viewers ask at once, and asking takes a tenth of a second
    return [*_gpus(int(time.monotonic() / FRESH_SECONDS)), cpu]


@lru_cache(maxsize=1)
def _gpus(_moment: int) -> list[dict[str, Any]]:
    # CUDA's own variable, by which each of several workers on a machine gets a GPU of its own
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible == "":
        return []
    command = [*SMI, *([f"--id={visible}"] if visible else [])]
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed command, and what the worker's owner set
            command, capture_output=True, text=True, timeout=SMI_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return parse(answer.stdout)


def parse(listing: str) -> list[dict[str, Any]]:
    """GPUs out of lines such as ``NVIDIA L4, 22563, 23034``, in MiB; lines of another form are left out."""
    found = []
    for line in listing.splitlines():
        name, *memory = (part.strip() for part in line.rsplit(",", 2))
        if len(memory) == 2 and all(part.isdecimal() for part in memory):
            free, total = (int(part) << 20 for part in memory)
            found.append({"name": name, "kind": "cuda", "memory_free": free, "memory_total": total})
    return found
