"""Lists of numbers as people write them, on the command line and in a form."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from sigmascope.errors import InvalidValueError

SPACINGS: dict[str, Callable[..., NDArray[np.float64]]] = {"log": np.geomspace, "linear": np.linspace}
ADVICE = "write 1e-3, 3e-3, 1e-2, or a range: log 1e-3 1e-1 5"
MOST = 10_000


def read_numbers(text: str) -> list[float]:
    """The numbers of a list or of a range with its ends; ``log`` spaces evenly by factors.

    >>> read_numbers("1e-3, 3e-3,1e-2")
    [0.001, 0.003, 0.01]
    >>> read_numbers("log 1e-3 1e-1 3"), read_numbers("linear 2 4 3")
    ([0.001, 0.01, 0.1], [2, 3, 4])

    Raises:
        InvalidValueError: something is no number, or the range has no such numbers.
    """
    parts = text.replace(",", " ").split()
    if parts and parts[0] in SPACINGS:
        return _range(parts[0], parts[1:])
    return [_number(part) for part in parts]


def _range(spacing: str, parts: list[str]) -> list[float]:
    if len(parts) != 3:
        raise InvalidValueError(
            f"a range is {spacing} FIRST LAST COUNT, got {' '.join([spacing, *parts])!r}; for example "
            f"{spacing} 1e-3 1e-1 5"
        )
    first, last, count = map(_number, parts)
    if count != int(count) or not 2 <= count <= MOST:
        raise InvalidValueError(f"a range holds 2 to {MOST:,} numbers, got {parts[2]}")
    if spacing == "log" and not (first > 0 and last > 0):
        raise InvalidValueError(f"a log range has positive ends, got {parts[0]} and {parts[1]}; take linear")
    # four digits: what a reader would have written
    return [_number(f"{one:.4g}") for one in SPACINGS[spacing](first, last, int(count))]


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise InvalidValueError(f"{text!r} is no number; {ADVICE}") from error
    if not np.isfinite(value):
        raise InvalidValueError(f"{text!r} is not finite; {ADVICE}")
    return int(value) if value == int(value) and abs(value) < 2**53 else value
