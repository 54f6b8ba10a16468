"""Every error that sigmascope raises on purpose.

    SigmascopeError
    ├── InvalidValueError      an argument outside its domain; also a ValueError
    ├── NotFoundError          a run, layer, step or preset that does not exist
    ├── NumericalError         NaN or infinity met where numbers are needed
    │   └── DivergedError      training left the real numbers
    ├── ServiceError           the service answered with an error, or not at all
    │   └── BrokerUnavailableError   the queue cannot be reached
    ├── OutOfMemoryError       a worker's machine or GPU has no room for a run
    └── LeaseLostError         a worker no longer owns its run

A message names the offending value and the remedy, in one sentence or two.
"""

from __future__ import annotations


class SigmascopeError(Exception):
    """Base of all errors raised on purpose."""


class InvalidValueError(SigmascopeError, ValueError):
    """An argument lies outside its domain."""


class NotFoundError(SigmascopeError):
    """What was asked for does not exist."""


class NumericalError(SigmascopeError):
    """NaN or infinity where a number is needed.

    Attributes:
        places: which ones, of several that were looked at together; empty where it was one.
    """

    places: tuple[int, ...] = ()


class DivergedError(NumericalError):
    """Training produced a loss that is NaN or infinite."""


class ServiceError(SigmascopeError):
    """The service answered with an error, or not at all."""


class BrokerUnavailableError(ServiceError):
    """The queue between the backend and the workers cannot be reached."""


class OutOfMemoryError(SigmascopeError):
    """An allocation failed; what was recorded before it is kept."""


class LeaseLostError(SigmascopeError):
    """Another attempt owns the run now; this one must stop without a trace."""
