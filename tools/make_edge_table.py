"""Make ``sigmascope/theory/edge_table.py``; its output is what ships.

    python tools/make_edge_table.py            # about ten minutes
    python tools/make_edge_table.py --check    # exit status 1 when the shipped file differs

Method. For each number of columns in ``NODES`` and each aspect ratio in ``RATIOS``, spectra of pure noise are
drawn by the bidiagonal model (Dumitriu and Edelman 2002), their entry variance is fitted as in
:func:`sigmascope.theory.edge.fit_bulk`, and the top eigenvalue over that variance is centred and scaled after
Ma (2012). Its upper quantiles ``LEVELS`` are then laid on those of F_1 by least squares, quantile = shift +
width * quantile of F_1, weighted towards 5 %. Both numbers are quadratic in sqrt(q) within the Monte Carlo
error; the three coefficients of each are the table.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import eigvalsh_tridiagonal

from sigmascope.theory.edge import entry_variance_of_noise, unit_scaling
from sigmascope.theory.laws import TracyWidom

TARGET = Path(__file__).parents[1] / "sigmascope" / "theory" / "edge_table.py"
NODES = (2, 3, 4, 5, 6, 7, 8, 10, 13, 16, 20, 26, 32, 64)
RATIOS = (1.0, 0.6, 0.3, 0.1, 0.02, 0.001)
LEVELS = np.array([0.2, 0.1, 0.05, 0.025, 0.01])
WEIGHTS = np.array([1.0, 2.0, 4.0, 2.0, 1.0])
DRAWS, CHUNK = 400_000, 20_000
# above this size LAPACK's tridiagonal solver, one matrix at a time, beats the batched dense one
DENSE = 24

Array = NDArray[np.float64]


def eigenvalues(diagonal: Array, off: Array) -> Array:
    """Descending eigenvalues of the symmetric tridiagonal matrices of one chunk, (draws, n)."""
    draws, n = diagonal.shape
    if n > DENSE:
        pairs = zip(diagonal, off, strict=True)
        ascending = np.array([eigvalsh_tridiagonal(d, e, lapack_driver="sterf") for d, e in pairs])
        return ascending[:, ::-1]
    dense, i = np.zeros((draws, n, n)), np.arange(n)
    dense[:, i, i] = diagonal
    dense[:, i[1:], i[:-1]] = off
    return np.linalg.eigvalsh(dense)[:, ::-1]


def singular_values(m: int, n: int, rng: np.random.Generator) -> Array:
    """Descending singular values of ``CHUNK`` Gaussian m x n matrices."""
    main = np.sqrt(rng.chisquare(m - np.arange(n), size=(CHUNK, n)))
    above = np.sqrt(rng.chisquare(n - 1 - np.arange(n - 1), size=(CHUNK, n - 1)))
    diagonal = main**2
    diagonal[:, 1:] += above**2
    return np.asarray(np.sqrt(np.maximum(eigenvalues(diagonal, main[:, :-1] * above), 0.0)))


def shift_and_width(m: int, n: int) -> tuple[float, float]:
    """Of the standardised top eigenvalue over the fitted variance."""
    rng = np.random.default_rng([m, n])
    center, scale = unit_scaling(m, n, "ma")
    statistics = []
    for _ in range(DRAWS // CHUNK):
        values = singular_values(m, n, rng)
        statistics.append((values[:, 0] ** 2 / entry_variance_of_noise(values, m=m, n=n) - center) / scale)
    seen = np.quantile(np.concatenate(statistics), 1.0 - LEVELS)
    width, shift = np.polyfit(TracyWidom(1).ppf(1.0 - LEVELS), seen, 1, w=WEIGHTS)
    return float(shift), float(width)


def coefficients(n: int) -> Array:
    """(2, 3): of shift and width, in increasing powers of sqrt(q)."""
    rows = [round(n / q) for q in RATIOS]
    points = np.array([shift_and_width(m, n) for m in rows])
    return np.polyfit(np.sqrt(n / np.array(rows)), points, 2)[::-1].T


def render(table: Array) -> str:
    """The source of the shipped module; ``table`` is (nodes, 2, 3)."""

    def rows(values: Array) -> str:
        return "".join("    (" + ", ".join(f"{v:.4f}" for v in row) + "),\n" for row in values)

    return "".join(
        [
            '"""Top eigenvalue over fitted variance, made by ``tools/make_edge_table.py``: do not edit.\n\n',
            "A row for each number of columns in ``NODES``: coefficients of 1, sqrt(q) and q.\n",
            '"""\n\nfrom __future__ import annotations\n\n',
            f"NODES = {NODES!r}\n\n",
            f"SHIFT = (\n{rows(table[:, 0])})\n\nWIDTH = (\n{rows(table[:, 1])})\n",
        ]
    )


def main() -> int:
    """Write the table, or compare it with the shipped one."""
    parser = argparse.ArgumentParser(description="Tabulate the edge test's finite-size calibration.")
    parser.add_argument("--check", action="store_true", help="compare with the shipped file, write nothing")
    check = parser.parse_args().check
    table = []
    for n in NODES:
        table.append(coefficients(n))
        print(f"n = {n}: {table[-1].tolist()}", file=sys.stderr)
    text = render(np.array(table))
    if check:
        return int(TARGET.read_text(encoding="utf-8") != text)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
