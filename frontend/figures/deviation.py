"""Where a deviation lies on the strip of the claims table: linear to five standard errors, then by powers."""

from __future__ import annotations

import math

TOLERANCE = 5.0
FURTHEST = 1e9
# the part of the strip that is linear, from no deviation to the tolerance
LINEAR = 0.24
TICKS = ((0.0, "0"), (5.0, "5"), (1e2, "10²"), (1e4, "10⁴"), (1e6, "10⁶"), (1e8, "10⁸"))


def place(deviation: float | None) -> float:
    """Share of the strip's length, 0 to 1, of a deviation in standard errors; 1 for one without bound."""
    if deviation is None or not math.isfinite(deviation):
        return 1.0
    if deviation <= TOLERANCE:
        return LINEAR * max(deviation, 0.0) / TOLERANCE
    decades = math.log10(deviation / TOLERANCE) / math.log10(FURTHEST / TOLERANCE)
    return min(1.0, LINEAR + (1 - LINEAR) * decades)
