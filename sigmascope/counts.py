"""Whole numbers that a user gives."""

from __future__ import annotations

from numbers import Integral

from sigmascope.errors import InvalidValueError


def whole(name: str, value: object, *, least: int, remedy: str) -> int:
    """``value`` when a whole number, ``least`` or more; InvalidValueError with the remedy otherwise.

    >>> whole("k", 8, least=1, remedy="track one singular value or more")
    8
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise InvalidValueError(f"{name} must be a whole number, got {value!r}: {remedy}")
    if value < least:
        raise InvalidValueError(f"{name} must be at least {least}, got {value}: {remedy}")
    return int(value)
