"""The claims registry: every numbered statement of the paper as a runnable check.

Each :class:`Claim` measures first and compares afterwards, with the formula as printed and with the exact
one; :func:`check_all` runs them in the paper's order.
"""

from sigmascope.theory.claims.claim import (
    Claim,
    ClaimResult,
    FormResult,
    Laboratory,
    Measurement,
    Verdict,
    judge,
)
from sigmascope.theory.claims.registry import CLAIMS, check, check_all, find

__all__ = [
    "CLAIMS",
    "Claim",
    "ClaimResult",
    "FormResult",
    "Laboratory",
    "Measurement",
    "Verdict",
    "check",
    "check_all",
    "find",
    "judge",
]
