"""The interacting singular values themselves: no matrix, no decomposition. Axis: singular values of W."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.errors import InvalidValueError
from sigmascope.theory.ensembles.implicit import Interaction, proximal_step
from sigmascope.theory.ensembles.snapshot import Motion, Schedule, Snapshot
from sigmascope.theory.ito import Form, check_form, check_values
from sigmascope.theory.laws.law import FloatArray

# the longest part of a step: its noise in lower quartiles of the level spacings, ...
NOISE_IN_SPACINGS = 0.5
# ... and by how much of itself it lets sigma^2 grow
GROWTH = 0.05
MAX_SUBSTEPS = 10_000
# the fourth power of what is narrower is 0 in float64
NARROWEST = 1e-75
# of the noise of one substep: how far from its minimum a step may end
ACCURACY = 1e-2


def eigenvalue_sde(
    singular_values: ArrayLike,
    *,
    m: int,
    learning_rate: float,
    diffusion: float,
    steps: int,
    paths: int,
    rng: np.random.Generator,
    dt: float = 1.0,
    restoring_rate: float = 0.0,
    form: Form = "exact",
    every: int = 1,
) -> Iterator[Snapshot]:
    """Theorems 3.1 and 6.7 without a gradient: the singular values of the process of ``matrix_sde``, alone.

    - ``exact``: drift eta D [(m - n) / sigma_k + sum_j (1/(sigma_k - sigma_j) + 1/(sigma_k + sigma_j))]
      - kappa sigma_k, noise sqrt(2 eta D) d beta_k; the squares are the real Wishart process (Bru 1991)
    - ``as_printed``: (m - n + 1) / (2 sigma_k) and half of the sum. Its Dyson index is 1/2: values do meet,
      and what they do then is not said by the paper; here they stay in order.

    Drift-implicit Euler: each step ends at the minimum of a convex function that is infinite at collisions,
    so values never cross and stay positive, at O(n^2) a path. For m = n nothing keeps the exact process from
    0: the smallest value passes through with the sign of det W, and its absolute value is shown. Steps whose
    noise exceeds half a mean level spacing are divided, so ``dt`` may be long.

    ``singular_values`` is (n,), for all paths, or (paths, n), any order; n <= ``m``. Recorded are step 0,
    every ``every``-th and the last. InvalidValueError, at once: m < n, NaN, negative or repeated values
    (their repulsion diverges; ``matrix_sde`` passes through), counts below 1, rates outside their domain;
    while running: a dt that needs more than 10,000 substeps.
    """
    schedule = Schedule(steps, paths, every, dt)
    motion = Motion.of(learning_rate=learning_rate, diffusion=diffusion, restoring_rate=restoring_rate)
    check_form(form)
    start = distinct_values(singular_values, m, paths)
    n = start.shape[1]
    if form == "exact":
        interaction = Interaction(wall=float(m - n), pairs=1.0)
    else:
        interaction = Interaction(wall=(m - n + 1) / 2.0, pairs=0.5)
    return walk(start, motion, schedule, interaction=interaction, rng=rng)


def distinct_values(singular_values: ArrayLike, m: int, paths: int) -> FloatArray:
    """(paths, n), each path strictly descending and positive; InvalidValueError otherwise."""
    values = check_values("singular_values", singular_values, m)
    if values.ndim > 2 or (values.ndim == 2 and len(values) != paths):
        raise InvalidValueError(
            f"singular_values must be (n,) or (paths, n) with {paths} paths, got shape {values.shape}"
        )
    ordered = np.array(np.broadcast_to(-np.sort(-values, axis=-1), (paths, values.shape[-1])))
    gaps = np.diff(ordered, axis=1, append=0.0)
    # 0 is a place like any other only when it is repeated: the wall pushes away from it
    if (gaps > -NARROWEST).any():
        path, k = np.argwhere(gaps > -NARROWEST)[0]
        raise InvalidValueError(
            f"singular value {k} of path {path} is {ordered[path, k]}, repeated or 0, or nearly so, where "
            "the repulsion diverges; start with distinct positive values, or move W itself by matrix_sde"
        )
    return ordered


def walk(
    s: FloatArray,
    motion: Motion,
    schedule: Schedule,
    *,
    interaction: Interaction,
    rng: np.random.Generator,
) -> Iterator[Snapshot]:
    """The steps of :func:`eigenvalue_sde`; ``s`` may hold the sign of det W in its last column."""
    yield Snapshot(0, 0.0, np.abs(s))
    for step in range(1, schedule.steps + 1):
        s = advanced(s, motion, schedule.dt, interaction=interaction, rng=rng)
        if schedule.shows(step):
            yield Snapshot(step, step * schedule.dt, np.abs(s))


def advanced(
    s: FloatArray, motion: Motion, dt: float, *, interaction: Interaction, rng: np.random.Generator
) -> FloatArray:
    """The values a time dt later, in as many parts as their spacing asks for, which is asked anew each time.

    The spectrum that noise has widened allows longer parts: a start whose values nearly touch costs the
    logarithm of its narrowness.
    """
    if motion.strength == 0.0:
        return np.asarray(s * np.exp(-motion.restoring_rate * dt))
    left = dt
    for _ in range(MAX_SUBSTEPS):
        count = max(np.ceil(left / motion.duration(longest_part(s, interaction))), 1.0)
        s = moved(s, motion, left / count, interaction=interaction, rng=rng)
        if count == 1.0:
            return s
        left -= left / count
    raise InvalidValueError(
        f"dt={dt} crosses levels: after {MAX_SUBSTEPS} parts {left:.3g} of it are left; "
        "take a smaller dt, or move W itself by ornstein_uhlenbeck, which may go as far as it likes"
    )


def longest_part(s: FloatArray, interaction: Interaction) -> float:
    """The longest h = eta D dt, over all paths, at which one implicit step is accurate.

    Its noise sqrt(2 h) has to be small against the spacing of levels, and its drift, of which most is
    m h / sigma, against sigma. Quartile and median, because outliers say nothing about the bulk.
    """
    n = s.shape[1]
    scale = float(np.median(s * s)) * GROWTH / (1.0 + interaction.virial(n) / n)
    if n > 1:
        gaps = (s[:, :-1] - s[:, 1:]).reshape(-1)
        quarter = gaps.size // 4
        scale = min(scale, (NOISE_IN_SPACINGS * float(np.partition(gaps, quarter)[quarter])) ** 2)
    return float(scale / 2.0)


def moved(
    s: FloatArray, motion: Motion, part: float, *, interaction: Interaction, rng: np.random.Generator
) -> FloatArray:
    """One implicit step of length ``part``, then two corrections that cost nothing and keep the order.

    A restoring force is a change of clock: W(t) exp(kappa t) is free and has the time of ``motion.clock``.
    And sum lambda is brought to where the noise and the virial take it, by a common factor: an implicit step
    loses h^2 |drift|^2 of it. So E sum lambda is exact for any dt.
    """
    h = motion.clock(part)
    y = s + np.sqrt(2.0 * h) * rng.standard_normal(s.shape)
    s = proximal_step(y, s, interaction=interaction, h=h, accuracy=ACCURACY)
    total = (y * y).sum(axis=1) + 2.0 * h * interaction.virial(s.shape[1])
    factor = np.sqrt(total / (s * s).sum(axis=1)) * np.exp(-motion.restoring_rate * part)
    return np.asarray(s * factor[:, None])
