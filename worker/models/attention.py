"""The transformer block that the vision transformer and the GPT share.

Written out, because torch's own encoder layer hides its fused projection from hooks: here every weight
matrix is an ``nn.Linear``, found by the recorder and by gradient-noise hooks under its module path.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, scaled_dot_product_attention

from sigmascope.divisors import nearest_divisors
from sigmascope.errors import InvalidValueError
from worker.models.initial import linear

# queries, keys, values (B, heads, T, width / heads) -> mixed values of the same shape
Attend = Callable[[Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Initial:
    """Standard deviations of a block's initial weights, as functions of the fan-in.

    ``residual`` is for ``proj`` and ``down``, which write into the residual stream; ``inner`` for the rest.
    """

    inner: Callable[[int], float]
    residual: Callable[[int], float]


def everywhere(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Every position attends to every position."""
    return scaled_dot_product_attention(q, k, v)


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """A position attends to itself and to those before it."""
    return scaled_dot_product_attention(q, k, v, is_causal=True)


class Block(nn.Module):
    """x + proj(attention(norm(x))), then x + down(gelu(up(norm(x)))): pre-norm, no dropout.

    Its weight matrices are ``qkv`` (3 width, width), whose rows are those of q, then k, then v, each with
    its heads one after the other; ``proj`` (width, width); ``up`` and ``down``, wider by ``ratio``.

    Raises:
        InvalidValueError: ``heads`` does not divide ``width``.
    """

    def __init__(
        self,
        *,
        width: int,
        heads: int,
        ratio: int,
        attend: Attend,
        initial: Initial,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise InvalidValueError(
                f"width {width} is not divisible by {heads} heads; choose "
                f"{nearest_divisors(width, heads, most=width)}"
            )
        self.heads, self.attend = heads, attend
        inner, residual, wide = initial.inner, initial.residual, ratio * width
        self.before_attention = nn.LayerNorm(width)
        self.qkv = linear(width, 3 * width, std=inner(width), generator=generator)
        self.proj = linear(width, width, std=residual(width), generator=generator)
        self.before_mlp = nn.LayerNorm(width)
        self.up = linear(width, wide, std=inner(width), generator=generator)
        self.down = linear(wide, width, std=residual(wide), generator=generator)

    def forward(self, x: Tensor) -> Tensor:  # (B, T, width) -> (B, T, width)
        """The residual stream after the block."""
        x = x + self.proj(self._mixed(self.before_attention(x)))
        stream: Tensor = x + self.down(gelu(self.up(self.before_mlp(x))))
        return stream

    def _mixed(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        parts = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # each (B, heads, T, width / heads)
        return self.attend(q, k, v).transpose(1, 2).reshape(batch, length, width)
