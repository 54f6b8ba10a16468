"""Algorithm 1: its rule for singular vectors, and what it tracks. Axis: singular values and vectors of W."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce

import numpy as np

from sigmascope.theory.claims.bootstrap import Triplets, algorithm_1
from sigmascope.theory.claims.claim import Claim, Formula, Laboratory, Measurement
from sigmascope.theory.claims.singular_values import M, N, mean_and_error, singular_values_of, spaced_matrix
from sigmascope.theory.ito import Form
from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.perturbation import vector_change

FINE = 1e-5
TRACK_M, TRACK_N, TRACKED, STEPS, RUNS = 40, 30, 4, 150, 8
LEARNING_RATE, NOISE = 0.03, 0.3
# what the loss wants of W beyond its start: directions of its own, stronger than the edge of the noise
SPIKES = (4.0, 3.0)
OVERSAMPLE = 4


def vectors_beside(W: FloatArray, U: FloatArray, Vt: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Singular vectors of W as columns, with signs that agree with those given."""
    left, _, right = np.linalg.svd(W, full_matrices=False)
    sign = np.sign((left * U).sum(axis=0))
    return left * sign, right.T * sign


def slope_of_vectors(W: FloatArray, G: FloatArray, step: float) -> tuple[FloatArray, FloatArray]:
    """Slopes in t of the vectors of W + t G at t = 0, for U and V, by central differences."""
    U, _, Vt = np.linalg.svd(W, full_matrices=False)
    ahead, behind = vectors_beside(W + step * G, U, Vt), vectors_beside(W - step * G, U, Vt)
    return (ahead[0] - behind[0]) / (2 * step), (ahead[1] - behind[1]) / (2 * step)


def measure_vectors(lab: Laboratory) -> Iterator[Measurement]:
    """Change of each singular vector along a random direction, by central differences; two step sizes."""
    W, G = spaced_matrix(lab.rng), lab.rng.standard_normal((M, N))
    fine, coarse = slope_of_vectors(W, G, FINE), slope_of_vectors(W, G, 2 * FINE)
    U, values, Vt = np.linalg.svd(W, full_matrices=False)
    for side, name, size in ((0, "u", M), (1, "v", N)):
        along = lab.rng.standard_normal(size)
        for i in range(N):
            value, other = float(along @ fine[side][:, i]), float(along @ coarse[side][:, i])
            seen = {"G": G, "triplets": Triplets(U, values, Vt.T), "side": side, "i": i, "along": along}
            label = f"change of {name}_{i + 1} along a direction"
            # rounding of the vectors, over the step
            yield Measurement(label, value, abs(value - other) + 1e-9, seen)


def change_of(form: Form) -> Formula:
    """Line 9, or first-order perturbation."""

    def formula(G: FloatArray, triplets: Triplets, side: int, i: int, along: FloatArray) -> float:
        changes = vector_change(G, U=triplets.U, singular_values=triplets.sigma, V=triplets.V, form=form)
        return float(along @ changes[side][:, i])

    return formula


@dataclass(frozen=True)
class Trained:
    """Weights at the start and every change after it, of ``RUNS`` runs: (m, n) and (runs, steps, m, n)."""

    start: FloatArray
    changes: FloatArray


def train(rng: np.random.Generator) -> Trained:
    """Noisy descent on |W - W*|^2 / 2, where W* is W_0 plus strong directions that W_0 knows nothing of."""
    start = rng.standard_normal((TRACK_M, TRACK_N)) / np.sqrt(TRACK_N)
    left = np.linalg.qr(rng.standard_normal((TRACK_M, len(SPIKES))))[0]
    right = np.linalg.qr(rng.standard_normal((TRACK_N, len(SPIKES))))[0]
    target = start + (left * SPIKES) @ right.T
    changes = np.empty((RUNS, STEPS, TRACK_M, TRACK_N))
    W = np.repeat(start[None], RUNS, axis=0)
    for step in range(STEPS):
        noise = NOISE * rng.standard_normal(W.shape)
        changes[:, step] = -LEARNING_RATE * (W - target + noise)
        W += changes[:, step]
    return Trained(start, changes)


def measure_tracking(lab: Laboratory) -> Iterator[Measurement]:
    """The leading singular values after the last step, mean over the runs."""
    seen = train(lab.rng)
    value, error = mean_and_error(singular_values_of(seen.start + seen.changes.sum(axis=1)))
    for k in range(TRACKED):
        label = f"σ_{k + 1} after {STEPS} steps, {TRACK_M}x{TRACK_N}"
        yield Measurement(label, float(value[k]), float(error[k]), {"seen": seen, "k": k})


def bootstrapped(seen: Trained, k: int) -> float:
    """Algorithm 1, run by run."""
    start = Triplets.of(seen.start, TRACKED)
    ends = [np.sort(reduce(algorithm_1, changes, start).sigma)[::-1] for changes in seen.changes]
    return float(np.mean(ends, axis=0)[k])


def subspace(seen: Trained, k: int) -> float:
    """Block power step and Rayleigh-Ritz values on W_0 plus the changes so far, begun anew from the last."""
    ends = []
    for changes in seen.changes:
        W, V = seen.start.copy(), Triplets.of(seen.start, TRACKED + OVERSAMPLE).V
        for G in changes:
            W += G
            V = np.linalg.qr(W.T @ (W @ V))[0]
        ends.append(singular_values_of(W @ V))
    return float(np.mean(ends, axis=0)[k])


ALGORITHM_1 = Claim(
    id="algorithm-1",
    statement="Algorithm 1",
    title="First-order change of singular vectors (line 9)",
    printed_formula="du_i, dv_i = Σ_{j≠i} (M_ji/(σ_i − σ_j + ε) + M_ij/(σ_i + σ_j + ε)) (u_j, v_j), M = UᵀGV",
    exact_formula="du_i = Σ_{j≠i} (σ_i M_ji + σ_j M_ij)/(σ_i² − σ_j²) u_j + (I − UUᵀ)Gv_i/σ_i; "
    "dv_i with Mᵀ, Gᵀ",
    reference="first-order perturbation of [[0, W], [Wᵀ, 0]]; Stewart & Sun (1990)",
    method=f"central differences of all singular vectors along a random G, {M}x{N} Gaussian W, "
    "two step sizes",
    finding="Left and right vectors turn differently, by "
    "½[(M_ji + M_ij)/(σ_i − σ_j) ± (M_ji − M_ij)/(σ_i + σ_j)]. The printed rule turns both by one set of "
    "coefficients and leaves out what lies outside the span.",
    measure=measure_vectors,
    printed=change_of("as_printed"),
    exact=change_of("exact"),
)

ALGORITHM_1_TRACKING = Claim(
    id="algorithm-1-tracking",
    statement="Algorithm 1",
    title="Leading singular values from the gradients of every batch",
    printed_formula="σ_i ← σ_i + u_iᵀGv_i, with U and V moved by line 9 and orthonormalised",
    exact_formula="σ of W₀ + ΣG by a warm-started block power step, V ← orth(WᵀWV), and the values of WV",
    reference="Saad, Numerical Methods for Large Eigenvalue Problems (2011), chapter 5",
    method=f"{RUNS} noisy descents of {STEPS} steps, {TRACK_M}x{TRACK_N}, on a loss that asks for two "
    f"directions new to W; the {TRACKED} leading values of the last W by an SVD",
    finding="The spans of U and V stay where W₀ had them, so that a direction that grows from outside is "
    "never seen; exact coefficients in line 9 alone do not change that. With W in memory and "
    f"{OVERSAMPLE} vectors more than values, one power step a batch follows it.",
    measure=measure_tracking,
    printed=bootstrapped,
    exact=subspace,
)
