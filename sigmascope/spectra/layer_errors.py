"""Errors that say where they happened: the layer, and the step or batch if there is one."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType

from sigmascope.errors import InvalidValueError, NumericalError, SigmascopeError


def at_layer(name: str, *, step: int | None = None) -> AbstractContextManager[None]:
    """Errors raised inside begin with ``layer NAME`` or ``step STEP, layer NAME``; their types stay.

    >>> with at_layer("head", step=3):
    ...     raise NumericalError("2 of 4 weights are NaN or infinite")
    Traceback (most recent call last):
    sigmascope.errors.NumericalError: step 3, layer head: 2 of 4 weights are NaN or infinite
    """
    layer = f"layer {name}: "
    return _Beginning(layer if step is None else f"step {step}, {layer}", (NumericalError, InvalidValueError))


def at_time(time: str) -> AbstractContextManager[None]:
    """Numerical errors raised inside, which name their layer, begin with ``time``.

    >>> with at_time("batch 7"), at_layer("head"):
    ...     raise NumericalError("the gradient holds NaN or infinity")
    Traceback (most recent call last):
    sigmascope.errors.NumericalError: batch 7, layer head: the gradient holds NaN or infinity
    """
    return _Beginning(f"{time}, ", (NumericalError,))


class _Beginning(AbstractContextManager[None]):
    """No generator: entered twice a batch for every layer."""

    __slots__ = ("_kinds", "_text")

    def __init__(self, text: str, kinds: tuple[type[SigmascopeError], ...]) -> None:
        self._text, self._kinds = text, kinds

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for ours in self._kinds:
            if isinstance(error, ours):
                raise ours(f"{self._text}{error}") from error
