"""Make ``sigmascope/theory/laws/tracy_widom_table.py``; its output is exactly what ships.

    python tools/make_tracy_widom.py            # a few minutes, needs mpmath
    python tools/make_tracy_widom.py --check    # exit status 1 when the shipped file differs

Method. B_s is the integral operator on L^2(0, oo) with kernel Ai(x + y + s). Then (Ferrari and Spohn 2005;
Bornemann 2010)

    F_1(s) = det(I - B_s),   F_2(s) = det(I - B_s) det(I + B_s),   F_4(s) = (F_1(s) + F_2(s) / F_1(s)) / 2,

each determinant by Gauss-Legendre quadrature in 50-digit arithmetic. log F is expanded in Chebyshev
polynomials left of ``SPLIT``, log(1 - F) right of it, so that neither tail loses digits. Beyond ``TAIL``
the traces e_1 = tr B_s and e_2 = ((tr B_s)^2 - tr B_s^2) / 2 have closed forms and the third is below 1e-18
of the answer: 1 - F_1 = e_1 - e_2, 1 - F_2 = e_1^2 - 2 e_2 - e_2^2, 1 - F_4 = -e_2. There the logarithm of
1 - F over its leading asymptotic form is expanded in t = s^(-3/2) for s from TAIL to FAR, where 1 - F_1 is
1e-292.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path

from mpmath import mp, mpf

TARGET = Path(__file__).parents[1] / "sigmascope" / "theory" / "laws" / "tracy_widom_table.py"
KNOTS = (-10.0, -6.0, -1.5, 2.5, 8.0)
SPLIT, TAIL, FAR = -1.5, 8.0, 100.0
DEGREE, NODES, REACH = 32, 90, 28
TERMS = 48  # of the Taylor series of Ai
BITS = 220  # of the fixed-point elimination: 66 digits
DROP = 1e-18
BETAS = (1, 2, 4)

Values = dict[int, mpf]


def determinant(upper: list[list[mpf]]) -> mpf:
    """Determinant of a symmetric matrix given by the rows of its upper triangle.

    Elimination without pivoting, for I -+ B is positive definite; in fixed point, for integers are fast.
    """
    rows = [[int(mp.nint(mp.ldexp(value, BITS))) for value in row] for row in upper]
    result = mpf(1)
    for k, head in enumerate(rows):
        result *= mp.ldexp(head[0], -BITS)
        for i in range(1, len(head)):
            factor = (head[i] << BITS) // head[0]
            row = rows[k + i]
            rows[k + i] = [a - (factor * b >> BITS) for a, b in zip(row, head[i:], strict=True)]
    return result


def gauss_legendre(count: int) -> list[tuple[mpf, mpf]]:
    """Nodes and weights on (-1, 1), by Newton's method on the Legendre recurrence."""
    rule = []
    for k in range(count):
        x = mp.cos(mp.pi * (k + mpf(3) / 4) / (count + mpf(1) / 2))
        for _ in range(8):
            before, now = mpf(1), x
            for j in range(2, count + 1):
                before, now = now, ((2 * j - 1) * x * now - (j - 1) * before) / j
            slope = count * (x * now - before) / (x * x - 1)
            x -= now / slope
        rule.append((x, 2 / ((1 - x * x) * slope * slope)))
    return rule


@cache
def airy_series(k: int) -> list[mpf]:
    """Taylor coefficients of Ai at k / 2, highest first, from y'' = z y."""
    z = mpf(k) / 2
    series = [mp.airyai(z), mp.airyai(z, derivative=1)]
    for j in range(TERMS):
        series.append((z * series[j] + (series[j - 1] if j else 0)) / ((j + 1) * (j + 2)))
    return series[::-1]


def airy(z: mpf) -> mpf:
    """Ai(z) to 40 digits, from the nearest half integer: thirty times faster than mp.airyai."""
    k = int(mp.nint(2 * z))
    return mp.polyval(airy_series(k), z - mpf(k) / 2)


def laws_at(s: mpf, rule: list[tuple[mpf, mpf]]) -> tuple[Values, Values]:
    """(F_beta(s), 1 - F_beta(s)) by beta, from the two determinants."""
    length = REACH - s
    points = [(length * (1 + x) / 2, mp.sqrt(length * w / 2)) for x, w in rule]
    size = len(points)
    kernel = [
        [points[i][1] * points[j][1] * airy(points[i][0] + points[j][0] + s) for j in range(i, size)]
        for i in range(size)
    ]
    minus = determinant([[(j == 0) - b for j, b in enumerate(row)] for row in kernel])
    plus = determinant([[(j == 0) + b for j, b in enumerate(row)] for row in kernel])
    cdf = {1: minus, 2: minus * plus, 4: (minus + plus) / 2}
    return cdf, {beta: 1 - value for beta, value in cdf.items()}


def tail_at(s: mpf) -> Values:
    """1 - F_beta(s) for s >= TAIL from the first two traces, with digits to spare for their cancellation."""
    with mp.extradps(40 + int(s**1.5)):
        e1 = (mpf(1) / 3 - mp.airyai(s, derivative=-1)) / 2
        ai, slope = mp.airyai(s), mp.airyai(s, derivative=1)
        square = (2 * s * s * ai * ai - 2 * s * slope * slope - ai * slope) / 3
        e2 = (e1 * e1 - square) / 2
        return {1: e1 - e2, 2: e1 * e1 - 2 * e2 - e2 * e2, 4: -e2}


def leading_log(s: mpf, beta: int) -> mpf:
    """Log of the leading asymptotic form of 1 - F_beta at +oo (Dumaz and Virag 2013)."""
    if beta == 4:
        return -mp.log(128 * mp.pi) - 3 * mp.log(s) - mpf(4) / 3 * s**1.5
    scale = 4 * mp.sqrt(mp.pi) if beta == 1 else 16 * mp.pi
    return -mp.log(scale) - mpf(3) / 4 * beta * mp.log(s) - mpf(2) / 3 * beta * s**1.5


def chebyshev_nodes(degree: int) -> list[mpf]:
    """Zeros of the Chebyshev polynomial of degree ``degree + 1``."""
    return [mp.cos(mp.pi * (k + mpf(1) / 2) / (degree + 1)) for k in range(degree + 1)]


def chebyshev_coefficients(values: list[mpf]) -> tuple[float, ...]:
    """Coefficients of the interpolant through ``values`` at the Chebyshev nodes, negligible ones cut off."""
    count = len(values)
    series = []
    for k in range(count):
        terms = (v * mp.cos(mp.pi * k * (j + mpf(1) / 2) / count) for j, v in enumerate(values))
        series.append(mp.fsum(terms) * (1 if k == 0 else 2) / count)
    while abs(series[-1]) < DROP:
        series.pop()
    return tuple(float(c) for c in series)


def pieces(progress: Callable[[str], None]) -> dict[int, list[tuple[float, ...]]]:
    """Chebyshev coefficients of log F or log(1 - F) between the knots, by beta."""
    rule = gauss_legendre(NODES)
    table: dict[int, list[tuple[float, ...]]] = {beta: [] for beta in BETAS}
    for low, high in pairwise(KNOTS):
        progress(f"[{low}, {high}]")
        points = [low + (high - low) * (1 + t) / 2 for t in chebyshev_nodes(DEGREE)]
        sampled = [laws_at(s, rule)[low >= SPLIT] for s in points]
        for beta in BETAS:
            table[beta].append(chebyshev_coefficients([mp.log(value[beta]) for value in sampled]))
    return table


def tails(progress: Callable[[str], None]) -> dict[int, tuple[float, ...]]:
    """Chebyshev coefficients in t = s^(-3/2) of the log of (1 - F) over its leading form, by beta."""
    progress("tail")
    start, end = mpf(FAR) ** (-mpf(3) / 2), mpf(TAIL) ** (-mpf(3) / 2)
    points = [(start + (end - start) * (1 + t) / 2) ** (-mpf(2) / 3) for t in chebyshev_nodes(23)]
    sampled = [tail_at(s) for s in points]
    return {
        beta: chebyshev_coefficients(
            [mp.log(value[beta]) - leading_log(s, beta) for s, value in zip(points, sampled, strict=True)]
        )
        for beta in BETAS
    }


def render(table: dict[int, list[tuple[float, ...]]], tail: dict[int, tuple[float, ...]]) -> str:
    """The text of the module that ships."""

    def row(series: tuple[float, ...], indent: str) -> str:
        inside = "".join(f"{indent}    {value!r},\n" for value in series)
        return f"{indent}(\n{inside}{indent}),\n"

    lines = [
        '"""Tracy-Widom laws as Chebyshev series, made by ``tools/make_tracy_widom.py``: do not edit.\n\n',
        "``PIECES[beta][i]`` expands log F on [KNOTS[i], KNOTS[i + 1]], or log(1 - F) right of SPLIT;\n",
        "``TAILS[beta]`` expands log((1 - F) / leading asymptotic form) in t = s^(-3/2) from FAR to TAIL.\n",
        '"""\n\nfrom __future__ import annotations\n\n',
        f"KNOTS = {KNOTS!r}\nSPLIT = {SPLIT!r}\nTAIL = {TAIL!r}\nFAR = {FAR!r}\n\n",
        "PIECES: dict[int, tuple[tuple[float, ...], ...]] = {\n",
    ]
    for beta in BETAS:
        lines += [f"    {beta}: (\n", *(row(series, " " * 8) for series in table[beta]), "    ),\n"]
    lines += ["}\n\nTAILS: dict[int, tuple[float, ...]] = {\n"]
    for beta in BETAS:
        lines += [f"    {beta}: " + row(tail[beta], "    ").lstrip()]
    return "".join([*lines, "}\n"])


def main() -> int:
    """Write the table, or compare it with the shipped one."""
    parser = argparse.ArgumentParser(description="Tabulate the Tracy-Widom laws.")
    parser.add_argument("--check", action="store_true", help="compare with the shipped file, write nothing")
    check = parser.parse_args().check
    mp.dps = 50
    text = render(pieces(lambda s: print(s, file=sys.stderr)), tails(lambda s: print(s, file=sys.stderr)))
    if check:
        return int(TARGET.read_text(encoding="utf-8") != text)
    TARGET.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
