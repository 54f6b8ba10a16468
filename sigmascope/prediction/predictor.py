"""What every tracker of the largest singular values offers, and the checks that all of them share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch

from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.prediction.state import Entry, State
from sigmascope.prediction.update import WeightChange
from sigmascope.spectra.orientation import require_tensor, tall
from sigmascope.spectra.triplets import Triplets


class Predictor(Protocol):
    """Follows the k largest singular values of W from W_0 and the weight changes alone.

    A predictor never sees W after step 0. It keeps no autograd graph and draws no random numbers, so
    training is the same, bit for bit, with and without it.
    """

    @property
    def name(self) -> str:
        """The name under which its trajectory is recorded."""
        ...

    def start(self, W0: torch.Tensor, *, triplets: Triplets | None = None) -> None:
        """Forget everything and begin at ``W0`` (either orientation).

        ``triplets`` are those of ``W0``, turned so that m >= n, where several predictors share them.

        Raises:
            InvalidValueError: k exceeds min(m, n), or ``W0`` is no real matrix.
            NumericalError: ``W0`` holds NaN or infinity.
        """
        ...

    def step(self, G: torch.Tensor, *, scale: float = 1.0) -> None:
        """Advance by the weight change ``scale * G`` of one batch, in the orientation of ``W0``.

        It is -eta grad L. With ``scale`` the gradient serves as it lies in memory: a product of its own would
        cost as much as the rest.

        Raises:
            InvalidValueError: called before ``start``, or ``G`` is no tensor (None: there is no gradient)
                or not of the shape of ``W0``.
            NumericalError: ``G`` holds NaN or infinity; ``start`` anew before the next step.
        """
        ...

    @property
    def likeness(self) -> tuple[object, ...]:
        """Equal where the next steps can share their small operations; it can change by a step."""
        ...

    @staticmethod
    def step_alike(trackers: Sequence[Any], changes: Sequence[WeightChange]) -> None:
        """``step`` of each, of ``trackers`` with one ``likeness``, in a few batched calls."""
        ...

    @property
    def singular_values(self) -> torch.Tensor:
        """(k,) float32 on the CPU, descending.

        Raises:
            InvalidValueError: called before ``start``.
        """
        ...

    def state_dict(self) -> State:
        """All that ``step`` builds on, tensors copied; ``torch.save`` and ``weights_only=True`` take it."""
        ...

    def load_state_dict(self, state: Mapping[str, Entry]) -> None:
        """Continue as the predictor that ``state_dict`` was called on would have, bit for bit.

        Raises:
            InvalidValueError: it was another predictor, or one with other settings; nothing has changed.
        """
        ...


def require_positive_k(k: int) -> int:
    """``k`` itself.

    Raises:
        InvalidValueError: k is below 1, or no whole number.
    """
    return whole("k", k, least=1, remedy="track one singular value or more")


def initial_matrix(W0: torch.Tensor, k: int) -> torch.Tensor:
    """(m, n) with m >= n: the predictor's view of ``W0``, checked to have k singular values, all finite."""
    view = tall(W0)
    if k > view.shape[1]:
        raise InvalidValueError(
            f"k must be at most min(m, n) = {view.shape[1]} for a {tuple(W0.shape)} matrix, got {k}: lower k"
        )
    if not bool(torch.isfinite(view).all()):
        raise NumericalError(
            f"W0 of shape {tuple(W0.shape)} holds NaN or infinity: start from finite weights"
        )
    return view


def weight_change(
    G: torch.Tensor, *, shape: torch.Size | None, dtype: torch.dtype | None = None
) -> torch.Tensor:
    """(m, n) with m >= n: ``G`` turned like W0, whose original ``shape`` it must have, as ``dtype`` if given.

    NaN is left to :func:`require_finite`, on the small product that every predictor forms from G anyway:
    a NaN or infinite entry of G reaches it, and looking there costs nothing.
    """
    if shape is None:
        raise InvalidValueError("step() before start(): call start(W0) with the weights of step 0 first")
    require_tensor("G", G, remedy="leave the step out where a layer has no gradient")
    if G.shape != shape:
        raise InvalidValueError(
            f"G must have the shape of W0, {tuple(shape)}, got {tuple(G.shape)}: "
            "pass -learning_rate * weight.grad as it is, not transposed"
        )
    if G.dtype == dtype and shape[0] >= shape[1]:
        return G  # what comes of the rest, most often, and more quickly
    turned = tall(G)
    return turned if dtype is None else turned.to(dtype)


def weight_changes(
    changes: Sequence[WeightChange], *, shapes: Sequence[torch.Size | None], dtype: torch.dtype
) -> list[torch.Tensor]:
    """:func:`weight_change` of the direction of each."""
    pairs = zip(changes, shapes, strict=True)
    return [weight_change(change.direction, shape=shape, dtype=dtype) for change, shape in pairs]


def each(numbers: Sequence[float], *, like: torch.Tensor) -> torch.Tensor | float:
    """(len(numbers), 1, 1) of the device and type of ``like``, for what is ``stacked``; one as it is."""
    if len(numbers) == 1:
        return numbers[0]
    return torch.tensor(numbers, dtype=like.dtype).view(-1, 1, 1).to(like.device)


def require_finite(products: torch.Tensor, *, name: str) -> None:
    """Raise NumericalError, with the places, where an entry of ``products`` with G is not finite.

    These are ``stacked``, two-dimensional each.
    """
    # a sum is finite of finite numbers alone, but may overflow on its own: the cheapest look at all
    if math.isfinite(float(products.sum())):
        return
    finite = products.isfinite().view(-1, *products.shape[-2:]).all(-1).all(-1).tolist()
    if not all(finite):
        error = NumericalError(
            f"{name}: the weight change holds NaN or infinity; lower the learning rate, and start() anew"
        )
        error.places = tuple(place for place, good in enumerate(finite) if not good)
        raise error


def not_started() -> InvalidValueError:
    """Of a predictor that has nothing to say yet."""
    return InvalidValueError("no singular values before start(): call start(W0) first")


def descending_on_cpu(sigma: torch.Tensor | None) -> torch.Tensor:
    """(..., k) float32 on the CPU, sorted descending; a copy that later steps do not change."""
    if sigma is None:
        raise not_started()
    return sigma.sort(descending=True).values.to(device="cpu", dtype=torch.float32, copy=True)
