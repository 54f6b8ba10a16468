"""The paper's multilayer perceptron: W ~ N(0, 1/fan_in), zero biases (section 8), ReLU."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn


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
        self.hidden = nn.ModuleList(_uninitialised(before, after) for before, after in pairwise(sizes))
        self.head = _uninitialised(width, classes)
        for layer in (*self.hidden, self.head):
            nn.init.normal_(layer.weight, std=layer.in_features**-0.5, generator=generator)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:  # (B, features) -> (B, classes)
        """Class scores."""
        for layer in self.hidden:
            x = torch.relu(layer(x))
        scores: Tensor = self.head(x)
        return scores


def _uninitialised(before: int, after: int) -> nn.Linear:
    # torch's own initialisation would draw from the global random state
    return nn.Linear(before, after, device="meta").to_empty(device="cpu")
