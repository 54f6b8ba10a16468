"""Migrations make exactly the tables that the code speaks of."""

from __future__ import annotations

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from backend.storage.session import migrate
from backend.storage.tables import Base


def test_migrated_is_what_is_declared(engine: Engine) -> None:
    migrate(engine)  # a second time does nothing
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
