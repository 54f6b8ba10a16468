"""``sigmascope up`` as a process, for tests that use the product as a user does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from sigmascope.client import Client


class Stack:
    """The service on a port of its own, with its data in ``home``."""

    def __init__(self, home: Path, port: int, *, demo: bool = True) -> None:
        self.home, self.port, self.demo = home, port, demo
        self.url = f"http://127.0.0.1:{port}"
        self.process: subprocess.Popen[bytes] | None = None
        self._log = home / "up.log"

    def start(self) -> None:
        command = [
            sys.executable,
            "-m",
            "sigmascope.cli",
            "up",
            "--home",
            str(self.home),
            "--port",
            str(self.port),
        ]
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *([] if self.demo else ["--no-demo"])],
                stdout=log,
                stderr=log,
                env={
                    **os.environ,
                    "SIGMASCOPE_LEASE_SECONDS": "6",
                    "SIGMASCOPE_CHECKPOINT_SECONDS": "0.2",
                },
            )
        deadline = time.monotonic() + 60
        while "sigmascope is at" not in self.said():
            assert self.process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.1)

    def stop(self, how: signal.Signals = signal.SIGINT) -> float:
        """Stop as Ctrl-C does; the seconds it took."""
        assert self.process is not None
        started = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(30)
        return time.monotonic() - started

    def said(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def client(self) -> Client:
        return Client(self.url)
