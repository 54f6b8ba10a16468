"""The paper's multilayer perceptron: W ~ N(0, 1/fan_in), zero biases (section 8), ReLU."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from worker.models.initial import inverse_root, linear


class Mlp(nn.Module):
    """``depth`` hidden layers of ``width`` units, then a linear head.

    Its weight matrices are ``hidden.0`` ... ``hidden.{depth-1}`` and ``head``. ``generator`` alone decides
    the initial weights.
    """

    def __init__(
        self, *, features: int, classes: int, width: int, depth: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        sizes = [features, *[width] * depth]
        self.hidden = nn.ModuleList(_layer(before, after, generator) for before, after in pairwise(sizes))
        self.head = _layer(width, classes, generator)

    def forward(self, x: Tensor) -> Tensor:  # (B, features) -> (B, classes)
        """Class scores."""
        for layer in self.hidden:
            x = torch.relu(layer(x))
        scores: Tensor = self.head(x)
        return scores


def _layer(before: int, after: int, generator: torch.Generator) -> nn.Linear:
    return linear(before, after, std=inverse_root(before), generator=generator)
