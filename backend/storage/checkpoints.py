"""Where the checkpoints of runs in training lie: one folder a run, files ``STEP-DIGEST.pt`` in it.

What is in a file is the worker's business (:mod:`worker.checkpoints`). Here are the names, which tell
without reading it after which step the records of a file begin, and the end of files that no attempt will go
on from.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from sqlalchemy import Connection

from backend.storage import runs

ENDING = ".pt"


def path_of(folder: Path, run_id: str, *, step: int, digest: str) -> Path:
    """The file whose records begin after ``step``, of contents that hash to ``digest``."""
    return folder / run_id / f"{step}-{digest}{ENDING}"


def steps(folder: Path, run_id: str) -> dict[int, Path]:
    """The files of a run by the step that their records begin after; one of those with the same."""
    named = ((path.name.partition("-")[0], path) for path in (folder / run_id).glob(f"*-*{ENDING}"))
    return {int(step): path for step, path in named if step.isdecimal()}


def newest(folder: Path, run_id: str) -> int | None:
    """The step of the last checkpoint of a run; None when there is none in ``folder``."""
    return max(steps(folder, run_id), default=None)


def remove(folder: Path, run_id: str) -> None:
    """Remove all checkpoints of a run; nothing when there are none."""
    shutil.rmtree(folder / run_id, ignore_errors=True)


def tidy(folder: Path, connection: Connection) -> None:
    """Remove the checkpoints of runs that have ended, wherever they were ended from."""
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for run_id in there - runs.unfinished(connection, there):
        remove(folder, run_id)
