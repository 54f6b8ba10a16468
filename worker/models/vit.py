"""The paper's vision transformer (section 8; Dosovitskiy et al. 2020)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sigmascope.divisors import nearest_divisors
from sigmascope.errors import InvalidValueError
from worker.models.attention import Block, Initial, everywhere
from worker.models.initial import gaussian, inverse_root, linear

# Of the class token and the positions, as in Dosovitskiy's code; the paper does not say
TOKEN_STD = 0.02


class Vit(nn.Module):
    """Patches, a class token, encoder blocks, and a linear head on the class token.

    The head is drawn from the paper's N(0, 1/sqrt(H_dim)), its second argument read as the standard
    deviation, with H_dim the width. The paper leaves the other matrices open: they have variance 1/fan_in,
    as its MLP does. Biases are 0, positions are learned, and ``generator`` alone decides the weights.

    Its weight matrices are ``patches``, ``blocks.{i}.qkv``, ``.proj``, ``.up``, ``.down`` and ``head``.

    Args:
        image_shape: channels, height and width of an image.
        patch: side of the square patches; 7 for 28 x 28 images and 8 for 32 x 32 in the paper.
        ratio: width of a block's hidden layer over ``width``.

    Raises:
        InvalidValueError: the patch does not divide the image, or ``heads`` not the width.
    """

    def __init__(
        self,
        *,
        image_shape: tuple[int, int, int],
        classes: int,
        patch: int,
        width: int = 256,
        depth: int = 2,
        heads: int = 4,
        ratio: int = 2,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        _check_patch(image_shape, patch)
        channels, height, across = image_shape
        self.image_shape, self.patch = image_shape, patch
        count, pixels = (height // patch) * (across // patch), channels * patch**2
        initial = Initial(inner=inverse_root, residual=inverse_root)
        self.patches = linear(pixels, width, std=inverse_root(pixels), generator=generator)
        self.class_token = gaussian(1, 1, width, std=TOKEN_STD, generator=generator)
        self.positions = gaussian(1, 1 + count, width, std=TOKEN_STD, generator=generator)
        self.blocks = nn.ModuleList(
            Block(
                width=width, heads=heads, ratio=ratio, attend=everywhere, initial=initial, generator=generator
            )
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.head = linear(width, classes, std=width**-0.5, generator=generator)

    def forward(self, x: Tensor) -> Tensor:  # (B, C H W) or (B, C, H, W) -> (B, classes)
        """Class scores."""
        tokens = self.patches(self._cut(x))
        x = torch.cat([self.class_token.expand(len(x), -1, -1), tokens], dim=1) + self.positions
        for block in self.blocks:
            x = block(x)
        scores: Tensor = self.head(self.norm(x[:, 0]))
        return scores

    def _cut(self, x: Tensor) -> Tensor:
        """Patches in reading order, (B, patches, C patch^2)."""
        channels, height, across = self.image_shape
        p = self.patch
        x = x.reshape(len(x), channels, height // p, p, across // p, p)
        return x.permute(0, 2, 4, 1, 3, 5).reshape(len(x), -1, channels * p * p)


def _check_patch(image_shape: tuple[int, int, int], patch: int) -> None:
    _, height, across = image_shape
    both = math.gcd(height, across)
    if patch < 1 or height % patch or across % patch:
        raise InvalidValueError(
            f"an image of {height} x {across} pixels is not divisible into patches of {patch} x {patch}; "
            f"choose {nearest_divisors(both, patch, most=both)}"
        )
