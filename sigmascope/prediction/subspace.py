"""Warm-started subspace tracking: accurate top-k values at about the price of Algorithm 1."""

from __future__ import annotations

import torch

from sigmascope.errors import InvalidValueError
from sigmascope.prediction.predictor import (
    descending_on_cpu,
    initial_matrix,
    require_finite,
    require_positive_k,
    weight_change,
)

# Below this share of the largest value the last tracked one counts as zero: R would be near singular.
_NEGLIGIBLE = 1e-3


class Subspace:
    """Block power iteration with Rayleigh-Ritz values on W_t = W_0 + sum of G, warm-started every batch.

    One half step carries p = k + ``oversample`` orthonormal vectors to the other side of W, with a momentum
    term, and orthonormalises them::

        W_t V - c Q_old R^-1 = Q R_new      (from right to left; the way back has W_t^T Q and V_old)

    Here R is the triangular factor of the half step before and c = (sigma_p / 2)^2. Without the term
    (c = 0) this is the block power method, which damps what lies outside the span by sigma_{p+1} / sigma_k a
    half step: too slow in a dense spectrum. With it the half steps are the Chebyshev recurrence on
    [[0, W], [W^T, 0]], whose eigenvalues are +-sigma: everything below sigma_p stays bounded while sigma_k
    grows by (sigma_k + sqrt(sigma_k^2 - sigma_p^2)) / sigma_p, for no further product with W (Saad 2011,
    Numerical Methods for Large Eigenvalue Problems, section 5.3; Xu et al. 2018, accelerated power
    iteration with momentum).

    The singular values of W_t V are the Rayleigh-Ritz values on the tracked span: for a span at angle theta
    to the true one they fall short by a relative theta^2 / 2, never above; where p reaches min(m, n) they
    are exact. The vectors follow directions
    that leave the initial span, and errors do not add up, since every batch looks at the whole W_t again.
    Cost a batch: O(mnp) for the product, mn for the sum, (m + n) p^2 for the rest.

    Args:
        k: singular values reported.
        oversample: vectors carried beyond k, clipped to min(m, n) - k; 8 serve k = 8.
        half_steps: half steps a batch; 2 go to the left and back.

    Raises:
        InvalidValueError: k or ``half_steps`` below 1, ``oversample`` negative.
    """

    name = "subspace"

    def __init__(self, k: int, *, oversample: int = 8, half_steps: int = 1) -> None:
        if oversample < 0:
            raise InvalidValueError(f"oversample must be at least 0, got {oversample}: 8 serve k = 8")
        if half_steps < 1:
            raise InvalidValueError(f"half_steps must be at least 1, got {half_steps}: 1 keeps up with SGD")
        self.k = require_positive_k(k)
        self.oversample = oversample
        self.half_steps = half_steps
        self._shape: torch.Size | None = None
        self._W = torch.empty(0, 0)
        self._basis = torch.empty(0, 0)  # V or Q: the vectors to be multiplied next
        self._other = torch.empty(0, 0)  # those on the other side, one half step older
        self._R = torch.empty(0, 0)
        self._basis_is_right = True
        self._ritz: torch.Tensor | None = None

    @torch.no_grad()
    def start(self, W0: torch.Tensor) -> None:
        """Begin at ``W0`` with its leading singular vectors on both sides. See Predictor."""
        W = initial_matrix(W0, self.k)  # (m, n)
        p = min(self.k + self.oversample, W.shape[1])
        U, sigma, Vh = torch.linalg.svd(W, full_matrices=False)
        self._shape = W0.shape
        # A contiguous copy of our own: the caller's weights go on changing.
        self._W = W.clone(memory_format=torch.contiguous_format)
        self._basis = Vh[:p].T.clone()  # (n, p)
        self._other = U[:, :p].clone()  # (m, p)
        self._R = torch.diag(sigma[:p])  # W^T U = V diag(sigma)
        self._basis_is_right = True
        self._ritz = sigma[:p].clone()

    @torch.no_grad()
    def step(self, G: torch.Tensor) -> None:
        """Add ``G`` and make ``half_steps`` half steps. See Predictor."""
        self._W += weight_change(G, shape=self._shape, dtype=self._W.dtype)
        product = self._W  # the values are exact where p = n leaves nothing outside the span
        if self._basis.shape[1] < self._W.shape[1]:
            momentum = self._momentum()
            for _ in range(self.half_steps):
                product = self._half_step(momentum)
        R = torch.linalg.qr(product, mode="r").R
        require_finite(R, name=self.name)
        self._ritz = torch.linalg.svdvals(R)

    def _half_step(self, momentum: float) -> torch.Tensor:
        """Carry the basis to the other side of W; the plain product W V (or W^T Q) that led there."""
        product = self._W @ self._basis if self._basis_is_right else (self._basis.T @ self._W).T
        carried = product
        if momentum > 0.0:
            older = torch.linalg.solve_triangular(self._R, self._other, upper=True, left=False)
            carried = torch.add(product, older, alpha=-momentum)
        self._other = self._basis
        # Householder QR: the basis stays orthonormal even where W loses rank and R turns singular.
        self._basis, self._R = torch.linalg.qr(carried)
        self._basis_is_right = not self._basis_is_right
        return product

    def _momentum(self) -> float:
        """The c of the class: (sigma_p / 2)^2 by the last Ritz value; 0 where W has lost rank."""
        if self._ritz is None:
            return 0.0
        largest, smallest = float(self._ritz[0]), float(self._ritz[-1])
        return (smallest / 2) ** 2 if smallest > _NEGLIGIBLE * largest else 0.0

    @property
    def singular_values(self) -> torch.Tensor:
        """(k,) float32 on the CPU, descending. See Predictor."""
        return descending_on_cpu(None if self._ritz is None else self._ritz[: self.k])
