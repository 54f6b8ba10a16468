"""The five families that compete for a tail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from sigmascope.errors import InvalidValueError
from sigmascope.theory.tails.exponential import fit_exponential
from sigmascope.theory.tails.fit import LawName, TailFit
from sigmascope.theory.tails.lognormal import fit_lognormal
from sigmascope.theory.tails.power_law import fit_power_law
from sigmascope.theory.tails.truncated_gamma import truncated_gamma_tail
from sigmascope.theory.tails.truncated_power_law import fit_truncated_power_law

# simple ones first: a tie goes to the first
FITS: Mapping[LawName, Callable[[Any, float], TailFit[Any]]] = MappingProxyType(
    {
        "power_law": fit_power_law,
        "exponential": fit_exponential,
        "truncated_gamma": truncated_gamma_tail,
        "truncated_power_law": fit_truncated_power_law,
        "lognormal": fit_lognormal,
    }
)
PARAMETERS: Mapping[LawName, int] = MappingProxyType(
    {"power_law": 1, "exponential": 1, "truncated_gamma": 2, "truncated_power_law": 2, "lognormal": 2}
)


def check_law(name: str) -> None:
    """InvalidValueError unless ``name`` is one of the families."""
    if name not in FITS:
        raise InvalidValueError(f"law must be one of {', '.join(FITS)}, got {name!r}")
