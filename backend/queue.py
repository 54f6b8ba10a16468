"""The backend's side of the queue: send a run, see whether the broker answers."""

from __future__ import annotations

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from backend.settings import JOB_TASK, Settings
from sigmascope.errors import BrokerUnavailableError

_DOWN = (OperationalError, RedisError, OSError)


class Queue:
    """Sends runs to the workers. One for each process; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._celery = Celery("sigmascope", config_source=settings.celery())

    def send(self, run_id: str, device: str) -> None:
        """Hand a run to the workers of its device.

        Raises:
            BrokerUnavailableError: the broker does not answer.
        """
        try:
            self._celery.send_task(
                JOB_TASK, args=[run_id], queue=self._settings.queue_of(device), retry=False
            )
        except _DOWN as error:
            raise self._unavailable(error) from error

    def ping(self) -> None:
        """Return when the broker answers.

        Raises:
            BrokerUnavailableError: it does not.
        """
        try:
            with self._celery.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=2)
        except _DOWN as error:
            raise self._unavailable(error) from error

    def empty(self, device: str) -> bool:
        """True when no message waits for workers of ``device``; False when the broker does not answer."""
        try:
            with self._celery.connection_for_read() as connection:
                return not connection.default_channel.client.llen(self._settings.queue_of(device))
        except _DOWN:
            return False

    def workers(self) -> list[str]:
        """Names of the workers that answer within half a second."""
        try:
            return sorted(self._celery.control.inspect(timeout=0.5).ping() or {})
        except _DOWN:
            return []

    def _unavailable(self, error: Exception) -> BrokerUnavailableError:
        return BrokerUnavailableError(
            f"the broker at {self._settings.broker_url} does not answer ({type(error).__name__}); "
            "start Redis or Valkey there, or set SIGMASCOPE_BROKER_URL"
        )
