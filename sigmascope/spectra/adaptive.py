"""Spectra for almost nothing: recomputed when W has moved far enough, foreseen in between."""

from __future__ import annotations

import torch

from sigmascope.errors import InvalidValueError
from sigmascope.spectra.exact import Spectrum, exact_spectrum
from sigmascope.spectra.orientation import tall

# of the histogram's bins: the usual tolerance, and how many bins span 0 to sigma_max
TOLERANCE, BINS = 0.05, 64
# how much the way that W may go is lengthened at most, and how far short of the tolerance it aims
GROWTH, SAFETY = 1.6, 0.8


class AdaptiveSpectrum:
    """All singular values of one layer as it trains, most of the time without a decomposition.

    W is decomposed when it has moved too far, |W - W_last|_F > way, from where it was decomposed last. In
    between each value goes on at the pace it had between the last two decompositions, or stays where it was:
    whichever proved better when they were compared last. The top values, when a tracker has them, are put in
    place of the foreseen ones.

    A decomposition shows how far off the foreseen values were; ``way`` is then set so that the next error
    should be the tolerance: errors grow about as the way. It is the way and not the number of batches that
    counts, so that a jump of the learning rate, or of the weights, is met by a decomposition at once. Weyl's
    bound on the error is the way itself, a hundred times what is seen, and cannot be used to decide.

    Args:
        tolerance: error wanted, in bins of a histogram with ``BINS`` bins from 0 to sigma_max.
        method: of the decomposition, as for :func:`exact_spectrum`.

    Raises:
        InvalidValueError: a tolerance that is not positive.
    """

    def __init__(self, *, tolerance: float = TOLERANCE, method: str = "auto") -> None:
        if not tolerance > 0:
            raise InvalidValueError(f"tolerance must be positive, got {tolerance}; {TOLERANCE} is usual")
        self._tolerance, self._method = tolerance, method
        self._W = torch.empty(0, 0)  # at the last decomposition
        self._exact: Spectrum | None = None
        self._step = 0  # of the last decomposition
        self._pace = torch.empty(0)  # of each value a step, between the last two
        self._goes_on = False  # whether pace foresaw better than standing still
        self._way = 0.0  # that W may go until the next decomposition
        self._error_a_way = 0.0  # error seen for each unit of it

    @torch.no_grad()
    def read(self, weight: torch.Tensor, *, step: int, top: torch.Tensor | None = None) -> Spectrum:
        """The spectrum of ``weight`` at ``step``, exact or foreseen.

        ``method`` of a foreseen one is ``adaptive`` and its ``error_bound`` an estimate: the error seen at
        the last decomposition times the share of the way that W has gone since.

        Raises:
            InvalidValueError, NumericalError: as :func:`exact_spectrum`.
        """
        matrix = tall(weight)
        gone = self._gone(matrix)
        if self._exact is None or not gone <= self._way:  # NaN decomposes too, and is named there
            return self._decompose(weight, matrix, step=step, gone=gone, top=top)
        last = self._exact.values
        values = placed(self._onward(last, step) if self._goes_on else last, top)
        estimate = self._exact.error_bound + self._error_a_way * gone
        return Spectrum(values, "adaptive", estimate)

    def _gone(self, matrix: torch.Tensor) -> float:
        if self._exact is None:
            return 0.0
        if matrix.shape != self._W.shape:
            raise InvalidValueError(
                f"its shape changed from {tuple(self._W.shape)} to {tuple(matrix.shape)}; begin anew"
            )
        return float(torch.dist(matrix, self._W))

    def _decompose(
        self, weight: torch.Tensor, matrix: torch.Tensor, *, step: int, gone: float, top: torch.Tensor | None
    ) -> Spectrum:
        exact = exact_spectrum(weight, method=self._method)
        if self._exact is not None:
            self._learn(self._exact.values, exact.values, step=step, gone=gone, top=top)
        # a copy of our own, in the same layout: the weights go on changing
        self._W = matrix.clone()
        self._exact, self._step = exact, step
        return exact

    def _learn(
        self, last: torch.Tensor, now: torch.Tensor, *, step: int, gone: float, top: torch.Tensor | None
    ) -> None:
        """Compare what was foreseen with what came, and set pace and way."""
        largest = float(now[0])
        errors = [
            float((placed(values, top) - now).abs().max()) for values in (last, self._onward(last, step))
        ]
        self._goes_on = len(self._pace) > 0 and errors[1] < errors[0]
        self._pace = (now - last) / max(step - self._step, 1)
        error = max(min(errors), 1e-7 * largest)
        wanted = self._tolerance * largest / BINS
        if gone > 0:
            self._error_a_way = error / gone
            # a jump teaches nothing about calm motion: the way shrinks to what it was at most
            longest = GROWTH * (self._way if self._way > 0 else gone)
            self._way = min(SAFETY * wanted / self._error_a_way, longest)

    def _onward(self, last: torch.Tensor, step: int) -> torch.Tensor:
        return last + (step - self._step) * self._pace if len(self._pace) else last


def placed(values: torch.Tensor, top: torch.Tensor | None) -> torch.Tensor:
    """``values`` with the tracked ones on top, none negative, in order."""
    values = values.clone()
    if top is not None and len(top):
        k = min(len(top), len(values))
        values[:k] = top[:k].to(values)
    return values.clamp(min=0.0).sort(descending=True).values
