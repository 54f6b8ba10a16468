"""A worker's hold on a run: renewed in the background, so that slow steps do not lose it."""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from backend.storage import runs
from backend.storage.runs import Claim
from sigmascope.errors import LeaseLostError

log = logging.getLogger("sigmascope.lease")


class Heartbeat:
    """Renews the lease of ``held`` every third of ``lease_seconds`` while its ``with`` block runs.

    It stops by itself when the lease is lost; the run's next write then says so.
    """

    def __init__(self, engine: Engine, held: Claim, *, lease_seconds: float) -> None:
        self._engine, self._held, self._lease_seconds = engine, held, lease_seconds
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{held.run_id}", daemon=True)

    def __enter__(self) -> Heartbeat:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        while not self._stop.wait(self._lease_seconds / 3):
            try:
                with self._engine.begin() as connection:
                    runs.advance(connection, self._held, lease_until=time.time() + self._lease_seconds)
            except LeaseLostError as error:
                log.warning("%s", error)
                return
            except SQLAlchemyError as error:
                log.warning("lease of run %s not renewed: %s", self._held.run_id, error)
