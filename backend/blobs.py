"""float32 blobs: rows of values, little-endian, with their shape and steps in headers."""

from __future__ import annotations

import numpy as np
from fastapi import Response
from numpy.typing import NDArray

from backend.storage.results import Frames, to_bytes


def blob(frames: Frames) -> Response:
    """``X-Shape: rows,columns`` and ``X-Steps``: the rows' steps as ranges, such as ``0-9,20``."""
    rows, columns = frames.values.shape
    return Response(
        to_bytes(frames.values),
        media_type="application/octet-stream",
        headers={
            "X-Shape": f"{rows},{columns}",
            "X-Steps": ranges(frames.steps),
            "Cache-Control": "no-store",
        },
    )


def ranges(steps: NDArray[np.int64]) -> str:
    """Ascending integers as comma-separated ranges.

    >>> ranges(np.array([0, 1, 2, 5, 7, 8]))
    '0-2,5,7-8'
    """
    if not len(steps):
        return ""
    parts = np.split(steps, np.flatnonzero(np.diff(steps) != 1) + 1)
    return ",".join(f"{part[0]}-{part[-1]}" if len(part) > 1 else f"{part[0]}" for part in parts)
