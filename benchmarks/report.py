"""What every benchmark prints: a table for people, or with --json one object a line."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """Prints figures as they are measured."""

    as_json: bool

    def emit(self, figure: str, value: float, unit: str) -> None:
        """Print one figure."""
        if self.as_json:
            print(json.dumps({"figure": figure, "value": float(value), "unit": unit}), flush=True)
        else:
            print(f"{figure:<40} {value:>12.5g} {unit}", flush=True)


def parse_args(description: str | None) -> Report:
    """The report that the command line asks for."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return Report(parser.parse_args().json)
