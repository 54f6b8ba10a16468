"""Warm-started subspace tracking: accurate top-k values at about the price of Algorithm 1."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from numpy.typing import NDArray

from sigmascope.apart import apart_from_training
from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError
from sigmascope.prediction.predictor import (
    each,
    initial_matrix,
    not_started,
    require_positive_k,
    weight_changes,
)
from sigmascope.prediction.ritz import Ritz, ritz_values
from sigmascope.prediction.state import Entry, State, as_list, restored, saved, shape_of, tensor_of
from sigmascope.prediction.update import WeightChange
from sigmascope.spectra.exact import SQUARABLE
from sigmascope.spectra.orthonormal import filled, orthonormal
from sigmascope.spectra.products import times_all
from sigmascope.spectra.stacks import by_shape, stacked, unstacked
from sigmascope.spectra.triplets import Triplets

# Below this share of the largest, the last tracked value counts as zero: R would be near singular.
_NEGLIGIBLE = 1e-3
# relative errors seen, in units of half a squared residual: 2 to 3 mostly, rarely above (see the class)
_AMPLIFIED = 5.0
# relative error of the k values that is usual
TOLERANCE = 5e-5
# of sigma_1, by which a value beyond k may be off and still be vouched for: a thirtieth of a histogram bin
_VOUCHED = 5e-4
# values below this share of the largest are judged as if of that share: float32 tells no more of them
_LEAST = 1e-2
# as the divisor of what is zero anyway
_SMALLEST = 1e-300
# half steps that a batch gets at most, unless more are asked for
_MOST = 12
# numbers of a residual that are looked at: they stand for all
_SAMPLED = 32
# A state's tensors by name; the attributes are the same with an underscore.
_TENSORS = ("W", "trial", "product", "next", "factor")
_COUNTS = ("trial_is_right", "looks", "vouched")
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

    p = k + ``oversample`` orthonormal vectors X are multiplied. One half step carries them to the other side
    of W, with a momentum term, and orthonormalises them::

        W_t X - c X_old R^-1 = Q R_new      (from right to left; the way back has W_t^T)

    Here R is the triangular factor of the half step before, X_old the vectors that it multiplied, and
    c = (sigma_p / 2)^2, sigma_p the last Ritz value. Without the term (c = 0) this is the block power method,
    which damps what lies outside the span by sigma_{p+1} / sigma_k a half step: too slow in a dense spectrum.
    With it the half steps are the Chebyshev recurrence on [[0, W], [W^T, 0]], whose eigenvalues are +-sigma:
    everything below sigma_p stays bounded while sigma_k grows by
    (sigma_k + sqrt(sigma_k^2 - sigma_p^2)) / sigma_p, for no further product with W (Saad 2011, Numerical
    Methods for Large Eigenvalue Problems, section 5.3; Xu et al. 2018, accelerated power iteration with
    momentum).

    The singular values of W_t X are the Rayleigh-Ritz values on the span of X: for a span at angle theta
    to the true one they fall short by a relative theta^2 / 2, never above; where p reaches min(m, n) they
    are exact.

    One half step is enough for most batches. A batch that turns the leading vectors far, or values that lie
    close together, need more, and the residual of the Ritz triplets tells them apart::

        r_i = W_t^T u_i - sigma_i v_i,    W_t v_i = sigma_i u_i

    By second-order perturbation sigma_i falls short by a relative
    1/2 sum_j |r_ij|^2 / (sigma_i^2 - sigma_j^2), r_ij what r_i has of the j-th true vector, that is
    q_i = 1/2 |r_i|^2 / sigma_i^2 times 2 to 3, or more close above a dense bulk. Half steps are added until
    5 q_i <= ``tolerance`` for the k values, 12 at most. |r_i| is judged by 32 of its numbers, other ones each
    time, so that looking costs little. The tolerance is aimed at, not guaranteed.

    The vectors follow directions that leave the initial span, and errors do not add up, since every batch
    looks at the whole W_t again. Where W has fewer than p values that are not zero, random vectors stand for
    the others, so that what grows there is seen.

    Cost a half step: O(mnp) for the product and (m + n) p^2 for the rest; a batch, mn for the sum.

    Args:
        k: singular values reported.
        oversample: vectors multiplied beyond k, clipped to min(m, n) - k. 4 serve k = 8.
        half_steps: half steps a batch at least; 2 go to the left and back.
        tolerance: relative error of the k values that is aimed at; infinity for ``half_steps`` exactly.

    Raises:
        InvalidValueError: k or ``half_steps`` below 1, ``oversample`` negative, one of them no whole number;
            ``tolerance`` not positive.
    """

    name = "subspace"

    def __init__(
        self, k: int, *, oversample: int = 4, half_steps: int = 1, tolerance: float = TOLERANCE
    ) -> None:
        if not tolerance > 0:
            raise InvalidValueError(f"tolerance must be positive, got {tolerance}: {TOLERANCE} is usual")
        self.k = require_positive_k(k)
        self.oversample = whole("oversample", oversample, least=0, remedy="4 serve k = 8")
        self.half_steps = whole("half_steps", half_steps, least=1, remedy="1 keeps up with SGD")
        self.tolerance = tolerance
        self._shape: torch.Size | None = None
        self._W = torch.empty(0, 0)
        self._trial = torch.empty(0, 0)  # X of the last half step, (side of X, p), orthonormal
        self._product = torch.empty(0, 0)  # its image W X or W^T X, (other side, p)
        self._next = torch.empty(0, 0)  # Q of the last half step, (other side, p): X of the next one
        self._factor = torch.empty(0, 0)  # R / c of the last half step, (p, p)
        self._trial_is_right = True
        self._ritz: NDArray[np.float64] = np.empty(0)  # (p,) descending
        self._looks = 0  # at residuals
        self._vouched = k  # leading values whose residuals were small enough
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
        self._trial_is_right = p == W.shape[1]  # where it stays: see _full
        self._trial, far = (V, U) if self._trial_is_right else (U, V)
        self._product = far * sigma
        self._ritz, self._looks, self._vouched = sigma.cpu().double().numpy(), 0, p
        self._next = filled(far, sigma)
        (self._factor,) = _factors([sigma.diag()], [self._root])
        self._shape = W0.shape

    @property
    def likeness(self) -> tuple[object, ...]:
        """See Predictor."""
        small = self._full or self._W.shape[1] < _SAMPLED
        kind = (self._W.shape, self._trial_is_right) if small else self._trial.shape[1]
        return Subspace, *self._settings().values(), kind, self._W.dtype, self._W.device

    def step(self, G: torch.Tensor, *, scale: float = 1.0) -> None:
        """Add ``scale * G`` and make half steps until the values are settled. See Predictor."""
        self.step_alike([self], [WeightChange(G, scale)])

    @staticmethod
    @apart_from_training
    def step_alike(trackers: Sequence[Subspace], changes: Sequence[WeightChange]) -> None:
        """See Predictor."""
        Gs = weight_changes(changes, shapes=[one._shape for one in trackers], dtype=trackers[0]._W.dtype)
        sums = _sums(trackers, Gs, changes)
        if trackers[0]._full:
            _take_values(trackers, [W @ one._trial for one, W in zip(trackers, sums, strict=True)])
            return
        for tracker in trackers:
            tracker._vouched = tracker.k
        first, moving = trackers[0], trackers
        for made in count(1):
            ritz = _half_step(moving, sums)
            if made >= first.half_steps:
                if made >= _MOST or math.isinf(first.tolerance):
                    return
                moving = _unsettled(moving, ritz)
                if not moving:
                    return
            sums = (tracker._W for tracker in moving)

    @property
    def _full(self) -> bool:
        """Whether p = n: nothing is outside the span then, and X stays on the right."""
        return self._trial.shape[1] == self._W.shape[1]

    @property
    def _root(self) -> float:
        """That of the class's c, sigma_p / 2; 0 where W has lost rank, and R may be singular."""
        largest, smallest = float(self._ritz[0]), float(self._ritz[-1])
        return smallest / 2 if smallest > _NEGLIGIBLE * largest else 0.0

    def _sample(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Some rows of W or its transpose, and those of X in their place; other ones the next time."""
        rows, trial = self._W.T if self._trial_is_right else self._W, self._trial
        count = rows.shape[0]
        if count <= _SAMPLED:
            return rows, trial
        first = min(self._looks * _SAMPLED % count, count - _SAMPLED)
        self._looks += 1
        sample = slice(first, first + _SAMPLED)
        return rows[sample], trial[sample]

    @property
    def singular_values(self) -> torch.Tensor:
        """(k,) float32 on the CPU, descending. See Predictor."""
        return self._values(self.k)

    @property
    def vouched_values(self) -> torch.Tensor:
        """Float32 on the CPU, descending: the k values, and those after them that their residuals vouch for.

        None is above the true one. Beyond k, where no half step is made for their sake, they lag behind, and
        catch up by jumps: the first that its residual says is off by more than ``_VOUCHED`` of sigma_1 ends
        the list. A small residual tells that there is a value of W so near, not that it is the one of that
        number: in layers of some twenty values one in thirty was on the next.
        """
        return self._values(self._vouched)

    def _values(self, count: int) -> torch.Tensor:
        if self._shape is None:
            raise not_started()
        return torch.from_numpy(self._ritz[:count].astype(np.float32))

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
        tensors["ritz"] = torch.from_numpy(self._ritz)
        own = {name: getattr(self, f"_{name}") for name in _COUNTS} | {"shape": as_list(self._shape)}
        return saved(self._settings(), tensors) | own

    def load_state_dict(self, state: Mapping[str, Entry]) -> None:
        """See Predictor."""
        own = restored(state, settings=self._settings())
        tensors = {f"_{name}": tensor_of(own, name) for name in _TENSORS}
        ritz = tensor_of(own, "ritz").numpy()
        lacking = [name for name in _COUNTS if not isinstance(own.get(name), int)]
        if lacking:
            raise InvalidValueError(f"the state lacks {lacking[0]!r}: it was not saved by state_dict()")
        self._shape, self._ritz = shape_of(own), ritz
        known = own.get("modes.left") is not None
        self._modes = Modes(*(tensor_of(own, f"modes.{part}") for part in _MODES)) if known else None
        for attribute, value in (tensors | {f"_{name}": own[name] for name in _COUNTS}).items():
            setattr(self, attribute, value)

    def _settings(self) -> dict[str, str | int | float]:
        return {
            "name": self.name,
            "k": self.k,
            "oversample": self.oversample,
            "half_steps": self.half_steps,
            "tolerance": self.tolerance,
        }


def _sums(
    trackers: Sequence[Subspace], Gs: Sequence[torch.Tensor], changes: Sequence[WeightChange]
) -> Iterator[torch.Tensor]:
    """W_t of each, made when it is asked for: whoever multiplies it next finds it in the caches."""
    for tracker, G, change in zip(trackers, Gs, changes, strict=True):
        tracker._modes = None
        yield tracker._W.add_(G, alpha=change.scale)


def _half_step(trackers: Sequence[Subspace], matrices: Iterable[torch.Tensor]) -> Ritz:
    """Multiply the next vectors of each by its W_t, of ``matrices``, and make those after them."""
    sides = (W.T if one._trial_is_right else W for one, W in zip(trackers, matrices, strict=True))
    products = times_all(sides, [tracker._next for tracker in trackers])
    ritz = _take_values(trackers, products)
    older, factors = [tracker._trial for tracker in trackers], [tracker._factor for tracker in trackers]
    carried = by_shape(_carried, products, older, factors)
    following = _factors([R for _, R in carried], [tracker._root for tracker in trackers])
    for tracker, (Q, R), factor in zip(trackers, carried, following, strict=True):
        Q = Q if tracker._root else filled(Q, R.diagonal())
        tracker._trial, tracker._next, tracker._factor = tracker._next, Q, factor
        tracker._trial_is_right = not tracker._trial_is_right
    return ritz


def _carried(product: torch.Tensor, older: torch.Tensor, factor: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Q and R of W X - X_old (R / c)^-1."""
    return orthonormal(product - torch.linalg.solve_triangular(factor, older, upper=True, left=False))


def _factors(triangles: Sequence[torch.Tensor], roots: Sequence[float]) -> list[torch.Tensor]:
    """R / c of each R, by the root of c; infinite where that is zero, and R may be singular."""
    R, root = stacked(triangles), each([one or math.inf for one in roots], like=triangles[0])
    scaled = unstacked(R / root / root, len(roots))  # c itself can leave the range of float32
    return [
        one if root else torch.full_like(one[0], math.inf).diag()
        for one, root in zip(scaled, roots, strict=True)
    ]


def _take_values(trackers: Sequence[Subspace], products: Sequence[torch.Tensor]) -> Ritz:
    """Keep ``products`` of the trials and their singular values, the Ritz values."""
    ritz = ritz_values(products, name=Subspace.name)
    for tracker, product, values in zip(trackers, products, ritz[0], strict=True):
        tracker._product, tracker._ritz = product, values
    return ritz


def _unsettled(trackers: Sequence[Subspace], ritz: Ritz) -> list[Subspace]:
    """Those of ``trackers`` that need another half step, by a sample of their residuals; see the class.

    The residuals also tell how many values each vouches for.
    """
    k, tolerance = trackers[0].k, trackers[0].tolerance
    squares, Z = ritz[0][:, None] ** 2, ritz[1]
    units = [_unit(tracker._ritz.item(0)) for tracker in trackers]
    far = [
        tracker._product if unit == 1.0 else tracker._product / unit
        for tracker, unit in zip(trackers, units, strict=True)
    ]
    rows, near = zip(*(tracker._sample() for tracker in trackers), strict=True)
    # what is left is small: numpy takes a tenth of torch's time, and a GPU's launches would take longer
    samples = torch.stack([*times_all(rows, far), *near]).cpu().double().numpy()
    images, kept = samples.reshape(2, len(trackers), *near[0].shape) @ Z
    if any(unit != 1.0 for unit in units):
        images *= np.array(units)[:, None, None]
    # sigma_i r_i over sigma_i^2
    residuals = (images - kept * squares) / np.maximum(squares, _LEAST**2 * squares[..., :1] + _SMALLEST)
    stand_for = [[_AMPLIFIED / 2 * one._trial.shape[0] / near[0].shape[0]] for one in trackers]
    errors = np.einsum("bsp,bsp->bp", residuals, residuals) * stand_for
    good = ritz[0] * errors <= _VOUCHED * ritz[0][:, :1]
    vouched = k + np.logical_and.accumulate(good[:, k:], axis=1).sum(1)
    for tracker, leading in zip(trackers, vouched.tolist(), strict=True):
        tracker._vouched = leading
    worst = errors[:, :k].max(1).tolist()
    return [tracker for tracker, error in zip(trackers, worst, strict=True) if error > tolerance]


def _unit(largest: float) -> float:
    """What W is measured in, so that products of two of its size stay in the range of float32."""
    return 1.0 if 1 / SQUARABLE < largest < SQUARABLE else largest or 1.0


def _ritz_triplets(trackers: Sequence[Subspace]) -> list[Modes]:
    k = trackers[0].k

    def triplets(product: torch.Tensor, trial: torch.Tensor) -> tuple[torch.Tensor, ...]:
        far, R = orthonormal(product)
        Y, sigma, Zh = torch.linalg.svd(R.triu())
        return sigma[..., :k], far @ Y[..., :k], trial @ Zh[..., :k, :].mT

    found = by_shape(triplets, [one._product for one in trackers], [one._trial for one in trackers])
    return [
        Modes(sigma, *((far, near) if tracker._trial_is_right else (near, far)))
        for tracker, (sigma, far, near) in zip(trackers, found, strict=True)
    ]
