"""The one place where a weight matrix is turned so that m >= n."""

from __future__ import annotations

import torch

from sigmascope.errors import InvalidValueError


def tall(matrix: torch.Tensor) -> torch.Tensor:
    """A detached view of ``matrix`` with m >= n: its transpose when it has more columns than rows.

    Singular values do not change; left and right singular vectors trade places. Half precision is raised
    to float32, since no decomposition exists below it; everything else stays a view and is not copied.

    Args:
        matrix: (rows, columns), floating point, any device and any strides.

    Returns:
        (m, n) with m >= n, float32 or float64.

    Raises:
        InvalidValueError: no tensor, not two-dimensional, empty, or not of a real floating-point type.

    >>> tall(torch.zeros(10, 784)).shape
    torch.Size([784, 10])
    """
    require_tensor("a weight matrix", matrix, remedy="torch.from_numpy() makes one of an array")
    if matrix.ndim != 2 or matrix.numel() == 0:
        raise InvalidValueError(
            f"a weight matrix has two dimensions, both at least 1; got shape {tuple(matrix.shape)}: "
            "reshape it, for instance with weight.flatten(1)"
        )
    if not matrix.dtype.is_floating_point:
        raise InvalidValueError(
            f"a weight matrix is of a real floating-point type; got {matrix.dtype}: convert it with .float()"
        )
    view = matrix.detach()
    if view.dtype not in (torch.float32, torch.float64):
        view = view.float()
    return view if view.shape[0] >= view.shape[1] else view.T


def require_tensor(name: str, value: object, *, remedy: str) -> None:
    """InvalidValueError with the remedy unless ``value`` is one."""
    if not isinstance(value, torch.Tensor):
        raise InvalidValueError(f"{name} must be a torch.Tensor, got {type(value).__name__}: {remedy}")
