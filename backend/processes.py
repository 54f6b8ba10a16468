"""A child process that is started, watched, started again and stopped with all its children."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

PR_SET_PDEATHSIG = 1


class Child:
    """A named command in a session of its own, its output in ``folder/name.log``.

    ``last_signal`` is what Linux sends it should the launcher itself be killed.
    """

    def __init__(
        self,
        name: str,
        command: list[str],
        *,
        environment: dict[str, str],
        folder: Path,
        last_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        self.name = name
        self._last_signal = last_signal
        self.log = folder / f"{name}.log"
        self._command, self._environment = command, environment
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = 0.0

    def start(self) -> None:
        """Start it; Ctrl-C in the terminal does not reach it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own modules, no shell
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: end_with_parent(self._last_signal),
            )
        self._started_at = time.monotonic()

    @property
    def alive(self) -> bool:
        """True while it runs."""
        return self._process is not None and self._process.poll() is None

    def restart_when_dead(self) -> bool:
        """Start it again when it has ended, at most once in two seconds; True when that happened."""
        if self.alive or time.monotonic() - self._started_at < 2:
            return False
        self._kill_group()
        self.start()
        return True

    def stop(self, *, seconds: float) -> None:
        """Ask it to end, then insist after ``seconds``, its children included."""
        if self._process is None:
            return
        if self.alive:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
        self._kill_group()
        self._process.wait()

    def last_words(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-2000:] if self.log.exists() else ""

    def _kill_group(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):  # all gone already
                os.killpg(self._process.pid, signal.SIGKILL)


def end_with_parent(how: signal.Signals) -> None:
    """Have Linux send ``how`` to this process when its parent dies, however that comes; nothing elsewhere."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, how)
