"""What an ensemble shows of itself, and the checks that all of them share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError
from sigmascope.theory.ito import check_rates
from sigmascope.theory.laws.law import FloatArray, as_floats, check_positive


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An ensemble at one moment.

    Attributes:
        step: time steps made so far.
        time: step times dt, in batches.
        singular_values: of W, (paths, n), each path descending.
    """

    step: int
    time: float
    singular_values: FloatArray


@dataclass(frozen=True, slots=True)
class Schedule:
    """How far an ensemble goes, and when it shows itself: at 0, every ``every`` steps, and at the end."""

    steps: int
    paths: int
    every: int
    dt: float

    def __post_init__(self) -> None:
        for name in ("steps", "paths", "every"):
            whole(name, getattr(self, name), least=1, remedy="an ensemble has at least one")
        check_positive("dt", self.dt, remedy="one SGD step is dt = 1")

    def shows(self, step: int) -> bool:
        """True when this step is recorded."""
        return step % self.every == 0 or step == self.steps


@dataclass(frozen=True, slots=True)
class Motion:
    """dW = -restoring_rate W dt + sqrt(2 strength) dB, strength = eta D."""

    strength: float
    restoring_rate: float

    @classmethod
    def of(cls, *, learning_rate: float, diffusion: float, restoring_rate: float) -> Motion:
        """InvalidValueError unless eta > 0, D >= 0 and the restoring rate >= 0, all finite."""
        strength = check_rates(learning_rate, diffusion)
        if not (np.isfinite(restoring_rate) and restoring_rate >= 0):
            raise InvalidValueError(
                f"restoring_rate must be >= 0 and finite, got {restoring_rate}; half of Theorem 3.2's beta1"
            )
        return cls(strength, float(restoring_rate))

    def clock(self, time: float) -> float:
        """The free process is W(t) exp(kappa t); its eta D t is eta D (exp(2 kappa t) - 1) / (2 kappa)."""
        if self.restoring_rate == 0.0:
            return self.strength * time
        rate = 2.0 * self.restoring_rate
        return float(self.strength * np.expm1(rate * time) / rate)

    def duration(self, h: float) -> float:
        """The time in which :meth:`clock` reaches h; strength > 0."""
        if self.restoring_rate == 0.0:
            return h / self.strength
        rate = 2.0 * self.restoring_rate
        return float(np.log1p(rate * h / self.strength) / rate)


def matrices(start: ArrayLike, paths: int) -> FloatArray:
    """``start`` as a fresh (paths, m, n) array; InvalidValueError for another shape, m < n, NaN, infinity."""
    array = as_floats("start", start)
    if array.ndim not in (2, 3) or array.size == 0 or (array.ndim == 3 and len(array) != paths):
        raise InvalidValueError(
            f"start must be (m, n) or (paths, m, n) with {paths} paths, got shape {array.shape}"
        )
    m, n = array.shape[-2:]
    if m < n:
        raise InvalidValueError(f"start must have m >= n, got {m} x {n}; transpose it")
    if not np.isfinite(array).all():
        raise InvalidValueError("start holds NaN or infinity; check the weights")
    return np.array(np.broadcast_to(array, (paths, m, n)))


def spectrum_of(W: FloatArray) -> FloatArray:
    """Singular values of a stack (paths, m, n), descending."""
    return np.asarray(np.linalg.svd(W, compute_uv=False))
