"""Errors that say where they happened: the layer, and the step if there is one."""

from __future__ import annotations

from types import TracebackType

from sigmascope.errors import InvalidValueError, NumericalError


class at_layer:  # noqa: N801
    """Errors raised inside begin with ``layer NAME`` or ``step STEP, layer NAME``; their types stay.

    >>> with at_layer("head", step=3):
    ...     raise NumericalError("2 of 4 weights are NaN or infinite")
    Traceback (most recent call last):
    sigmascope.errors.NumericalError: step 3, layer head: 2 of 4 weights are NaN or infinite
    """

    __slots__ = ("_name", "_step")  # no generator: entered twice a batch for every layer

    def __init__(self, name: str, *, step: int | None = None) -> None:
        self._name, self._step = name, step

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            return
        where = f"layer {self._name}" if self._step is None else f"step {self._step}, layer {self._name}"
        for ours in (NumericalError, InvalidValueError):
            if isinstance(error, ours):
                raise ours(f"{where}: {error}") from error
