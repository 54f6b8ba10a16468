"""What all schemas share."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

# no control characters, and none that turn the direction of the text after them
NAME = r"^[^\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]*$"


class Frozen(BaseModel):
    """Immutable, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")
