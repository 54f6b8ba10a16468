"""Accuracy and speed of the laws: ``python -m benchmarks.laws [--json]``.

Errors are against ``law_references.json``, made by ``tools/make_law_references.py`` with other methods than
the package's, in high precision. Speed is the best of many, on one core.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np

from benchmarks.report import parse_args
from sigmascope.theory.laws import MarchenkoPastur, TracyWidom

REFERENCES = Path(__file__).with_name("law_references.json")
REPEATS = 100


def tw1_cdf_max_error(rows: list[dict[str, str]]) -> float:
    """Largest error of F_1 on the references' grid of [-10, 8]."""
    s = np.array([float(row["s"]) for row in rows])
    exact = np.array([float(row["cdf1"]) for row in rows])
    return float(np.abs(TracyWidom(1).cdf(s) - exact).max())


def tw1_sf_max_relative_error(rows: list[dict[str, str]]) -> float:
    """Largest relative error of 1 - F_1 on the references' grid of [-10, 8]."""
    s = np.array([float(row["s"]) for row in rows])
    exact = np.array([float(row["sf1"]) for row in rows])
    return float(np.abs(TracyWidom(1).sf(s) / exact - 1).max())


def mp_cdf_max_error(rows: list[dict[str, float | str]]) -> float:
    """Largest error of the Marchenko-Pastur cdf over aspect ratios from 1e-6 to 4."""
    return max(abs(float(MarchenkoPastur(float(r["q"])).cdf(float(r["x"]))) - float(r["cdf"])) for r in rows)


def tw1_cdf_pdf_milliseconds() -> float:
    """Time for cdf and pdf at 1,000 points."""
    law, points = TracyWidom(1), np.linspace(-8.0, 6.0, 1000)
    best = np.inf
    for _ in range(REPEATS):
        start = time.perf_counter()
        law.cdf(points)
        law.pdf(points)
        best = min(best, time.perf_counter() - start)
    return 1e3 * best


def main() -> None:
    """Measure and print."""
    report = parse_args(__doc__)
    references = json.loads(REFERENCES.read_text(encoding="utf-8"))
    report.emit("tw1_cdf_max_error", tw1_cdf_max_error(references["tracy_widom"]), "probability")
    report.emit("tw1_sf_max_relative_error", tw1_sf_max_relative_error(references["tracy_widom"]), "ratio")
    report.emit("tw1_cdf_pdf_1000_points_ms", tw1_cdf_pdf_milliseconds(), "ms")
    report.emit("mp_cdf_max_error", mp_cdf_max_error(references["marchenko_pastur"]), "probability")


if __name__ == "__main__":
    main()
