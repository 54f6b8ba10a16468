"""A run's recorded data as one file: NumPy archive, Parquet or CSV."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import BaseModel

from sigmascope.client import Client
from sigmascope.ensemble_export import export_ensemble
from sigmascope.errors import InvalidValueError, NotFoundError
from sigmascope.schemas import ExportFormat, Run, TrainSpec

# where jobs keep what they found that record no spectra
ELSEWHERE = {"claims": "claims", "forecast": "forecast-scores", "sweep": "sweep"}
COLUMNS = ("layer", "step", "k", "singular_value")


def export(client: Client, run_id: str, path: Path, form: ExportFormat) -> None:
    """Write what the run has recorded so far.

    Raises:
        InvalidValueError: nothing is recorded yet, or the run is of a kind without spectra.
        NotFoundError: there is no such run.
    """
    run = client.run(run_id)
    if run.kind in ELSEWHERE:
        raise InvalidValueError(
            f"run {run_id} is of kind {run.kind!r} and no table of spectra; "
            f"GET /api/v1/runs/{run_id}/{ELSEWHERE[run.kind]} holds what it found"
        )
    if run.kind == "simulate":
        export_ensemble(client, run, path, form)
        return
    names = [layer.name for layer in client.layers(run_id)]
    if not names:
        raise InvalidValueError(f"run {run_id} is {run.status} and has recorded nothing to export yet")
    writers: dict[ExportFormat, Callable[[Client, Run, list[str], Path], None]] = {
        ExportFormat.npz: _npz,
        ExportFormat.parquet: _parquet,
        ExportFormat.csv: _csv,
    }
    writers[form](client, run, names, path)


def _npz(client: Client, run: Run, layers: list[str], path: Path) -> None:
    run_id = run.id
    arrays: dict[str, Any] = {}
    for name in layers:
        arrays[f"{name}/steps"], arrays[f"{name}/singular_values"] = client.spectra(run_id, name)
        steps = arrays[f"{name}/steps"]
        for predictor in _predictors(run):
            arrays[f"{name}/{predictor}"] = _trajectory(client, run_id, name, predictor, steps)
        laws = client.laws(run_id, name)
        found = {"laws": {"steps": laws.steps, **laws.fits}, "noise": _of(client.noise(run_id, name))}
        with suppress(NotFoundError):  # no tracker of modes
            found["forces"] = _of(client.forces(run_id, name))
        for what, columns in found.items():
            for quantity, values in columns.items():
                arrays[f"{name}/{what}/{quantity}"] = np.array(values, dtype=float)
    arrays["run"] = np.array(run.model_dump_json())
    metrics = client.metrics(run_id)
    arrays["metrics/steps"] = np.array(metrics.steps)
    for name, values in metrics.values.items():
        arrays[f"metrics/{name}"] = np.array(values, dtype=float)
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def _of(answer: BaseModel) -> dict[str, Any]:
    """The columns of an answer, null for NaN."""
    return {name: values for name, values in answer.model_dump().items() if isinstance(values, list)}


def _parquet(client: Client, run: Run, layers: list[str], path: Path) -> None:
    schema = pa.schema(
        [("layer", pa.string()), ("step", pa.int32()), ("k", pa.int32())]
        + [(name, pa.float32()) for name in ("singular_value", *_predictors(run))]
    )
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for columns in _tables(client, run, layers):
            writer.write_table(pa.table(columns, schema=schema))


def _csv(client: Client, run: Run, layers: list[str], path: Path) -> None:
    header = (*COLUMNS, *_predictors(run))
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        for columns in _tables(client, run, layers):
            rows = zip(*(columns[name] for name in header), strict=True)
            writer.writerows(["" if one != one else one for one in row] for row in rows)


def _predictors(run: Run) -> tuple[str, ...]:
    return run.spec.predictors if isinstance(run.spec, TrainSpec) else ()


def _tables(client: Client, run: Run, layers: list[str]) -> Iterator[dict[str, Any]]:
    # One layer at a time, so that memory holds one layer
    for name in layers:
        steps, values = client.spectra(run.id, name)
        rows, n = values.shape
        predictions = {}
        for predictor in _predictors(run):
            top = _trajectory(client, run.id, name, predictor, steps)
            table = np.full((rows, n), np.nan, np.float32)
            table[:, : top.shape[1]] = top
            predictions[predictor] = table.ravel()
        yield {
            "layer": [name] * (rows * n),
            "step": np.repeat(steps, n),
            "k": np.tile(np.arange(1, n + 1), rows),
            "singular_value": values.ravel(),
            **predictions,
        }


def _trajectory(
    client: Client, run_id: str, layer: str, predictor: str, steps: NDArray[np.int64]
) -> NDArray[np.float32]:
    # A run that goes on has recorded more since its spectra were read: exactly these steps
    of_steps, values = client.trajectory(run_id, layer, predictor)
    return values[np.isin(of_steps, steps)]
