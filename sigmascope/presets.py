"""Named starting points for a training run.

A preset is plain data: the fields of :class:`sigmascope.schemas.TrainSpec` that differ from its defaults.
What the paper leaves open (batch size, the learning rate of the MLP) is chosen here, and visible.
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
