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

# noise of one substep, in mean level spacings: where the weak error stays below the Monte Carlo error
NOISE_IN_SPACINGS = 0.5
MAX_SUBSTEPS = 10_000
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
    if (gaps >= 0).any():
        path, k = np.argwhere(gaps >= 0)[0]
        raise InvalidValueError(
            f"singular value {k} of path {path} is {ordered[path, k]}, repeated or 0, where the repulsion "
            "diverges; start with distinct positive values, or move W itself by matrix_sde"
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
        for h, shrink in substeps(s, motion, schedule.dt):
            noise = np.sqrt(2.0 * h)
            y = s + noise * rng.standard_normal(s.shape)
            s = proximal_step(y, s, interaction=interaction, h=h, shrink=shrink, tolerance=ACCURACY * noise)
        if schedule.shows(step):
            yield Snapshot(step, step * schedule.dt, np.abs(s))


def substeps(s: FloatArray, motion: Motion, dt: float) -> Iterator[tuple[float, float]]:
    """(eta D dt', 1 + kappa dt') of the equal parts dt' that one step is divided into."""
    if motion.strength == 0.0:
        yield 0.0, 1.0 + motion.restoring_rate * dt
        return
    spacing = NOISE_IN_SPACINGS * float(s[:, 0].mean()) / s.shape[1]
    count = int(np.ceil(min(2.0 * motion.strength * dt / spacing**2, 2.0 * MAX_SUBSTEPS)))
    if count > MAX_SUBSTEPS:
        raise InvalidValueError(
            f"dt={dt} crosses levels: its noise is {np.sqrt(2 * motion.strength * dt):.3g}, levels lie "
            f"{spacing / NOISE_IN_SPACINGS:.3g} apart; take a smaller dt, or move W itself by matrix_sde"
        )
    part = dt / max(count, 1)
    for _ in range(max(count, 1)):
        yield motion.strength * part, 1.0 + motion.restoring_rate * part
