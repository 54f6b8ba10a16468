"""Migrations make exactly the tables that the code speaks of."""

from __future__ import annotations

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from backend.storage import results, runs
from backend.storage.results import Window
from backend.storage.session import alembic_config, migrate
from backend.storage.tables import Base, RunRow
from tests.samples import LAYERS, step_record


def test_migrated_is_what_is_declared(engine: Engine) -> None:
    migrate(engine)  # a second time does nothing
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []


def test_an_upgrade_keeps_what_is_recorded(engine: Engine) -> None:
    """Down to the first tables with a run in them, and up again."""
    with engine.begin() as connection:
        run_id = runs.create(connection, kind="train", name="r", spec={}, total_steps=9, now=0.0)
        results.write_layers(connection, run_id, LAYERS)
        results.write_steps(connection, run_id, [step_record(step) for step in range(3)])
    with engine.begin() as connection:
        command.downgrade(alembic_config(connection), "0001")
    migrate(engine)
    with runs.reading_session(engine) as session:
        old = session.get_one(RunRow, run_id)
        assert (old.provenance, old.notes, old.memory) == ({}, [], None)
    with engine.connect() as connection:
        assert results.layers(connection, run_id) == list(LAYERS)
        assert results.count_spectra(connection, run_id, "head", Window()) == 3
