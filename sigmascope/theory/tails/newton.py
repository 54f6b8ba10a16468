"""The maximum of the concave likelihood of x^(a - 1) exp(-rate x) on x > lower, in (a, z = rate lower)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray
from sigmascope.theory.tails.cut_off import Partition, partition

LARGEST_SHAPE = 1e9
MAX_ITERATIONS = 100


@dataclass(frozen=True, slots=True)
class Statistics:
    """The sufficient statistics of points x > lower, in t = log(x / lower): means of t and of e^t - 1."""

    mean_log: float
    mean_excess: float

    @classmethod
    def of(cls, ratio: FloatArray) -> Statistics:
        """From x / lower."""
        return cls(float(np.log(ratio).mean()), float((ratio - 1).mean()))

    @property
    def target(self) -> FloatArray:
        """What the mean of :class:`Partition` must equal at the maximum."""
        return np.array([self.mean_log, self.mean_log - self.mean_excess])


def newton_step(target: FloatArray, state: Partition) -> tuple[float, float, float]:
    """(step of a, step of z, decrement).

    Parameters (a - z, z) are conjugate to (t, t - (e^t - 1)): slope and curvature at the edge, which stay
    apart when all points crowd there, where (log y, y) would become collinear.
    """
    gradient, covariance = target - state.mean, state.covariance
    determinant = covariance[0, 0] * covariance[1, 1] - covariance[0, 1] ** 2
    if not determinant > 0:
        raise InvalidValueError("the points spread too little or lie too far out for a gamma law")
    step_slope = (covariance[1, 1] * gradient[0] - covariance[0, 1] * gradient[1]) / determinant
    step_z = (covariance[0, 0] * gradient[1] - covariance[0, 1] * gradient[0]) / determinant
    decrement = gradient[0] * step_slope + gradient[1] * step_z
    return float(step_slope + step_z), float(step_z), float(decrement)


def newton(
    target: FloatArray, a: float, z: float, *, smallest: float
) -> tuple[float, float, Partition] | None:
    """The maximum over a > ``smallest`` and z > 0; None when it lies at that end of a.

    ``smallest`` is either positive or -oo.
    """
    state = partition(a, z)
    value = (a - z) * target[0] + z * target[1] - state.log_value
    for _ in range(MAX_ITERATIONS):
        step_a, step_z, decrement = newton_step(target, state)
        # stay inside: at most nine tenths of the way to either boundary
        room = ((a if smallest > 0 else np.inf, step_a), (z, step_z))
        length = min(1.0, *(0.9 * x / -dx for x, dx in room if dx < 0), 1.0)
        for _ in range(40):
            new_a, new_z = a + length * step_a, z + length * step_z
            state = partition(new_a, new_z)
            new_value = (new_a - new_z) * target[0] + new_z * target[1] - state.log_value
            if new_value >= value + 1e-4 * length * decrement or decrement < 1e-10:
                break
            length /= 2
        a, z, value = float(new_a), float(new_z), float(new_value)
        if a < 2 * smallest:
            return None
        if decrement < 1e-12 or max(a, z) > LARGEST_SHAPE:
            break
    return a, z, state
