"""Make ``benchmarks/law_references.json``: high-precision values that the laws are measured against.

    python tools/make_law_references.py    # about a minute, needs mpmath

Nothing here is shared with the code it judges. Tracy-Widom: the Hastings-McLeod solution of Painleve II,
q'' = s q + 2 q^3, q ~ Ai, integrated from s = 20 by Taylor series in 90-digit arithmetic, with
F_2 = exp(-u), F_1 = exp(-(u + v) / 2), u'' = q^2, v' = -q (the package uses Fredholm determinants).
Marchenko-Pastur: the density integrated by quadrature (the package uses a closed form).
"""

from __future__ import annotations

import json
from pathlib import Path

from mpmath import mp, mpf

TARGET = Path(__file__).parents[1] / "benchmarks" / "law_references.json"
START, STOP, STEP, ORDER = 20, -10, mpf(1) / 8, 60
DIGITS = 25


def convolve(a: list[mpf], b: list[mpf], k: int) -> mpf:
    """Coefficient k of the product of two power series."""
    return mp.fsum(a[i] * b[k - i] for i in range(k + 1))


def taylor(s: mpf, state: tuple[mpf, ...], h: mpf) -> tuple[mpf, ...]:
    """One step of (q, q', u, u', v) from s to s + h."""
    q0, q1, u0, u1, v0 = state
    q, square = [q0, q1], []
    for k in range(ORDER):
        square.append(convolve(q, q, k))
        cube = convolve(square, q, k)
        q.append((s * q[k] + (q[k - 1] if k else 0) + 2 * cube) / ((k + 1) * (k + 2)))
    u = [u0, u1] + [c / ((k + 1) * (k + 2)) for k, c in enumerate(square)]
    v = [v0] + [-c / (k + 1) for k, c in enumerate(q)]

    def at(series: list[mpf]) -> mpf:
        return mp.polyval(series[::-1], h)

    def slope(series: list[mpf]) -> mpf:
        return mp.polyval([k * c for k, c in enumerate(series)][:0:-1], h)

    return at(q), slope(q), at(u), slope(u), at(v)


def initial(s: mpf) -> tuple[mpf, ...]:
    """The state at large s, where q = Ai up to a relative exp(-4 s^1.5 / 3)."""
    with mp.extradps(60):
        ai, slope = mp.airyai(s), mp.airyai(s, derivative=1)
        u = (2 * s * s * ai * ai - 2 * s * slope * slope - ai * slope) / 3
        return ai, slope, u, -(slope * slope - s * ai * ai), mpf(1) / 3 - mp.airyai(s, derivative=-1)


def tracy_widom() -> list[dict[str, str]]:
    """F and 1 - F for beta = 1, 2, 4 on a grid of [-10, 8]."""
    s, state, rows = mpf(START), initial(mpf(START)), []
    while s > STOP:
        state = taylor(s, state, -STEP)
        s -= STEP
        if s <= 8 and s * 4 == int(s * 4):
            u, v = state[2], state[4]
            f1, f2 = mp.exp(-(u + v) / 2), mp.exp(-u)
            laws = {1: f1, 2: f2, 4: (f1 + f2 / f1) / 2}
            row = {"s": str(float(s))}
            for beta, value in laws.items():
                row[f"cdf{beta}"] = mp.nstr(value, DIGITS)
                row[f"sf{beta}"] = mp.nstr(1 - value, DIGITS)
            rows.append(row)
    return rows


def marchenko_pastur() -> list[dict[str, float | str]]:
    """Law at unit variance on the eigenvalue axis: its cdf at doubles, by quadrature of the density.

    In the angle theta, x = 1 + q + 2 sqrt(q) cos theta, the density is 2 sin^2(theta) / (pi x).
    """
    rows: list[dict[str, float | str]] = []
    for q in (1.0, 0.9999, 0.75, 0.3, 0.01, 1e-6, 4.0):
        ratio = min(mpf(q), 1 / mpf(q))
        root, unit = mp.sqrt(ratio), max(mpf(q), mpf(1))
        low, high = float(unit * (1 - root) ** 2), float(unit * (1 + root) ** 2)

        def mass(theta: mpf, root: mpf = root) -> mpf:
            # written so that it stays finite at the hard edge, theta = pi and root = 1
            half = mp.cos(theta / 2) ** 2
            return 8 * (1 - half) * half / (mp.pi * ((1 - root) ** 2 + 4 * root * half))

        for fraction in (1e-9, 1e-6, 1e-3, 0.03, 0.2, 0.5, 0.8, 0.97, 0.999, 0.999999):
            x = low + (high - low) * fraction
            cosine = (mpf(x) / unit - 1 - ratio) / (2 * root)
            theta = mp.acos(max(mpf(-1), min(mpf(1), cosine)))
            # break points crowd towards pi, where the density varies on the scale 1 - root
            breaks = [theta, *(mp.pi - (mp.pi - theta) / 4**k for k in range(1, 12)), mp.pi]
            below = mp.quad(mass, breaks)
            atom = max(mpf(0), 1 - 1 / mpf(q))
            rows.append({"q": q, "x": x, "cdf": mp.nstr(atom + (1 - atom) * below, DIGITS)})
    return rows


def main() -> None:
    """Write the references."""
    mp.dps = 90
    laws: dict[str, object] = {"tracy_widom": tracy_widom()}
    mp.dps = 34
    laws["marchenko_pastur"] = marchenko_pastur()
    TARGET.write_text(json.dumps(laws, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
