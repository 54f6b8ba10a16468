"""Named starting points for a training run or a sweep.

A preset is plain data: the fields of :class:`sigmascope.schemas.TrainSpec`, or of ``SweepSpec``, that differ
from their defaults. What the paper leaves open (batch sizes, learning rates of MLP and ViT, the layer of a
figure) is chosen here, and visible; ``layer`` is the one that a figure draws. ``quick`` holds what a preset's
small version changes: its name with ``-quick`` appended, built-in data, a few seconds.
"""

from __future__ import annotations

from typing import Any

from sigmascope.errors import InvalidValueError

QUICK = "-quick"
QUICK_MLP = {
    "model": {"kind": "mlp", "width": 128},
    "dataset": "mnist-builtin",
    "batches": 200,
    "batch_size": 64,
    "learning_rate": 0.5,
}
QUICK_VIT = {
    "model": {"kind": "vit", "patch": 7, "width": 32},
    "dataset": "mnist-builtin",
    "batches": 30,
    "batch_size": 32,
    "warmup": 5,
}
QUICK_GPT = {
    "model": {"kind": "gpt", "width": 32, "context": 32},
    "dataset": "python-stdlib",
    "batches": 30,
    "batch_size": 8,
    "warmup": 5,
}
# the paper names no learning rate for its MLP; with 0.2 outliers leave the bulk between batches 200 and 400
FIGURE_MLP = {
    "model": {"kind": "mlp", "width": 1024, "depth": 3},
    "dataset": "cifar10",
    "learning_rate": 0.2,
    "batch_size": 128,
}

PRESETS: dict[str, dict[str, Any]] = {
    "demo": {
        "title": "MLP 784-256-256-256-10 on MNIST, 400 batches: under a minute on a laptop",
        # 0.2: outliers leave the bulk within 100 batches, and by 400 there are enough for a gamma law
        "spec": {"model": {"kind": "mlp", "width": 256, "depth": 3}, "batches": 400, "learning_rate": 0.2},
        "quick": QUICK_MLP,
    },
    "mlp-mnist": {
        "title": "The paper's MLP, three hidden layers of 1024, on MNIST, 800 batches",
        "spec": {
            "model": {"kind": "mlp", "width": 1024, "depth": 3},
            "dataset": "mnist",
            "batches": 800,
        },
        "quick": QUICK_MLP,
    },
    "mlp-cifar10": {
        "title": "The paper's MLP on CIFAR-10, 800 batches",
        "spec": {
            "model": {"kind": "mlp", "width": 1024, "depth": 3},
            "dataset": "cifar10",
            "batches": 800,
        },
        "quick": QUICK_MLP,
    },
    "mlp-cifar100": {
        "title": "The paper's MLP on CIFAR-100, 800 batches",
        "spec": {
            "model": {"kind": "mlp", "width": 1024, "depth": 3},
            "dataset": "cifar100",
            "batches": 800,
        },
        "quick": QUICK_MLP,
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
        "quick": QUICK_VIT,
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
        "quick": QUICK_VIT,
    },
    "gpt2": {
        "title": "The paper's decoder, four layers of width 256, on Shakespeare's characters",
        # at the paper's rate, 5e-4 and less, 800 batches reach 3.15 nats; at 1.0 with clipping 2.5
        "spec": {
            "model": {"kind": "gpt"},
            "dataset": "shakespeare",
            "batches": 800,
            "batch_size": 12,
            "learning_rate": 1.0,
            "clip_norm": 1.0,
            "warmup": 50,
        },
        "quick": QUICK_GPT,
    },
    "gpt2-paper": {
        "title": "The same decoder at the paper's learning rate, a cosine from 5e-4 to 5e-5",
        "spec": {
            "model": {"kind": "gpt"},
            "dataset": "shakespeare",
            "batches": 800,
            "batch_size": 12,
            "learning_rate": 5e-4,
            "schedule": "cosine",
            "final_learning_rate": 5e-5,
        },
        # not its rate alone: the small network has to move within seconds
        "quick": QUICK_GPT,
    },
    "fig1": {
        "title": "Figure 1: MLP on CIFAR-10, histograms at batches 0, 200 and 400",
        "layer": "hidden.1",
        "spec": {**FIGURE_MLP, "batches": 400, "noise_every": 10},
        "quick": QUICK_MLP,
    },
    "fig2": {
        "title": "Figure 2: MLP on CIFAR-10, 800 batches, top 8 values predicted and true",
        "layer": "hidden.1",
        # exact spectra: adaptive ones take the largest values from the tracker that is to be judged
        "spec": {
            **FIGURE_MLP,
            "batches": 800,
            # slower, so that the predictors, which are of first order in a step, are at their best
            "learning_rate": 0.05,
            "top_k": 8,
            "predictors": ("algorithm1", "first_order", "subspace"),
            "noise_every": 10,
        },
        "quick": QUICK_MLP,
    },
    "fig3-mlp": {
        "title": "Figure 3: tails beyond the Tracy-Widom edge, MLP on CIFAR-10",
        "layer": "hidden.1",
        "spec": {**FIGURE_MLP, "batches": 400, "noise_every": 10},
        "quick": QUICK_MLP,
    },
    "fig3-vit": {
        "title": "Figure 3: tails beyond the Tracy-Widom edge, ViT on MNIST",
        "layer": "blocks.1.down",
        "spec": {
            "model": {"kind": "vit", "patch": 7},
            "dataset": "mnist",
            "batches": 400,
            "batch_size": 64,
            "learning_rate": 0.1,
            "warmup": 100,
            "noise_every": 10,
        },
        "quick": {**QUICK_VIT, "batches": 60, "learning_rate": 0.3},
    },
    "fig3-gpt": {
        "title": "Figure 3: tails beyond the Tracy-Widom edge, GPT on Shakespeare's characters",
        "layer": "blocks.3.down",
        # the paper's rate of 5e-4 is slow without momentum; see gpt2
        "spec": {
            "model": {"kind": "gpt"},
            "dataset": "shakespeare",
            "batches": 300,
            "batch_size": 12,
            "learning_rate": 1.0,
            "clip_norm": 1.0,
            "warmup": 50,
            "noise_every": 20,
        },
        "quick": {**QUICK_GPT, "batches": 60},
    },
    "fig4": {
        "title": "Figure 4: repulsive and non-repulsive terms, MLP on CIFAR-10",
        "layer": "hidden.1",
        # changes of eigenvalues from batch to batch need exact spectra, in float64
        "spec": {
            **FIGURE_MLP,
            "batches": 120,
            "top_k": 64,
            "predictors": ("subspace",),
            "spectra": "gram64",
            "noise_every": 10,
        },
        "quick": {**QUICK_MLP, "top_k": 24},
    },
    "fig5": {
        "title": "Figure 5: spread against learning rate, ViT on MNIST, 10 rates, 3 seeds",
        "spec": {
            "kind": "sweep",
            "base": {
                "model": {"kind": "vit", "patch": 7},
                "dataset": "mnist",
                "batches": 200,
                "batch_size": 64,
                "spectra": "adaptive",
                "predictors": ("subspace",),
                "noise_every": 0,
                "evaluate_every": 200,
            },
            "field": "learning_rate",
            # the paper's range, and beyond it three rates that look for the critical one
            "values": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0),
            "seeds": (0, 1, 2),
        },
        "quick": {
            "base": {**QUICK_VIT, "batches": 25, "warmup": 0},
            # the ends of the paper's range: a worker takes 6 s to begin a run, and intervals need two seeds
            "values": (0.001, 0.1),
            "seeds": (0, 1),
        },
    },
}


def preset_fields(name: str) -> dict[str, Any]:
    """The fields that the preset ``name`` sets; ``fig1-quick`` is the small version of ``fig1``.

    Raises:
        InvalidValueError: no preset has this name; the message lists those that exist.
    """
    full = name.removesuffix(QUICK)
    if full not in PRESETS:
        raise InvalidValueError(f"unknown preset {name!r}; choose one of {', '.join(PRESETS)}")
    fields: dict[str, Any] = dict(PRESETS[full]["spec"])
    return fields if name == full else merged(fields, PRESETS[full]["quick"])


def preset_kind(name: str) -> str:
    """``train`` or ``sweep``: the kind of job that the preset ``name`` is for; errors as above."""
    return str(preset_fields(name).get("kind", "train"))


def merged(fields: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``changes`` over ``fields``, nested dictionaries likewise."""
    result = dict(fields)
    for key, value in changes.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
