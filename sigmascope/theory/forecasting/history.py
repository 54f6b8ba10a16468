"""What a forecast may see: the past of one layer's largest singular values, and checks of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError
from sigmascope.theory.laws.law import FloatArray, check_shape

Steps = NDArray[np.intp]

# before so many steps there is no trend to see
FEWEST = 50
# of sigma_1, by which tracked values may differ from exact ones
SAME = 0.05


@dataclass(frozen=True, slots=True)
class History:
    """k singular values of one layer at steps that follow one another; axis: singular values of W, m x n.

    Attributes:
        values: (t, k) true values, each row descending.
        m: rows of W; only the forecaster ``sde`` asks for it and for what follows.
        spectra: (t, n) all singular values.
        strength: (t,) eta D of each batch; NaN where unknown. Momentum mu has a batch move W for long after,
            by sum_t mu^t = 1 / (1 - mu) times its step in all: eta D over (1 - mu)^2 is meant then.
        noise_variance: (t, k) what sampling the batch gives to u_k^T G v_k, a variance, of all that it moves
            likewise; NaN where unknown.
    """

    values: FloatArray
    m: int | None = None
    spectra: FloatArray | None = None
    strength: FloatArray | None = None
    noise_variance: FloatArray | None = None

    @classmethod
    def of(
        cls,
        values: ArrayLike,
        *,
        m: int | None = None,
        spectra: ArrayLike | None = None,
        strength: ArrayLike | None = None,
        noise_variance: ArrayLike | None = None,
    ) -> History:
        """Checked and as float64.

        InvalidValueError: NaN, infinity or negative values, rows that do not descend, shapes that do not fit,
        n > m, spectra that do not begin with the values.
        """
        true = as_descending("values", values)
        steps, k = true.shape
        every = None
        if spectra is not None:
            every = as_descending("spectra", spectra)
            if every.shape[0] != steps or every.shape[1] < k:
                raise InvalidValueError(
                    f"spectra must be ({steps}, n) with n >= {k}, got shape {every.shape}"
                )
            if m is None:
                raise InvalidValueError("m is missing: the repulsion of a spectrum depends on the rows of W")
            check_shape(m, every.shape[1])
            check_same(true, every[:, :k])
        return cls(
            true,
            m,
            every,
            None if strength is None else as_amounts("strength", strength, (steps,)),
            None if noise_variance is None else as_amounts("noise_variance", noise_variance, (steps, k)),
        )

    def until(self, origin: int) -> History:
        """What was known at row ``origin``, that row included."""
        return self.rows(0, origin + 1)

    def rows(self, first: int, end: int) -> History:
        """Rows ``first`` to ``end``, the latter left out."""
        optional = (self.spectra, self.strength, self.noise_variance)
        return History(
            self.values[first:end], self.m, *(None if one is None else one[first:end] for one in optional)
        )


def as_descending(name: str, values: ArrayLike) -> FloatArray:
    """(t, k) float64, finite, >= 0 and descending in each row; InvalidValueError otherwise."""
    rows = as_rows(name, values)
    if (np.diff(rows, axis=1) > 0).any():
        raise InvalidValueError(f"each row of {name} must be descending; sort it")
    return rows


def check_same(values: FloatArray, top: FloatArray) -> None:
    """InvalidValueError where ``values`` are not what the spectra begin with, tracked or exact."""
    apart = np.abs(values - top).max(axis=1)
    row = int(np.argmax(apart - SAME * values[:, 0]))
    if apart[row] > SAME * values[row, 0]:
        raise InvalidValueError(
            f"values and the largest of spectra are {apart[row]:.3g} apart in row {row}, where sigma_1 is "
            f"{values[row, 0]:.3g}; pass both of one layer, at the same steps"
        )


def as_rows(name: str, values: ArrayLike) -> FloatArray:
    """(t, k) float64, finite and >= 0; InvalidValueError otherwise."""
    array = as_numbers(name, values)
    if array.ndim != 2 or not array.shape[1]:
        raise InvalidValueError(f"{name} must be (steps, k) with k >= 1, got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InvalidValueError(f"{name} hold NaN or infinity; cut them where training diverged")
    if (array < 0).any():
        raise InvalidValueError(f"{name} must be >= 0, got {array.min()}; pass singular values")
    return array


def as_numbers(name: str, values: ArrayLike) -> FloatArray:
    """Float64; InvalidValueError for what holds no real numbers, or rows of different lengths."""
    try:
        array = np.asarray(values)
        if array.dtype.kind in "biuf":
            return np.asarray(array, dtype=np.float64)
        said = f"got {array.dtype}"
    except ValueError as error:
        said = str(error)
    raise InvalidValueError(f"{name} must be an array of real numbers: {said}")


def as_amounts(name: str, values: ArrayLike, shape: tuple[int, ...]) -> FloatArray:
    """Float64 of this shape, >= 0 or NaN; InvalidValueError otherwise."""
    array = as_numbers(name, values)
    if array.shape != shape:
        raise InvalidValueError(f"{name} must have shape {shape}, got {array.shape}")
    if (array < 0).any() or np.isinf(array).any():
        raise InvalidValueError(f"{name} must be >= 0 and finite, or NaN where unknown")
    return array


def check_horizon(horizon: int) -> int:
    """``horizon`` when a whole number >= 1; InvalidValueError otherwise."""
    return whole("horizon", horizon, least=1, remedy="it counts steps ahead")


def check_origin(origin: int, *, steps: int) -> int:
    """``origin`` when it is a row with enough of a past; InvalidValueError otherwise."""
    whole("origin", origin, least=0, remedy="it is a row of the history")
    if origin < FEWEST:
        raise InvalidValueError(
            f"a forecast needs {FEWEST} steps before its origin, got origin {origin}; choose a later one"
        )
    if origin >= steps:
        raise InvalidValueError(f"origin {origin} is not recorded; the last row is {steps - 1}")
    return int(origin)
