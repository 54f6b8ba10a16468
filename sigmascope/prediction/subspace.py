"""Warm-started subspace tracking: accurate top-k values at about the price of Algorithm 1."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from sigmascope.apart import apart_from_training
from sigmascope.errors import InvalidValueError
from sigmascope.prediction.predictor import (
    initial_matrix,
    not_started,
    require_finite,
    require_positive_k,
    weight_change,
)
from sigmascope.prediction.state import Entry, State, as_list, restored, saved, shape_of, tensor_of
from sigmascope.spectra.products import times
from sigmascope.spectra.triplets import leading_triplets

# Below this share of the largest, the last tracked value counts as zero: R would be near singular.
_NEGLIGIBLE = 1e-3
# A state's tensors by name; the attributes are the same with an underscore.
_TENSORS = ("W", "trial", "product", "carried")


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
    def start(self, W0: torch.Tensor) -> None:
        """Begin at ``W0`` with its leading singular vectors on both sides. See Predictor."""
        self._modes = None
        W = initial_matrix(W0, self.k)  # (m, n)
        p = min(self.k + self.oversample, W.shape[1])
        U, sigma, V = leading_triplets(W, p)
        # A contiguous copy of our own: the caller's weights go on changing.
        self._W = W.clone(memory_format=torch.contiguous_format)
        self._trial_is_right = p == W.shape[1]  # where it stays: see step
        self._trial, far = (V, U) if self._trial_is_right else (U, V)
        self._product = far * sigma
        self._carried = self._room()
        self._carried[:, : self._tracked] = self._product[:, : self._tracked]
        self._ritz = sigma.tolist()
        self._shape = W0.shape

    @property
    def _tracked(self) -> int:
        """t, how many of p vectors V has: one is left for b, unless k needs it or all n fit."""
        p = self._trial.shape[1]
        return p if p in (self.k, self._W.shape[1]) else p - 1

    @apart_from_training
    def step(self, G: torch.Tensor, *, scale: float = 1.0) -> None:
        """Add ``scale * G`` and make ``half_steps`` half steps. See Predictor."""
        G = weight_change(G, shape=self._shape, dtype=self._W.dtype)
        self._modes = None
        if self._trial.shape[1] == self._W.shape[1]:  # exact: with p = n nothing is outside the span
            self._W.add_(G, alpha=scale)
            self._product = self._W @ self._trial
        else:
            trial, R = self._orthonormal(G)  # before the sum, while the caches still hold G
            self._W.add_(G, alpha=scale)
            root = self._momentum()
            self._half_step(trial, R, root)
            for _ in range(self.half_steps - 1):
                self._half_step(*self._orthonormal(G), root)
        self._ritz = _singular_values(self._product, name=self.name)

    def _orthonormal(self, G: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The next X = [V, b], V R what was carried, and R, of which what is below the diagonal is not set.

        By Householder's reflections: orthonormal even where W loses rank and R turns singular, or where ``G``
        adds nothing. In two parts, as torch.linalg.qr does it, since solve_triangular needs no triu of R.
        """
        t = self._tracked
        if t < self._trial.shape[1]:
            self._carried[:, t:] = times(G if self._trial_is_right else G.T, self._trial[:, t:])
        reflectors, tau = torch.geqrf(self._carried)
        return torch.linalg.householder_product(reflectors, tau), reflectors[:t, :t]

    def _room(self) -> torch.Tensor:
        """(other side, p), by columns, as LAPACK wants them."""
        return self._product.new_zeros(self._product.shape[::-1]).T

    def _half_step(self, trial: torch.Tensor, R: torch.Tensor, root: float) -> None:
        """Multiply ``trial`` by W (or its transpose) and carry V to the other side; ``root`` is that of c."""
        t = self._tracked
        older = self._trial[:, :t]
        self._trial, self._trial_is_right = trial, not self._trial_is_right
        self._product = times(self._W if self._trial_is_right else self._W.T, trial)
        self._carried = self._room()
        if root > 0.0:  # the root twice: c itself can leave the range of float32
            older = torch.linalg.solve_triangular(R / root, older, upper=True, left=False)
            torch.add(self._product[:, :t], older, alpha=-root, out=self._carried[:, :t])
        else:
            self._carried[:, :t] = self._product[:, :t]

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
        tensors = {name: getattr(self, f"_{name}") for name in _TENSORS}
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
        self._ritz, self._modes = ritz, None
        for attribute, tensor in tensors.items():
            setattr(self, attribute, tensor)

    def _settings(self) -> dict[str, str | int | float]:
        return {
            "name": self.name,
            "k": self.k,
            "oversample": self.oversample,
            "half_steps": self.half_steps,
        }


def _singular_values(product: torch.Tensor, *, name: str) -> list[float]:
    """Of ``product``, which is tall, descending.

    Raises:
        NumericalError: they are not finite.
    """
    if product.dtype == torch.float32 and product.device.type != "mps":  # Metal has no float64
        # What squaring loses, 1e-8 of the largest, is below the rounding of the product itself.
        product = product.double()
        square = (product.T @ product).cpu()  # of p x p: a GPU is slower, and would be waited for twice
        require_finite(square, name=name)
        return [math.sqrt(max(value, 0.0)) for value in reversed(torch.linalg.eigvalsh(square).tolist())]
    R = torch.linalg.qr(product, mode="r").R
    require_finite(R.abs().sum(), name=name)
    values: list[float] = torch.linalg.svdvals(R).tolist()
    return values
