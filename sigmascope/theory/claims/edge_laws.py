"""Lemmas 6.10 and 6.11 and Corollary 6.12: bulk and edge of Wishart matrices. Axis: eigenvalues.

Here as in the paper M = X X^T / n is m x m with X m x n, m <= n and gamma = m / n: the roles of m and n are
those of the library, swapped, and M is W^T W / n with W = X^T.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.integrate import quad

from sigmascope.theory.claims.claim import Claim, Laboratory, Measurement
from sigmascope.theory.claims.edge_samples import wishart_largest
from sigmascope.theory.edge import edge_scaling
from sigmascope.theory.laws import MarchenkoPastur, TracyWidom
from sigmascope.theory.laws.law import FloatArray

GAMMA = 0.5
# small, and no BLAS for X X^T: threads that outnumber the cores would make it crawl
BULK_M, BULK_MATRICES = 120, 24
BULK_POINTS = (0.1, 0.3, 0.6, 1.0, 1.5, 2.0, 2.5, 2.85)
EDGE_SIZES = (512, 2048, 8192, 32768)
EDGE_DRAWS = 24_000
SCALE_N, SCALE_RATIOS = 8192, (0.25, 0.5, 1.0)
LIMIT_N, LIMIT_DRAWS = 2_000_000, 12_000
# draws at a time: what a corner of a million rows needs in memory
CHUNK = 3000


def gaussian(rng: np.random.Generator, m: int, n: int) -> FloatArray:
    """Standard normal entries."""
    return rng.standard_normal((m, n))


def signs(rng: np.random.Generator, m: int, n: int) -> FloatArray:
    """Entries +1 and -1."""
    return np.asarray(rng.integers(0, 2, (m, n)) * 2.0 - 1.0)


def measure_bulk(lab: Laboratory) -> Iterator[Measurement]:
    """Share of the eigenvalues of M below fixed points, for two laws of the entries."""
    m, n = BULK_M, int(BULK_M / GAMMA)
    points = np.array(BULK_POINTS)
    for name, entries in (("Gaussian", gaussian), ("±1", signs)):
        shares = np.empty((BULK_MATRICES, len(points)))
        for row in shares:
            X = entries(lab.rng, m, n)
            row[:] = np.searchsorted(np.linalg.eigvalsh(np.einsum("ik,jk->ij", X, X) / n), points) / m
        # the variance of such counts hardly depends on the point: pooled, it is known well
        error = np.sqrt(shares.var(axis=0, ddof=1).mean() / BULK_MATRICES)
        for point, share in zip(points, shares.mean(axis=0), strict=True):
            label = f"share of eigenvalues below {point}, {name} {m}x{n}"
            yield Measurement(label, float(share), float(error), {"x": float(point), "gamma": GAMMA})


def printed_mass(x: float, gamma: float) -> float:
    """Integral up to ``x`` of the printed density."""
    low, high = (1 - np.sqrt(gamma)) ** 2, (1 + np.sqrt(gamma)) ** 2

    def density(y: float) -> float:
        return float(np.sqrt(max((high - y) * (y - low), 0.0)) / (2 * np.pi * gamma * y))

    return float(quad(density, low, min(x, high))[0])


def exact_mass(x: float, gamma: float) -> float:
    """The closed form of the cdf."""
    return float(MarchenkoPastur(gamma).cdf(x))


def largest_of(rng: np.random.Generator, draws: int, *, m: int, n: int) -> FloatArray:
    """Largest eigenvalue of M, X m x n Gaussian with m <= n; (draws,)."""
    parts = [wishart_largest(rng, min(CHUNK, draws - at), m=n, n=m) for at in range(0, draws, CHUNK)]
    return np.concatenate(parts) / n


def measure_center(lab: Laboratory) -> Iterator[Measurement]:
    """Mean of the largest eigenvalue, in units in which its fluctuations stay of one size."""
    for n in EDGE_SIZES:
        m = int(GAMMA * n)
        seen = largest_of(lab.rng, EDGE_DRAWS, m=m, n=n) * n ** (2 / 3)
        error = seen.std(ddof=1) / np.sqrt(EDGE_DRAWS)
        label = f"n^(2/3) times the mean largest eigenvalue, {m}x{n}"
        yield Measurement(label, float(seen.mean()), float(error), {"m": m, "n": n}, size=n)


def measure_scale(lab: Laboratory) -> Iterator[Measurement]:
    """Standard deviation of the largest eigenvalue at several aspect ratios, with its error."""
    for gamma in SCALE_RATIOS:
        m = int(gamma * SCALE_N)
        squares = largest_of(lab.rng, EDGE_DRAWS, m=m, n=SCALE_N) * SCALE_N ** (2 / 3)
        squares = (squares - squares.mean()) ** 2
        deviation = np.sqrt(squares.mean())
        error = squares.std(ddof=1) / np.sqrt(EDGE_DRAWS) / (2 * deviation)
        label = f"n^(2/3) times the standard deviation of the largest eigenvalue, {m}x{SCALE_N}"
        yield Measurement(label, float(deviation), float(error), {"m": m, "n": SCALE_N})


def printed_constants(m: int, n: int) -> tuple[float, float]:
    """The mu and sigma of Lemma 6.11."""
    gamma = m / n
    edge = (1 + np.sqrt(gamma)) ** 2
    return float(edge), float(np.sqrt(edge) * (1 + gamma**-0.5) ** (1 / 3) / n ** (2 / 3))


def exact_constants(m: int, n: int) -> tuple[float, float]:
    """Centring and scaling of Ma (2012), over n."""
    scaling = edge_scaling(n, m, method="ma")
    return scaling.center / n, scaling.scale / n


def printed_center(m: int, n: int) -> float:
    """n^(2/3) (mu + sigma E), E the mean of F_1."""
    mu, sigma = printed_constants(m, n)
    return float(n ** (2 / 3) * (mu + sigma * TracyWidom(1).mean()))


def exact_center(m: int, n: int) -> float:
    """The same with the exact constants."""
    mu, sigma = exact_constants(m, n)
    return float(n ** (2 / 3) * (mu + sigma * TracyWidom(1).mean()))


def printed_scale(m: int, n: int) -> float:
    """n^(2/3) sigma S, S the standard deviation of F_1."""
    return float(n ** (2 / 3) * printed_constants(m, n)[1] * np.sqrt(TracyWidom(1).var()))


def exact_scale(m: int, n: int) -> float:
    """The same with the exact constants."""
    return float(n ** (2 / 3) * exact_constants(m, n)[1] * np.sqrt(TracyWidom(1).var()))


def measure_limit(lab: Laboratory) -> Iterator[Measurement]:
    """P(largest eigenvalue <= x) at a size where the limit is reached; the x from a pilot run."""
    m, n = int(GAMMA * LIMIT_N), LIMIT_N
    points = np.quantile(largest_of(lab.rng, CHUNK // 3, m=m, n=n), [0.05, 0.2, 0.4, 0.6, 0.8, 0.95])
    seen = largest_of(lab.rng, LIMIT_DRAWS, m=m, n=n)
    for x in points:
        share = float(np.mean(seen <= x))
        error = np.sqrt(share * (1 - share) / LIMIT_DRAWS)
        label = f"P(largest eigenvalue ≤ {x:.6f}), {m:,}x{n:,}"
        yield Measurement(label, share, float(error), {"x": float(x), "m": m, "n": n})


def limit_law(x: float, m: int, n: int) -> float:
    """F_1((x - mu) / sigma) with the constants of Lemma 6.11."""
    mu, sigma = printed_constants(m, n)
    return float(TracyWidom(1).cdf((x - mu) / sigma))


def limit_law_exact(x: float, m: int, n: int) -> float:
    """The same with the exact constants."""
    mu, sigma = exact_constants(m, n)
    return float(TracyWidom(1).cdf((x - mu) / sigma))


LEMMA_6_10 = Claim(
    id="lemma-6.10",
    statement="Lemma 6.10",
    title="Marchenko-Pastur law",
    printed_formula="ρ(x) = √((λ₊ − x)(x − λ₋))/(2πγx), λ± = (1 ± √γ)²",
    exact_formula="ρ(x) = √((λ₊ − x)(x − λ₋))/(2πγx), λ± = (1 ± √γ)²",
    reference="Marchenko & Pastur (1967)",
    method=f"share of eigenvalues below {len(BULK_POINTS)} points, {BULK_MATRICES} Gaussian and "
    f"{BULK_MATRICES} ±1 matrices, {BULK_M}x{int(BULK_M / GAMMA)}",
    finding="The law is right, and does not depend on the law of the entries. The paper's M = XXᵀ/n is m × m "
    "with m ≤ n; in the convention used elsewhere, W m × n with m ≥ n, γ is q = n/m.",
    measure=measure_bulk,
    printed=printed_mass,
    exact=exact_mass,
)

LEMMA_6_11 = Claim(
    id="lemma-6.11",
    statement="Lemma 6.11",
    title="Centring of the largest eigenvalue",
    printed_formula="μ = (1 + √γ)², σ = (1 + √γ)(1 + γ^(−1/2))^(1/3)/n^(2/3)",
    exact_formula="nμ = (√m′ + √n′)², nσ = (√m′ + √n′)(1/√m′ + 1/√n′)^(1/3), m′ = m − ½, n′ = n − ½",
    reference="Johnstone (2001); Ma, Accuracy of the Tracy-Widom limits (2012)",
    method=f"mean of {EDGE_DRAWS:,} draws by bidiagonal models at n = "
    + ", ".join(str(n) for n in EDGE_SIZES)
    + ", γ = ½, against μ + σ E with E = −1.2065, the mean of F₁",
    finding="Right in the limit, with an error of n^(−1/3) of the fluctuations: a tenth of their unit at "
    "n = 256. Shifting m and n by ½ leaves an error of n^(−2/3).",
    measure=measure_center,
    printed=printed_center,
    exact=exact_center,
    order=1 / 3,
)

LEMMA_6_11_SCALE = Claim(
    id="lemma-6.11-scale",
    statement="Lemma 6.11",
    title="Scaling of the largest eigenvalue",
    printed_formula="σ = (1 + √γ)(1 + γ^(−1/2))^(1/3)/n^(2/3)",
    exact_formula="nσ = (√m′ + √n′)(1/√m′ + 1/√n′)^(1/3), m′ = m − ½, n′ = n − ½",
    reference="Johnstone (2001); Ma, Accuracy of the Tracy-Widom limits (2012)",
    method=f"standard deviation of {EDGE_DRAWS:,} draws by bidiagonal models at n = {SCALE_N}, "
    "γ = ¼, ½, 1, against σ times 1.2680, that of F₁",
    finding="The scale and its dependence on γ are right.",
    measure=measure_scale,
    printed=printed_scale,
    exact=exact_scale,
)

COROLLARY_6_12 = Claim(
    id="corollary-6.12",
    statement="Corollary 6.12",
    title="Tracy-Widom limit",
    printed_formula="P((λ₍₁₎ − μ)/σ ≤ s) → F₁(s)",
    exact_formula="P((λ₍₁₎ − μ)/σ ≤ s) → F₁(s), faster with the μ and σ of Ma (2012)",
    reference="Johnstone (2001); Tracy & Widom (1996)",
    method=f"{LIMIT_DRAWS:,} draws by bidiagonal models of {int(GAMMA * LIMIT_N):,}x{LIMIT_N:,} matrices, "
    "at six quantiles of a pilot run",
    finding="The limit is right. The determinant of the Airy kernel that the text cites for it gives F₂; F₁ "
    "needs another kernel.",
    measure=measure_limit,
    printed=limit_law,
    exact=limit_law_exact,
)
