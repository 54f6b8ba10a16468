"""Proposition 6.9: the stochastic term solved for. Axis: eigenvalues of W^T W, unscaled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from sigmascope.theory.claims.claim import Claim, Formula, Laboratory, Measurement
from sigmascope.theory.claims.singular_values import (
    DIFFUSION,
    LEARNING_RATE,
    M,
    N,
    mean_and_error,
    singular_values_of,
    spaced_matrix,
)
from sigmascope.theory.ito import Form
from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.stochastic_parts import stochastic_term

DRAWS = 60_000
# noise per entry: large enough to see the drift beside it, small against the gaps
SCALE = 0.02
DT = SCALE**2 / (2 * LEARNING_RATE * DIFFUSION)


@dataclass(frozen=True)
class Steps:
    """One step of W, many times: eigenvalues before and after (draws, 2, n), and u_k^T grad L v_k (n,)."""

    eigenvalues: FloatArray
    gradient: FloatArray


Solver = Callable[[Steps], FloatArray]


def measure_increment(lab: Laboratory) -> Iterator[Measurement]:
    """Mean and mean square of the increment u_k^T dB v_k that drove W, over sqrt(dt); a quadratic loss pulls.

    The noise is known here, and solved for nowhere.
    """
    W, target = spaced_matrix(lab.rng), lab.rng.standard_normal((M, N))
    U, values, Vt = np.linalg.svd(W, full_matrices=False)
    gradient = 3.0 * (W - target)
    noise = lab.rng.standard_normal((DRAWS, M, N))
    after = singular_values_of(W - LEARNING_RATE * gradient * DT + SCALE * noise) ** 2
    eigenvalues = np.stack([np.broadcast_to(values**2, after.shape), after], axis=1)
    along = np.einsum("ik,ij,kj->k", U, gradient, Vt)
    increments = np.einsum("ik,dij,kj->dk", U, noise, Vt)
    seen = {"steps": Steps(eigenvalues, along)}
    for name, power in (("mean", 1), ("mean square", 2)):
        value, error = mean_and_error(increments**power)
        for k in range(N):
            label = f"{name} of dβ_{k + 1}/√dt"
            yield Measurement(label, float(value[k]), float(error[k]), {"power": power, "k": k, **seen})


def moment_of(solve: Solver) -> Formula:
    """The moment of what ``solve`` makes of the eigenvalues: increments over sqrt(dt), (draws, n)."""

    def formula(power: int, k: int, steps: Steps) -> float:
        return float((solve(steps)[:, k] ** power).mean())

    return formula


def solver(form: Form) -> Solver:
    """beta_k of the library; as printed it is a rate, whose increment is that times dt."""
    unit = np.sqrt(DT) if form == "as_printed" else 1 / np.sqrt(DT)

    def solve(steps: Steps) -> FloatArray:
        term = stochastic_term(
            steps.eigenvalues,
            m=M,
            learning_rate=LEARNING_RATE,
            diffusion=DIFFUSION,
            gradient=steps.gradient,
            dt=DT,
            form=form,
        )
        return np.asarray(term.beta[:, 0] * unit)

    return solve


PROPOSITION_6_9 = Claim(
    id="proposition-6.9",
    statement="Proposition 6.9",
    title="The stochastic term, solved for",
    printed_formula="β_k = (∂λ_k/∂t + √η λ_k ∂L/∂W − Σ_{j≠k} λ_k/(λ_k − λ_j))/√(ηλ_k)",
    exact_formula="dβ_k = (dλ_k − [2ηD(m + Σ_{j≠k} (λ_k + λ_j)/(λ_k − λ_j)) − 2ησ_k u_kᵀ(∇L)v_k] dt)"
    "/(2√(2ηDλ_k))",
    reference="Theorem 6.7 in its exact form, solved for dβ_k",
    method=f"{DRAWS:,} small steps of W with known noise and a quadratic loss, {M}x{N}: mean and mean square "
    "of u_kᵀ dB v_k; printed: with u_kᵀ(∇L)v_k for ∂L/∂W, and β_k dt for the increment",
    finding="A step can be solved for its noise, with the drift of the exact equation. The printed one has "
    "neither D nor m in it and leaves out factors of 2ηD and √λ_k: what it returns is of another size, and "
    "not free of the repulsion it was to remove.",
    measure=measure_increment,
    printed=moment_of(solver("as_printed")),
    exact=moment_of(solver("exact")),
)
