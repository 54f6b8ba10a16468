"""The paper's GPT: nanoGPT's decoder (section 8), in plain torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sigmascope.errors import InvalidValueError
from worker.models.attention import Block, Initial, causal
from worker.models.initial import gaussian, linear

# Radford et al. (2019), nanoGPT
GPT2_STD = 0.02


class Gpt(nn.Module):
    """Token and position embeddings, causal blocks, and a linear head at every position.

    Initialised as nanoGPT: N(0, std^2) with std 0.02 everywhere, divided by sqrt(2 depth) in the two
    matrices of a block that write into the residual stream; biases 0. ``generator`` alone decides the
    weights. Other than in nanoGPT, the head has a matrix of its own: half of the gradient of one that is
    shared with the embedding does not pass through a linear layer, and its noise could not be measured.

    Its weight matrices are ``blocks.{i}.qkv``, ``.proj``, ``.up``, ``.down`` and ``head``.

    Args:
        vocabulary: V, the number of different tokens.
        context: the longest text it can read.

    Raises:
        InvalidValueError: ``heads`` does not divide the width.
    """

    def __init__(
        self,
        *,
        vocabulary: int,
        context: int = 256,
        width: int = 256,
        depth: int = 4,
        heads: int = 4,
        ratio: int = 4,
        std: float = GPT2_STD,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.context = context
        residual_std = std * (2 * depth) ** -0.5
        initial = Initial(inner=lambda _: std, residual=lambda _: residual_std)
        self.tokens = gaussian(vocabulary, width, std=std, generator=generator)
        self.positions = gaussian(context, width, std=std, generator=generator)
        self.blocks = nn.ModuleList(
            Block(width=width, heads=heads, ratio=ratio, attend=causal, initial=initial, generator=generator)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = linear(width, vocabulary, std=std, generator=generator)

    def forward(self, x: Tensor) -> Tensor:  # (B, T) int64 -> (B, T, V)
        """Scores of the token that follows each position.

        Raises:
            InvalidValueError: T is larger than the context.
        """
        length = x.shape[1]
        if length > self.context:
            raise InvalidValueError(
                f"a text of {length} tokens is longer than the context of {self.context}; "
                "cut it, or build the model with a longer context"
            )
        h = nn.functional.embedding(x, self.tokens) + self.positions[:length]
        for block in self.blocks:
            h = block(h)
        scores: Tensor = self.head(self.norm(h))
        return scores
