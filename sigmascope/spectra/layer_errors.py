"""Errors that say where they happened: the layer, and the step if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sigmascope.errors import InvalidValueError, NumericalError


@contextmanager
def at_layer(name: str, *, step: int | None = None) -> Iterator[None]:
    """Errors raised inside begin with ``layer NAME`` or ``step STEP, layer NAME``; their types stay.

    >>> with at_layer("head", step=3):
    ...     raise NumericalError("2 of 4 weights are NaN or infinite")
    Traceback (most recent call last):
    sigmascope.errors.NumericalError: step 3, layer head: 2 of 4 weights are NaN or infinite
    """
    where = f"layer {name}" if step is None else f"step {step}, layer {name}"
    try:
        yield
    except NumericalError as error:
        raise NumericalError(f"{where}: {error}") from error
    except InvalidValueError as error:
        raise InvalidValueError(f"{where}: {error}") from error
