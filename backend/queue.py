"""The backend's side of the queue: send a run, see whether the broker answers."""

from __future__ import annotations

from celery import Celery
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from backend.settings import JOB_TASK, QUEUES, REPORT_COMMAND, Settings
from sigmascope.errors import BrokerUnavailableError
from sigmascope.schemas import Worker

_DOWN = (OperationalError, RedisError, OSError)
REPLY_SECONDS = 1.0


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

    def waiting(self) -> dict[str, int]:
        """How many messages wait in each queue; none named when the broker does not answer."""
        try:
            with self._celery.connection_for_read() as connection:
                return {name: connection.default_channel.client.llen(name) for name in QUEUES}
        except _DOWN:
            return {}

    def workers(self) -> list[Worker]:
        """What the workers say of themselves, those that answer within a second, by name."""
        try:
            answers = self._celery.control.broadcast(REPORT_COMMAND, reply=True, timeout=REPLY_SECONDS)
        except _DOWN:
            return []
        found = {name: report for answer in answers or [] for name, report in answer.items()}
        return [
            # one of another version answers that it knows no such question: it is there, and no more is known
            Worker(name=name) if "error" in report else Worker.model_validate({**report, "name": name})
            for name, report in sorted(found.items())
        ]

    def _unavailable(self, error: Exception) -> BrokerUnavailableError:
        return BrokerUnavailableError(
            f"the broker at {self._settings.broker_url} does not answer ({type(error).__name__}); "
            "start Redis or Valkey there, or set SIGMASCOPE_BROKER_URL"
        )
