"""``python -m worker``: a Celery worker on the queues of this machine."""

from __future__ import annotations

import os
import sys


def main(arguments: list[str]) -> None:
    """Start a worker; ``arguments`` go to Celery's ``worker`` command, such as ``-Q gpu``."""
    # SIGTERM asks for a soft stop: the run in hand gets time to end. Celery's pool reads this when imported.
    os.environ.setdefault("REMAP_SIGTERM", "SIGQUIT")
    from backend.settings import Settings
    from worker import jobs
    from worker.celery_app import create_celery

    if sys.platform == "linux":  # elsewhere forks of what has loaded the system's frameworks may crash
        # whoever asks for GPUs meanwhile must not start CUDA, which does not survive a fork
        os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
        jobs.load()
    queues = [] if {"-Q", "--queues"} & set(arguments) else ["-Q", "cpu,gpu"]
    create_celery(Settings()).worker_main(["worker", "--loglevel", "WARNING", *queues, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])
