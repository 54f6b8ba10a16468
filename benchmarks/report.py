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
    return Report(_parser(description).parse_args().json)


def parse_args_on_device(description: str | None) -> tuple[Report, str]:
    """The report, and the device to measure on, for what runs on a GPU too."""
    parser = _parser(description)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cpu unless given")
    arguments = parser.parse_args()
    return Report(arguments.json), arguments.device


def _parser(description: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    return parser
