"""Layers whose initial weights a generator alone decides."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def linear(inputs: int, outputs: int, *, std: float, generator: torch.Generator) -> nn.Linear:
    """A linear layer with weights N(0, std^2) and zero biases."""
    # torch's own initialisation would draw from the global random state
    layer = nn.Linear(inputs, outputs, device="meta").to_empty(device="cpu")
    nn.init.normal_(layer.weight, std=std, generator=generator)
    nn.init.zeros_(layer.bias)
    return layer


def gaussian(*shape: int, std: float, generator: torch.Generator) -> nn.Parameter:
    """A parameter with entries N(0, std^2)."""
    values: Tensor = torch.empty(*shape)
    return nn.Parameter(values.normal_(std=std, generator=generator))


def inverse_root(fan_in: int) -> float:
    """Standard deviation fan_in^(-1/2), which keeps the variance of what passes through."""
    return float(fan_in**-0.5)
