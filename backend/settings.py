"""Every setting of the service, in one frozen object read once at the entry point.

Each field is read from the environment as ``SIGMASCOPE_<FIELD>``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

JOB_TASK = "sigmascope.run_job"
REPORT_COMMAND = "sigmascope_report"  # what workers answer with what they are
QUEUES = ("cpu", "gpu")


class Settings(BaseSettings):
    """Where things are and how patient the service is."""

    model_config = SettingsConfigDict(env_prefix="SIGMASCOPE_", frozen=True, extra="ignore")

    home: Path = Field(Path("~/.sigmascope"), description="folder of the laptop's database and queue")
    database_url: str = Field("", description="SQLAlchemy URL; empty: SQLite in `home`")
    broker_url: str = Field("redis://127.0.0.1:6379/0", description="Celery broker, Redis or Valkey")
    data_dir: Path | None = Field(None, description="folder with data sets, gzipped or plain")
    host: str = Field("127.0.0.1", description="address the server listens on")
    port: int = Field(8050, ge=1, le=65535, description="port the server listens on")
    lease_seconds: float = Field(20.0, gt=0, description="a worker silent for longer has lost its run")
    max_crashes: int = Field(3, ge=1, description="a run whose worker died this often is failed")
    auto_queue: Literal["cpu", "gpu"] = Field("cpu", description="queue of runs whose device is `auto`")
    missing_device: Literal["fail", "cpu"] = Field(
        "fail", description="what becomes of a run that asks a worker for a GPU it has not"
    )
    worker_concurrency: int = Field(1, ge=1, description="runs at once in one worker")
    checkpoint_dir: Path | None = Field(None, description="folder of checkpoints; none: one in `home`")
    checkpoint_seconds: float = Field(
        30.0, ge=0, description="between two checkpoints of a run in training; 0: one after every batch"
    )

    @property
    def database(self) -> str:
        """The SQLAlchemy URL in force."""
        return self.database_url or f"sqlite:///{self.home.expanduser() / 'sigmascope.db'}"

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints in force."""
        return (self.checkpoint_dir or self.home / "checkpoints").expanduser()

    def queue_of(self, device: str) -> str:
        """The Celery queue for a run on ``device`` (auto, cpu, cuda or mps)."""
        return {"cpu": "cpu", "cuda": "gpu", "mps": "gpu"}.get(device, self.auto_queue)

    def celery(self) -> dict[str, Any]:
        """Celery's configuration, the same for who sends and who works.

        A task is acknowledged when it is done, and redelivered when its process dies: doing a thing once is
        the lease's business, not the queue's.
        """
        return {
            "broker_url": self.broker_url,
            "broker_connection_retry_on_startup": True,
            "broker_transport_options": {
                "visibility_timeout": 7 * 24 * 3600,  # above the longest run
                "socket_connect_timeout": 2,
                "socket_timeout": 10,
                "max_retries": 1,
                "interval_start": 0,
                "interval_max": 0.2,
            },
            "task_ignore_result": True,
            "task_serializer": "json",
            "accept_content": ["json"],
            "task_acks_late": True,
            "task_reject_on_worker_lost": True,
            "task_default_queue": "cpu",
            "worker_prefetch_multiplier": 1,
            "worker_max_tasks_per_child": 1,  # torch, and CUDA above all, wants a fresh process
            "worker_concurrency": self.worker_concurrency,
            "worker_soft_shutdown_timeout": 30,
            "worker_hijack_root_logger": False,
            "worker_send_task_events": False,
            "worker_cancel_long_running_tasks_on_connection_loss": False,
        }
