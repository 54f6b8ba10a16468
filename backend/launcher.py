"""``sigmascope up``: broker, worker and server as processes of one command."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from sqlalchemy import Engine

from backend.processes import Child
from backend.settings import Settings
from backend.storage import runs
from backend.storage.session import migrate, open_engine
from sigmascope.client import Client
from sigmascope.errors import ServiceError

STARTUP_SECONDS = 60.0
console = Console(stderr=True, highlight=False)


def up(
    host: Annotated[str, typer.Option(envvar="SIGMASCOPE_HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(envvar="SIGMASCOPE_PORT", min=1, max=65535, help="Port to listen on.")
    ] = 8050,
    home: Annotated[
        Path, typer.Option(envvar="SIGMASCOPE_HOME", help="Folder of the database and the queue.")
    ] = Path("~/.sigmascope"),
    demo: Annotated[bool, typer.Option(help="Submit the demo run when there is no run yet.")] = True,
) -> None:
    """Start broker, worker and server here; Ctrl-C stops them all and loses nothing."""
    home = home.expanduser().resolve()
    home.mkdir(parents=True, exist_ok=True)
    asked = threading.Event()

    def interrupt(*_: object) -> None:
        asked.set()  # Python loses what is raised amid a fork, of a process that is started again
        raise KeyboardInterrupt

    # also where SIGINT was ignored at the start, as it is for jobs that a script puts in the background
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    with _only_one(home), tempfile.TemporaryDirectory(prefix="sigmascope-") as scratch:
        _check_port(host, port)
        broker_socket = Path(scratch) / "broker.sock"
        settings = Settings(
            home=home,
            host=host,
            port=port,
            broker_url=f"redis+socket://{broker_socket}?virtual_host=0",
        )
        engine = open_engine(settings.database)
        migrate(engine)
        node = f"laptop-{os.getpid()}@{socket.gethostname()}"
        children = _children(settings, broker_socket, node)
        try:
            _start(children, settings, asked)
            _welcome(settings, demo=demo)
            _keep_alive(children, asked)
        except KeyboardInterrupt:
            console.print("\nstopping …")
        finally:
            # From here on a second Ctrl-C must not leave processes behind
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            _stop(children, engine, node)


def _children(settings: Settings, broker_socket: Path, node: str) -> list[Child]:
    environment = {
        **os.environ,
        "REMAP_SIGTERM": "SIGQUIT",
        **{
            f"SIGMASCOPE_{name.upper()}": str(getattr(settings, name))
            for name in ("home", "host", "port", "broker_url")
        },
    }
    log = settings.home / "logs"
    python = sys.executable
    return [
        Child(
            "broker",
            [python, "-m", "backend.broker", str(broker_socket), str(settings.home / "broker")],
            environment=environment,
            folder=log,
            last_signal=signal.SIGTERM,  # so that Valkey ends with its keeper
        ),
        Child("server", [python, "-m", "backend.all_in_one"], environment=environment, folder=log),
        Child("worker", [python, "-m", "worker", "--hostname", node], environment=environment, folder=log),
    ]


def _start(children: list[Child], settings: Settings, asked: threading.Event) -> None:
    console.print("starting broker, server and worker …")
    for child in children:
        child.start()
    client = Client(_address(settings))
    deadline = time.monotonic() + STARTUP_SECONDS
    while not client.healthy():
        if asked.is_set():
            raise KeyboardInterrupt
        server = children[1]
        if not server.alive or time.monotonic() > deadline:
            console.print(
                f"the server did not start; its log: {server.log}\n{server.last_words()}", markup=False
            )
            raise typer.Exit(1)
        time.sleep(0.2)


def _welcome(settings: Settings, *, demo: bool) -> None:
    client = Client(_address(settings))
    if demo and not client.runs(limit=1):
        try:
            run = client.submit({"kind": "train", "preset": "demo"})
            console.print(f"submitted the demo run: {_address(settings)}/runs/{run.id}")
        except ServiceError as error:
            console.print(f"the demo run was not submitted: {error}", markup=False)
    console.print(
        f"sigmascope is at [bold]{_address(settings)}[/]  (Ctrl-C stops it; data in {settings.home})"
    )


def _keep_alive(children: list[Child], asked: threading.Event) -> None:
    while not asked.is_set():
        for child in children:
            if child.restart_when_dead():
                console.print(f"the {child.name} ended and was started again; its log: {child.log}")
        time.sleep(0.5)
    raise KeyboardInterrupt


def _stop(children: list[Child], engine: Engine, node: str) -> None:
    # Runs go back to the queue first: the worker's next write tells it that it is free to leave
    released: list[str] = []
    try:
        with engine.begin() as connection:
            released = runs.release(connection, owner=node, now=time.time())
    finally:
        for child in reversed(children):
            child.stop(seconds=10)
        engine.dispose()
    if released:
        console.print(f"interrupted, and queued for the next start: {', '.join(released)}")


def _address(settings: Settings) -> str:
    return f"http://{settings.host}:{settings.port}"


def _check_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            console.print(
                f"port {port} on {host} is not free ({error.strerror}); choose another: "
                f"sigmascope up --port {port + 1 if port < 65535 else 8050}"
            )
            raise typer.Exit(1) from None


@contextmanager
def _only_one(home: Path) -> Iterator[None]:
    # Two brokers over one append-only file would corrupt it
    with (home / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            console.print(f"sigmascope already runs in {home}; stop it, or choose another folder with --home")
            raise typer.Exit(1) from None
        yield
