"""Mini-batch noise of every linear layer's gradient, from what the ordinary backward pass computes anyway."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from sigmascope.apart import apart_from_training
from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.records import GradientNoise
from sigmascope.spectra.moved import on_cpu
from sigmascope.theory.anisotropic import step_variance
from sigmascope.theory.noise import beta1, diffusion, gradient_variance

# A scale as close to 1 as this is 1, and rounding. Two looks at one scale differ by less than this.
_ROUNDING, _SAME = 1e-3, 0.01
# Input x and output gradient delta of each use of a layer in one pass, by the forward call that made it.
Uses = dict[object, tuple[torch.Tensor, torch.Tensor]]


class GradientNoiseMeter:
    """Measures ``GradientNoise`` of linear layers by hooks; a context manager that removes them.

    A layer's gradient is a sum over samples, g_batch = (1/B) sum_i g_i, with g_i = sum_t delta_it x_it^T
    over the T positions of sample i (T = 1 in an MLP, where g_i has rank one). Hooks catch the layer's
    input x and the gradient of its output, which is delta / B for a loss averaged over the batch, so that

        ||g_i||^2 = B^2 sum_{t,s} (delta_it . delta_is)(x_it . x_is)      (T = 1: B^2 ||delta_i||^2 ||x_i||^2)

    costs O(B (m + n)) beside the O(B m n) of the pass itself, and no per-sample gradient is ever formed.
    From their sum and ||g_batch||^2 follow C, beta1 and D by :mod:`sigmascope.theory.noise`.

    Nothing in the model, its gradients or the random state is touched: training is the same, bit for bit.

    Requires: a loss averaged (not summed) over samples, the sample index first in every layer's input, and
    ``zero_grad`` before each backward pass, so that ``weight.grad`` is that of one batch. A layer used
    several times in one pass counts as one with so many more positions. Where ``weight.grad`` has been
    scaled down since (clipped), the samples' gradients are scaled alike: the noise is that of the step. Where
    it holds more than that pass (gradients accumulated over passes or averaged over machines), there is no
    noise to tell, and the layer is left out.

    Args:
        layers: linear layers by name.
        sample_count: N, the size of the data set that batches are drawn from.
        rows: (first, one past the last) of the rows that are meant, by name, where it is not all of them.

    Raises:
        InvalidValueError: N below 1.
    """

    def __init__(
        self,
        layers: Mapping[str, nn.Linear],
        *,
        sample_count: int,
        rows: Mapping[str, tuple[int, int]] = MappingProxyType({}),
    ) -> None:
        if sample_count < 1:
            raise InvalidValueError(
                f"sample_count must be at least 1, got {sample_count}: pass the size of the training set"
            )
        self._layers = dict(layers)
        self._rows = {name: slice(*rows[name]) if name in rows else slice(None) for name in layers}
        self._sample_count = sample_count
        self._uses: dict[str, Uses] = {name: {} for name in layers}
        self._known: dict[str, float | None] = {}  # what _scale says of the pass that ran last
        self._handles = [self._watch(name, layer) for name, layer in self._layers.items()]

    def __enter__(self) -> GradientNoiseMeter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove the hooks and forget what they caught; safe to call twice."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        self._forget()

    @apart_from_training
    def measure(self, *, learning_rate: float | Mapping[str, float]) -> dict[str, GradientNoise]:
        """The noise of the batch whose backward pass ran last, by layer; then forget that batch.

        A layer is left out when there is nothing to measure: it is frozen, took no part in the pass, its
        gradient is not that of the pass, or the batch has a single sample, whose variance is unknown.

        Args:
            learning_rate: of all layers, or by layer.

        Raises:
            InvalidValueError: the batch is larger than ``sample_count``, or the positions of a layer that is
                used several times in one pass hold different numbers of samples.
            NumericalError: a gradient holds NaN or infinity; the message names the layer.
        """
        seen = self._pass(self._layers)
        scales = self._scales(seen)
        norms = on_cpu({name: one.norms() for name, one in seen.items() if name in scales})
        measured = {}
        for name, (squares, norm) in ((name, both.tolist()) for name, both in norms.items()):
            rate = learning_rate[name] if isinstance(learning_rate, Mapping) else learning_rate
            measured[name] = self._noise(
                name, seen[name], scales[name] ** 2 * squares, norm, learning_rate=rate
            )
        self._forget()
        return measured

    @apart_from_training
    def variance_along(
        self, modes: Mapping[str, tuple[torch.Tensor, torch.Tensor]], *, learning_rate: float
    ) -> dict[str, torch.Tensor]:
        """Variance that sampling the batch gives to u_k^T G v_k in one step of plain SGD, (k,), by layer.

        eta^2 (1 - B/N) / B times the variance over samples of u_k^T g_i v_k, which needs the projections of
        delta and x alone: O(B (m + n) k). ``modes`` holds U (m, k) and V (n, k) of W turned so that m >= n.
        Ask before :meth:`measure`, which forgets the batch; layers are left out as there, and so are
        those that are not watched.

        Raises:
            InvalidValueError: as :meth:`measure`.
        """
        seen = self._pass(modes)
        scales = self._scales(seen)
        along = on_cpu({name: one.variance_along(*modes[name]) for name, one in seen.items()})
        variances = {}
        for name, scale in scales.items():
            share = step_variance(learning_rate=1.0, batch_size=seen[name].batch, samples=self._sample_count)
            variances[name] = share * (learning_rate * scale) ** 2 * along[name]
        return variances

    def _watch(self, name: str, layer: nn.Linear) -> RemovableHandle:
        uses = self._uses[name]

        def after_forward(
            _: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: torch.Tensor
        ) -> None:
            x = (inputs[0] if inputs else named["input"]).detach()
            if not output.requires_grad or x.ndim < 2:  # evaluation, or a single sample without batch index
                return
            # A pass whose backward ran and that nobody measured belongs to an earlier batch.
            uses.clear()
            self._known.pop(name, None)
            call = object()

            def after_backward(delta: torch.Tensor) -> None:
                uses[call] = (x, delta.detach())

            output.register_hook(after_backward)  # type: ignore[no-untyped-call]

        return layer.register_forward_hook(after_forward, with_kwargs=True)

    def _gradient(self, name: str) -> torch.Tensor | None:
        """(rows, columns): the batch gradient of the rows that are meant."""
        weight = self._layers[name].weight
        gradient = weight.grad if weight.is_leaf else None  # computed of other parameters: it has none
        if gradient is None:
            return None
        return gradient[self._rows[name]].to(torch.promote_types(gradient.dtype, torch.float32))

    def _by_sample(self, name: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (B, T, columns) and deltas (B, T, rows), the positions of all uses side by side."""
        uses = list(self._uses[name].values())
        sizes = {len(x) for x, _ in uses}
        if len(sizes) > 1:
            raise InvalidValueError(
                f"layer {name} was used with {sorted(sizes)} samples in one pass; gradient noise needs the "
                "same samples in each use: leave the layer out of those measured"
            )
        xs = [x.reshape(len(x), -1, x.shape[-1]) for x, _ in uses]
        deltas = [delta.reshape(len(delta), -1, delta.shape[-1]) for _, delta in uses]
        x, delta = (one[0] if len(one) == 1 else torch.cat(one, dim=1) for one in (xs, deltas))
        return x.to(dtype), delta[..., self._rows[name]].to(dtype)

    def _pass(self, layers: Iterable[str]) -> dict[str, _Pass]:
        """What the pass has left of those of ``layers`` that have something to measure."""
        found = {}
        for name in layers:
            gradient = self._gradient(name) if self._uses.get(name) else None
            if gradient is not None:
                x, delta = self._by_sample(name, gradient.dtype)
                if len(x) > 1:
                    found[name] = _Pass(x, delta, gradient)
        return found

    def _scales(self, seen: Mapping[str, _Pass]) -> dict[str, float]:
        """Of the layers whose gradient is that of the pass: by how much it was scaled down since."""
        new = {name: one.sides() for name, one in seen.items() if name not in self._known}
        self._known |= {name: _scale(sides.tolist()) for name, sides in on_cpu(new).items()}
        return {name: scale for name in seen if (scale := self._known[name]) is not None}

    def _noise(
        self, name: str, one: _Pass, sum_of_squares: float, gradient_norm: float, *, learning_rate: float
    ) -> GradientNoise:
        if not math.isfinite(sum_of_squares) or not math.isfinite(gradient_norm):
            raise NumericalError(f"layer {name}: the gradient holds NaN or infinity; lower the learning rate")
        batch, entries, samples = one.batch, one.gradient.numel(), self._sample_count
        C = gradient_variance(sum_of_squares, gradient_norm**2, entries=entries, batch_size=batch)
        return GradientNoise(
            gradient_norm=gradient_norm,
            beta1=beta1(C, entries=entries, batch_size=batch, samples=samples),
            # A schedule may begin or end at 0: weights that do not move do not diffuse.
            diffusion=diffusion(C, learning_rate=learning_rate, batch_size=batch, samples=samples)
            if learning_rate != 0
            else 0.0,
        )

    def _forget(self) -> None:
        for uses in self._uses.values():
            uses.clear()
        self._known.clear()


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one pass has left of a layer: x (B, T, columns), delta (B, T, rows), gradient (rows, columns)."""

    x: torch.Tensor
    delta: torch.Tensor
    gradient: torch.Tensor

    @property
    def batch(self) -> int:
        """B."""
        return len(self.x)

    def sides(self) -> torch.Tensor:
        """(2, 2): a^T g b in row 0 and a^T (sum_it delta_it x_it^T) b in row 1, for two pairs of a and b.

        b = g^T a. The sum, as large a product as the backward pass, is not formed.
        """
        a = torch.stack([self.gradient @ self.x.mean((0, 1)), self.delta.square().mean((0, 1)).sqrt()], 1)
        b = self.gradient.T @ a
        summed = ((self.delta @ a) * (self.x @ b)).sum((0, 1), dtype=self._exact)
        return torch.stack([b.square().sum(0, dtype=self._exact), summed])

    def norms(self) -> torch.Tensor:
        """(2,): sum over samples of ||B sum_t delta_it x_it^T||_F^2, and the norm of the gradient."""
        squares = _squared_norms(self.x, self.delta).sum(dtype=self._exact) * self.batch**2
        return torch.stack([squares, torch.linalg.vector_norm(self.gradient).to(self._exact)])

    def variance_along(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """(k,) variance over samples of u_k^T (B sum_t delta_it x_it^T) v_k."""
        rows, columns = self.gradient.shape
        of_delta, of_x = (left, right) if rows >= columns else (right, left)
        return (self.batch * ((self.delta @ of_delta) * (self.x @ of_x)).sum(1)).var(0)

    @property
    def _exact(self) -> torch.dtype:
        """Of sums over many numbers; Metal has no float64."""
        return torch.float32 if self.x.device.type == "mps" else torch.float64


def _scale(sides: Sequence[Sequence[float]]) -> float | None:
    """The c in g = c sum_it delta_it x_it^T by :meth:`_Pass.sides`: below 1 where g was clipped, else 1.

    None where there is none: not the gradient of this pass, or not of it alone. A pair along which nothing
    lies, or NaN does, does not count.
    """
    seen = [
        along / summed
        for along, summed in zip(*sides, strict=True)
        if summed != 0.0 and math.isfinite(summed)
    ] or [1.0]
    if max(seen) > 1.0 + _SAME or max(seen) - min(seen) > _SAME * max(seen):
        return None
    return 1.0 if abs(seen[0] - 1.0) < _ROUNDING else seen[0]


def _squared_norms(x: torch.Tensor, delta: torch.Tensor) -> torch.Tensor:
    """(B,): ||sum_t delta_it x_it^T||^2_F from x (B, T, columns) and delta (B, T, rows)."""
    if x.shape[1] == 1:
        return x.square().sum((1, 2)) * delta.square().sum((1, 2))
    return ((x @ x.mT) * (delta @ delta.mT)).sum((1, 2))
