"""Algorithm 1 of the paper, verbatim: bootstrapped drift inside the initial singular subspaces."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache

import torch

from sigmascope.apart import apart_from_training
from sigmascope.errors import InvalidValueError
from sigmascope.prediction.predictor import (
    descending_on_cpu,
    each,
    initial_matrix,
    require_finite,
    require_positive_k,
    weight_changes,
)
from sigmascope.prediction.state import Entry, State, as_list, restored, saved, shape_of, tensor_of
from sigmascope.prediction.update import WeightChange
from sigmascope.spectra.orthonormal import orthonormal
from sigmascope.spectra.products import times_each
from sigmascope.spectra.stacks import stacked, unstacked
from sigmascope.spectra.triplets import Triplets


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
        InvalidValueError: k below 1, epsilon or delta not positive and finite.
    """

    name = "algorithm1"

    def __init__(self, k: int, *, epsilon: float = 1e-8, delta: float = 1e-8) -> None:
        if not (0 < epsilon < math.inf and 0 < delta < math.inf):
            raise InvalidValueError(
                f"epsilon and delta must be positive and finite, got {epsilon} and {delta}: 1e-8 is usual"
            )
        self.k = require_positive_k(k)
        self.epsilon = epsilon
        self.delta = delta
        self._shape: torch.Size | None = None
        self._U = torch.empty(0, 0)
        self._V = torch.empty(0, 0)
        self._sigma: torch.Tensor | None = None
        self._shown: torch.Tensor | None = None  # sigma in order and on the CPU, once it is there

    @apart_from_training
    def start(self, W0: torch.Tensor, *, triplets: Triplets | None = None) -> None:
        """Line 3: the k leading singular triplets of ``W0``. See Predictor."""
        W = initial_matrix(W0, self.k)
        self._U, self._sigma, self._V = (triplets or Triplets(W)).leading(self.k)
        self._shape, self._shown = W0.shape, None

    @property
    def likeness(self) -> tuple[object, ...]:
        """See Predictor."""
        settings = self.k, self.epsilon, self.delta
        return Algorithm1, settings, self._U.shape, self._V.shape, self._U.dtype, self._U.device

    def step(self, G: torch.Tensor, *, scale: float = 1.0) -> None:
        """Lines 5 to 14 for one batch. See Predictor."""
        self.step_alike([self], [WeightChange(G, scale)])

    @staticmethod
    @apart_from_training
    def step_alike(trackers: Sequence[Algorithm1], changes: Sequence[WeightChange]) -> None:
        """See Predictor."""
        Gs = weight_changes(changes, shapes=[one._shape for one in trackers], dtype=trackers[0]._U.dtype)
        U, V = stacked([one._U for one in trackers]), stacked([one._V for one in trackers])
        scale = each([change.scale for change in changes], like=U)
        M = scale * (times_each([G.T for G in Gs], U).mT @ V)  # line 6, (..., k, k)
        require_finite(M, name=Algorithm1.name)
        sigma = stacked([one._require_sigma() for one in trackers])
        new_sigma = (sigma + M.diagonal(dim1=-2, dim2=-1)).clamp(min=trackers[0].delta)  # lines 8 and 10
        shown = descending_on_cpu(new_sigma)  # of all at once: a GPU is waited for
        C = _coefficients(M, old=sigma, new=new_sigma, epsilon=trackers[0].epsilon)  # line 9
        new_U = _aligned(U + U @ C.mT, U)  # lines 11, 13, 14
        new_V = _aligned(V + V @ C.mT, V)
        states = (unstacked(state, len(trackers)) for state in (new_U, new_V, new_sigma, shown))
        for tracker, *state in zip(trackers, *states, strict=True):
            tracker._U, tracker._V, tracker._sigma, tracker._shown = state

    def _require_sigma(self) -> torch.Tensor:
        if self._sigma is None:
            raise InvalidValueError("step() before start(): call start(W0) first")
        return self._sigma

    @property
    def singular_values(self) -> torch.Tensor:
        """(k,) float32 on the CPU, descending. See Predictor."""
        if self._shown is None:
            self._shown = descending_on_cpu(self._sigma)
        return self._shown.clone()

    def state_dict(self) -> State:
        """See Predictor."""
        tensors = {"U": self._U, "V": self._V, "sigma": self._sigma}
        return saved(self._settings(), tensors) | {"shape": as_list(self._shape)}

    def load_state_dict(self, state: Mapping[str, Entry]) -> None:
        """See Predictor."""
        own = restored(state, settings=self._settings())
        shape = shape_of(own)
        sigma = None if shape is None else tensor_of(own, "sigma")
        self._U, self._V = (tensor_of(own, name) for name in ("U", "V"))
        self._shape, self._sigma, self._shown = shape, sigma, None

    def _settings(self) -> dict[str, str | int | float]:
        return {"name": self.name, "k": self.k, "epsilon": self.epsilon, "delta": self.delta}


def _coefficients(M: torch.Tensor, *, old: torch.Tensor, new: torch.Tensor, epsilon: float) -> torch.Tensor:
    """(..., k, k): line 9's factor of (u_j, v_j) in row i, which holds those of du_i and dv_i; no i = j.

    Line 10 overwrites sigma_i before i + 1 begins: for j < i the loop reads the new sigma_j, for j > i the
    old one, and sigma_i itself is old. ``earlier`` marks j < i; the loop is then one expression.
    """
    earlier = _earlier(M.shape[-1], M.device)
    sigma_i = old[..., :, None]
    sigma_j = torch.where(earlier, new[..., None, :], old[..., None, :])
    # A gap of exactly -epsilon (two modes at the floor) is undefined as printed: read as a gap of zero.
    gap = sigma_i - sigma_j + epsilon
    gap = torch.where(gap == 0.0, epsilon, gap)
    C = M.mT / gap + M / (sigma_i + sigma_j + epsilon)
    C.diagonal(dim1=-2, dim2=-1).zero_()
    return C


@cache
def _earlier(k: int, device: torch.device) -> torch.Tensor:
    """(k, k) j < i."""
    return torch.ones(k, k, dtype=torch.bool, device=device).tril(-1)


def _aligned(vectors: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
    """orth(vectors), each column's sign turned to the side of its predecessor.

    Any factors Q R are Gram-Schmidt's up to the signs of the columns, which the alignment settles.
    """
    basis, _ = orthonormal(vectors)
    return torch.where((basis * previous).sum(-2, keepdim=True) < 0, -basis, basis)
