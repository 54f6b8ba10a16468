"""Theorem 3.2 and Proposition 6.8: stationary laws under a linear restoring force.

Axes: lambda = sigma^2, an eigenvalue of W^T W, in Proposition 6.8 and for the tail; singular values of W in
Theorem 3.2. The force -beta1 lambda dt on eigenvalues is -(beta1 / 2) W dt on W.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sigmascope.theory.claims.claim import Claim, Laboratory, Measurement
from sigmascope.theory.ensembles import ornstein_uhlenbeck
from sigmascope.theory.laws import StationaryGamma, marchenko_pastur_singular
from sigmascope.theory.laws.law import FloatArray, on_singular_value_axis

LEARNING_RATE, DIFFUSION, BETA1 = 0.1, 1.0, 0.3
STRENGTH = LEARNING_RATE * DIFFUSION
# m - n + 3 of Proposition 6.8's alpha0, hence shapes 3/4 and 5/2
SURPLUSES = (3, 10)
PATHS = 100_000
# in units of 1 / beta1: long enough to forget the start, then ever shorter, because near 0, where the noise
# of a step is large against lambda, the law is as fine as the last steps are
STEPS = (*np.full(120, 0.05), *np.geomspace(0.05, 0.0003, 60))
QUANTILES = (0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98)
ONE_M, ONE_PATHS = 8, 60_000
MANY_M, MANY_N, MANY_PATHS = 240, 120, 40
TAIL_SURPLUS, TAIL_PATHS = 10, 300_000
# brackets of lambda, in units of the mean, each half as long again at its end
TAIL_STARTS = (1.0, 1.5, 2.0, 2.5, 3.0)
TAIL_RATIO = 1.5


def one_particle(rng: np.random.Generator, *, alpha0: float, paths: int) -> FloatArray:
    """Stationary draws of dlambda = (alpha0 - beta1 lambda) dt + sqrt(8 eta D lambda) dW, (paths,).

    Ninomiya and Victoir's splitting, of weak order 2: half a step along the drift, in Stratonovich's sense,
    the noise alone, half a step of drift, each of them solved exactly. From the fixed point of the drift.
    """
    values = np.full(paths, alpha0 / BETA1)
    for step in STEPS:
        half = np.exp(-step / 2)
        rest = (alpha0 - 2 * STRENGTH) / BETA1 * (1 - half)
        noise = np.sqrt(2 * STRENGTH * step / BETA1)
        values = values * half + rest
        values = (np.sqrt(values) + noise * rng.standard_normal(paths)) ** 2
        values = values * half + rest
    return values


def share_below(draws: FloatArray, x: float) -> tuple[float, float]:
    """P(draw <= x) and its error."""
    share = float(np.mean(draws <= x))
    return share, float(np.sqrt(share * (1 - share) / draws.size))


def measure_one_particle(lab: Laboratory) -> Iterator[Measurement]:
    """P(lambda <= x) at quantiles of another run of the equation, for two alpha0."""
    for surplus in SURPLUSES:
        alpha0 = STRENGTH * surplus
        points = np.quantile(one_particle(lab.rng, alpha0=alpha0, paths=PATHS // 20), QUANTILES)
        draws = one_particle(lab.rng, alpha0=alpha0, paths=PATHS)
        for x in points:
            label = f"P(λ ≤ {x:.3g}), α₀ = {surplus} ηD"
            yield Measurement(label, *share_below(draws, x), {"x": float(x), "alpha0": alpha0})


def gamma_cdf(x: float, alpha0: float) -> float:
    """Gamma of shape alpha0 / (4 eta D) and rate beta1 / (4 eta D)."""
    return float(StationaryGamma(alpha0 / (4 * STRENGTH), BETA1 / (4 * STRENGTH)).cdf(x))


def stationary_values(rng: np.random.Generator, m: int, n: int, paths: int) -> FloatArray:
    """Singular values of W long after W = 0, (paths, n): dW = -(beta1 / 2) W dt + sqrt(2 eta D) dB."""
    snapshots = ornstein_uhlenbeck(
        np.zeros((m, n)),
        learning_rate=LEARNING_RATE,
        diffusion=DIFFUSION,
        restoring_rate=BETA1 / 2,
        steps=16,
        every=16,
        dt=2.0 / BETA1,
        paths=paths,
        rng=rng,
    )
    *_, last = snapshots
    return last.singular_values


def measure_vector(lab: Laboratory) -> Iterator[Measurement]:
    """P(sigma <= x) of W with one column, at quantiles of another run."""
    points = np.quantile(stationary_values(lab.rng, ONE_M, 1, ONE_PATHS // 20), QUANTILES)
    draws = stationary_values(lab.rng, ONE_M, 1, ONE_PATHS)
    for x in points:
        label = f"P(σ ≤ {x:.3g}), {ONE_M}x1"
        yield Measurement(label, *share_below(draws, x), {"x": float(x), "m": ONE_M, "n": 1})


def measure_matrix(lab: Laboratory) -> Iterator[Measurement]:
    """Share of the singular values of W below the quantiles of another run; error over matrices."""
    points = np.quantile(stationary_values(lab.rng, MANY_M, MANY_N, 2), QUANTILES)
    draws = stationary_values(lab.rng, MANY_M, MANY_N, MANY_PATHS)
    shares = (draws[:, :, None] <= points).mean(axis=1)
    # the variance of such counts hardly depends on the point: pooled, it is known well
    error = float(np.sqrt(shares.var(axis=0, ddof=1).mean() / MANY_PATHS))
    for x, share in zip(points, shares.mean(axis=0), strict=True):
        label = f"share of σ ≤ {x:.3g}, {MANY_M}x{MANY_N}"
        yield Measurement(label, float(share), error, {"x": float(x), "m": MANY_M, "n": MANY_N})


def printed_cdf(x: float, m: int, n: int) -> float:
    """Integral of the printed density of sigma."""
    law = StationaryGamma.as_printed(m=m, n=n, beta1=BETA1, learning_rate=LEARNING_RATE, D=DIFFUSION)
    return float(on_singular_value_axis(law).cdf(x))


def one_particle_cdf(x: float, m: int, n: int) -> float:
    """sigma^2 gamma with shape m / 2; n = 1 alone."""
    del n
    law = StationaryGamma.exact_one_particle(m=m, beta1=BETA1, learning_rate=LEARNING_RATE, D=DIFFUSION)
    return float(on_singular_value_axis(law).cdf(x))


def marchenko_pastur_cdf(x: float, m: int, n: int) -> float:
    """Marchenko-Pastur with entry variance 2 eta D / beta1, and its next order in 1 / n inside the bulk.

    At the angle theta, sigma^2 / (m s^2) = 1 + q + 2 sqrt(q) cos theta, that is (theta / pi - 1/2) / (2 n).
    """
    variance, q = 2 * STRENGTH / BETA1, n / m
    law = marchenko_pastur_singular(m, n, entry_variance=variance)
    cosine = (x**2 / (m * variance) - 1 - q) / (2 * np.sqrt(q))
    return float(law.cdf(x) + (np.arccos(np.clip(cosine, -1, 1)) / np.pi - 0.5) / (2 * n))


def local_exponents(draws: FloatArray) -> list[tuple[float, float]]:
    """log(P(> u) / P(> 1.5 u)) / log 1.5 and its error, for u from the mean outwards.

    For a power law P(> x) ~ x^-a this is a, wherever it holds.
    """
    seen = []
    for start in np.array(TAIL_STARTS) * draws.mean():
        above = int(np.sum(draws > start))
        beyond = int(np.sum(draws > TAIL_RATIO * start))
        # given ``above``, ``beyond`` is binomial
        error = np.sqrt(1 / beyond - 1 / above)
        seen.append((np.log(above / beyond) / np.log(TAIL_RATIO), error / np.log(TAIL_RATIO)))
    return seen


def tail_of(draws: FloatArray) -> Iterator[Measurement]:
    """The exponent of each bracket; that of the first is what a power law expects in the others."""
    (first, first_error), *others = local_exponents(draws)
    for start, (exponent, error) in zip(TAIL_STARTS[1:], others, strict=True):
        yield Measurement(
            f"exponent of P(λ > x) between {start:g} and {TAIL_RATIO * start:g} times the mean",
            float(exponent),
            float(np.hypot(error, first_error)),
            {"first": float(first), "x": float(start * draws.mean())},
        )


def measure_tail(lab: Laboratory) -> Iterator[Measurement]:
    """The tail of the equation from which Theorem 3.2 derives its density."""
    yield from tail_of(one_particle(lab.rng, alpha0=STRENGTH * TAIL_SURPLUS, paths=TAIL_PATHS))


def power_law(first: float, x: float) -> float:
    """One exponent throughout."""
    del x
    return first


def gamma_tail(first: float, x: float) -> float:
    """From the printed density itself."""
    del first
    law = StationaryGamma(TAIL_SURPLUS / 4, BETA1 / (4 * STRENGTH))
    return float(np.log(law.sf(x) / law.sf(TAIL_RATIO * x)) / np.log(TAIL_RATIO))


THEOREM_3_2 = Claim(
    id="theorem-3.2",
    statement="Theorem 3.2",
    title="Stationary law of one singular value",
    printed_formula="σ² is gamma with shape (m − n + 3)/4 and rate β₁/(4ηD)",
    exact_formula="n = 1: σ² is gamma with shape m/2 and rate β₁/(4ηD)",
    reference="W is then m independent Ornstein-Uhlenbeck entries of variance 2ηD/β₁",
    method=f"{ONE_PATHS:,} vectors W, {ONE_M}x1, long after W = 0 under dW = −(β₁/2)W dt + √(2ηD) dB",
    finding="Family and rate are right for one particle, the shape is not: its α₀ comes from the drift of "
    "Theorem 6.7, ηD(m − n + 3) in place of 2ηDm.",
    measure=measure_vector,
    printed=printed_cdf,
    exact=one_particle_cdf,
)

THEOREM_3_2_INTERACTING = Claim(
    id="theorem-3.2-interacting",
    statement="Theorem 3.2",
    title="Stationary law of all singular values",
    printed_formula=THEOREM_3_2.printed_formula,
    exact_formula="W has independent entries N(0, 2ηD/β₁): σ²/m follows Marchenko-Pastur with q = n/m, "
    "up to O(1/n)",
    reference="Ornstein-Uhlenbeck process; Marchenko & Pastur (1967)",
    method=f"{MANY_PATHS} matrices W, {MANY_M}x{MANY_N}, long after W = 0 under dW = −(β₁/2)W dt + √(2ηD) dB",
    finding="Under the same restoring force singular values that repel each other are spread as those of a "
    "random matrix. Without their repulsion the law of each one is too narrow and in the wrong place: a "
    "linear force keeps the bulk and makes no tail.",
    measure=measure_matrix,
    printed=printed_cdf,
    exact=marchenko_pastur_cdf,
)

THEOREM_3_2_TAIL = Claim(
    id="theorem-3.2-tail",
    statement="Theorem 3.2",
    title="Tail of the gamma law",
    printed_formula="power-law tail: P(λ > x) ∝ x^(−a) for large x",
    exact_formula="P(λ > x) = Γ(s, rx)/Γ(s), s = α₀/(4ηD), r = β₁/(4ηD): exponential in λ, Gaussian in σ",
    reference="the printed density, integrated",
    method=f"{TAIL_PATHS:,} paths of Proposition 6.8's equation, α₀ = {TAIL_SURPLUS} ηD: local exponents of "
    f"P(λ > x) over brackets [u, {TAIL_RATIO}u], with that of the first for a",
    finding="The density has no power-law tail: the local exponent grows in proportion to λ. It is "
    "a power of σ near 0, not far out.",
    measure=measure_tail,
    printed=power_law,
    exact=gamma_tail,
)

PROPOSITION_6_8 = Claim(
    id="proposition-6.8",
    statement="Proposition 6.8",
    title="Stationary density of the one-particle equation",
    printed_formula="p(λ) ∝ λ^(α₀/(4ηD) − 1) exp(−β₁λ/(4ηD))",
    exact_formula="p(λ) ∝ λ^(α₀/(4ηD) − 1) exp(−β₁λ/(4ηD))",
    reference="Cox, Ingersoll & Ross (1985)",
    method=f"{PATHS:,} paths of dλ = (α₀ − β₁λ)dt + √(8ηDλ) dW by a splitting of weak order 2, two α₀",
    finding="The equation has this law. That its α₀ should be ηD(m − n + 3) is another matter: Theorem 3.2.",
    measure=measure_one_particle,
    printed=gamma_cdf,
    exact=gamma_cdf,
)
