"""SGD as a specification asks for it: momentum, weight decay, schedule, clipping."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from sigmascope.schemas import TrainSpec


def make_optimizer(spec: TrainSpec, model: nn.Module) -> torch.optim.SGD:
    """SGD over all parameters; its learning rate is set anew before each step."""
    return torch.optim.SGD(
        model.parameters(),
        lr=spec.learning_rate,
        momentum=spec.momentum,
        weight_decay=spec.weight_decay,
        nesterov=spec.nesterov,
    )


def learning_rate(spec: TrainSpec, step: int) -> float:
    """The learning rate of batch ``step`` = 1, 2, ..., a function of ``step`` alone.

    During the first ``warmup`` batches it rises in a straight line to ``learning_rate``. Then it stays
    (``constant``), follows half a cosine down to ``final_learning_rate`` at the last batch (``cosine``), or
    is multiplied by ``decay_factor`` every ``decay_every`` batches (``step``).
    """
    if step <= spec.warmup:
        return spec.learning_rate * step / (spec.warmup + 1)
    since = step - spec.warmup - 1
    if spec.schedule == "cosine":
        share = since / max(spec.batches - spec.warmup - 1, 1)
        height = (1.0 + math.cos(math.pi * min(share, 1.0))) / 2.0
        return spec.final_learning_rate + (spec.learning_rate - spec.final_learning_rate) * height
    if spec.schedule == "step":
        return spec.learning_rate * spec.decay_factor ** (since // spec.decay_every)
    return spec.learning_rate


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The rate of the next step, in all groups."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip(parameters: Iterable[Tensor], spec: TrainSpec) -> None:
    """Scale all gradients together to a norm of at most ``clip_norm``; nothing where that is 0."""
    if spec.clip_norm > 0:
        torch.nn.utils.clip_grad_norm_(parameters, spec.clip_norm)
