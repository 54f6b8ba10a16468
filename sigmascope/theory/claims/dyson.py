"""Theorem 6.7: how the eigenvalues of W^T W move without a gradient. Axis: eigenvalues of W^T W, unscaled."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sigmascope.theory.claims.claim import Claim, Formula, Laboratory, Measurement
from sigmascope.theory.claims.singular_values import (
    DIFFUSION,
    DRAWS,
    LEARNING_RATE,
    SCALE,
    M,
    N,
    mean_and_error,
    singular_values_of,
    small_steps,
    spaced_matrix,
)
from sigmascope.theory.ito import (
    Form,
    canonical_diffusion,
    canonical_drift,
    canonical_time,
    eigenvalue_diffusion,
    eigenvalue_drift,
)
from sigmascope.theory.laws.law import FloatArray


def measure_motion(lab: Laboratory) -> Iterator[Measurement]:
    """Drift and variance rate of each eigenvalue, per unit of t."""
    W = spaced_matrix(lab.rng)
    values = singular_values_of(W)
    even, odd = small_steps(lab, W, np.zeros_like(W))
    dt = SCALE**2 / (2 * LEARNING_RATE * DIFFUSION)
    # sigma + even +- odd, squared: again an even and an odd part
    drift, drift_error = mean_and_error((2 * values * even + even**2 + odd**2) / dt)
    rate, rate_error = mean_and_error((2 * (values + even) * odd) ** 2 / dt)
    for k in range(N):
        seen = {"part": "drift", "eigenvalues": values**2, "k": k}
        yield Measurement(f"drift of λ_{k + 1}, {M}x{N}", float(drift[k]), float(drift_error[k]), seen)
    for k in range(N):
        seen = {"part": "diffusion", "eigenvalues": values**2, "k": k}
        yield Measurement(f"variance rate of λ_{k + 1}", float(rate[k]), float(rate_error[k]), seen)


def motion_of(form: Form) -> Formula:
    """Drift and variance rate as Theorem 6.7 has them."""
    rates = {"learning_rate": LEARNING_RATE, "diffusion": DIFFUSION}

    def formula(part: str, eigenvalues: FloatArray, k: int) -> float:
        if part == "diffusion":
            return float(eigenvalue_diffusion(eigenvalues, **rates)[k] ** 2)
        return float(eigenvalue_drift(eigenvalues, m=M, form=form, **rates)[k])

    return formula


def canonical_motion_of(form: Form, *, time: Form | None = None) -> Formula:
    """The same from the canonical form: (... of dY) ds/dt. ``time`` is the form of s, by default ``form``."""
    speed = float(canonical_time(1.0, learning_rate=LEARNING_RATE, diffusion=DIFFUSION, form=time or form))

    def formula(part: str, eigenvalues: FloatArray, k: int) -> float:
        if part == "diffusion":
            return float(canonical_diffusion(eigenvalues)[k] ** 2 * speed)
        return float(canonical_drift(eigenvalues, m=M, form=form)[k] * speed)

    return formula


THEOREM_6_7 = Claim(
    id="theorem-6.7",
    statement="Theorem 6.7",
    title="Motion of the eigenvalues without a gradient",
    printed_formula="dλ_k = (ηD(m − n + 3) + 2ηD Σ_{j≠k} λ_k/(λ_k − λ_j)) dt + 2√(2ηDλ_k) dβ_k",
    exact_formula="dλ_k = 2ηD (m + Σ_{j≠k} (λ_k + λ_j)/(λ_k − λ_j)) dt + 2√(2ηDλ_k) dβ_k",
    reference="Bru, Wishart processes (1991)",
    method=f"{2 * DRAWS:,} small steps of W with antithetic noise, {M}x{N}, ∇L = 0",
    finding="The diffusion is right. The drift inherits the Laplacian of Lemma 6.5, with half of the true "
    "repulsion; summed over k it should be 2ηDmn, the growth of |W|².",
    measure=measure_motion,
    printed=motion_of("as_printed"),
    exact=motion_of("exact"),
)

THEOREM_6_7_CANONICAL = Claim(
    id="theorem-6.7-canonical",
    statement="Theorem 6.7",
    title="Canonical form and its time",
    printed_formula="dY_k = ((m − n + 3)/2 + Σ_{j≠k} Y_k/(Y_k − Y_j)) ds + 2√Y_k dB_k, s = t/(2ηD)",
    exact_formula="dY_k = (m + Σ_{j≠k} (Y_k + Y_j)/(Y_k − Y_j)) ds + 2√Y_k dB_k, s = 2ηDt",
    reference="Bru, Wishart processes (1991)",
    method=f"{2 * DRAWS:,} small steps of W with antithetic noise, {M}x{N}, ∇L = 0, "
    f"2ηD = {2 * LEARNING_RATE * DIFFUSION:g}",
    finding="The time is upside down: more noise must make the clock run faster. With s = 2ηDt the printed "
    "dλ_k turns into the printed dY_k, whose drift remains wrong. The process is the Wishart process, "
    "Dyson's for singular values.",
    measure=measure_motion,
    printed=canonical_motion_of("as_printed"),
    exact=canonical_motion_of("exact"),
)
