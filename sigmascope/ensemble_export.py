"""A simulation's paths as one file: NumPy archive, Parquet or CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from sigmascope.client import Client
from sigmascope.errors import InvalidValueError
from sigmascope.schemas import ExportFormat, Run


def export_ensemble(client: Client, run: Run, path: Path, form: ExportFormat) -> None:
    """Write what the simulation has stored so far.

    ``npz`` holds ``steps`` and ``times`` (steps,), ``singular_values`` (steps, paths, n) and the run as JSON
    in ``run``; ``parquet`` and ``csv`` are one long table: step, time, path, k (both from 1), singular value.

    Raises:
        InvalidValueError: nothing is stored yet.
    """
    about = client.ensemble(run.id)
    steps, values = client.paths(run.id)
    if not len(steps):
        raise InvalidValueError(f"run {run.id} is {run.status} and has recorded nothing to export yet")
    # a simulation that goes on may have stored more in between
    times = np.array(about.times)[: len(steps)]
    steps, values = steps[: len(times)], values[: len(times)]
    if form is ExportFormat.npz:
        with path.open("wb") as file:
            np.savez_compressed(
                file, allow_pickle=False, steps=steps, times=times, singular_values=values,
                run=np.array(run.model_dump_json()),
            )  # fmt: skip
        return
    table = long_table(steps, times, values)
    if form is ExportFormat.parquet:
        pq.write_table(table, path, compression="zstd")
    else:
        pa_csv.write_csv(table, path)


def long_table(steps: Any, times: Any, values: Any) -> pa.Table:
    """A row for each singular value of each path at each step."""
    count, paths, n = values.shape
    return pa.table(
        {
            "step": pa.array(np.repeat(steps, paths * n), pa.int32()),
            "time": np.repeat(times, paths * n),
            "path": pa.array(np.tile(np.repeat(np.arange(1, paths + 1), n), count), pa.int32()),
            "k": pa.array(np.tile(np.arange(1, n + 1), count * paths), pa.int32()),
            "singular_value": values.ravel(),
        }
    )
