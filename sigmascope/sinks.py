"""Where a recorder writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sigmascope.errors import NotFoundError
from sigmascope.records import LayerRecord, StepRecord


class Sink(Protocol):
    """Receives one record a step, in ascending order of steps."""

    def write(self, record: StepRecord) -> None:
        """Keep ``record``; it is immutable and its arrays belong to the sink."""
        ...


class MemorySink:
    """Keeps every record in memory and hands them out as arrays."""

    def __init__(self) -> None:
        self._records: list[StepRecord] = []
        self._brings: list[Callable[[], None]] = []

    def __getstate__(self) -> dict[str, object]:
        """The records alone: a copy or a pickle waits for nothing."""
        return {"_records": self.records, "_brings": []}

    def before_reading(self, bring: Callable[[], None]) -> None:
        """Have ``bring`` write what is still waiting, whenever records are looked at, until ``forget``."""
        for earlier in self._brings:
            earlier()
        self._brings.append(bring)

    def forget(self, bring: Callable[[], None]) -> None:
        """Look at records without ``bring`` from now on; nothing where it was never there."""
        if bring in self._brings:
            self._brings.remove(bring)

    def write(self, record: StepRecord) -> None:
        """Append ``record``."""
        self._records.append(record)

    @property
    def records(self) -> list[StepRecord]:
        """All records, in the order of writing."""
        for bring in self._brings:
            bring()
        return self._records

    @property
    def steps(self) -> NDArray[np.int64]:
        """(records,) the recorded steps."""
        return np.array([record.step for record in self.records], dtype=np.int64)

    def singular_values(self, layer: str) -> NDArray[np.float32]:
        """(records, n) singular values, descending in each row.

        Raises:
            NotFoundError: no such layer was recorded.
        """
        return np.stack([entry.singular_values for entry in self._of(layer)])

    def trajectory(self, layer: str, predictor: str) -> NDArray[np.float32]:
        """(records, k) what ``predictor`` said of the layer's largest singular values.

        Raises:
            NotFoundError: no such layer or predictor was recorded.
        """
        entries = self._of(layer)
        if predictor not in entries[0].trajectories:
            known = ", ".join(entries[0].trajectories) or "none"
            raise NotFoundError(f"no predictor {predictor!r} was recorded; there is {known}")
        return np.stack([entry.trajectories[predictor] for entry in entries])

    def metric(self, name: str) -> NDArray[np.float64]:
        """(records,) a metric by name; NaN where a step has none of it."""
        return np.array([record.metrics.get(name, np.nan) for record in self.records], dtype=np.float64)

    def _of(self, layer: str) -> list[LayerRecord]:
        records = self.records
        if not records:
            raise NotFoundError("nothing was recorded yet; call recorder.record(step) first")
        if layer not in records[0].layers:
            known = ", ".join(records[0].layers)
            raise NotFoundError(f"no layer {layer!r} was recorded; there is {known}")
        return [record.layers[layer] for record in records]
