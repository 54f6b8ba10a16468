"""`sigmascope up`: one of a kind, orderly in its end, forgetful of nothing."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from backend.launcher import _keep_alive
from backend.processes import Child
from sigmascope.schemas import RunStatus
from tests.conftest import free_port
from tests.stack import Stack

pytestmark = pytest.mark.service

LONG = {"preset": "demo", "model": {"width": 24, "depth": 1}, "batches": 350, "batch_size": 8}


def up(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sigmascope.cli", "up", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_port_in_use_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = up("--home", str(tmp_path), "--port", str(port))
    assert ended.returncode == 1
    assert f"port {port}" in ended.stderr
    assert f"--port {port + 1}" in ended.stderr
    assert len(ended.stderr.split("choose another")) == 2
    assert "Traceback" not in ended.stderr


def test_stopping_leaves_no_process_and_starting_again_goes_on(tmp_path: Path) -> None:
    stack = Stack(tmp_path, free_port(), demo=False)
    stack.start()
    assert stack.process is not None
    children = psutil.Process(stack.process.pid).children(recursive=True)
    assert len(children) >= 4
    second = up("--home", str(tmp_path), "--port", str(free_port()))
    assert second.returncode == 1
    assert "already runs in" in second.stderr

    with stack.client() as client:
        running, queued = client.submit(LONG), client.submit({**LONG, "batches": 5})
        deadline = time.monotonic() + 60
        while client.run(running.id).step < 10:
            assert time.monotonic() < deadline
            time.sleep(0.1)

    assert stack.stop() < 15
    assert f"queued for the next start: {running.id}" in stack.said()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert not alive, alive

    stack.start()
    with stack.client() as client:
        assert client.wait(running.id, timeout=90).status is RunStatus.finished
        assert client.wait(queued.id, timeout=60).status is RunStatus.finished
        assert client.run(running.id).attempt == 2
        (note,) = client.run(running.id).notes
        assert int(note.removeprefix("attempt 2 goes on after step ")) >= 10
        assert client.spectra(running.id, "head")[0].tolist() == list(range(351))
        assert len(client.runs()) == 2
    stack.stop(signal.SIGTERM)


def test_a_launcher_killed_outright_leaves_no_process(tmp_path: Path) -> None:
    stack = Stack(tmp_path, free_port(), demo=False)
    stack.start()
    assert stack.process is not None
    children = psutil.Process(stack.process.pid).children(recursive=True)
    stack.process.kill()
    stack.process.wait()
    _, alive = psutil.wait_procs(children, timeout=40)
    assert not alive, alive


def test_an_interrupt_lost_while_a_process_is_started_again_stops_all_the_same(tmp_path: Path) -> None:
    asked = threading.Event()

    class Dying(Child):
        def restart_when_dead(self) -> bool:
            asked.set()  # amid the fork, where Python loses what a signal's handler raises
            return True

    with pytest.raises(KeyboardInterrupt):
        _keep_alive([Dying("worker", [], environment={}, folder=tmp_path)], asked)
