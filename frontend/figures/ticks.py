"""Ticks for small plots: few, round, and written as people read them."""

from __future__ import annotations

import math
from typing import Any

from frontend.numbers import significant

MOST = 5


def log_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks of a logarithmic axis from 10**low to 10**high: decades, else 1-2-5, else even steps."""
    for mantissas in ((1,), (1, 3), (1, 2, 5)):
        every = _decades(low, high, mantissas)
        if 3 <= len(every) <= MOST:
            return _as_axis(every)
    whole = _decades(low, high, (1,))
    if len(whole) > MOST:
        return _as_axis(whole[:: math.ceil(len(whole) / MOST)])
    rough = _decades(low, high, (1, 2, 5))
    return _as_axis(rough if len(rough) == 2 else _even(10**low, 10**high))


def linear_ticks(low: float, high: float) -> dict[str, Any]:
    """Ticks of a linear axis in steps of 1, 2 or 5."""
    return _as_axis(_even(low, high))


def _decades(low: float, high: float, mantissas: tuple[int, ...]) -> list[float]:
    places = range(math.floor(low), math.ceil(high) + 1)
    # from the decimal form: 10**-3 * 3 is no 0.003
    found = [float(f"{mantissa}e{place}") for place in places for mantissa in mantissas]
    return [one for one in found if low <= math.log10(one) <= high]


def _even(low: float, high: float) -> list[float]:
    rough = (high - low) / (MOST - 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def _as_axis(values: list[float]) -> dict[str, Any]:
    return {"tickmode": "array", "tickvals": values, "ticktext": [_written(value) for value in values]}


def _written(value: float) -> str:
    """As short as it can be: 0.03, 1.25, 10⁻⁴, 3×10⁵."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}".replace("-", "−")
    return significant(value, digits=1).removeprefix("1×")
