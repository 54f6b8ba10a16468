"""What all schemas share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

# no control characters, and none that turn the direction of the text after them
NAME = r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$"


class Frozen(BaseModel):
    """Immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Job(Frozen):
    """What every job has. Each kind adds ``kind``, ``device`` and ``seed``."""

    name: str = Field(
        "",
        max_length=120,
        pattern=NAME,
        title="Name",
        description="yours to choose; shown in the list",
    )
