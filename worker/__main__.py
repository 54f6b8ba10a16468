"""``python -m worker``: a Celery worker on the queues of this machine."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> None:
    """Start a worker; ``arguments`` go to Celery's ``worker`` command, such as ``-Q gpu``."""
    # SIGTERM asks for a soft stop: the run in hand gets time to end. Celery's pool reads this when imported.
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    from backend.settings import Settings
    from worker.celery_app import create_celery

    queues = [] if {"-Q", "--queues"} & set(arguments) else ["-Q", "cpu,gpu"]
    create_celery(Settings()).worker_main(["worker", "--loglevel", "WARNING", *queues, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
