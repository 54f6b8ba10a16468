"""Errors that say where they happened: the layer, and the step if there is one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sigmascope.errors import InvalidValueError, NumericalError


@contextmanager
def at_layer(name: str, *, step: int | None = None) -> Iterator[None]:
    """Errors raised inside begin with ``layer NAME`` or ``layer NAME, step STEP``; their types stay.

    >>> with at_layer("head", step=3):
    ...     raise NumericalError("2 of 4 weights are NaN or infinite")
    Traceback (most recent call last):
    sigmascope.errors.NumericalError: layer head, step 3: 2 of 4 weights are NaN or infinite
    """
    where = f"layer {name}" if step is None else f"layer {name}, step {step}"
    try:
        yield
    except NumericalError as error:
        raise NumericalError(f"{where}: {error}") from error
    except InvalidValueError as error:
        raise InvalidValueError(f"{where}: {error}") from error
