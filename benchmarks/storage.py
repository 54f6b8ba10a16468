"""How fast spectra go into SQLite, by the path that a worker takes: sink, commits and lease included."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np

from backend.storage import results, runs
from backend.storage.results import Window
from backend.storage.session import migrate, open_engine
from benchmarks.report import Report, parse_args
from sigmascope.records import LayerRecord, LayerShape, StepRecord
from worker.database_sink import recording_sink

VALUES = 1024
LAYERS = 16
STEPS = 2400


def records() -> list[StepRecord]:
    """``STEPS`` steps of a network with ``LAYERS`` layers of ``VALUES`` singular values, spectra alone."""
    rng = np.random.default_rng(0)
    values = np.sort(rng.random((LAYERS, VALUES), np.float32), axis=1)[:, ::-1]
    return [
        StepRecord(
            step,
            {"loss": 1.0},
            {f"layer.{i}": LayerRecord(values[i] + step, "svd", 1e-6) for i in range(LAYERS)},
        )
        for step in range(STEPS)
    ]


def main(report: Report) -> None:
    """Write all records, then read one layer back."""
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'bench.db'}")
        migrate(engine)
        now = time.time()
        with engine.begin() as connection:
            run_id = runs.create(connection, kind="train", name="", spec={}, total_steps=STEPS, now=now)
            held = runs.claim(connection, run_id, owner="b", now=now, lease_seconds=999, versions={})
            assert held is not None
            shapes = [LayerShape(f"layer.{i}", VALUES, VALUES, 1.0) for i in range(LAYERS)]
            results.write_layers(connection, run_id, shapes)
        sink = recording_sink(engine, held, lease_seconds=999)
        made = records()
        started = time.perf_counter()
        for record in made:
            sink.write(record)
            sink.commit_when_due()
        sink.flush()
        seconds = time.perf_counter() - started
        report.emit("spectra_rows_per_second", STEPS * LAYERS / seconds, "rows/s")

        with engine.connect() as connection:
            started = time.perf_counter()
            frames = results.spectra(connection, run_id, "layer.3", Window())
            report.emit("read_2400_spectra_ms", (time.perf_counter() - started) * 1e3, "ms")
        assert frames.values.shape == (STEPS, VALUES)
        engine.dispose()


if __name__ == "__main__":
    main(parse_args(__doc__))
