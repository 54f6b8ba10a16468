"""Ritz values and vectors: what the products of W with a few orthonormal vectors say of W."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from sigmascope.prediction.predictor import require_finite
from sigmascope.spectra.stacks import by_shape

# values (b, p), and Z (b, p, p) orthonormal: the i-th Ritz vector of a trial X is X Z_i
Ritz: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


def ritz_values(products: Sequence[torch.Tensor], *, name: str) -> Ritz:
    """Singular values of ``products`` (side, p), which are tall, and right vectors; both descend.

    Raises:
        NumericalError: they are not finite.
    """
    first = products[0]
    squared = first.dtype == torch.float32 and first.device.type != "mps"  # Metal has no float64
    # p x p: a GPU is slower from here on, and would be waited for twice
    small = torch.stack([one for (one,) in by_shape(_gram if squared else _triangle, products)]).cpu()
    require_finite(small, name=name)
    if squared:
        ascending, vectors = torch.linalg.eigh(small)
        return np.sqrt(np.maximum(ascending.numpy()[:, ::-1], 0.0)), vectors.numpy()[..., ::-1]
    _, values, Zh = torch.linalg.svd(small)
    return values.double().numpy(), Zh.mT.double().numpy()


def _gram(product: torch.Tensor) -> tuple[torch.Tensor]:
    """What squaring loses in float64, 1e-8 of the largest, is below the rounding of the product itself."""
    exact = product.double()
    return (exact.mT @ exact,)


def _triangle(product: torch.Tensor) -> tuple[torch.Tensor]:
    return (torch.linalg.qr(product, mode="r").R,)
