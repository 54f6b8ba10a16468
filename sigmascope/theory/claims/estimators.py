"""Lemmas 6.18 and 6.19: estimates of the diffusion D and of beta1. Axis: singular values and entries of W."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from sigmascope.theory.claims.claim import Claim, Laboratory, Measurement
from sigmascope.theory.claims.singular_values import mean_and_error, singular_values_of
from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.noise import beta1, diffusion, diffusion_as_printed, gradient_variance

M, N = 32, 24
LEARNING_RATE, STEPS, RUNS = 0.05, 50, 100
SAMPLES = 4096
# standard deviation of a per-sample gradient's entries, and batch size
NOISES = ((0.5, 512), (1.0, 2048), (1.0, 512), (2.0, 1024), (4.0, 512))
FEW, FEW_ENTRIES, DRAWN = 10, 12, 4
BATCHES = 40_000
RATE_M, RATE_N, RATE_SAMPLES, RATE_BATCH, RATE_RUNS, RATE_STEPS = 12, 6, 256, 16, 1000, 50
# learning rate, curvature of the loss, gradient noise
RATES = ((0.002, 1.0, 0.3), (0.002, 1.0, 1.0), (0.002, 1.0, 3.0), (0.002, 2.0, 1.0), (0.001, 1.0, 1.0))


def population(rng: np.random.Generator, samples: int, entries: int) -> FloatArray:
    """Per-sample gradients about their mean, (samples, entries): the full gradient is 0."""
    gradients = rng.standard_normal((samples, entries))
    return np.asarray(gradients - gradients.mean(axis=0))


def batches(rng: np.random.Generator, draws: int, *, samples: int, batch_size: int) -> NDArray[np.intp]:
    """Mini-batches drawn without replacement: indices, (draws, batch_size)."""
    keys = rng.random((draws, samples), dtype=np.float32)
    return np.argpartition(keys, batch_size - 1, axis=1)[:, :batch_size]


def displacements(rng: np.random.Generator, gradients: FloatArray, batch_size: int) -> FloatArray:
    """-eta times the sum of the mini-batch gradients of ``STEPS`` steps, for each run; (runs, m, n)."""
    samples = len(gradients)
    counts = np.empty((RUNS, samples))
    for row in counts:
        drawn = batches(rng, STEPS, samples=samples, batch_size=batch_size)
        row[:] = np.bincount(drawn.ravel(), minlength=samples)
    return np.asarray(-LEARNING_RATE * (counts @ gradients) / batch_size).reshape(RUNS, M, N)


@dataclass(frozen=True)
class Seen:
    """What an estimator of D may use: spectra after the last step (runs, n), and one batch of gradients."""

    spectra: FloatArray
    batch: FloatArray


def measure_diffusion(lab: Laboratory, *, start: float) -> Iterator[Measurement]:
    """D from the mean square displacement of W in SGD; W starts with standard deviation ``start``.

    The error covers the displacements of all runs and the variance over one mini-batch, from which the exact
    form estimates; that of the spread of the spectra is the printed form's own.
    """
    base = population(lab.rng, SAMPLES, M * N)
    for deviation, batch_size in NOISES:
        gradients = deviation * base
        moved = displacements(lab.rng, gradients, batch_size)
        W = start * lab.rng.standard_normal(moved.shape) + moved
        value, error = mean_and_error((moved**2).mean(axis=(1, 2)) / (2 * LEARNING_RATE * STEPS))
        spectra = singular_values_of(W)
        spread, spread_error = mean_and_error(spectra[:, 0] - np.median(spectra, axis=1))
        batch = gradients[batches(lab.rng, 1, samples=SAMPLES, batch_size=batch_size)[0]]
        # the relative error of a Gaussian variance
        variance_error = value * np.sqrt(2 / batch.size)
        yield Measurement(
            f"D from the displacement, gradient noise {deviation}, batch {batch_size}",
            float(value),
            float(np.hypot(error, variance_error)),
            {"seen": Seen(spectra, batch)},
            printed_error=float(2 * value * spread_error / spread),
        )


def printed_diffusion(seen: Seen) -> float:
    """(sigma_max - sigma_med)^2 / t_b, mean over the runs."""
    return float(np.mean([diffusion_as_printed(values, batches=STEPS) for values in seen.spectra]))


def exact_diffusion(seen: Seen) -> float:
    """From the gradients of one mini-batch."""
    batch_size, entries = seen.batch.shape
    variance = gradient_variance(
        float((seen.batch**2).sum()),
        float((seen.batch.mean(axis=0) ** 2).sum()),
        entries=entries,
        batch_size=batch_size,
    )
    return diffusion(variance, learning_rate=LEARNING_RATE, batch_size=batch_size, samples=SAMPLES)


def measure_noise_norm(lab: Laboratory) -> Iterator[Measurement]:
    """Mean of ||g_batch - g||^2 over mini-batches sampled from small populations."""
    for batch_size in (1, DRAWN, FEW - 2):
        gradients = lab.rng.standard_normal((FEW, FEW_ENTRIES)) + 1.0
        drawn = batches(lab.rng, BATCHES, samples=FEW, batch_size=batch_size)
        noise = gradients[drawn].mean(axis=1) - gradients.mean(axis=0)
        value, error = mean_and_error((noise**2).sum(axis=1))
        yield Measurement(
            f"E|g_batch − g|², {batch_size} of {FEW} samples",
            float(value),
            float(error),
            {"gradients": gradients, "batch_size": batch_size},
        )


def printed_noise_norm(gradients: FloatArray, batch_size: int) -> float:
    """The definition: the mean over all mini-batches of this size."""
    every = np.array(list(combinations(range(len(gradients)), batch_size)))
    noise = gradients[every].mean(axis=1) - gradients.mean(axis=0)
    return float((noise**2).sum(axis=1).mean())


def exact_noise_norm(gradients: FloatArray, batch_size: int) -> float:
    """The closed form, m n C (1 - B/N) / B."""
    samples, entries = gradients.shape
    variance = float(gradients.var(axis=0, ddof=1).mean())
    return beta1(variance, entries=entries, batch_size=batch_size, samples=samples)


def relax(rng: np.random.Generator, gradients: FloatArray, rate: float, curvature: float) -> FloatArray:
    """How far the mean eigenvalues of two starts are apart, before and after ``RATE_STEPS``; (2, runs).

    SGD on the loss curvature |W|^2 / 2, to which each sample adds a linear term of mean 0, its noise. Both
    starts see the same mini-batches.
    """
    both = rng.standard_normal((2, RATE_RUNS, gradients.shape[1])) * np.array([3.0, 1.0])[:, None, None]
    apart = [distance(both)]
    for _ in range(RATE_STEPS):
        drawn = batches(rng, RATE_RUNS, samples=RATE_SAMPLES, batch_size=RATE_BATCH)
        both = both - rate * (curvature * both + gradients[drawn].mean(axis=1))
    return np.stack([*apart, distance(both)])


def distance(both: FloatArray) -> FloatArray:
    """Difference of the two starts' mean eigenvalues, which are sums of squares over n; (runs,)."""
    mean = (both**2).sum(axis=-1) / RATE_N
    return np.asarray(mean[0] - mean[1])


def measure_rate(lab: Laboratory) -> Iterator[Measurement]:
    """beta1 of d<lambda> = (alpha - beta1 <lambda>) dt, by the decay of a difference, free of alpha."""
    for rate, curvature, deviation in RATES:
        gradients = deviation * population(lab.rng, RATE_SAMPLES, RATE_M * RATE_N)
        before, after = relax(lab.rng, gradients, rate, curvature)
        kept = after.mean() / before.mean()
        error = (after - kept * before).std(ddof=1) / np.sqrt(RATE_RUNS) / after.mean() / RATE_STEPS
        yield Measurement(
            f"restoring rate of the mean eigenvalue, η = {rate}, h = {curvature}, noise {deviation}",
            float(-np.log(kept) / RATE_STEPS),
            float(error),
            {"gradients": gradients, "learning_rate": rate, "curvature": curvature},
        )


def printed_rate(gradients: FloatArray, learning_rate: float, curvature: float) -> float:
    """E ||g_batch - g||^2."""
    del learning_rate, curvature
    return exact_noise_norm(gradients, RATE_BATCH)


def exact_rate(gradients: FloatArray, learning_rate: float, curvature: float) -> float:
    """-2 log(1 - eta h), what discrete steps make of 2 eta h."""
    del gradients
    return float(-2 * np.log1p(-learning_rate * curvature))


LEMMA_6_18 = Claim(
    id="lemma-6.18",
    statement="Lemma 6.18",
    title="Diffusion from the spread of the spectrum, W from 0",
    printed_formula="D = (σ_max − σ_med)²/t_b",
    exact_formula="D = ηC(1 − B/N)/(2B), C the per-sample gradient variance per entry",
    reference="covariance of a mini-batch drawn without replacement",
    method=f"{RUNS} runs of {STEPS} SGD steps without a mean gradient, {M}x{N}, W = 0 at the start, "
    f"{len(NOISES)} strengths of noise; D from the mean square displacement, 2ηD t_b an entry",
    finding="From W = 0 the estimate is proportional to D, as a dimensional argument promises. The factor "
    "is not 1: the spread is that of a Gaussian matrix of variance 2ηD t_b, so the estimate is "
    "2η E(σ_max − σ_med)² D with the spread at unit variance, which depends on the shape.",
    measure=partial(measure_diffusion, start=0.0),
    printed=printed_diffusion,
    exact=exact_diffusion,
    proportional=True,
)

LEMMA_6_18_TRAINED = Claim(
    id="lemma-6.18-trained",
    statement="Lemma 6.18",
    title="Diffusion from the spread of the spectrum, W from random weights",
    printed_formula=LEMMA_6_18.printed_formula,
    exact_formula=LEMMA_6_18.exact_formula,
    reference=LEMMA_6_18.reference,
    method=f"the same, with W ~ N(0, 1/{N}) an entry at the start, as networks are initialised",
    finding="The estimate is the spread of the initial weights over t_b, here 35 to 3,600 times D: the "
    f"noise of {STEPS} steps hardly shows in it. The gradients of one mini-batch give D directly.",
    measure=partial(measure_diffusion, start=N**-0.5),
    printed=printed_diffusion,
    exact=exact_diffusion,
    proportional=True,
)

LEMMA_6_19 = Claim(
    id="lemma-6.19",
    statement="Lemma 6.19",
    title="Variance of the mini-batch gradient",
    printed_formula="E|β₁|² = E|∇L_S − ∇L|² over mini-batches S",
    exact_formula="E|∇L_S − ∇L|² = mnC(1 − B/N)/B",
    reference="Cochran, Sampling Techniques (1977), theorem 2.2",
    method=f"{BATCHES:,} mini-batches of three sizes from {FEW} samples; printed: the mean over all "
    "mini-batches; exact: from the per-sample variance",
    finding="The definition is sound. It needs no enumeration: the per-sample variance C gives it in closed "
    "form, with 1 − B/N for sampling without replacement.",
    measure=measure_noise_norm,
    printed=printed_noise_norm,
    exact=exact_noise_norm,
)

LEMMA_6_19_RATE = Claim(
    id="lemma-6.19-rate",
    statement="Lemma 6.19",
    title="β₁ as the restoring rate of Theorem 3.2",
    printed_formula="β₁ = E|∇L_S − ∇L|²",
    exact_formula="β₁ = −2 log(1 − ηh) = 2ηh + O(η²) for a loss of curvature h about its minimum",
    reference="Itô's lemma: d|W|² = (2ηDmn − 2ηh|W|²) dt + …",
    method=f"{RATE_RUNS:,} SGD runs of {RATE_STEPS} steps on a quadratic loss, {RATE_M}x{RATE_N}: decay of "
    "the difference of the mean eigenvalues of two starts",
    finding="Theorem 3.2 needs the rate at which the loss pulls λ back, 1/time. The variance of the noise, a "
    "gradient squared, is another quantity: the measured rate follows curvature and learning rate, and does "
    "not change when the noise does.",
    measure=measure_rate,
    printed=printed_rate,
    exact=exact_rate,
)
