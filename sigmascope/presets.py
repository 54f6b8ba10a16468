"""Named starting points for a training run.

A preset is plain data: the fields of :class:`sigmascope.schemas.TrainSpec` that differ from its defaults.
What the paper leaves open (batch sizes, learning rates of MLP and ViT) is chosen here, and visible.
"""

from __future__ import annotations

from typing import Any

from sigmascope.errors import InvalidValueError

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {
        "title": "MLP 784-256-256-256-10 on MNIST, 400 batches: under a minute on a laptop",
        # 0.2: outliers leave the bulk within 100 batches, and by 400 there are enough for a gamma law
        "spec": {"model": {"kind": "mlp", "width": 256, "depth": 3}, "batches": 400, "learning_rate": 0.2},
    },
    "mlp-mnist": {
        "title": "The paper's MLP, three hidden layers of 1024, on MNIST, 800 batches",
        "spec": {"model": {"kind": "mlp", "width": 1024, "depth": 3}, "batches": 800},
    },
    "mlp-cifar10": {
        "title": "The paper's MLP on CIFAR-10, 800 batches",
        "spec": {
            "model": {"kind": "mlp", "width": 1024, "depth": 3},
            "dataset": "cifar10",
            "batches": 800,
        },
    },
    "mlp-cifar100": {
        "title": "The paper's MLP on CIFAR-100, 800 batches",
        "spec": {
            "model": {"kind": "mlp", "width": 1024, "depth": 3},
            "dataset": "cifar100",
            "batches": 800,
        },
    },
    "vit-mnist": {
        "title": "The paper's ViT, two layers of width 256, patches of 7, on MNIST",
        # 0.1 after a warm-up: 95 % in three epochs; without it the loss leaps first
        "spec": {
            "model": {"kind": "vit", "patch": 7},
            "dataset": "mnist",
            "batches": 800,
            "batch_size": 64,
            "learning_rate": 0.1,
            "warmup": 100,
        },
    },
    "vit-cifar100": {
        "title": "The paper's ViT, patches of 8, on CIFAR-100",
        "spec": {
            "model": {"kind": "vit", "patch": 8},
            "dataset": "cifar100",
            "batches": 800,
            "batch_size": 64,
            "learning_rate": 0.1,
            "warmup": 100,
        },
    },
    "gpt2": {
        "title": "The paper's decoder, four layers of width 256, on Shakespeare's characters",
        # the paper's rate of 5e-4 without momentum hardly moves it; 1.0 with clipping reaches 2.5 nats
        "spec": {
            "model": {"kind": "gpt"},
            "dataset": "shakespeare",
            "batches": 800,
            "batch_size": 12,
            "learning_rate": 1.0,
            "clip_norm": 1.0,
            "warmup": 50,
        },
    },
}


def preset_fields(name: str) -> dict[str, Any]:
    """The fields that the preset ``name`` sets.

    Raises:
        InvalidValueError: no preset has this name; the message lists those that exist.
    """
    try:
        return dict(PRESETS[name]["spec"])
    except KeyError:
        raise InvalidValueError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}") from None
