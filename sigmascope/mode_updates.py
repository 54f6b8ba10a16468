"""What the weight change of a batch does along the top modes, of many layers at once."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from sigmascope.prediction.subspace import Modes
from sigmascope.prediction.update import WeightChange
from sigmascope.records import ModeUpdate
from sigmascope.spectra.orientation import tall
from sigmascope.spectra.products import times_each
from sigmascope.spectra.stacks import on_cpu, stacked, unstacked


def mode_updates(
    changes: Mapping[str, WeightChange],
    *,
    before: Mapping[str, Modes],
    after: Mapping[str, Modes],
    variances: Mapping[str, torch.Tensor],
) -> dict[str, ModeUpdate]:
    """u_k^T G v_k along the modes before and after the batch, by layer; of layers with modes before.

    Args:
        changes: G.
        before: the modes before the batch.
        after: those after it; a layer can be without.
        variances: (k,) on the CPU, what sampling the batch gives to u_k^T grad L v_k, where it is known.
    """
    projected = _along(changes, before)
    turned = _along(changes, {layer: modes for layer, modes in after.items() if layer in before})
    found = {}
    for layer, along in projected.items():
        change, variance = changes[layer], variances.get(layer)
        found[layer] = ModeUpdate(
            projected=along,
            noise_variance=None
            if variance is None
            else _numpy(variance * (change.scale * change.fresh) ** 2),
            turned=turned.get(layer),
        )
    return found


def _along(changes: Mapping[str, WeightChange], modes: Mapping[str, Modes]) -> dict[str, NDArray[np.float32]]:
    """(k,) u_k^T G v_k by layer, those of one shape at once."""
    groups: dict[tuple[object, ...], list[str]] = {}
    for layer, change in changes.items():
        if layer in modes:
            G = tall(change.direction)
            groups.setdefault((G.shape, G.dtype, G.device, modes[layer].right.shape), []).append(layer)
    along: dict[str, torch.Tensor] = {}
    for layers in groups.values():
        left, right = (
            stacked([getattr(modes[layer], side) for layer in layers]) for side in ("left", "right")
        )
        images = times_each([tall(changes[layer].direction) for layer in layers], right)
        along |= zip(layers, unstacked((images * left).sum(-2), len(layers)), strict=True)
    moved = on_cpu(along)
    return {layer: _numpy(changes[layer].scale * moved[layer]) for layer in changes if layer in moved}


def _numpy(values: torch.Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.to(torch.float32).numpy()
    return array
