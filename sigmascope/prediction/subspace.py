"""Warm-started subspace tracking: accurate top-k values at about the price of Algorithm 1."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from sigmascope.errors import InvalidValueError
from sigmascope.prediction.predictor import (
    descending_on_cpu,
    initial_matrix,
    require_finite,
    require_positive_k,
    weight_change,
)
from sigmascope.prediction.products import times
from sigmascope.prediction.state import Entry, State, as_list, restored, saved, shape_of, tensor_of

# Below this share of the largest, the last tracked value counts as zero: R would be near singular.
_NEGLIGIBLE = 1e-3
# Below this share of its length, what a vector has outside the span is rounding.
_ROUNDING = 1e-4
# A state's tensors by name; the attributes are the same with an underscore.
_TENSORS = ("W", "basis", "other", "R", "ritz", "source", "trial", "product", "above")


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
    from a power iteration of its own, G^T a with a the direction on the other side of the batch before.

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
        self._basis = torch.empty(0, 0)  # V or Q: the tracked vectors to be multiplied next
        self._other = torch.empty(0, 0)  # those on the other side, one half step older
        self._R = torch.empty(0, 0)  # its upper triangle; what is below is never read
        self._above = torch.empty(0, 0)  # 1 on and above the diagonal: a product, since triu is slow
        self._source = torch.empty(0)  # a: the direction of the last G, on the side of ``_other``
        self._basis_is_right = True
        self._trial = torch.empty(0, 0)  # X of the last half step, (side of X, p)
        self._product = torch.empty(0, 0)  # its image W X or W^T X, (other side, p)
        self._trial_is_right = True
        self._ritz = torch.empty(0)
        self._modes: Modes | None = None  # of the latest step, once asked for

    @torch.no_grad()
    def start(self, W0: torch.Tensor) -> None:
        """Begin at ``W0`` with its leading singular vectors on both sides. See Predictor."""
        self._modes = None
        W = initial_matrix(W0, self.k)  # (m, n)
        p = min(self.k + self.oversample, W.shape[1])
        tracked = self._tracked(p, n=W.shape[1])
        U, sigma, Vh = torch.linalg.svd(W, full_matrices=False)
        # A contiguous copy of our own: the caller's weights go on changing.
        self._W = W.clone(memory_format=torch.contiguous_format)
        self._basis = Vh[:tracked].T.clone()  # (n, t)
        self._other = U[:, :tracked].clone()  # (m, t)
        self._R = torch.diag(sigma[:tracked])  # W^T U = V diag(sigma)
        self._source = U[:, 0].clone()
        self._basis_is_right = self._trial_is_right = True
        self._trial, self._product = Vh[:p].T.clone(), U[:, :p] * sigma[:p]
        self._ritz = sigma[:p].clone()
        self._above = torch.ones_like(self._W[:p, :p]).triu()
        self._shape = W0.shape

    def _tracked(self, p: int, *, n: int) -> int:
        """How many of p vectors V has: one is left for b, unless k needs it or all n fit."""
        return p if p in (self.k, n) else p - 1

    @torch.no_grad()
    def step(self, G: torch.Tensor, *, scale: float = 1.0) -> None:
        """Add ``scale * G`` and make ``half_steps`` half steps. See Predictor."""
        G = weight_change(G, shape=self._shape, dtype=self._W.dtype)
        self._modes = None
        if self._trial.shape[1] == self._W.shape[1]:  # exact: with p = n nothing is outside the span
            self._W.add_(G, alpha=scale)
            self._product = self._W @ self._trial
        else:
            trial = self._with_direction_of(G)  # before the sum, while the caches still hold G
            self._W.add_(G, alpha=scale)
            momentum = self._momentum()
            self._half_step(trial, momentum)
            for _ in range(self.half_steps - 1):
                self._half_step(self._with_direction_of(G), momentum)
        R = torch.geqrf(self._product).a[: self._above.shape[0]] * self._above
        require_finite(R, name=self.name)
        self._ritz = torch.linalg.svdvals(R)

    def _half_step(self, trial: torch.Tensor, momentum: float) -> None:
        """Multiply ``trial``, [V, b], by W (or its transpose) and carry V to the other side."""
        right = self._basis_is_right
        self._trial, self._trial_is_right = trial, right
        self._product = times(self._W if right else self._W.T, trial)
        carried = self._product[:, : self._basis.shape[1]]
        if momentum > 0.0:
            older = torch.linalg.solve_triangular(self._R, self._other, upper=True, left=False)
            carried = torch.add(carried, older, alpha=-momentum)
        self._other = self._basis
        # Householder QR: the basis stays orthonormal even where W loses rank and R turns singular. In two
        # parts, as torch.linalg.qr does it; what geqrf leaves below the triangle, solve_triangular skips.
        reflectors, tau = torch.geqrf(carried)
        self._basis = torch.linalg.householder_product(reflectors, tau)
        self._R = reflectors[: carried.shape[1]].clone()
        self._basis_is_right = not right

    def _with_direction_of(self, G: torch.Tensor) -> torch.Tensor:
        """[V, b], b what ``G`` towards the side of V adds to the span of V; 0 if nothing."""
        V = self._basis
        if V.shape[1] == self._trial.shape[1]:
            return V
        direction = (G.T if self._basis_is_right else G) @ self._source
        length = float(torch.linalg.vector_norm(direction))
        # A change of zero has no direction: a vector of V's is then as good a start for the next one.
        self._source = direction / length if length > 0.0 else V[:, 0].clone()
        # by columns, as V lies in memory: side by side they would be copied number by number
        return torch.cat([V.T, _outside(V, self._source)[None, :]]).T

    def _momentum(self) -> float:
        """The c of the class: (sigma_t / 2)^2 by the last Ritz value; 0 where W has lost rank."""
        tracked = self._basis.shape[1]
        largest, smallest = self._ritz[[0, tracked - 1]].tolist()
        return (smallest / 2) ** 2 if smallest > _NEGLIGIBLE * largest else 0.0

    @property
    def singular_values(self) -> torch.Tensor:
        """(k,) float32 on the CPU, descending. See Predictor."""
        return descending_on_cpu(None if self._shape is None else self._ritz[: self.k])

    @property
    def ritz_values(self) -> torch.Tensor:
        """(t,) float32 on the CPU, descending, t >= k: those of every tracked vector.

        Never above the true values; beyond k they lag behind, the last ones most.
        """
        kept = max(self.k, self._basis.shape[1])
        return descending_on_cpu(None if self._shape is None else self._ritz[:kept])

    @torch.no_grad()
    def modes(self) -> Modes:
        """The leading k Ritz triplets after the latest step, or of W_0 before the first.

        Computed where asked for, at O((m + n) p^2); the values are those of ``singular_values``.

        Raises:
            InvalidValueError: called before ``start``.
        """
        if self._shape is None:
            raise InvalidValueError("no modes before start(): call start(W0) first")
        if self._modes is None:
            self._modes = self._ritz_triplets()
        return self._modes

    def _ritz_triplets(self) -> Modes:
        far, R = torch.linalg.qr(self._product)
        Y, sigma, Zh = torch.linalg.svd(R)
        near, far = self._trial @ Zh[: self.k].T, far @ Y[:, : self.k]
        left, right = (far, near) if self._trial_is_right else (near, far)
        return Modes(singular_values=sigma[: self.k], left=left, right=right)

    def state_dict(self) -> State:
        """See Predictor. It holds W_t, so it is of the size of the weights."""
        sides = {"basis_is_right": self._basis_is_right, "trial_is_right": self._trial_is_right}
        tensors = {name: getattr(self, f"_{name}") for name in _TENSORS}
        return saved(self._settings(), tensors) | sides | {"shape": as_list(self._shape)}

    def load_state_dict(self, state: Mapping[str, Entry]) -> None:
        """See Predictor."""
        own = restored(state, settings=self._settings())
        self._modes = None
        tensors = {f"_{name}": tensor_of(own, name) for name in _TENSORS}
        self._shape = shape_of(own)
        self._basis_is_right, self._trial_is_right = bool(own["basis_is_right"]), bool(own["trial_is_right"])
        for attribute, tensor in tensors.items():
            setattr(self, attribute, tensor)

    def _settings(self) -> dict[str, str | int | float]:
        return {
            "name": self.name,
            "k": self.k,
            "oversample": self.oversample,
            "half_steps": self.half_steps,
        }


def _outside(V: torch.Tensor, vector: torch.Tensor) -> torch.Tensor:
    """The unit vector along what the unit ``vector`` has outside the span of V; 0 if that is rounding.

    Projected twice: once leaves rounding along V, which a short remainder magnifies (Parlett 1998, 6.9).
    """
    rest = torch.addmv(vector, V, V.T @ vector, alpha=-1)
    length = float(torch.linalg.vector_norm(rest))
    if length <= _ROUNDING:
        return torch.zeros_like(vector)
    rest /= length
    return torch.addmv(rest, V, V.T @ rest, alpha=-1)
