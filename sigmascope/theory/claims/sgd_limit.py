"""Theorem 6.4: mini-batch SGD and the Ito equation that takes its place. Axis: entries of W."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from sigmascope.theory.claims.claim import Claim, Laboratory, Measurement
from sigmascope.theory.claims.estimators import batches
from sigmascope.theory.claims.singular_values import mean_and_error
from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.noise import diffusion

SAMPLES, BATCH, PATHS = 8, 2, 1_000_000
CURVATURE, HORIZON = 1.0, 1.0
RATES = (0.2, 0.1, 0.05, 0.025)
START = 1.0
LAYER_SAMPLES, LAYER_BATCH, LAYER_DRAWS = 64, 8, 30_000
LAYER_M, LAYER_N = 4, 3


def every_batch(gradients: FloatArray, batch_size: int) -> FloatArray:
    """The mean of every mini-batch that can be drawn without replacement."""
    chosen = np.array(list(combinations(range(len(gradients)), batch_size)))
    return np.asarray(gradients[chosen].mean(axis=1))


def measure_limit(lab: Laboratory) -> Iterator[Measurement]:
    """E w^2 / eta after a fixed time eta t, for several eta; loss h w^2 / 2 plus a linear term a sample.

    In units of sqrt(eta) both the start and the noise keep their size as eta -> 0. Eight samples of an
    exponential law make the noise of a batch skewed and discrete: far from Gaussian.
    """
    gradients = lab.rng.exponential(size=SAMPLES)
    noise = every_batch(gradients - gradients.mean(), BATCH)
    for rate in RATES:
        steps = round(HORIZON / rate)
        w = np.full(PATHS, START * np.sqrt(rate))
        for _ in range(steps):
            w -= rate * (CURVATURE * w + noise[lab.rng.integers(len(noise), size=PATHS)])
        value, error = mean_and_error(w**2 / rate)
        yield Measurement(
            f"E w²/η at ηt = {HORIZON:g}, η = {rate}",
            float(value),
            float(error),
            {"rate": rate, "steps": steps, "variance": float(gradients.var(ddof=1))},
            size=1 / rate,
        )


def printed_limit(rate: float, steps: int, variance: float) -> float:
    """Of the Ornstein-Uhlenbeck process dw = -eta h w dt + sqrt(2 eta D) dB at t = steps."""
    D = diffusion(variance, learning_rate=rate, batch_size=BATCH, samples=SAMPLES)
    kept = np.exp(-2 * rate * CURVATURE * steps)
    return float(START**2 * kept + D / CURVATURE * (1 - kept) / rate)


def exact_limit(rate: float, steps: int, variance: float) -> float:
    """Of the recursion w <- (1 - eta h) w + noise of variance 2 eta D."""
    D = diffusion(variance, learning_rate=rate, batch_size=BATCH, samples=SAMPLES)
    factor = (1 - rate * CURVATURE) ** 2
    kept = factor**steps
    return float(START**2 * kept + 2 * D * (1 - kept) / (1 - factor))


def layer_gradients(rng: np.random.Generator) -> FloatArray:
    """Per-sample gradients delta_i x_i^T of a linear layer with inputs of unequal size, (samples, m, n)."""
    delta = rng.standard_normal((LAYER_SAMPLES, LAYER_M)) * np.geomspace(1.0, 0.3, LAYER_M)
    x = rng.standard_normal((LAYER_SAMPLES, LAYER_N)) * np.geomspace(1.0, 0.3, LAYER_N)
    return np.asarray(delta[:, :, None] * x[:, None, :])


def measure_noise(lab: Laboratory) -> Iterator[Measurement]:
    """Variance of single entries of W's mini-batch gradient over many batches of one population."""
    gradients = layer_gradients(lab.rng)
    centered = gradients - gradients.mean(axis=0)
    drawn = batches(lab.rng, LAYER_DRAWS, samples=LAYER_SAMPLES, batch_size=LAYER_BATCH)
    counts = np.zeros((LAYER_DRAWS, LAYER_SAMPLES))
    np.put_along_axis(counts, drawn, 1 / LAYER_BATCH, axis=1)
    noise = counts @ centered.reshape(LAYER_SAMPLES, -1)
    value, error = mean_and_error(noise**2)
    for entry in range(0, LAYER_M * LAYER_N, 2):
        row, column = divmod(entry, LAYER_N)
        label = f"noise variance of ∂L/∂W, entry ({row + 1}, {column + 1})"
        seen = {"gradients": gradients, "row": row, "column": column}
        yield Measurement(label, float(value[entry]), float(error[entry]), seen)


def isotropic(gradients: FloatArray, row: int, column: int) -> float:
    """2 D / eta with one D for all entries, from the mean of their variances."""
    del row, column
    variance = float(gradients.var(axis=0, ddof=1).mean())
    return 2 * diffusion(variance, learning_rate=1.0, batch_size=LAYER_BATCH, samples=LAYER_SAMPLES)


def anisotropic(gradients: FloatArray, row: int, column: int) -> float:
    """2 D / eta of this entry."""
    variance = float(gradients[:, row, column].var(ddof=1))
    return 2 * diffusion(variance, learning_rate=1.0, batch_size=LAYER_BATCH, samples=LAYER_SAMPLES)


THEOREM_6_4 = Claim(
    id="theorem-6.4",
    statement="Theorem 6.4",
    title="SGD as an Itô equation",
    printed_formula="W(t + Δt) − W(t) = −η∇L + √(2ηD) ξ becomes dW = −η∇L dt + √(2ηD) dB",
    exact_formula="for L = hw²/2: E w² = (1 − ηh)^(2t) w₀² + 2ηD (1 − (1 − ηh)^(2t))/(1 − (1 − ηh)²), "
    "D = ηC(1 − B/N)/(2B)",
    reference="the recursion itself; Li, Tai & E, Stochastic modified equations (2017), for the order",
    method=f"{PATHS:,} SGD paths to ηt = {HORIZON:g} for η = {', '.join(str(rate) for rate in RATES)}; "
    f"batches of {BATCH} of {SAMPLES} samples of a skewed law, without replacement",
    finding="The equation is the limit η → 0 at fixed ηt, with Δt = 1 a step: its second moment is off by a "
    "term linear in η, and the noise need not be Gaussian. D is not a constant of that limit but "
    "proportional to η. At fixed η and Δt → 0, as displayed, there is no limit.",
    measure=measure_limit,
    printed=printed_limit,
    exact=exact_limit,
    order=1.0,
)

THEOREM_6_4_ISOTROPY = Claim(
    id="theorem-6.4-isotropy",
    statement="Theorem 6.4",
    title="Mini-batch noise with one D for all entries",
    printed_formula="covariance of the noise of ∇L: (2D/η) I",
    exact_formula="(1/B)(1 − B/N) Cov(δ xᵀ), the covariance of the per-sample gradients",
    reference="Corollary 6.2; Cochran, Sampling Techniques (1977), theorem 2.2",
    method=f"{LAYER_DRAWS:,} batches of {LAYER_BATCH} of {LAYER_SAMPLES} samples of a linear layer, "
    f"{LAYER_M}x{LAYER_N}, inputs and errors of unequal size",
    finding="Sampling does not make noise isotropic: each entry has the variance of its per-sample "
    "gradients. One D is their average, an idealisation that the paper names as such; Proposition 6.17 goes "
    "without it.",
    measure=measure_noise,
    printed=isotropic,
    exact=anisotropic,
)
