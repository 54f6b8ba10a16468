"""Records of steps whose spectra are not known yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sigmascope.records import GradientNoise, LayerRecord, ModeUpdate, StepRecord
from sigmascope.spectra.exact import Spectrum

_NO_VALUES: NDArray[np.float32] = np.empty(0, np.float32)


def unfinished_layer(
    trajectories: Mapping[str, NDArray[np.float32]], noise: GradientNoise | None, modes: ModeUpdate | None
) -> LayerRecord:
    """All of a layer's record that its spectrum plays no part in."""
    return LayerRecord(
        singular_values=_NO_VALUES,
        method="",
        error_bound=0.0,
        trajectories=trajectories,
        noise=noise,
        modes=modes,
    )


def finished_layer(layer: LayerRecord, spectrum: Spectrum) -> LayerRecord:
    """``layer`` with its spectrum, in float32."""
    values = spectrum.values.to(torch.float32)
    rounding = (
        0.0 if values.dtype == spectrum.values.dtype else torch.finfo(values.dtype).eps * float(values[0])
    )
    return replace(
        layer,
        singular_values=values.numpy(),
        method=spectrum.method,
        error_bound=spectrum.error_bound + rounding,
    )


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A record without spectra, and the learning rate at its step."""

    record: StepRecord
    learning_rate: float | None

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, as ``torch.load(weights_only=True)`` reads them."""
        layers = {
            name: _tensors(
                {
                    "trajectories": dict(layer.trajectories),
                    "noise": None if layer.noise is None else asdict(layer.noise),
                    "modes": None if layer.modes is None else asdict(layer.modes),
                }
            )
            for name, layer in self.record.layers.items()
        }
        return {
            "step": self.record.step,
            "metrics": dict(self.record.metrics),
            "layers": layers,
            "learning_rate": self.learning_rate,
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Unfinished:
        """What ``state_dict`` was called on."""
        layers = {}
        for name, saved in state["layers"].items():
            layer = _arrays(saved)
            layers[name] = unfinished_layer(
                layer["trajectories"],
                None if layer["noise"] is None else GradientNoise(**layer["noise"]),
                None if layer["modes"] is None else ModeUpdate(**layer["modes"]),
            )
        return cls(StepRecord(state["step"], state["metrics"], layers), state["learning_rate"])


def _tensors(entry: Any) -> Any:
    """``entry`` with tensors for arrays, however deep."""
    if isinstance(entry, dict):
        return {name: _tensors(value) for name, value in entry.items()}
    return torch.from_numpy(entry.copy()) if isinstance(entry, np.ndarray) else entry


def _arrays(entry: Any) -> Any:
    """``entry`` with arrays for tensors, however deep."""
    if isinstance(entry, dict):
        return {name: _arrays(value) for name, value in entry.items()}
    return entry.numpy() if isinstance(entry, torch.Tensor) else entry
