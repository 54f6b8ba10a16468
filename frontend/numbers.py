"""Numbers as people read them, in Python as in ``assets/player/10-numbers.js``."""

from __future__ import annotations

import math

_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
UNKNOWN = "–"


def significant(value: float | None, digits: int = 3) -> str:
    """``0.00012345`` to ``1.23×10⁻⁴``, ``12.345`` to ``12.3``, with a true minus; a dash for the unknown."""
    if value is None or math.isnan(value):
        return UNKNOWN
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{value:.{digits - 1}e}".partition("e")
    power = int(exponent)
    if not -3 <= power < max(4, digits):
        return f"{mantissa}×10{str(power).translate(_SUPERSCRIPTS)}".replace("-", "−")
    return f"{value:.{max(0, digits - 1 - power)}f}".replace("-", "−")


def digits_for(value: float, error: float, predictions: tuple[float | None, float | None]) -> int:
    """How many digits a measurement needs: three, or more where its two predictions differ by less than 1 %.

    No digit finer than the standard error is shown, and never more than six.
    """
    one, other = predictions
    if one is None or other is None or one == other or value == 0:
        return 3
    if abs(one - other) >= 0.01 * abs(value):
        return 3
    resolved = math.floor(math.log10(abs(value))) - math.floor(math.log10(error)) + 1
    return max(3, min(resolved, 6))
