"""What is written is what is read, on SQLite and PostgreSQL."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sqlalchemy import Engine

from backend.storage import results, runs
from backend.storage.results import Window
from backend.storage.tables import LawFitRow, MetricsRow
from sigmascope.theory.law_fit import LawFit
from tests.samples import LAYERS, singular_values, step_record

STEPS = 7


@pytest.fixture
def run_id(engine: Engine) -> str:
    with engine.begin() as connection:
        created = runs.create(connection, kind="train", name="", spec={}, total_steps=STEPS, now=0.0)
        results.write_layers(connection, created, LAYERS)
        results.write_steps(connection, created, [step_record(step) for step in range(STEPS)])
    return created


def test_layers_keep_their_order(engine: Engine, run_id: str) -> None:
    with engine.connect() as connection:
        assert tuple(results.layers(connection, run_id)) == LAYERS


@pytest.mark.parametrize(
    ("window", "steps"),
    [
        (Window(), list(range(STEPS))),
        (Window(after=4), [5, 6]),
        (Window(first=2, last=3), [2, 3]),
        (Window(every=3), [0, 3, 6]),
        (Window(first=1, every=2, last=4), [1, 3]),
        (Window(after=99), []),
    ],
)
def test_spectra_of_a_window_are_bit_identical(
    engine: Engine, run_id: str, window: Window, steps: list[int]
) -> None:
    with engine.connect() as connection:
        frames = results.spectra(connection, run_id, "head", window)
        accuracy = results.accuracy_of_spectra(connection, run_id, "head", window)
    assert frames.steps.tolist() == steps
    assert accuracy == [("svd", 1e-6)] * len(steps)
    for step, values in zip(steps, frames.values, strict=True):
        np.testing.assert_array_equal(values, singular_values(LAYERS[1], step))


def test_trajectories_and_predictors(engine: Engine, run_id: str) -> None:
    with engine.connect() as connection:
        assert results.predictors(connection, run_id, "hidden.0") == ["algorithm1", "subspace"]
        frames = results.trajectory(connection, run_id, "hidden.0", "subspace", Window(after=2))
        top = results.top_values(connection, run_id, "hidden.0", k=4, window=Window(after=2))
    np.testing.assert_array_equal(frames.values, top.values)
    assert frames.values.shape == (STEPS - 3, 4)


def test_columns_keep_nulls(engine: Engine, run_id: str) -> None:
    with engine.connect() as connection:
        metrics = results.columns(connection, MetricsRow, results.METRICS, [MetricsRow.run_id == run_id])
        nothing = results.columns(connection, MetricsRow, ("loss",), [MetricsRow.run_id == "none"])
    assert metrics["step"] == list(range(STEPS))
    assert metrics["test_accuracy"] == [None] * STEPS
    assert metrics["loss"][3] == pytest.approx(0.5)
    assert nothing == {"step": [], "loss": []}


def test_the_table_has_a_column_for_every_field_of_a_fit() -> None:
    assert set(results.FITS) == {field.name for field in dataclasses.fields(LawFit)}
    assert {"run_id", "layer", "step"} <= {column.name for column in LawFitRow.__table__.columns}


def test_a_record_counts_its_rows() -> None:
    assert results.count_rows(step_record(0)) == 1 + 2 * (1 + 2 + 1 + 1)


def test_deleting_a_run_deletes_what_it_recorded(engine: Engine, run_id: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM runs")
    with engine.connect() as connection:
        assert results.layers(connection, run_id) == []
        assert len(results.spectra(connection, run_id, "head", Window()).steps) == 0
