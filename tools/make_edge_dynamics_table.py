"""Make ``sigmascope/theory/claims/edge_dynamics_table.py``; its output is what ships.

    python tools/make_edge_dynamics_table.py            # about ten minutes
    python tools/make_edge_dynamics_table.py --check    # exit status 1 when the shipped file differs

What is tabulated is the covariance of the edge of real (beta = 1) matrices with itself at a later time, a
function without a closed form (Bornemann, Ferrari and Praehofer 2008), in the units and with the clock of
``sigmascope/theory/claims/edge_dynamics.py``.

Method. Real M x N matrices W, not the symmetric ones that the claim measures, follow dW = -W dtau + sqrt 2 dB
by its exact transition. Their largest singular value s moves like a Brownian motion with E (ds)^2 = 2 dtau
at any size, so Cov(s(0), s(tau)) = Var s - tau + ...; its correlation at the tau for which tau / Var s is
v / Var F_1 is that of the limit up to O(N^(-2/3)), free of centre, scale and clock, and Var F_1 times it is
the table. Correlations are 1 - E (s(tau) - s(0))^2 / (2 Var s), with Var s from the bidiagonal model: their
errors grow with the lag from nothing.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sigmascope.theory.claims.edge_samples import wishart_largest
from sigmascope.theory.laws import TracyWidom

TARGET = Path(__file__).parents[1] / "sigmascope" / "theory" / "claims" / "edge_dynamics_table.py"
M, N = 192, 96
LAGS = (0.4, 0.8, 1.6, 3.2)
STEP, LOOKS = 0.4, 16
PATHS, CHUNK = 50_000, 250
VARIANCE_DRAWS, VARIANCE_CHUNK = 600_000, 20_000

Array = NDArray[np.float64]


def variance(rng: np.random.Generator) -> tuple[float, float]:
    """Var s at one time, and its standard error."""
    parts = [
        np.sqrt(wishart_largest(rng, VARIANCE_CHUNK, m=M, n=N))
        for _ in range(0, VARIANCE_DRAWS, VARIANCE_CHUNK)
    ]
    s = np.concatenate(parts)
    squares = (s - s.mean()) ** 2
    return float(squares.mean()), float(squares.std() / np.sqrt(VARIANCE_DRAWS))


def paths(rng: np.random.Generator, tau: float) -> Array:
    """Largest singular values at times tau apart, (looks, paths)."""
    kept = np.exp(-tau)
    W = rng.standard_normal((CHUNK, M, N))
    seen = []
    for _ in range(LOOKS):
        seen.append(np.sqrt(np.linalg.eigvalsh(W.swapaxes(1, 2) @ W)[:, -1]))
        W *= kept
        W += np.sqrt(1 - kept**2) * rng.standard_normal(W.shape)
    return np.array(seen)


def table() -> tuple[Array, Array]:
    """Covariances at ``LAGS`` and their standard errors, over paths and of Var s."""
    rng = np.random.default_rng(0)
    (whole, whole_error), limit = variance(rng), TracyWidom(1).var()
    s = np.concatenate([paths(rng, whole * STEP / limit) for _ in range(0, PATHS, CHUNK)], axis=1)
    values, errors = [], []
    for lag in LAGS:
        looks = round(lag / STEP)
        lost = ((s[looks:] - s[:-looks]) ** 2).mean(axis=0) / (2 * whole)
        values.append(limit * (1 - lost.mean()))
        own = lost.std(ddof=1) / np.sqrt(PATHS)
        # a wrong Var s also moves the clock, against its weight here
        errors.append(limit * np.hypot(own, lost.mean() * whole_error / whole))
    return np.array(values), np.array(errors)


def numbers(values: Array) -> str:
    """As a tuple of four decimals, which rounding differences between machines do not reach."""
    return "(" + ", ".join(f"{value:.4f}" for value in values) + ")"


def module() -> str:
    """The source of the table."""
    covariance, error = table()
    lags = "(" + ", ".join(f"{lag:g}" for lag in LAGS) + ")"
    return (
        '"""Memory of the beta = 1 edge, made by ``tools/make_edge_dynamics_table.py``: do not edit.\n\n'
        f"Cov(A(0), A(v)) at the lags v, and its standard error, from {PATHS:,} paths of real {M} x {N} "
        'matrices.\n"""\n\n'
        "from __future__ import annotations\n\n"
        f"LAGS = {lags}\nCOVARIANCE = {numbers(covariance)}\nERROR = {numbers(error)}\n"
    )


def main() -> None:
    """Write the table, or compare it with the shipped one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    source = module()
    if check and source != TARGET.read_text(encoding="utf-8"):
        sys.exit(f"{TARGET} differs from what this script makes; run it without --check")
    if not check:
        TARGET.write_text(source, encoding="utf-8")


if __name__ == "__main__":
    main()
