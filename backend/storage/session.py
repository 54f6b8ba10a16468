"""Engines and migrations. SQLite on a laptop, PostgreSQL on a server, the same code over both."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, make_url


def open_engine(url: str) -> Engine:
    """An engine for ``url``; the folder of a SQLite file is made when it is missing."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        return create_engine(parsed, pool_pre_ping=True)
    if parsed.database and parsed.database != ":memory:":
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(parsed, connect_args={"timeout": 30})
    event.listen(engine, "connect", _tune_sqlite)
    event.listen(engine, "begin", _begin_at_once)
    return engine


def reading(engine: Engine) -> Engine:
    """The same engine for reading: each transaction sees one state, and never waits for writers."""
    if engine.dialect.name == "postgresql":
        return engine.execution_options(isolation_level="REPEATABLE READ")
    return engine.execution_options(read_only=True)


def migrate(engine: Engine) -> None:
    """Bring the schema to the newest version; safe to call at every start."""
    with engine.begin() as connection:
        command.upgrade(alembic_config(connection), "head")


def alembic_config(connection: Connection) -> Config:
    """What Alembic's commands need to work in the transaction of ``connection``."""
    config = Config()
    config.set_main_option("script_location", "backend:storage/migrations")
    config.attributes["connection"] = connection
    return config


def _tune_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # SQLAlchemy's BEGIN below, not the driver's late one
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA wal_autocheckpoint=16000")  # pages, 64 MB: fewer syncs, a third more rows a second
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.execute("PRAGMA busy_timeout=30000")
    cursor.close()


def _begin_at_once(connection: Any) -> None:
    # A deferred transaction that reads, then writes, fails when another has written in between;
    # readers ask for it by the execution option, everyone else takes the write lock first.
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
