"""Checkpoints: what the next attempt at a training run goes on from, bit for bit."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from backend.storage import checkpoints
from sigmascope.errors import InvalidValueError
from sigmascope.recorder import Recorder
from sigmascope.records import StepRecord
from worker.database_sink import DatabaseSink

log = logging.getLogger("sigmascope.checkpoints")

# of what a state holds: one more with every change after which an older one cannot be gone on from
LAYOUT = 8
# what differs is told where it has at most so many characters
TELLING = 80
# a checkpoint is followed by so many times its own time without one: it costs 2 % at most
SPARING = 50.0


@dataclass(frozen=True, slots=True)
class Training:
    """All that the next batch of a run builds on, beside its specification and the step."""

    model: nn.Module
    optimizer: torch.optim.SGD
    recorder: Recorder

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, as ``torch.load(weights_only=True)`` reads them."""
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "recorder": self.recorder.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on as the training that ``state_dict`` was called on, bit for bit."""
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.recorder.load_state_dict(state["recorder"])


@dataclass(frozen=True, slots=True)
class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: of the checkpoints of all runs.
        run_id: the run.
        made_with: what decides the bits beside the state, by name: a state of other values is refused.
    """

    folder: Path
    run_id: str
    made_with: Mapping[str, str]

    def write(self, step: int, state: Mapping[str, Any]) -> Path:
        """Store the state that records after ``step`` come from: whole, or not at all, also in a power cut.

        Raises:
            OSError: there is no room, or no right to write.
        """
        own = self.folder / self.run_id
        own.mkdir(parents=True, exist_ok=True)
        part = own / f"{step}.{os.getpid()}.part"
        try:
            with part.open("wb") as file:
                torch.save({"made_with": dict(self.made_with), "state": dict(state)}, file)
                file.flush()
                os.fsync(file.fileno())
            path = checkpoints.path_of(self.folder, self.run_id, step=step, digest=_digest(part))
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
        _sync(own)
        return path

    def keep_only(self, path: Path) -> None:
        """Remove all others."""
        for other in path.parent.iterdir():
            if other != path:
                other.unlink(missing_ok=True)

    def read(self, step: int) -> dict[str, Any]:
        """The state that records after ``step`` come from, on the devices that it was on.

        Raises:
            InvalidValueError: the file is gone, damaged, or made with something else.
        """
        path = checkpoints.steps(self.folder, self.run_id).get(step)
        if path is None:
            raise InvalidValueError(f"the checkpoint of step {step} is gone")
        try:
            if not path.stem.endswith(f"-{_digest(path)}"):
                raise InvalidValueError(f"the checkpoint of step {step} is damaged")
            # its devices may not be here: first a look that touches none
            found = torch.load(path, map_location="cpu", mmap=True, weights_only=True)
            self._check(step, found["made_with"])
            state: dict[str, Any] = torch.load(path, weights_only=True)["state"]
        except (OSError, pickle.UnpicklingError) as error:
            raise InvalidValueError(f"the checkpoint of step {step} cannot be read: {error}") from error
        return state

    def _check(self, step: int, theirs: Mapping[str, str]) -> None:
        for name, mine in self.made_with.items():
            other = str(theirs.get(name))
            if other != mine:
                both = f": {other}, now {mine}" if len(mine) <= TELLING else ""
                raise InvalidValueError(f"the checkpoint of step {step} is of another {name}{both}")


class Keeper:
    """Watches a training as its recorder does, and writes a checkpoint of it now and then.

    A checkpoint is of the last step whose record is there; that it follows the commit of that step makes
    sure. Training may be further: the records in between are in the state, for their spectra are not known
    yet. One that cannot be written is a line in the log: training goes on.

    Args:
        training: that is watched.
        kept: where checkpoints go.
        sink: of the recorder.
        seconds: least time between two checkpoints.
    """

    def __init__(
        self, training: Training, kept: Checkpoints, sink: DatabaseSink[StepRecord], *, seconds: float
    ) -> None:
        self._training, self._kept, self._sink, self._seconds = training, kept, sink, seconds
        self._due = time.monotonic() + seconds
        self._made = 0  # batches

    def observe(self, optimizer: torch.optim.Optimizer) -> None:
        """See Watcher."""
        self._training.recorder.observe(optimizer)

    def record(self, step: int, metrics: Mapping[str, float]) -> None:
        """See Watcher."""
        self._training.recorder.record(step, metrics)
        self._made = step
        self._sink.commit_when_due()
        if self._training.recorder.written > 0 and time.monotonic() >= self._due:
            self._sink.flush()
            path = self._write()
            if path is not None:
                self._kept.keep_only(path)

    def hand_over(self) -> None:
        """Leave a run that was released: with the steps made since the last commit, and a checkpoint of them.

        Older checkpoints stay, for another attempt may have begun from one.
        """
        if self._sink.hand_over() and self._training.recorder.written > 0:
            self._write()

    def _write(self) -> Path | None:
        step = self._training.recorder.written
        started = time.monotonic()
        path = None
        try:
            path = self._kept.write(step, {**self._training.state_dict(), "made": self._made})
        except (OSError, torch.OutOfMemoryError) as error:
            log.warning("run %s goes on without a checkpoint of step %d: %s", self._kept.run_id, step, error)
        ended = time.monotonic()
        self._due = ended + max(self._seconds, SPARING * (ended - started))
        return path


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    """Have the names in ``folder`` outlive a power failure, as the contents do."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
