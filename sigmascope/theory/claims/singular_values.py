"""Lemma 6.5 and Theorems 6.6 and 3.1: how one singular value of W moves. Axis: singular values of W."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from sigmascope.theory.claims.claim import Claim, Formula, Laboratory, Measurement
from sigmascope.theory.ito import Form, laplacian, singular_value_diffusion, singular_value_drift
from sigmascope.theory.laws.law import FloatArray

M, N = 12, 6
LEARNING_RATE, DIFFUSION = 0.1, 1.0
DRAWS = 50_000
# noise per entry in one small step: far below the gaps, so that terms of fourth order stay unseen
SCALE = 0.003


def singular_values_of(W: FloatArray) -> FloatArray:
    """Singular values of a stack of matrices, descending."""
    return np.asarray(np.linalg.svd(W, compute_uv=False))


def spaced_matrix(rng: np.random.Generator) -> FloatArray:
    """A Gaussian 12 x 6 matrix whose neighbouring singular values are a tenth apart or more.

    Derivatives diverge at collisions; finite steps must stay clear of them.
    """
    while True:
        W = rng.standard_normal((M, N))
        values = singular_values_of(W)
        if np.min(-np.diff(values)) > 0.1 and values[-1] > 0.3:
            return W


def second_differences(W: FloatArray, step: float) -> FloatArray:
    """Sum over the entries of W of d^2 sigma_k / dW_ij^2, (n,), by central differences of fourth order."""
    directions = step * np.eye(W.size).reshape(W.size, *W.shape)
    near = singular_values_of(W + directions) + singular_values_of(W - directions)
    far = singular_values_of(W + 2 * directions) + singular_values_of(W - 2 * directions)
    at = singular_values_of(W)
    return np.asarray(((16 * near - far - 30 * at) / (12 * step**2)).sum(axis=0))


def measure_laplacian(lab: Laboratory) -> Iterator[Measurement]:
    """The Laplacian of each singular value by finite differences; its error from a second step size."""
    W = spaced_matrix(lab.rng)
    values = singular_values_of(W)
    fine, coarse = second_differences(W, 1e-3), second_differences(W, 2e-3)
    for k in range(N):
        yield Measurement(
            f"Laplacian of σ_{k + 1}, {M}x{N}",
            float(fine[k]),
            float(abs(fine[k] - coarse[k])) + 1e-8,
            {"values": values, "k": k},
        )


def laplacian_of(form: Form) -> Formula:
    """The formula of Lemma 6.5."""
    return lambda values, k: float(laplacian(values, m=M, form=form)[k])


def measure_gradient(lab: Laboratory) -> Iterator[Measurement]:
    """The slope of each singular value along a random direction, by central differences."""
    W, E = spaced_matrix(lab.rng), lab.rng.standard_normal((M, N))
    U, _, Vt = np.linalg.svd(W, full_matrices=False)

    def slope(step: float) -> FloatArray:
        return np.asarray((singular_values_of(W + step * E) - singular_values_of(W - step * E)) / (2 * step))

    fine, coarse = slope(1e-5), slope(2e-5)
    for k in range(N):
        yield Measurement(
            f"slope of σ_{k + 1} along a random direction E",
            float(fine[k]),
            float(abs(fine[k] - coarse[k])) + 1e-10,
            {"u": U[:, k], "v": Vt[k], "E": E},
        )


def slope_along(u: FloatArray, v: FloatArray, E: FloatArray) -> float:
    """<u v^T, E>."""
    return float(u @ E @ v)


def small_steps(lab: Laboratory, W: FloatArray, A: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Changes of the singular values when W moves by A + noise of ``SCALE``: even and odd part, (draws, n).

    Each draw of the noise is used with both signs. The even part holds the drift alone, without the noise of
    first order that would drown it; the odd part holds the diffusion.
    """
    noise = SCALE * lab.rng.standard_normal((DRAWS, M, N))
    plus, minus = singular_values_of(W + A + noise), singular_values_of(W + A - noise)
    return np.asarray((plus + minus) / 2 - singular_values_of(W)), np.asarray((plus - minus) / 2)


def mean_and_error(draws: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean over independent draws (first axis) and its standard error."""
    return np.asarray(draws.mean(axis=0)), np.asarray(draws.std(axis=0, ddof=1) / np.sqrt(len(draws)))


def measure_motion(lab: Laboratory) -> Iterator[Measurement]:
    """Drift and diffusion per unit time of each singular value, with a quadratic loss pulling on W."""
    W, target = spaced_matrix(lab.rng), lab.rng.standard_normal((M, N))
    U, values, Vt = np.linalg.svd(W, full_matrices=False)
    gradient = W - target  # of |W - target|^2 / 2
    dt = SCALE**2 / (2 * LEARNING_RATE * DIFFUSION)
    even, odd = small_steps(lab, W, -LEARNING_RATE * gradient * dt)
    drift, drift_error = mean_and_error(even / dt)
    spread, spread_error = mean_and_error(odd**2 / dt)
    along = np.einsum("ik,ij,kj->k", U, gradient, Vt)
    for k in range(N):
        seen = {"values": values, "gradient": along, "k": k}
        label = f"drift of σ_{k + 1}, {M}x{N}"
        yield Measurement(label, float(drift[k]), float(drift_error[k]), {"part": "drift", **seen})
    for k in range(N):
        label, seen = f"variance rate of σ_{k + 1}", {"values": values, "gradient": along, "k": k}
        yield Measurement(label, float(spread[k]), float(spread_error[k]), {"part": "diffusion", **seen})


def motion_of(form: Form) -> Formula:
    """Drift, or variance rate 2 eta D, of Theorems 3.1 and 6.6."""

    def formula(part: str, values: FloatArray, gradient: FloatArray, k: int) -> float:
        if part == "diffusion":
            return float(
                singular_value_diffusion(values, learning_rate=LEARNING_RATE, diffusion=DIFFUSION)[k] ** 2
            )
        drift = singular_value_drift(
            values, m=M, learning_rate=LEARNING_RATE, diffusion=DIFFUSION, gradient=gradient, form=form
        )
        return float(drift[k])

    return formula


LEMMA_6_5_GRADIENT = Claim(
    id="lemma-6.5-gradient",
    statement="Lemma 6.5",
    title="Gradient of a singular value",
    printed_formula="∇_W σ_k = u_k v_kᵀ",
    exact_formula="∇_W σ_k = u_k v_kᵀ",
    reference="Stewart & Sun, Matrix Perturbation Theory (1990)",
    method=f"central differences along a random direction, {M}x{N} Gaussian W",
    finding="The gradient is right, for every singular value that is not repeated.",
    measure=measure_gradient,
    printed=slope_along,
    exact=slope_along,
)

LEMMA_6_5 = Claim(
    id="lemma-6.5",
    statement="Lemma 6.5",
    title="Laplacian of a singular value",
    printed_formula="Δ_W σ_k = (m − n + 1)/(2σ_k) + Σ_{j≠k} σ_k/(σ_k² − σ_j²)",
    exact_formula="Δ_W σ_k = (m − n)/σ_k + 2 Σ_{j≠k} σ_k/(σ_k² − σ_j²)",
    reference="second-order perturbation of [[0, W], [Wᵀ, 0]]",
    method=f"central differences of fourth order over all {M * N} entries of a Gaussian W, two step sizes",
    finding="The printed repulsion is half of the true one, and its first term is (m − n + 1)/2 instead of "
    "m − n. For square W the printed first term does not vanish, as it must.",
    measure=measure_laplacian,
    printed=laplacian_of("as_printed"),
    exact=laplacian_of("exact"),
)

THEOREM_6_6 = Claim(
    id="theorem-6.6",
    statement="Theorem 6.6",
    title="Itô equation of a singular value",
    printed_formula="dσ_k = (tr((u_k v_kᵀ)ᵀ A) + ε Δ_W σ_k) dt + √(2ε) dβ_k, with Lemma 6.5's Laplacian",
    exact_formula="the same with the exact Laplacian",
    reference="Itô's lemma; Bru, Diffusions of perturbed principal component analysis (1989)",
    method=f"{2 * DRAWS:,} small steps of W with antithetic noise and a quadratic loss",
    finding="Form and diffusion are right; the drift inherits the error of Lemma 6.5.",
    measure=measure_motion,
    printed=motion_of("as_printed"),
    exact=motion_of("exact"),
)

THEOREM_3_1 = replace(
    THEOREM_6_6,
    id="theorem-3.1",
    statement="Theorem 3.1",
    title="Stochastic dynamics of singular values under SGD",
    printed_formula="dσ_k = [−η u_kᵀ(∇_W L)v_k + ηD((m − n + 1)/(2σ_k) + Σ_{j≠k} σ_k/(σ_k² − σ_j²))] dt "
    "+ √(2ηD) dβ_k",
    exact_formula="dσ_k = [−η u_kᵀ(∇_W L)v_k + ηD((m − n)/σ_k + 2 Σ_{j≠k} σ_k/(σ_k² − σ_j²))] dt "
    "+ √(2ηD) dβ_k",
    finding="Gradient term and diffusion are right. Singular values repel each other about twice as strongly "
    "as printed.",
)
