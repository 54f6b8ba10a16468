"""Algorithm 1 of the paper, verbatim: bootstrapped drift inside the initial singular subspaces."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from sigmascope.apart import apart_from_training
from sigmascope.errors import InvalidValueError
from sigmascope.prediction.predictor import (
    descending_on_cpu,
    initial_matrix,
    require_finite,
    require_positive_k,
    weight_change,
)
from sigmascope.prediction.state import Entry, State, as_list, restored, saved, shape_of, tensor_of
from sigmascope.spectra.triplets import leading_triplets


class Algorithm1:
    """Section 7, Algorithm 1, as printed; line numbers in the comments are the paper's.

    Per batch, with G = -eta grad L and M = U_k^T G V_k, for i = 1 ... k in this order::

        Delta sigma_i = M_ii
        du_i, dv_i    = sum_{j != i} (M_ji / (sigma_i - sigma_j + eps) + M_ij / (sigma_i + sigma_j + eps))
                        (u_j, v_j)
        sigma_i       = max(sigma_i + Delta sigma_i, delta)

    then U_k and V_k are orthonormalised (Gram-Schmidt) and their signs aligned with the previous ones.

    It is kept for comparison and known to be wrong in three ways. (1) The coefficients: first-order
    perturbation gives du_i = sum_j (sigma_i M_ji + sigma_j M_ij) / (sigma_i^2 - sigma_j^2) u_j, and for
    dv_i the same with M transposed; here du_i and dv_i share one set
    (:mod:`sigmascope.theory.perturbation` has both). (2) The part of du_i and dv_i outside
    the tracked span, (I - U U^T) G v_i / sigma_i, is left out, so the spans of U_k and V_k never leave
    those of W_0 and directions that grow during training stay unseen. (3) sigma_i is replaced inside the
    loop, so mode i meets the new sigma_j for j < i and the old one for j > i.

    The paper leaves epsilon and delta open. The order of modes is the paper's, by W_0; it can cross, so
    ``singular_values`` sorts. Cost a batch: O(mnk + (m + n) k^2), as in section 7.1. (Since the spans never
    move, the whole recursion could run on k x k matrices; as printed, it updates and orthonormalises the
    long vectors.)

    Args:
        k: singular values tracked.
        epsilon: the paper's epsilon, which keeps denominators from zero.
        delta: the paper's delta, the floor under every singular value.

    Raises:
        InvalidValueError: k below 1, epsilon or delta not positive.
    """

    name = "algorithm1"

    def __init__(self, k: int, *, epsilon: float = 1e-8, delta: float = 1e-8) -> None:
        if not epsilon > 0 or not delta > 0:
            raise InvalidValueError(
                f"epsilon and delta must be positive, got {epsilon} and {delta}: the default is 1e-8 for both"
            )
        self.k = require_positive_k(k)
        self.epsilon = epsilon
        self.delta = delta
        self._shape: torch.Size | None = None
        self._U = torch.empty(0, 0)
        self._V = torch.empty(0, 0)
        self._below = torch.empty(0, 0, dtype=torch.bool)
        self._sigma: torch.Tensor | None = None

    @apart_from_training
    def start(self, W0: torch.Tensor) -> None:
        """Line 3: the k leading singular triplets of ``W0``. See Predictor."""
        self._U, self._sigma, self._V = leading_triplets(initial_matrix(W0, self.k), self.k)
        self._shape = W0.shape
        self._below = torch.ones(self.k, self.k, dtype=torch.bool, device=self._U.device).tril(-1)

    @apart_from_training
    def step(self, G: torch.Tensor, *, scale: float = 1.0) -> None:
        """Lines 5 to 14 for one batch. See Predictor."""
        G = weight_change(G, shape=self._shape, dtype=self._U.dtype)
        sigma = self._require_sigma()
        U, V = self._U, self._V
        M = scale * ((U.T @ G) @ V)  # line 6, (k, k)
        require_finite(M, name=self.name)
        new_sigma = (sigma + M.diagonal()).clamp(min=self.delta)  # lines 8 and 10: no i needs another's
        C = self._coefficients(M, old=sigma, new=new_sigma)  # line 9, row i holds those of du_i and dv_i
        self._U = self._aligned(torch.addmm(U, U, C.T), U)  # lines 11, 13, 14
        self._V = self._aligned(torch.addmm(V, V, C.T), V)
        self._sigma = new_sigma

    def _coefficients(self, M: torch.Tensor, *, old: torch.Tensor, new: torch.Tensor) -> torch.Tensor:
        """(k, k): line 9's factor of (u_j, v_j) in row i, zero on the diagonal.

        Line 10 overwrites sigma_i before i + 1 begins: for j < i the loop reads the new sigma_j, for j > i
        the old one, and sigma_i itself is old. ``_below`` marks j < i; the loop is then one expression.
        """
        sigma_i = old[:, None]
        sigma_j = torch.where(self._below, new, old)
        # A gap of exactly -epsilon (two modes at the floor) is undefined as printed: read as a gap of zero.
        gap = sigma_i - sigma_j + self.epsilon
        gap = torch.where(gap == 0.0, self.epsilon, gap)
        C = M.T / gap + M / (sigma_i + sigma_j + self.epsilon)
        return C.fill_diagonal_(0.0)

    @staticmethod
    def _aligned(vectors: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        """orth(vectors), each column's sign turned to the side of its predecessor.

        QR is Gram-Schmidt up to the signs of the columns, which the alignment settles.
        """
        basis, _ = torch.linalg.qr(vectors)
        return torch.where((basis * previous).sum(0) < 0, -basis, basis)

    def _require_sigma(self) -> torch.Tensor:
        if self._sigma is None:
            raise InvalidValueError("step() before start(): call start(W0) first")
        return self._sigma

    @property
    def singular_values(self) -> torch.Tensor:
        """(k,) float32 on the CPU, descending. See Predictor."""
        return descending_on_cpu(self._sigma)

    def state_dict(self) -> State:
        """See Predictor."""
        tensors = {"U": self._U, "V": self._V, "sigma": self._sigma, "below": self._below}
        return saved(self._settings(), tensors) | {"shape": as_list(self._shape)}

    def load_state_dict(self, state: Mapping[str, Entry]) -> None:
        """See Predictor."""
        own = restored(state, settings=self._settings())
        shape = shape_of(own)
        sigma = None if shape is None else tensor_of(own, "sigma")
        U, V, below = (tensor_of(own, name) for name in ("U", "V", "below"))
        self._shape, self._sigma, self._U, self._V, self._below = shape, sigma, U, V, below

    def _settings(self) -> dict[str, str | int | float]:
        return {"name": self.name, "k": self.k, "epsilon": self.epsilon, "delta": self.delta}
