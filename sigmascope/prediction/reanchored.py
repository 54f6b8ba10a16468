"""Re-anchoring: any predictor, set back to the true weights every R batches."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError
from sigmascope.prediction.predictor import Predictor
from sigmascope.prediction.state import Entry, State
from sigmascope.spectra.orientation import require_tensor


class Reanchored:
    """``predictor``, started anew at the true weights before batches R + 1, 2R + 1, ...

    Unlike a Predictor, ``step`` takes the weights too: as they are when the gradient is read, before the
    change. It looks at them in every R-th call only, and then pays for a decomposition::

        tracker = Reanchored(make_predictor("algorithm1", k=8), every=100)
        tracker.start(weight)
        for batch in batches:
            ...
            tracker.step(G, weights=weight)  # G is about to be added to weight
            optimizer.step()

    So the values after batch R are still predicted over R batches; those after R + 1 over one.

    Args:
        predictor: any; its name is kept.
        every: R.

    Raises:
        InvalidValueError: ``every`` below 1, or no whole number.
    """

    def __init__(self, predictor: Predictor, *, every: int) -> None:
        self.predictor = predictor
        self.every = whole("every", every, least=1, remedy="re-anchor after one batch or more")
        self._steps = 0

    @property
    def name(self) -> str:
        """That of the predictor."""
        return self.predictor.name

    def start(self, W0: torch.Tensor) -> None:
        """See Predictor."""
        self.predictor.start(W0)
        self._steps = 0

    def step(self, G: torch.Tensor, *, weights: torch.Tensor, scale: float = 1.0) -> None:
        """Advance by ``scale * G`` from where the predictor is, or, when due, from ``weights``.

        Raises:
            InvalidValueError: as for Predictor, or ``weights`` are not of the shape of ``G``.
            NumericalError: ``G``, or weights that are due, hold NaN or infinity.
        """
        require_tensor("G", G, remedy="leave the step out where a layer has no gradient")
        require_tensor("weights", weights, remedy="pass the parameter itself")
        if weights.shape != G.shape:
            raise InvalidValueError(
                f"weights must have the shape of G, {tuple(G.shape)}, got {tuple(weights.shape)}: pass the "
                "parameter that G is about to change"
            )
        if self._steps > 0 and self._steps % self.every == 0:
            self.predictor.start(weights)
        self.predictor.step(G, scale=scale)
        self._steps += 1

    @property
    def singular_values(self) -> torch.Tensor:
        """(k,) float32 on the CPU, descending. See Predictor."""
        return self.predictor.singular_values

    def state_dict(self) -> State:
        """The predictor's, and the count of steps. See Predictor."""
        return self.predictor.state_dict() | {"every": self.every, "steps": self._steps}

    def load_state_dict(self, state: Mapping[str, Entry]) -> None:
        """See Predictor."""
        steps = state.get("steps")
        if state.get("every") != self.every or not isinstance(steps, int):
            raise InvalidValueError(
                f"the state has every = {state.get('every')!r} but this predictor {self.every}: "
                "build it as the one that was saved"
            )
        self.predictor.load_state_dict(state)
        self._steps = steps
