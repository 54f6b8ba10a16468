"""Warm-started subspace tracking: accurate top-k values at about the price of Algorithm 1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from sigmascope.apart import apart_from_training
from sigmascope.errors import InvalidValueError
from sigmascope.prediction.predictor import (
    each,
    initial_matrix,
    not_started,
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

# Below this share of the largest, the last tracked value counts as zero: R would be near singular.
_NEGLIGIBLE = 1e-3
# A state's tensors by name; the attributes are the same with an underscore.
_TENSORS = ("W", "trial", "product", "carried")
_MODES = ("singular_values", "left", "right")


@dataclass(frozen=True, slots=True)
class Modes:
    """The k leading Ritz triplets of W, m >= n (the transpose of a wide layer's weight).

    left^T W right = diag(singular_values) up to rounding; the columns of ``left`` and ``right`` are
    orthonormal. Signs are arbitrary, but those of a left and its right vector belong together.

    Attributes:
        singular_values: (k,) descending, on the device and in the precision of the tracker.
        left: (m, k).
        right: (n, k).
    """

    singular_values: torch.Tensor
    left: torch.Tensor
    right: torch.Tensor


class Subspace:
    """Block power iteration with Rayleigh-Ritz values on W_t = W_0 + sum of G, warm-started every batch.

    p = k + ``oversample`` orthonormal vectors X = [V, b] are multiplied: V are tracked, and b is the leading
    direction of this batch's G. One half step carries V to the other side of W, with a momentum term, and
    orthonormalises it::

        W_t V - c Q_old R^-1 = Q R_new      (from right to left; the way back has W_t^T Q and V_old)

    Here R is the triangular factor of the half step before and c = (sigma_t / 2)^2, sigma_t the last tracked
    value. Without the term (c = 0) this is the block power method, which damps what lies outside the span by
    sigma_{t+1} / sigma_k a half step: too slow in a dense spectrum. With it the half steps are the Chebyshev
    recurrence on [[0, W], [W^T, 0]], whose eigenvalues are +-sigma: everything below sigma_t stays bounded
    while sigma_k grows by (sigma_k + sqrt(sigma_k^2 - sigma_t^2)) / sigma_t, for no further product with W
    (Saad 2011, Numerical Methods for Large Eigenvalue Problems, section 5.3; Xu et al. 2018, accelerated
    power iteration with momentum).

    The singular values of W_t X are the Rayleigh-Ritz values on the span of X: for a span at angle theta
    to the true one they fall short by a relative theta^2 / 2, never above; where p reaches min(m, n) they
    are exact. b is there for the batch whose gradient is out of line: V, settled on the weights before it,
    does not know its directions, and first-order perturbation turns v_i outside the span by G^T u_i / sigma_i
    first of all. A batch's gradient is nearly of rank one, so one vector holds most of that part. It comes
    from a power iteration of its own: b is what G^T a has outside the span of V, a the b of the other side.

    The vectors follow directions that leave the initial span, and errors do not add up, since every batch
    looks at the whole W_t again. Cost a batch: O(mnp) for the product, mn for the sum and for b, and
    (m + n) p^2 for the rest.

    Args:
        k: singular values reported.
        oversample: vectors multiplied beyond k, clipped to min(m, n) - k; one of them is b. 8 serve k = 8.
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
        self._trial = torch.empty(0, 0)  # X of the last half step, (side of X, p), orthonormal
        self._product = torch.empty(0, 0)  # its image W X or W^T X, (other side, p)
        self._carried = torch.empty(0, 0)  # Q R of the last half step, (other side, t), and room for G^T a
        self._trial_is_right = True
        self._ritz: list[float] = []  # (p,) descending
        self._modes: Modes | None = None  # of the latest step, once asked for

    @apart_from_training
    def start(self, W0: torch.Tensor, *, triplets: Triplets | None = None) -> None:
        """Begin at ``W0`` with its leading singular vectors on both sides. See Predictor."""
        self._modes = None
        W = initial_matrix(W0, self.k)  # (m, n)
        p = min(self.k + self.oversample, W.shape[1])
        U, sigma, V = (triplets or Triplets(W)).leading(p)
        # A copy of our own: the caller's weights go on changing. It lies in memory as they do, and as G will:
        # a sum across rows and columns takes twice as long as all the rest of a step.
        self._W = W.clone()
        self._trial_is_right = p == W.shape[1]  # where it stays: see step
        self._trial, far = (V, U) if self._trial_is_right else (U, V)
        self._product = far * sigma
        self._carried = _room(self._product)
        self._carried[:, : self._tracked] = self._product[:, : self._tracked]
        self._ritz = sigma.tolist()
        self._shape = W0.shape

    @property
    def _tracked(self) -> int:
        """t, how many of p vectors V has: one is left for b, unless k needs it or all n fit."""
        p = self._trial.shape[1]
        return p if p in (self.k, self._W.shape[1]) else p - 1

    @property
    def likeness(self) -> tuple[object, ...]:
        """See Predictor."""
        settings = self.k, self.oversample, self.half_steps
        return Subspace, settings, self._W.shape, self._trial_is_right, self._W.dtype, self._W.device

    def step(self, G: torch.Tensor, *, scale: float = 1.0) -> None:
        """Add ``scale * G`` and make ``half_steps`` half steps. See Predictor."""
        self.step_alike([self], [WeightChange(G, scale)])

    @staticmethod
    @apart_from_training
    def step_alike(trackers: Sequence[Subspace], changes: Sequence[WeightChange]) -> None:
        """See Predictor."""
        Gs = weight_changes(changes, shapes=[one._shape for one in trackers], dtype=trackers[0]._W.dtype)
        if trackers[0]._trial.shape[1] == trackers[0]._W.shape[1]:  # with p = n nothing is outside the span
            _add(trackers, Gs, changes)
            for tracker in trackers:
                tracker._product = tracker._W @ tracker._trial
        else:
            trials, R = _next_trials(trackers, Gs)  # before the sum, while the caches still hold G
            _add(trackers, Gs, changes)
            roots = [tracker._momentum() for tracker in trackers]
            _half_step(trackers, trials, R, roots)
            for _ in range(trackers[0].half_steps - 1):
                _half_step(trackers, *_next_trials(trackers, Gs), roots)
        values = _singular_values(stacked([tracker._product for tracker in trackers]), name=Subspace.name)
        for tracker, ritz in zip(trackers, values, strict=True):
            tracker._ritz, tracker._modes = ritz, None

    def _momentum(self) -> float:
        """The root of the class's c, sigma_t / 2 by the last Ritz value; 0 where W has lost rank."""
        smallest = self._ritz[self._tracked - 1]
        return smallest / 2 if smallest > _NEGLIGIBLE * self._ritz[0] else 0.0

    @property
    def singular_values(self) -> torch.Tensor:
        """(k,) float32 on the CPU, descending. See Predictor."""
        return self._values(self.k)

    @property
    def ritz_values(self) -> torch.Tensor:
        """(t,) float32 on the CPU, descending, t >= k: those of every tracked vector.

        Never above the true values; beyond k they lag behind, the last ones most.
        """
        return self._values(self._tracked)

    def _values(self, count: int) -> torch.Tensor:
        if self._shape is None:
            raise not_started()
        return torch.tensor(self._ritz[:count], dtype=torch.float32, device="cpu")

    @apart_from_training
    def modes(self) -> Modes:
        """The leading k Ritz triplets after the latest step, or of W_0 before the first.

        Computed where asked for, at O((m + n) p^2); the values are those of ``singular_values``.

        Raises:
            InvalidValueError: called before ``start``.
        """
        return self.modes_alike([self])[0]

    @staticmethod
    @apart_from_training
    def modes_alike(trackers: Sequence[Subspace]) -> list[Modes]:
        """``modes`` of each, of trackers with one ``likeness``, in a few batched calls."""
        if any(tracker._shape is None for tracker in trackers):
            raise InvalidValueError("no modes before start(): call start(W0) first")
        unknown = [tracker for tracker in trackers if tracker._modes is None]
        for tracker, found in zip(unknown, _ritz_triplets(unknown) if unknown else (), strict=True):
            tracker._modes = found
        return [tracker._modes for tracker in trackers if tracker._modes is not None]

    def state_dict(self) -> State:
        """See Predictor. It holds W_t, so it is of the size of the weights."""
        tensors = {name: getattr(self, f"_{name}") for name in _TENSORS}
        # those that are known; computed anew, in other company, their last bits would be others
        tensors |= {f"modes.{part}": getattr(self._modes, part, None) for part in _MODES}
        tensors["ritz"] = torch.tensor(self._ritz, dtype=torch.float64)
        own = {"trial_is_right": self._trial_is_right, "shape": as_list(self._shape)}
        return saved(self._settings(), tensors) | own

    def load_state_dict(self, state: Mapping[str, Entry]) -> None:
        """See Predictor."""
        own = restored(state, settings=self._settings())
        tensors = {f"_{name}": tensor_of(own, name) for name in _TENSORS}
        ritz = tensor_of(own, "ritz").tolist()
        if "trial_is_right" not in own:
            raise InvalidValueError("the state lacks 'trial_is_right': it was not saved by state_dict()")
        self._shape, self._trial_is_right = shape_of(own), bool(own["trial_is_right"])
        self._ritz = ritz
        known = own.get("modes.left") is not None
        self._modes = Modes(*(tensor_of(own, f"modes.{part}") for part in _MODES)) if known else None
        for attribute, tensor in tensors.items():
            setattr(self, attribute, tensor)

    def _settings(self) -> dict[str, str | int | float]:
        return {
            "name": self.name,
            "k": self.k,
            "oversample": self.oversample,
            "half_steps": self.half_steps,
        }


def _add(trackers: Sequence[Subspace], Gs: Sequence[torch.Tensor], changes: Sequence[WeightChange]) -> None:
    for tracker, G, change in zip(trackers, Gs, changes, strict=True):
        tracker._W.add_(G, alpha=change.scale)


def _next_trials(
    trackers: Sequence[Subspace], Gs: Sequence[torch.Tensor]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The next X = [V, b] of each, V R what was carried, and R."""
    first, t = trackers[0], trackers[0]._tracked
    carried = stacked([tracker._carried for tracker in trackers])
    if t < first._trial.shape[1]:
        sides = Gs if first._trial_is_right else [G.T for G in Gs]
        carried[..., t:] = times_each(sides, stacked([tracker._trial[:, t:] for tracker in trackers]))
    trials, R = orthonormal(carried)
    return trials, R[..., :t, :t]


def _half_step(
    trackers: Sequence[Subspace], trials: torch.Tensor, R: torch.Tensor, roots: Sequence[float]
) -> None:
    """Multiply each of ``trials`` by W (or its transpose) and carry V to the other side.

    ``roots`` are those of c.
    """
    first, t, older = trackers[0], trackers[0]._tracked, stacked([tracker._trial for tracker in trackers])
    to_right = not first._trial_is_right
    products = times_each([tracker._W if to_right else tracker._W.T for tracker in trackers], trials)
    carried, kept = _room(products), products[..., :t]
    if any(roots):
        root = each(roots, like=R)
        scaled = R / root / root  # c itself can leave the range of float32
        if not all(roots):  # c = 0 where W has lost rank, and R may be singular
            lost = torch.tensor([root == 0.0 for root in roots], device=R.device).view(-1, 1, 1)
            scaled = torch.where(lost, torch.eye(t, dtype=R.dtype, device=R.device), scaled)
            older = older.masked_fill(lost, 0.0)
        moved = torch.linalg.solve_triangular(scaled, older[..., :t], upper=True, left=False)
        torch.sub(kept, moved, out=carried[..., :t])
    else:
        carried[..., :t] = kept
    states = (unstacked(state, len(trackers)) for state in (trials, products, carried))
    for tracker, *state in zip(trackers, *states, strict=True):
        tracker._trial, tracker._product, tracker._carried = state
        tracker._trial_is_right = to_right


def _room(products: torch.Tensor) -> torch.Tensor:
    """Zeros of the shape (..., side, p) of ``products``, by columns, as LAPACK wants them."""
    return torch.zeros_like(products.mT, memory_format=torch.contiguous_format).mT


def _ritz_triplets(trackers: Sequence[Subspace]) -> list[Modes]:
    k, is_right = trackers[0].k, trackers[0]._trial_is_right
    far, R = orthonormal(stacked([tracker._product for tracker in trackers]))
    Y, sigma, Zh = torch.linalg.svd(R.triu())
    near, far = stacked([tracker._trial for tracker in trackers]) @ Zh[..., :k, :].mT, far @ Y[..., :k]
    left, right = (far, near) if is_right else (near, far)
    parts = (unstacked(part, len(trackers)) for part in (sigma[..., :k], left, right))
    return [Modes(*one) for one in zip(*parts, strict=True)]


def _singular_values(products: torch.Tensor, *, name: str) -> list[list[float]]:
    """Of each of ``products`` (..., side, p), which are tall, descending.

    Raises:
        NumericalError: they are not finite.
    """
    if products.dtype == torch.float32 and products.device.type != "mps":  # Metal has no float64
        # What squaring loses, 1e-8 of the largest, is below the rounding of the product itself.
        exact = products.double()
        squares = (exact.mT @ exact).cpu()  # of p x p: a GPU is slower, and would be waited for twice
        require_finite(squares, name=name)
        ascending = torch.linalg.eigvalsh(squares).view(-1, squares.shape[-1]).tolist()
        return [[math.sqrt(max(value, 0.0)) for value in reversed(values)] for values in ascending]
    R = torch.linalg.qr(products, mode="r").R
    require_finite(R, name=name)
    found: list[list[float]] = torch.linalg.svdvals(R).view(-1, R.shape[-1]).tolist()
    return found
