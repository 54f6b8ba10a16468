"""Amounts as people read them, on every side of the service."""

from __future__ import annotations

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def in_bytes(count: float) -> str:
    """``2147483648`` to ``2.0 GiB``."""
    power = 0
    while count >= 1024 and power < len(UNITS) - 1:
        count, power = count / 1024, power + 1
    return f"{count:.{1 if power else 0}f} {UNITS[power]}"
