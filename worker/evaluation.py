"""Loss and accuracy of a network, on a batch and on the test split."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from worker.building import Data
from worker.datasets.text import Text

# labels that an evaluation during training looks at, and that go through the network at once
SOME = 4096
AT_ONCE = 1024


def loss_of(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy in nats, in float32; scores (..., classes), labels (...)."""
    return cross_entropy(scores.flatten(0, -2).float(), labels.flatten())


def accuracy_of(scores: Tensor, labels: Tensor) -> Tensor:
    """Share of labels whose score is the highest, as a scalar."""
    return (scores.argmax(-1) == labels).float().mean()


@torch.no_grad()
def evaluate(model: nn.Module, data: Data, *, labels: int | None) -> dict[str, float]:
    """Loss and accuracy on the test split, or on an evenly spaced part of it with about so many labels."""
    each = data.context if isinstance(data, Text) else 1
    limit = None if labels is None else max(labels // each, 1)
    total = correct = 0.0
    count = 0
    for x, y in data.test_batches(max(AT_ONCE // each, 1), limit=limit):
        scores = model(x)
        total += loss_of(scores, y).item() * y.numel()
        correct += accuracy_of(scores, y).item() * y.numel()
        count += y.numel()
    return {"test_loss": total / count, "test_accuracy": correct / count}
