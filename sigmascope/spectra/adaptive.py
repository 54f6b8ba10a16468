"""The spectrum of a layer for almost nothing: recomputed when W has moved far enough, foreseen in between."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from typing import Any

import torch

from sigmascope.apart import apart_from_training
from sigmascope.errors import InvalidValueError
from sigmascope.spectra.exact import (
    Spectrum,
    check_accuracy,
    check_finite,
    check_method,
    exact_spectrum,
)
from sigmascope.spectra.orientation import tall
from sigmascope.spectra.products import frobenius_norm

# of the histogram's bins: the usual tolerance, and how many bins span 0 to sigma_max
TOLERANCE, BINS = 0.06, 64
# before anything was seen: a layer's largest error for each unit of |W - W_last|_F; 0.006 to 0.02 is usual
_FIRST_RATE = 0.015
# how much farther than before W may go at most; decompositions that the next way is judged by
_GROWTH, _MEMORY = 2.0, 3
# share of the values over which paces are averaged
_NEIGHBOURS = 1 / 32
# rows by which the distance is judged: all, or evenly spread ones, at least this many
_ROWS = 64
# rounding of a decomposition, relative to sigma_max: no error seen is taken to be smaller
_ROUNDING = 1e-6
# squared distances below it have lost entries whose squares float32 cannot hold
_LEAST_SQUARE = 1e-30
# of a state; the attributes are the same with an underscore
_PLAIN, _TENSORS = ("bound", "step", "norm", "gone", "way"), ("rows", "exact", "pace")


class AdaptiveSpectrum:
    """All singular values of one layer in training, most of the time without a decomposition.

    W is decomposed when it has gone too far, |W - W_last|_F > way, from where it was decomposed last. In
    between each value goes on at the pace that it and its neighbours had between the last two decompositions:
    a spectrum drifts as a whole, while its levels dance about their places, and that does not go on. The top
    values, where a tracker follows them, are put in place of the foreseen ones.

    A decomposition shows how far off the foreseen values were. As with the step size of an ODE solver, the
    way is then set so that the next error should be the tolerance: errors
    have been seen to grow in proportion to the way, and the worst of three ratios counts. The distance that
    the weights have gone decides, not the number of batches, so that a jump of the learning rate or of the
    weights is met by a decomposition at once. Some rows stand for all, and the norm of all shows where
    others have moved more. Weights that turn in a few other rows alone, keeping their norm, are not seen. The
    distance is Weyl's bound on the error of every value, but a hundred times what is seen, and cannot be used
    to decide.

    The tolerance is aimed at, not guaranteed: the largest error in 400 batches of an MLP, at rates of
    0.05 and 0.1, was 1.3 and 1.8 times the tolerance.

    Args:
        tolerance: largest error wanted, in bins of a histogram with ``BINS`` bins from 0 to sigma_max.
        method: of the decompositions, as for :func:`sigmascope.spectra.exact_spectrum`.
        accuracy: of the decompositions, likewise.

    Raises:
        InvalidValueError: a tolerance that is not positive; an unknown method; a bad accuracy.
    """

    def __init__(
        self, *, tolerance: float = TOLERANCE, method: str = "auto", accuracy: float | None = None
    ) -> None:
        self._tolerance = check_tolerance(tolerance)
        self._method, self._accuracy = check_method(method), check_accuracy(accuracy)
        self._shape: torch.Size | None = None
        self._rows = torch.empty(0, 0)  # of W at the last decomposition, those that the distance is judged by
        self._exact = torch.empty(0)  # its values
        self._bound = 0.0  # their error bound
        self._step = 0  # when it was
        self._pace = torch.empty(0)  # a batch, around each value, between the last two
        self._rates: deque[float] = deque(maxlen=_MEMORY)  # error over distance, of late
        self._norm = 0.0  # |W_last|_F
        self._gone = 0.0  # |W - W_last|_F now
        self._way = 0.0  # that it may reach

    @apart_from_training
    def read(self, weight: torch.Tensor, *, step: int, top: torch.Tensor | None = None) -> Spectrum:
        """The spectrum of ``weight`` at ``step``, exact or foreseen.

        ``method`` of a foreseen one is ``adaptive`` and its ``error_bound`` an estimate: the worst ratio of
        error to distance seen of late, times the distance that W has gone since the last decomposition.

        Args:
            weight: (rows, columns).
            step: batches made so far.
            top: the largest values, descending, as a tracker has them.

        Raises:
            InvalidValueError: the weight has changed its shape; otherwise as :func:`exact_spectrum`.
            NumericalError: NaN or infinity in the weight.
        """
        gone, _ = self.move(weight)
        if gone <= 1.0:
            return self.foreseen(step, top)
        exact = exact_spectrum(weight, method=self._method, accuracy=self._accuracy)
        self.anchor(exact, weight, step=step, top=top)
        return exact

    @apart_from_training
    def move(self, weight: torch.Tensor) -> tuple[float, float]:
        """How far ``weight`` is from the last decomposition, and how much farther than before.

        Both as shares of the way: beyond 1, and where it is NaN, a decomposition is due.
        """
        matrix = tall(weight)
        if self._shape is None:
            return math.inf, 0.0
        if matrix.shape != self._shape:
            raise InvalidValueError(
                f"the weight changed its shape from {tuple(self._shape)} to {tuple(matrix.shape)}: start anew"
            )
        norm = frobenius_norm(matrix)
        if not math.isfinite(norm):  # by an entry, or by squares that leave float32
            check_finite(matrix)
        before, self._gone = self._gone, self._distance(matrix, norm)
        if self._way == 0.0:  # the zero matrix: any motion is too far
            return (0.0 if self._gone == 0.0 else math.inf), 0.0
        return self._gone / self._way, (self._gone - before) / self._way

    def foreseen(self, step: int, top: torch.Tensor | None) -> Spectrum:
        """The estimate at ``step``."""
        estimate = self._bound + self._rate() * self._gone
        return Spectrum(self._onward(step, top), "adaptive", estimate)

    def anchor(self, exact: Spectrum, weight: torch.Tensor, *, step: int, top: torch.Tensor | None) -> None:
        """Start anew from a decomposition, having learnt from it."""
        largest = float(exact.values[0])
        wanted = self._tolerance * largest / BINS
        if self._shape is None:
            self._pace = torch.zeros_like(exact.values)
            self._way = wanted / _FIRST_RATE
        elif self._gone > 0.0:
            self._learn(exact.values, step=step, top=top)
            self._way = min(wanted / self._rate(), _GROWTH * self._way or math.inf)
        matrix = tall(weight)
        self._shape, self._rows = matrix.shape, _spread_rows(matrix).clone()
        self._exact, self._bound, self._step, self._gone = exact.values.clone(), exact.error_bound, step, 0.0
        self._norm = frobenius_norm(matrix)

    def state_dict(self) -> dict[str, Any]:
        """All that later reads build on, tensors copied; ``torch.save`` and ``weights_only=True`` take it."""
        plain = {name: getattr(self, f"_{name}") for name in _PLAIN}
        tensors = {name: getattr(self, f"_{name}").clone() for name in _TENSORS}
        shape = None if self._shape is None else list(self._shape)
        return {**plain, **tensors, "shape": shape, "rates": list(self._rates)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue as the one that ``state_dict`` was called on would have, bit for bit."""
        for name in (*_PLAIN, *_TENSORS):
            setattr(self, f"_{name}", state[name])
        self._shape = None if state["shape"] is None else torch.Size(state["shape"])
        self._rates = deque(state["rates"], maxlen=_MEMORY)

    def _learn(self, values: torch.Tensor, *, step: int, top: torch.Tensor | None) -> None:
        error = float((self._onward(step, top) - values).abs().max())
        self._rates.append(max(error, _ROUNDING * float(values[0])) / self._gone)
        self._pace = _averaged(values - self._exact) / max(step - self._step, 1)

    def _distance(self, matrix: torch.Tensor, norm: float) -> float:
        """|W - W_last|_F, by the rows that were kept: a copy of all would push W out of the caches.

        It is no less than what the norm of all of W shows, whatever rows have moved.
        """
        rows = _spread_rows(matrix)
        if rows.shape != self._rows.shape:  # another memory layout: nothing to compare
            return math.inf
        distance = float(torch.dist(rows, self._rows))
        if not _LEAST_SQUARE < distance**2 < math.inf:
            distance = float(torch.dist(rows.double(), self._rows.double()))
        seen = abs(norm - self._norm)
        return max(math.sqrt(matrix.numel() / rows.numel()) * distance, seen if math.isfinite(seen) else 0.0)

    def _rate(self) -> float:
        return max(self._rates, default=_FIRST_RATE) or _FIRST_RATE

    def _onward(self, step: int, top: torch.Tensor | None) -> torch.Tensor:
        """What is foreseen for ``step``, the tracked values on top, none negative, in order."""
        values = torch.add(self._exact, self._pace, alpha=step - self._step)
        if top is not None:
            known = min(len(top), len(values))
            values[:known] = top[:known].to(values)
        return values.clamp(min=0.0).sort(descending=True).values


def _averaged(changes: torch.Tensor) -> torch.Tensor:
    """Each with its neighbours, as many on either side; at the ends with those that there are."""
    reach = int(len(changes) * _NEIGHBOURS / 2)
    return torch.nn.functional.avg_pool1d(
        changes[None], 2 * reach + 1, stride=1, padding=reach, count_include_pad=False
    )[0]


def _spread_rows(matrix: torch.Tensor) -> torch.Tensor:
    """Every so many rows as stored, at least ``_ROWS`` where there are so many; a view."""
    stored = matrix if matrix.is_contiguous() else matrix.T
    return stored[:: max(1, stored.shape[0] // _ROWS)]


def check_tolerance(tolerance: float) -> float:
    """``tolerance`` when positive and finite; InvalidValueError otherwise."""
    if not (math.isfinite(tolerance) and tolerance > 0):
        raise InvalidValueError(
            f"tolerance must be positive and finite, got {tolerance}; {TOLERANCE} of a bin is usual"
        )
    return tolerance
