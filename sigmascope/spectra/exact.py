"""All singular values of a weight matrix, with the error that the method leaves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import torch

from sigmascope.apart import apart_from_training
from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.spectra.lapack import gram_eigenvalues
from sigmascope.spectra.orientation import tall

# Up to this many singular values a decomposition takes well under a millisecond either way.
_SMALL = 64
# From more values on, scipy's LAPACK is faster on its one thread than torch's is; up to _TWO_THREADS values,
# also than torch's on two threads: by up to 36 %, in turns.
_LARGE, _TWO_THREADS = 192, 1536
# Largest entries up to this, and from its inverse on, have squares and sums of squares well inside float32.
SQUARABLE = 1e9
# relative to sigma_max: what is asked of ``auto`` otherwise, and what the methods keep on full-rank weights
_USUAL_ACCURACY, _GRAM_ACCURACY, _SVD_ACCURACY = 1e-3, 2e-4, 1e-5


@dataclass(frozen=True, slots=True)
class Spectrum:
    """All singular values of one matrix.

    Attributes:
        values: (n,) on the CPU, descending, never negative; float32, or float64 for a float64 weight.
        method: what computed them: ``svd``, ``gram``, ``gram64``, ``adaptive`` or ``slq``.
        error_bound: bound of the absolute error of every value, in the unit of the values; of ``adaptive``
            and ``slq`` it is an estimate.
    """

    values: torch.Tensor
    method: str
    error_bound: float


@apart_from_training
def exact_spectrum(weight: torch.Tensor, *, method: str = "auto", accuracy: float | None = None) -> Spectrum:
    """All min(rows, columns) singular values of ``weight``, descending.

    * ``svd`` (LAPACK gesdd): absolute error within (4 + m / 2) eps sigma_max, that is 6e-5 sigma_max for
      1024 rows in float32, for small values too.
    * ``gram`` (square roots of the eigenvalues of W^T W): 2 to 3.5 times faster. Squaring moves lambda by up
      to c eps lambda_max, c = 8 + m / 8, which a square root turns into c eps lambda_max / sigma: nothing for
      large values, at most sqrt(c eps) sigma_max = 4e-3 sigma_max where sigma is zero. Random full-rank
      weights stay far below 2e-4 sigma_max, square ones included; only rank-deficient ones exceed it.
    * ``gram64``: the same in float64, for a float32 weight: absolute error within 2e-7 sigma_max even where
      sigma is zero, at about the time of ``svd``.
    * ``auto``: the fastest whose error on full-rank weights is within ``accuracy``. Without one: ``svd`` up
      to min(rows, columns) = 64, where speed does not matter, else ``gram``, whose error on random weights
      (1e-5 sigma_max seen on 1024 x 1024) is far below a histogram's bin width.

    On CUDA all compute in float64: single precision was wrong by 3e-4 sigma_max there, and no faster (H100,
    H200). ``gram`` and ``auto`` are then ``gram64``.

    The bounds have the forms that rounding theory gives (Golub and Van Loan, section 8.6), linear in m; their
    constants are empirical, 1.8 times the worst seen on Gaussian, spiked, constant and low-rank matrices up
    to 20,000 rows. Constant ones are the worst, whose roundings all go one way; random ones stay below a
    tenth.

    Runs on the weight's device, without autograd, autocast, TF32 or random numbers; ``weight`` is not changed
    and may be non-contiguous or of half precision. The result moves to the CPU once.

    Args:
        weight: (rows, columns), real floating point.
        method: ``auto``, ``svd``, ``gram`` or ``gram64``.
        accuracy: the largest absolute error wanted, in units of sigma_max, of full-rank weights. Below 1e-5,
            ``svd`` of a float32 weight is no longer enough, and ``auto`` takes ``gram64``; so does ``gram``
            below 2e-4. The other methods have one accuracy, and do not look at this one.

    Raises:
        InvalidValueError: unknown method; ``weight`` is not a matrix, empty, or not real floating point.
        NumericalError: ``weight`` holds NaN or infinity, or a singular value leaves the range of its type.

    >>> exact_spectrum(torch.tensor([[3.0, 0.0], [0.0, -4.0], [0.0, 0.0]])).values
    tensor([4., 3.])
    """
    matrix = tall(weight)
    chosen = choose(method, matrix, accuracy=accuracy)
    check_finite(matrix)
    return bounded(METHODS[chosen](decomposable(matrix)).cpu(), chosen, matrix)


def check_method(method: str) -> str:
    """``method`` itself.

    Raises:
        InvalidValueError: it is none of ``auto``, ``svd``, ``gram`` and ``gram64``.
    """
    if method != "auto" and method not in METHODS:
        raise InvalidValueError(
            f"unknown spectra method {method!r}; choose one of auto, {', '.join(METHODS)}"
        )
    return method


def check_accuracy(accuracy: float | None) -> float | None:
    """``accuracy`` when None, or positive and finite; InvalidValueError otherwise."""
    if accuracy is not None and not (math.isfinite(accuracy) and accuracy > 0):
        raise InvalidValueError(
            f"accuracy must be positive and finite, got {accuracy}; 1e-3 suits histograms"
        )
    return accuracy


def choose(method: str, matrix: torch.Tensor, *, accuracy: float | None) -> str:
    """The key of METHODS that ``method`` stands for, for a tall matrix; see :func:`exact_spectrum`.

    Raises:
        InvalidValueError: unknown method, or an accuracy that is not positive.
    """
    check_accuracy(accuracy)
    single = matrix.dtype == torch.float32
    if check_method(method) not in ("auto", "gram"):
        return method
    on_gpu = matrix.device.type == "cuda"
    if method == "gram":
        inexact = on_gpu or (accuracy is not None and accuracy < _GRAM_ACCURACY)
        return "gram64" if single and inexact else "gram"
    wanted = _USUAL_ACCURACY if accuracy is None else accuracy
    if single and (on_gpu or wanted < _SVD_ACCURACY):
        return "gram64"
    if on_gpu:
        return "gram"
    return "svd" if matrix.shape[1] <= _SMALL or wanted < _GRAM_ACCURACY else "gram"


def check_finite(matrix: torch.Tensor) -> None:
    """NumericalError, which counts them, where entries are NaN or infinite."""
    # The sum of anything with NaN or infinity is not finite: the cheapest look at every entry. A sum may
    # overflow on its own, so that only a count convicts.
    if bool(matrix.sum().isfinite()):
        return
    bad = int((~torch.isfinite(matrix)).sum())
    if bad:
        raise NumericalError(
            f"{bad} of {matrix.numel()} weights are NaN or infinite, so there are no singular values; "
            "lower the learning rate"
        )


def decomposable(matrix: torch.Tensor) -> torch.Tensor:
    """``matrix`` where a decomposition exists: Metal has none, and leaves it to the CPU."""
    return matrix.cpu() if matrix.device.type == "mps" else matrix


def bounded(values: torch.Tensor, method: str, matrix: torch.Tensor) -> Spectrum:
    """The spectrum with its error bound; values come back in the precision of the weight."""
    bound = _error_bound(values, method, rows=matrix.shape[0])
    kept = check_range(values, matrix.dtype)
    type_kept = torch.finfo(kept.dtype)
    if kept.dtype != values.dtype:
        bound += type_kept.eps * float(values[0])
    if bound > 0:  # nothing is nearer than the least spacing of the type
        bound += type_kept.smallest_normal * type_kept.eps
    return Spectrum(kept, method, bound)


def check_range(values: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """``values`` in ``dtype``; NumericalError where the largest, the first, does not fit."""
    kept = values.to(dtype)
    if not math.isfinite(float(kept[0])):
        raise NumericalError(
            f"the largest singular value leaves the range of {dtype}; scale the weight down, or convert it "
            "with .double()"
        )
    return kept


def _svd(matrix: torch.Tensor) -> torch.Tensor:
    values: torch.Tensor = torch.linalg.svdvals(matrix.double() if matrix.is_cuda else matrix)
    return values


def _gram(matrix: torch.Tensor) -> torch.Tensor:
    # Squares of very large or very small weights leave the range of float32: they are scaled first.
    low, high = matrix.amin((-2, -1), keepdim=True), matrix.amax((-2, -1), keepdim=True)
    scale = torch.maximum(-low, high).clamp(min=torch.finfo(matrix.dtype).tiny)
    scale = torch.where((scale > 1 / SQUARABLE) & (scale < SQUARABLE), 1.0, scale)
    eigenvalues = _gram_eigenvalues(matrix if bool((scale == 1.0).all()) else matrix / scale)
    # Rounding may leave eigenvalues of a singular matrix slightly negative.
    return eigenvalues.flip(-1).clamp(min=0.0).sqrt() * scale[..., 0]


def _gram_eigenvalues(matrix: torch.Tensor) -> torch.Tensor:
    """Of W^T W, ascending, (..., n)."""
    n, threads = matrix.shape[-1], torch.get_num_threads()
    few = threads == 1 or (threads == 2 and n <= _TWO_THREADS)
    if matrix.device.type != "cpu" or not few or n <= _LARGE or matrix.dtype not in _LAPACK_TYPES:
        found: torch.Tensor = torch.linalg.eigvalsh(matrix.mT @ matrix)
        return found
    return torch.from_numpy(gram_eigenvalues(matrix.numpy()))


def _gram64(matrix: torch.Tensor) -> torch.Tensor:
    return _gram(matrix.double())


def _error_bound(values: torch.Tensor, method: str, *, rows: int) -> float:
    """Absolute error bound by the a posteriori formulas in :func:`exact_spectrum`."""
    epsilon = torch.finfo(values.dtype).eps
    largest, smallest = float(values[0]), float(values[-1])
    bound = (4 + rows / 2) * epsilon * largest
    if method != "svd" and largest > 0:
        squared = (8 + rows / 8) * epsilon
        bound = max(bound, squared * largest / max(smallest / largest, math.sqrt(squared)))
    return bound


_LAPACK_TYPES = (torch.float32, torch.float64)
METHODS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = MappingProxyType(
    {"svd": _svd, "gram": _gram, "gram64": _gram64}
)
