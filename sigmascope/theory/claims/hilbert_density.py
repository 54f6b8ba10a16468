"""Lemma 6.15 and Corollary 6.16: Hilbert transforms of power laws, and the stationary density from them.

H[rho](lambda) = (1 / pi) PV int rho(x) / (x - lambda) dx. Axis: eigenvalues lambda of W^T W.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.integrate import quad

from sigmascope.theory.claims.claim import Claim, Laboratory, Measurement
from sigmascope.theory.hilbert import power_law_hilbert_leading
from sigmascope.theory.laws.law import FloatArray

POWERS = ((-0.4, 0.7), (-0.4, 0.05), (-0.75, 0.7), (-0.1, 2.0), (0.3, 0.7), (0.75, 2.0))
# of the five-point derivative, relative: errors of the quadrature, divided by it, stay below 1e-8
STEP = 0.02
SURPLUSES, POINTS = (0, 2, 4), (0.1, 0.3, 0.6)
LEARNING_RATE, DIFFUSION = 0.1, 2.0
SHAPES = ((12, 6), (8, 8), (20, 3))
PATHS, MOVES = 20_000, 5


def principal_value(alpha: float, at: float, upper: float) -> tuple[float, float]:
    """PV int_0^R x^alpha / (x - at) dx by adaptive quadrature with weights, and its error."""
    below, above = 0.5 * at, 1.5 * at if upper > 1.5 * at else upper
    parts = (
        # the integrable end at 0, the pole, and the rest
        quad(lambda x: 1 / (x - at), 0.0, below, weight="alg", wvar=(alpha, 0.0), epsabs=1e-12),
        quad(lambda x: x**alpha, below, above, weight="cauchy", wvar=at, epsabs=1e-12),
        quad(lambda x: x**alpha / (x - at), above, upper, epsabs=1e-12, limit=400)
        if upper > above
        else (0, 0),
    )
    return float(sum(part[0] for part in parts)), float(sum(part[1] for part in parts))


def half_line(alpha: float, at: float) -> tuple[float, float]:
    """PV int_0^oo of the same; for alpha > 0 its constant, int x^(alpha - 1) dx, is taken off."""
    if alpha < 0:
        return principal_value(alpha, at, np.inf)
    # x^alpha / (x - at) - x^(alpha - 1) = at x^(alpha - 1) / (x - at)
    value, error = principal_value(alpha - 1, at, np.inf)
    return at * value, at * error


def measure_power_laws(lab: Laboratory) -> Iterator[Measurement]:
    """The part of H[x^alpha] that is left when R grows, by quadrature."""
    del lab
    for alpha, at in POWERS:
        value, error = half_line(alpha, at)
        label = f"H[x^{alpha}] at λ = {at}, R = ∞" + (", constant taken off" if alpha > 0 else "")
        arguments = {"alpha": alpha, "at": at}
        yield Measurement(label, value / np.pi, max(error, 1e-11) / np.pi, arguments)


def printed_power_law(alpha: float, at: float) -> float:
    """+ lambda^alpha cot(pi alpha)."""
    return float(power_law_hilbert_leading(at, alpha=alpha, form="as_printed"))


def exact_power_law(alpha: float, at: float) -> float:
    """- lambda^alpha cot(pi alpha)."""
    return float(power_law_hilbert_leading(at, alpha=alpha))


def measure_residual(lab: Laboratory) -> Iterator[Measurement]:
    """Left side of the displayed equation over eta D, for the printed density on (0, 1) with mass 1."""
    del lab
    for surplus in SURPLUSES:
        alpha = (surplus + 3) / 4 - 1
        for at in POINTS:
            x = at * (1 + STEP * np.array([-2.0, -1.0, 1.0, 2.0]))
            pairs = np.array([principal_value(alpha, one, 1.0) for one in x])
            flux = (1 + alpha) * x * pairs[:, 0] / np.pi
            slope = float(flux @ np.array([1.0, -8.0, 8.0, -1.0])) / (12 * STEP * at)
            coarse = float(flux[3] - flux[0]) / (4 * STEP * at)
            # two differences of orders 2 and 4: the error of the better is far below their distance
            error = 0.05 * abs(slope - coarse) + 1e-8
            label = f"left side over ηD at λ = {at}, m − n = {surplus}"
            arguments = {"surplus": surplus, "at": at}
            yield Measurement(label, surplus + 3 - 2 * np.pi * slope, error, arguments)


def solved(surplus: int, at: float) -> float:
    """0: the density solves the equation."""
    del surplus, at
    return 0.0


def residual(surplus: int, at: float) -> float:
    """The left side, from H[x^a] = -lambda^a cot(pi a) - sum_k lambda^k / (pi (k - a)) on (0, 1)."""
    alpha = (surplus + 3) / 4 - 1
    k = np.arange(400)
    series = float(((k + 1) * at**k / (k - alpha)).sum())
    slope = -(1 + alpha) * at**alpha / np.tan(np.pi * alpha) - series / np.pi
    return float(surplus + 3 - 2 * np.pi * (1 + alpha) * slope)


def mean_eigenvalues(W: FloatArray) -> FloatArray:
    """Mean of the eigenvalues of W^T W, for each matrix of a stack."""
    return np.asarray((np.linalg.svd(W, compute_uv=False) ** 2).mean(axis=-1))


def measure_growth(lab: Laboratory) -> Iterator[Measurement]:
    """Growth of the mean eigenvalue per unit time of matrices driven by noise alone, after a few moves."""
    noise = np.sqrt(2 * LEARNING_RATE * DIFFUSION)
    for m, n in SHAPES:
        W = lab.rng.standard_normal((PATHS // n, m, n))
        before = mean_eigenvalues(W)
        for _ in range(MOVES):
            W = W + noise * lab.rng.standard_normal(W.shape)
        rates = (mean_eigenvalues(W) - before) / MOVES
        error = rates.std(ddof=1) / np.sqrt(len(rates))
        yield Measurement(
            f"growth of the mean eigenvalue, {m}x{n}", float(rates.mean()), float(error), {"m": m, "n": n}
        )


def at_rest(m: int, n: int) -> float:
    """0: a stationary density has a constant mean."""
    del m, n
    return 0.0


def growth(m: int, n: int) -> float:
    """2 eta D m."""
    del n
    return 2 * LEARNING_RATE * DIFFUSION * m


LEMMA_6_15 = Claim(
    id="lemma-6.15",
    statement="Lemma 6.15",
    title="Hilbert transform of a power law",
    printed_formula="H[Cx^α](λ) = + C λ^α cot(πα) + O(1)",
    exact_formula="H[Cx^α](λ) = − C λ^α cot(πα) + C R^α/(πα) + O(λ R^(α − 1))",
    reference="contour integral of z^α/(z − λ); King, Hilbert Transforms (2009)",
    method="quadrature with the weights of the pole and of x^α, for R → ∞, where the bounded part, "
    "C R^α/(πα), vanishes for α < 0 and is taken off for α > 0",
    finding="The sign is the other one. For α > 0 and small λ the bounded part that the lemma leaves out is "
    "larger than the term it keeps.",
    measure=measure_power_laws,
    printed=printed_power_law,
    exact=exact_power_law,
)

COROLLARY_6_16 = Claim(
    id="corollary-6.16",
    statement="Corollary 6.16",
    title="Power law as stationary density",
    printed_formula="ρ ∝ λ^((m − n + 3)/4 − 1) solves (m − n + 3) − 2π d/dλ(λH[ρ]) = 0",
    exact_formula="with this ρ = (1 + α)λ^α on (0, 1) the left side is (m − n + 3) "
    "+ 2(1 + α)[π(1 + α)λ^α cot(πα) + Σ_k (k + 1)λ^k/(k − α)]",
    reference="exact form of Lemma 6.15 on (0, 1)",
    method=f"quadrature and central differences for m − n = {SURPLUSES[0]}, {SURPLUSES[1]}, {SURPLUSES[2]}, "
    "at three λ",
    finding="The power law does not solve the displayed equation, nor does any multiple of it: the left side "
    "varies with λ. A density on (0, R) that does is [1/π + (m − n + 3)(λ − R/2)/(2π)]/√(λ(R − λ)), which "
    "piles up at a wall at R.",
    measure=measure_residual,
    printed=solved,
    exact=residual,
)

COROLLARY_6_16_GROWTH = Claim(
    id="corollary-6.16-growth",
    statement="Corollary 6.16",
    title="Stationarity without a restoring force",
    printed_formula="the displayed equation has a stationary density: d⟨λ⟩/dt = 0",
    exact_formula="d⟨λ⟩/dt = 2ηDm",
    reference="Bru, Wishart processes (1991): the drifts add up to 2ηDmn",
    method="mean eigenvalue of "
    + ", ".join(f"{m}x{n}" for m, n in SHAPES)
    + f" matrices before and after {MOVES} steps of noise alone",
    finding="The quadratic potential named in the corollary does not appear in its equation, which has "
    "repulsion and an outward drift alone. Without a restoring force the mean eigenvalue grows for ever.",
    measure=measure_growth,
    printed=at_rest,
    exact=growth,
)
