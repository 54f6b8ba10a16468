"""Eigenvalues of A^T A by scipy's LAPACK, called without Python's lock, on one thread.

- ``scipy.linalg.eigh`` holds the lock, so that matrices could not be decomposed side by side.
- ``torch.linalg.eigvalsh`` takes 1.1 to 2 times as long for more than 192 values, on one thread.
- OpenBLAS's other threads spin on after a call and take the cores from torch's.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cython_blas, cython_lapack
from threadpoolctl import LibController, ThreadpoolController

from sigmascope.errors import NumericalError

_PADDING = 16


def gram_eigenvalues(array: NDArray[Any]) -> NDArray[Any]:
    """Of A^T A, ascending, (n,), in the precision of A.

    Args:
        array: A (m, n), float32 or float64, finite; contiguous by rows or by columns, else it is copied.

    Raises:
        NumericalError: the iteration did not converge.
    """
    with _one_thread:
        return _eigenvalues(_gram(array))


def _gram(array: NDArray[Any]) -> NDArray[Any]:
    """(n, n) by columns: A^T A in the upper triangle; the rest is not set.

    Columns lie ``_PADDING`` numbers apart: a power of two would put them all in the same places of a cache,
    and the reduction to tridiagonal form would wait for memory, a tenth of its time for 1024.
    """
    m, n = array.shape
    if array.flags.f_contiguous:
        transposed, leading = b"T", m
    else:  # what lies by rows is its transpose by columns: no copy
        array, transposed, leading = np.ascontiguousarray(array), b"N", n
    found = np.empty((n + _PADDING, n), dtype=array.dtype, order="F")[:n]
    one, zero = np.ones(1, array.dtype), np.zeros(1, array.dtype)
    _routine(cython_blas, f"{_letter(array)}syrk", arguments=10)(
        *(b"U", transposed, _int(n), _int(m)),
        *(one.ctypes, array.ctypes, _int(leading), zero.ctypes, found.ctypes, _int(n + _PADDING)),
    )
    return found


def _eigenvalues(triangle: NDArray[Any]) -> NDArray[Any]:
    """Of a symmetric matrix of which the upper triangle is given and overwritten."""
    n, dtype = len(triangle), triangle.dtype
    values, unused, bound = np.empty(n, dtype), np.empty(1, dtype), np.zeros(1, dtype)
    support, info, found = np.empty(2 * n, np.intc), ctypes.c_int(0), ctypes.c_int(0)

    def call(work: NDArray[Any], integers: NDArray[np.intc], *, sizes: tuple[int, int]) -> None:
        _routine(cython_lapack, f"{_letter(triangle)}syevr", arguments=21)(
            *(b"N", b"A", b"U", _int(n), triangle.ctypes, _int(n + _PADDING)),
            *(bound.ctypes, bound.ctypes, _int(0), _int(0), bound.ctypes),  # no bounds: all of them
            *(ctypes.byref(found), values.ctypes, unused.ctypes, _int(1), support.ctypes),
            *(work.ctypes, _int(sizes[0]), integers.ctypes, _int(sizes[1]), ctypes.byref(info)),
        )

    work, integers = np.empty(1, dtype), np.empty(1, np.intc)
    call(work, integers, sizes=(-1, -1))  # asks for the sizes
    sizes = int(work[0]), int(integers[0])
    call(np.empty(sizes[0], dtype), np.empty(sizes[1], np.intc), sizes=sizes)
    if info.value != 0:
        raise NumericalError(f"LAPACK found no eigenvalues of a {n} x {n} matrix (info {info.value})")
    return values


class _OneThread:
    """Limits OpenBLAS to one thread while anybody is inside, in whatever thread of Python.

    The limits of threadpoolctl can only be lifted by the thread that set them; the first to enter here need
    not be the last to leave. And it lets one thread alone change the number, silently: whoever does takes
    that right, and gives it up again.
    """

    def __init__(self) -> None:
        self._lock, self._inside = Lock(), 0
        self._before: list[tuple[LibController, int]] = []

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = [(library, library.get_num_threads()) for library in _openblas()]
                _set_threads((library, 1) for library, _ in self._before)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                _set_threads(self._before)


_one_thread = _OneThread()


def _set_threads(numbers: Iterable[tuple[LibController, int]]) -> None:
    for library, threads in numbers:
        type(library).clear_controlling_thread(force=True)
        library.set_num_threads(threads)
        type(library).clear_controlling_thread(force=True)


@cache
def _openblas() -> Sequence[LibController]:
    return tuple(ThreadpoolController().select(internal_api="openblas").lib_controllers)


def _letter(array: NDArray[Any]) -> str:
    return "s" if array.dtype == np.float32 else "d"


def _int(value: int) -> Any:
    return ctypes.byref(ctypes.c_int(value))


@cache
def _routine(module: Any, name: str, *, arguments: int) -> Callable[..., None]:
    """The routine that scipy offers to compiled code; all arguments are pointers."""
    capsule = module.__pyx_capi__[name]
    api = ctypes.pythonapi
    api.PyCapsule_GetName.restype, api.PyCapsule_GetName.argtypes = ctypes.c_char_p, [ctypes.py_object]
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = api.PyCapsule_GetPointer(capsule, api.PyCapsule_GetName(capsule))
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * arguments)(address)
