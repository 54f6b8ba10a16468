"""Mini-batch noise of every linear layer's gradient, from what the ordinary backward pass computes anyway."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType, TracebackType
from typing import Any

import torch
from torch import nn

from sigmascope.apart import apart_from_training
from sigmascope.counts import whole
from sigmascope.errors import InvalidValueError, NumericalError
from sigmascope.records import GradientNoise
from sigmascope.spectra.products import times_each
from sigmascope.spectra.stacks import stacked
from sigmascope.theory.anisotropic import step_variance
from sigmascope.theory.noise import beta1, diffusion, gradient_variance

# A scale as close to 1 as this is 1, and rounding. Two looks at one scale differ by less than this.
_ROUNDING, _SAME = 1e-3, 0.01
# numbers copied or formed of layers that are looked at together: x and delta, or the products of positions
_TOGETHER, _TOGETHER_ON_CPU = 2**24, 2**20
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
        self._layers = dict(layers)
        self._rows = {name: slice(*rows[name]) if name in rows else slice(None) for name in layers}
        self._sample_count = whole(
            "sample_count", sample_count, least=1, remedy="pass the size of the training set"
        )
        self._uses: dict[str, Uses] = {name: {} for name in layers}
        self._handles = [
            layer.register_forward_hook(_Watch(self._uses[name]), with_kwargs=True)
            for name, layer in self._layers.items()
        ]

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
        measured = {}
        for names in self._groups(dict.fromkeys(self._layers, ())):
            one = self._pass(names)
            for name, sides, norms in zip(names, one.sides().tolist(), one.norms().tolist(), strict=True):
                scale, (squares, norm) = _scale(sides), norms
                if scale is not None:
                    rate = learning_rate[name] if isinstance(learning_rate, Mapping) else learning_rate
                    measured[name] = self._noise(name, one, scale**2 * squares, norm, learning_rate=rate)
        self._forget()
        return {name: measured[name] for name in self._layers if name in measured}

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
        variances = {}
        shapes = {name: (left.shape, left.dtype) for name, (left, _) in modes.items() if name in self._layers}
        for names in self._groups(shapes):
            one, (left, right) = self._pass(names), zip(*(modes[name] for name in names), strict=True)
            share = step_variance(learning_rate=1.0, batch_size=one.batch, samples=self._sample_count)
            along = one.variances_along(stacked(left), stacked(right)).cpu()
            for name, sides, variance in zip(names, one.sides().tolist(), along, strict=True):
                scale = _scale(sides)
                if scale is not None:
                    variances[name] = share * (learning_rate * scale) ** 2 * variance
        return variances

    def _gradient(self, name: str) -> torch.Tensor:
        """(rows, columns): the batch gradient of the rows that are meant."""
        gradient = self._layers[name].weight.grad
        if gradient is None:
            raise InvalidValueError(f"layer {name} has no gradient: call backward() first")
        return gradient[self._rows[name]].to(torch.promote_types(gradient.dtype, torch.float32))

    def _by_sample(self, name: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs (B, T, columns) and deltas (B, T, rows), the positions of all uses side by side."""
        uses = self._uses[name].values()
        xs = [x.reshape(len(x), -1, x.shape[-1]) for x, _ in uses]
        deltas = [delta.reshape(len(delta), -1, delta.shape[-1]) for _, delta in uses]
        x, delta = (one[0] if len(one) == 1 else torch.cat(one, dim=1) for one in (xs, deltas))
        return x.to(dtype), delta[..., self._rows[name]].to(dtype)

    def _groups(self, layers: Mapping[str, object]) -> list[list[str]]:
        """Those of ``layers`` that have something to measure, those of one shape (and one value) together."""
        found: list[list[str]] = []
        alike: dict[tuple[object, ...], tuple[list[str], int]] = {}
        for name, value in layers.items():
            # none where it is computed of other parameters: it has no gradient, and reading it can change it
            weight = self._layers[name]._parameters.get("weight")
            if not self._uses[name] or weight is None or weight.grad is None:
                continue
            batch, positions, width = self._size(name)
            if batch < 2:
                continue
            shape = (batch, positions, weight.grad[self._rows[name]].shape, weight.dtype, weight.device)
            size = batch * positions * max(width, positions)
            group, room = alike.get((shape, value), ([], 0))
            if size > room:
                found.append(group := [])
                room = _TOGETHER_ON_CPU if weight.device.type == "cpu" else _TOGETHER
            group.append(name)
            alike[shape, value] = group, room - size
        return found

    def _size(self, name: str) -> tuple[int, int, int]:
        """B, T and how many numbers x and delta have for each position.

        Raises:
            InvalidValueError: the uses have different B.
        """
        uses = list(self._uses[name].values())
        sizes = {len(x) for x, _ in uses}
        if len(sizes) > 1:
            raise InvalidValueError(
                f"layer {name} was used with {sorted(sizes)} samples in one pass; gradient noise needs the "
                "same samples in each use: leave the layer out of those measured"
            )
        (batch,) = sizes
        widths = uses[0][0].shape[-1], uses[0][1].shape[-1]
        return batch, sum(x.numel() for x, _ in uses) // max(batch * widths[0], 1), sum(widths)

    def _pass(self, names: Sequence[str]) -> _Pass:
        """What the pass has left of layers of one shape."""
        gradients = [self._gradient(name) for name in names]
        sides = [self._by_sample(name, gradients[0].dtype) for name in names]
        xs, deltas = zip(*sides, strict=True)
        return _Pass(stacked(xs), stacked(deltas), gradients)

    def _noise(
        self, name: str, one: _Pass, sum_of_squares: float, gradient_norm: float, *, learning_rate: float
    ) -> GradientNoise:
        if not math.isfinite(sum_of_squares) or not math.isfinite(gradient_norm):
            raise NumericalError(f"layer {name}: the gradient holds NaN or infinity; lower the learning rate")
        batch, entries, samples = one.batch, one.entries, self._sample_count
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


class _Watch:
    """The forward hook of one layer, which has ``uses`` filled by the backward pass.

    Who copies or saves the whole model copies a hook that does nothing: what it sees is of no other model.
    """

    def __init__(self, uses: Uses) -> None:
        self._uses = uses

    def __call__(
        self, _: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any], output: torch.Tensor
    ) -> None:
        x = (inputs[0] if inputs else named["input"]).detach()
        if not output.requires_grad or x.ndim < 2:  # evaluation, or a single sample without batch index
            return
        # A pass whose backward ran and that nobody measured belongs to an earlier batch.
        self._uses.clear()
        uses, call = self._uses, object()

        def after_backward(delta: torch.Tensor) -> None:
            uses[call] = (x, delta.detach())

        output.register_hook(after_backward)  # type: ignore[no-untyped-call]

    def __reduce__(self) -> tuple[Callable[[], Callable[..., None]], tuple[()]]:
        return _unwatched, ()


def _unwatched() -> Callable[..., None]:
    return _ignore


def _ignore(*_: object, **__: object) -> None:
    """A hook that does nothing."""


@dataclass(frozen=True, slots=True)
class _Pass:
    """What one pass has left of l layers of one shape.

    Attributes:
        x: (..., B, T, columns), the first dimension over layers where there are several.
        delta: (..., B, T, rows).
        gradients: (rows, columns) of each.
    """

    x: torch.Tensor
    delta: torch.Tensor
    gradients: Sequence[torch.Tensor]

    @property
    def batch(self) -> int:
        """B."""
        return self.x.shape[-3]

    @property
    def entries(self) -> int:
        """Of one gradient."""
        return self.gradients[0].numel()

    def sides(self) -> torch.Tensor:
        """(l, 2, 2): a^T g b in row 0 and a^T (sum_it delta_it x_it^T) b in row 1, for two pairs of a and b.

        b = g^T a. The sum, as large a product as the backward pass, is not formed.
        """
        x, delta = self.x.flatten(-3, -2), self.delta.flatten(-3, -2)
        one = times_each(self.gradients, x.mean(-2)[..., None])
        a = torch.cat([one, delta.square().mean(-2).sqrt()[..., None]], dim=-1)
        b = times_each([gradient.T for gradient in self.gradients], a)
        summed = ((delta @ a) * (x @ b)).sum(-2, dtype=self._exact)
        return torch.stack([b.square().sum(-2, dtype=self._exact), summed], dim=-2).view(-1, 2, 2)

    def norms(self) -> torch.Tensor:
        """(l, 2): sum over samples of ||B sum_t delta_it x_it^T||_F^2, and the norm of the gradient."""
        squares = _squared_norms(self.x, self.delta).sum(-1, dtype=self._exact).view(-1)
        norms = torch.stack([torch.linalg.vector_norm(gradient) for gradient in self.gradients])
        return torch.stack([squares * self.batch**2, norms.to(self._exact)], dim=1)

    def variances_along(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        """(l, k) variances over samples of u_k^T (B sum_t delta_it x_it^T) v_k."""
        rows, columns = self.gradients[0].shape
        of_delta, of_x = (left, right) if rows >= columns else (right, left)
        x, delta = self.x.flatten(-3, -2), self.delta.flatten(-3, -2)
        along = (delta @ of_delta) * (x @ of_x)  # (..., B T, k)
        by_sample = along.view(len(self.gradients), self.batch, -1, along.shape[-1]).sum(2)
        return (self.batch * by_sample).var(1)

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
    """(..., B): ||sum_t delta_it x_it^T||^2_F from x (..., B, T, columns) and delta (..., B, T, rows)."""
    if x.shape[-2] == 1:
        return x.square().sum((-2, -1)) * delta.square().sum((-2, -1))
    return ((x @ x.mT) * (delta @ delta.mT)).sum((-2, -1))
