"""Advice for a number that has to divide another one."""

from __future__ import annotations

import math

SUGGESTED = 3


def nearest_divisors(whole: int, wrong: int, *, most: int) -> str:
    """The few divisors of ``whole``, ``most`` at most, that are nearest to ``wrong`` by ratio; in words.

    >>> nearest_divisors(256, 3, most=64), nearest_divisors(28, 5, most=28), nearest_divisors(7, 4, most=7)
    ('2, 4 or 8', '2, 4 or 7', '1 or 7')
    """
    divisors = [one for one in range(1, min(whole, most) + 1) if whole % one == 0]
    nearest = sorted(sorted(divisors, key=lambda one: abs(math.log(one / max(wrong, 1))))[:SUGGESTED])
    *others, last = map(str, nearest)
    return f"{', '.join(others)} or {last}" if others else last
