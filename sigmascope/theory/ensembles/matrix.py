"""Ensembles of W itself: Euler-Maruyama with any gradient, and the exact Ornstein-Uhlenbeck transition."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.theory.ensembles.snapshot import Motion, Schedule, Snapshot, matrices, spectrum_of
from sigmascope.theory.laws.law import FloatArray, as_floats

Gradient = Callable[[FloatArray], FloatArray]

# of restoring_rate * dt: an Euler step multiplies W by 1 minus that, and must not lengthen it
UNSTABLE = 2.0


def matrix_sde(
    start: ArrayLike,
    *,
    learning_rate: float,
    diffusion: float,
    steps: int,
    paths: int,
    rng: np.random.Generator,
    dt: float = 1.0,
    restoring_rate: float = 0.0,
    gradient: Gradient | None = None,
    every: int = 1,
) -> Iterator[Snapshot]:
    """Move W by dW = -eta grad L dt - kappa W dt + sqrt(2 eta D) dB, Euler-Maruyama; SVD where recorded.

    Theorem 6.4, of strong order 1 in dt (the noise is additive), and without error in dt when nothing pulls.
    kappa = ``restoring_rate``; the linear force -beta1 lambda of Theorem 3.2 is beta1 = 2 kappa. A step
    multiplies W by 1 - kappa dt, which grows without end from kappa dt = 2 on; below, the stationary variance
    is eta D / kappa over 1 - kappa dt / 2. :func:`ornstein_uhlenbeck` has neither limit nor error.

    ``start`` is (m, n), m >= n, for all paths, or (paths, m, n); repeated singular values do no harm.
    ``gradient`` maps W (paths, m, n) to grad L of the same shape. Recorded are step 0, every ``every``-th and
    the last. InvalidValueError, at once: a bad shape, NaN, counts below 1, dt or rates outside their domain,
    kappa dt >= 2; while running: a gradient of another shape. NumericalError, while running: a step after
    which W is not finite, because the gradient is not or dt is too long for it.
    """
    schedule = Schedule(steps, paths, every, dt)
    motion = Motion.of(learning_rate=learning_rate, diffusion=diffusion, restoring_rate=restoring_rate)
    check_stable(motion, dt)
    W = matrices(start, paths)
    pull = None if gradient is None else checked_gradient(gradient, learning_rate)
    return euler(W, motion, schedule, pull=pull, rng=rng)


def check_stable(motion: Motion, dt: float) -> None:
    """InvalidValueError where Euler steps diverge: kappa dt >= 2."""
    product = motion.restoring_rate * dt
    if product >= UNSTABLE:
        raise InvalidValueError(
            f"restoring_rate * dt must be below {UNSTABLE:g}, where Euler steps begin to diverge, got "
            f"{product:g}; take dt below {UNSTABLE / motion.restoring_rate:g}, or ornstein_uhlenbeck, which "
            "is exact for any dt"
        )


def euler(
    W: FloatArray, motion: Motion, schedule: Schedule, *, pull: Gradient | None, rng: np.random.Generator
) -> Iterator[Snapshot]:
    """The steps of :func:`matrix_sde`; ``W`` is overwritten, ``pull`` is eta grad L."""
    noise = np.sqrt(2.0 * motion.strength * schedule.dt)
    yield Snapshot(0, 0.0, spectrum_of(W))
    for step in range(1, schedule.steps + 1):
        # an overflow is told below, with the step
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            force = motion.restoring_rate * W
            if pull is not None:
                force += pull(W)
            W -= schedule.dt * force
            W += noise * rng.standard_normal(W.shape)
        if not np.isfinite(W).all():
            raise NumericalError(
                f"W holds NaN or infinity after step {step} of dt={schedule.dt:g}; take a smaller dt, or "
                "check the gradient"
            )
        if schedule.shows(step):
            yield Snapshot(step, step * schedule.dt, spectrum_of(W))


def checked_gradient(gradient: Gradient, learning_rate: float) -> Gradient:
    """The gradient times eta; InvalidValueError when it is of another shape than W, or not real."""

    def pull(W: FloatArray) -> FloatArray:
        value = as_floats("gradient", gradient(W))
        if value.shape != W.shape:
            raise InvalidValueError(
                f"gradient must be of shape {W.shape}, got shape {value.shape}; return one for every path"
            )
        return learning_rate * value

    return pull


def ornstein_uhlenbeck(
    start: ArrayLike,
    *,
    learning_rate: float,
    diffusion: float,
    restoring_rate: float,
    steps: int,
    paths: int,
    rng: np.random.Generator,
    dt: float = 1.0,
    every: int = 1,
) -> Iterator[Snapshot]:
    """Move W by dW = -kappa W dt + sqrt(2 eta D) dB, by its exact Gaussian transition, for any dt.

    Entries are independent; their stationary variance is eta D / kappa, that is 2 eta D / beta1 with the
    beta1 = 2 kappa of Theorem 3.2. The stationary singular values are therefore Marchenko-Pastur for large
    n, and lambda is Gamma(m / 2, rate beta1 / (4 eta D)) for n = 1.

    Arguments and errors as in :func:`matrix_sde`; ``restoring_rate`` must be positive.
    """
    schedule = Schedule(steps, paths, every, dt)
    motion = Motion.of(learning_rate=learning_rate, diffusion=diffusion, restoring_rate=restoring_rate)
    if motion.restoring_rate == 0:
        raise InvalidValueError("restoring_rate must be positive, got 0; without a force use matrix_sde")
    return transitions(matrices(start, paths), motion, schedule, rng=rng)


def transitions(
    W: FloatArray, motion: Motion, schedule: Schedule, *, rng: np.random.Generator
) -> Iterator[Snapshot]:
    """The steps of :func:`ornstein_uhlenbeck`, from one recorded step to the next; ``W`` is overwritten."""
    yield Snapshot(0, 0.0, spectrum_of(W))
    for step in recorded(schedule):
        last = (step - 1) // schedule.every * schedule.every
        exponent = -2.0 * motion.restoring_rate * schedule.dt * (step - last)
        variance = motion.strength / motion.restoring_rate * -np.expm1(exponent)
        W *= np.exp(0.5 * exponent)
        W += np.sqrt(variance) * rng.standard_normal(W.shape)
        yield Snapshot(step, step * schedule.dt, spectrum_of(W))


def recorded(schedule: Schedule) -> Iterator[int]:
    """The recorded steps after 0."""
    yield from range(schedule.every, schedule.steps, schedule.every)
    yield schedule.steps
