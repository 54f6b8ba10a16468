"""Exact first-order perturbation of the tracked triplets: what Algorithm 1 aims at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from sigmascope.apart import apart_from_training
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

# Values this many roundings of the largest apart are tied.
_TIED = 16


class FirstOrder:
    """The k leading triplets, moved by first-order perturbation in each batch's weight change G.

    With M = U^T G V, for separated values and small G::

        d sigma_i = M_ii
        du_i = sum_{j != i} (sigma_i M_ji + sigma_j M_ij) / (sigma_i^2 - sigma_j^2) u_j
               + (I - U U^T) G v_i / sigma_i                       (dv_i: the same with G transposed)

    the part outside the span included, with what W has beyond the tracked triplets taken as 0
    (:func:`sigmascope.theory.perturbation.vector_change` is the same in numpy). It then differs from the
    change of the true triplets of W + G by what the untracked values would add.

    Both denominators are made safe without changing the first order. A pair (i, j) with coupling
    h = (M_ij + M_ji) / 2 and gap g = sigma_i - sigma_j turns by arctan(2 h / g) / 2, the exact angle of two
    levels, h / g where g is wide and never beyond 45 degrees; nothing where g is rounding, since any basis of
    tied vectors is one. Outside the span the new vector is sigma_i u_i + r_i, normalised, r_i the rest of
    G v_i: du_i = r_i / sigma_i for small r_i, and r_i itself where sigma_i = 0. Then U and V are
    orthonormalised. A value that would turn negative changes its sign, with that of v_i.

    Errors add up, and a direction that grows from far below is seen only where the span turns towards it.
    Cost a batch: O(mnk) for two products with G, (m + n) k^2 for the rest.

    Args:
        k: singular values tracked.

    Raises:
        InvalidValueError: k below 1.
    """

    name = "first_order"

    def __init__(self, k: int) -> None:
        self.k = require_positive_k(k)
        self._shape: torch.Size | None = None
        self._U = torch.empty(0, 0)
        self._V = torch.empty(0, 0)
        self._sigma = torch.empty(0)
        self._shown: torch.Tensor | None = None  # sigma in order and on the CPU, once it is there

    @apart_from_training
    def start(self, W0: torch.Tensor, *, triplets: Triplets | None = None) -> None:
        """The k leading singular triplets of ``W0``. See Predictor."""
        W = initial_matrix(W0, self.k)
        self._U, self._sigma, self._V = (triplets or Triplets(W)).leading(self.k)
        self._shape, self._shown = W0.shape, None

    @property
    def likeness(self) -> tuple[object, ...]:
        """See Predictor."""
        return FirstOrder, self.k, self._U.shape, self._V.shape, self._U.dtype, self._U.device

    def step(self, G: torch.Tensor, *, scale: float = 1.0) -> None:
        """One perturbation, orthonormalised. See Predictor."""
        self.step_alike([self], [WeightChange(G, scale)])

    @staticmethod
    @apart_from_training
    def step_alike(trackers: Sequence[FirstOrder], changes: Sequence[WeightChange]) -> None:
        """See Predictor."""
        Gs = weight_changes(changes, shapes=[one._shape for one in trackers], dtype=trackers[0]._U.dtype)
        U, V = stacked([one._U for one in trackers]), stacked([one._V for one in trackers])
        scale = each([change.scale for change in changes], like=U)
        GV, GtU = scale * times_each(Gs, V), scale * times_each([G.T for G in Gs], U)
        sigma = stacked([one._sigma for one in trackers])
        M = U.mT @ GV
        require_finite(M, name=FirstOrder.name)
        both, apart = _rotations(M, sigma)
        moved = sigma + M.diagonal(dim1=-2, dim2=-1)
        new_U = _moved(U, both + apart, rest=GV - U @ M, sigma=sigma)
        new_V = _moved(V, both - apart, rest=GtU - V @ M.mT, sigma=sigma) * _signs(moved)[..., None, :]
        new_sigma = moved.abs()
        shown = descending_on_cpu(new_sigma)  # of all at once: a GPU is waited for
        states = (unstacked(state, len(trackers)) for state in (new_U, new_V, new_sigma, shown))
        for tracker, *state in zip(trackers, *states, strict=True):
            tracker._U, tracker._V, tracker._sigma, tracker._shown = state

    @property
    def singular_values(self) -> torch.Tensor:
        """(k,) float32 on the CPU, descending. See Predictor."""
        if self._shown is None:
            self._shown = descending_on_cpu(None if self._shape is None else self._sigma)
        return self._shown.clone()

    def state_dict(self) -> State:
        """See Predictor."""
        tensors = {"U": self._U, "V": self._V, "sigma": self._sigma}
        return saved(self._settings(), tensors) | {"shape": as_list(self._shape)}

    def load_state_dict(self, state: Mapping[str, Entry]) -> None:
        """See Predictor."""
        own = restored(state, settings=self._settings())
        U, V, sigma = (tensor_of(own, name) for name in ("U", "V", "sigma"))
        self._shape = shape_of(own)
        self._U, self._V, self._sigma, self._shown = U, V, sigma, None

    def _settings(self) -> dict[str, str | int | float]:
        return {"name": self.name, "k": self.k}


def _rotations(M: torch.Tensor, sigma: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(..., k, k) twice: in row i, their sum has the coefficients of u_j in du_i, their difference in dv_i.

    (sigma_i M_ji + sigma_j M_ij) / (sigma_i^2 - sigma_j^2) = h / gap + d / sum, with h and d the symmetric
    and antisymmetric halves of M and ``sum`` = sigma_i + sigma_j: only the first meets small gaps.
    """
    gap = sigma[..., :, None] - sigma[..., None, :]
    total = sigma[..., :, None] + sigma[..., None, :]
    symmetric, antisymmetric = (M.mT + M) / 2, (M.mT - M) / 2
    # Gap and coupling are both rounding where values meet: their ratio would turn the pair at random.
    rounding = _TIED * torch.finfo(sigma.dtype).eps * sigma.amax(-1)[..., None, None]
    turns = torch.sign(gap) * torch.atan2(2 * symmetric, gap.abs()) / 2
    both = torch.where(gap.abs() <= rounding, 0.0, turns)
    # u_i and v_i turn in opposite senses; total = 0 means both values are 0, and any turn will do
    apart = torch.atan2(antisymmetric, total) * (total > 0)
    return both, apart


def _moved(
    vectors: torch.Tensor, rotation: torch.Tensor, *, rest: torch.Tensor, sigma: torch.Tensor
) -> torch.Tensor:
    """Orthonormal columns along sigma_i (u_i + sum_j C_ij u_j) + r_i, each on the side of its predecessor."""
    sigma = sigma[..., None, :]
    length = torch.hypot(sigma, torch.linalg.vector_norm(rest, dim=-2, keepdim=True))
    safe = torch.where(length > 0, length, 1.0)
    inside = torch.where(length > 0, sigma / safe, 1.0)
    turned = (vectors + vectors @ rotation.mT) * inside + rest / safe
    basis, R = orthonormal(turned)
    return basis * _signs(R.diagonal(dim1=-2, dim2=-1))[..., None, :]


def _signs(values: torch.Tensor) -> torch.Tensor:
    """+1 or -1 for each value; the sign of a 0 is kept."""
    signs: torch.Tensor = torch.copysign(torch.ones_like(values), values)
    return signs
