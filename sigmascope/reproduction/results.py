"""What a figure takes from a finished run, read by REST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sigmascope.client import Client
from sigmascope.errors import InvalidValueError
from sigmascope.presets import PRESETS, QUICK
from sigmascope.schemas import Layer, Run, Sweep, SweepSpec, TrainSpec

Need = Literal["trajectories", "noise", "forces"]
FloatArray = NDArray[np.float64]
NOTHING: FloatArray = np.empty(0)
NO_STEPS: NDArray[np.int64] = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class LayerResult:
    """One m x n weight matrix (m >= n) over the steps of a run; axis: singular values.

    Attributes:
        steps, spectra: (t,) and (t, n), descending.
        trajectories: (t, k) predictions by the predictor's name.
        noise_steps, beta1, diffusion: (s,) Lemma 6.19 and the direct D, where they were measured.
        force_steps, along, noise: (b,), (b, k), (b, k): u_k^T G v_k of each batch, and what is left of it
            without its running mean.
    """

    name: str
    m: int
    n: int
    steps: NDArray[np.int64]
    spectra: FloatArray
    trajectories: Mapping[str, FloatArray] = field(default_factory=dict)
    noise_steps: NDArray[np.int64] = field(default_factory=lambda: NO_STEPS)
    beta1: FloatArray = field(default_factory=lambda: NOTHING)
    diffusion: FloatArray = field(default_factory=lambda: NOTHING)
    force_steps: NDArray[np.int64] = field(default_factory=lambda: NO_STEPS)
    along: FloatArray = field(default_factory=lambda: NOTHING)
    noise: FloatArray = field(default_factory=lambda: NOTHING)

    def spectrum(self, step: int) -> FloatArray:
        """The n values at ``step``; InvalidValueError where it was not recorded."""
        (place,) = np.nonzero(self.steps == step)
        if not len(place):
            raise InvalidValueError(f"layer {self.name} has no step {step}; let the run finish")
        return np.asarray(self.spectra[place[0]], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class RunResult:
    """A finished run: its specification and, by kind, its layers or what the sweep found.

    ``provenance`` is of the data it was trained on: extent, SHA-256 and licence, where they were recorded.
    """

    preset: str
    spec: TrainSpec | SweepSpec
    layers: tuple[LayerResult, ...] = ()
    sweep: Sweep | None = None
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def train(self) -> TrainSpec:
        """The specification of a training run; InvalidValueError for a sweep."""
        if not isinstance(self.spec, TrainSpec):
            raise InvalidValueError(f"{self.preset} is a sweep; this figure takes training runs")
        return self.spec

    def layer(self, name: str | None) -> LayerResult:
        """The layer ``name``, or the one that the preset draws; InvalidValueError lists those there are."""
        wanted = name or PRESETS[self.preset.removesuffix(QUICK)]["layer"]
        for one in self.layers:
            if one.name == wanted:
                return one
        known = ", ".join(one.name for one in self.layers)
        raise InvalidValueError(f"{self.preset} has no layer {wanted!r}; choose one of {known}")


def read(client: Client, run: Run, preset: str, needs: frozenset[Need]) -> RunResult:
    """What a figure needs of a run that has finished."""
    if isinstance(run.spec, SweepSpec):
        sweep = client.sweep(run.id)
        done = next((one.run for one in sweep.points if one.status == "finished"), sweep.points[0].run)
        return RunResult(preset, run.spec, sweep=sweep, provenance=provenance(client.run(done)))
    if not isinstance(run.spec, TrainSpec):
        raise InvalidValueError(f"run {run.id} is of kind {run.kind!r}; figures take runs that train")
    layers = tuple(read_layer(client, run.id, layer, needs) for layer in client.layers(run.id))
    return RunResult(preset, run.spec, layers, provenance=provenance(run))


def provenance(run: Run) -> dict[str, str]:
    """What is recorded of a run's data, without the place on its machine where they lay."""
    return {key: text for key, text in run.provenance.items() if key != "source"}


def read_layer(client: Client, run_id: str, layer: Layer, needs: frozenset[Need]) -> LayerResult:
    """One layer of a run."""
    steps, spectra = client.spectra(run_id, layer.name)
    found: dict[str, object] = {}
    if "trajectories" in needs:
        predicted = client.predictions(run_id, layer.name).predicted
        found["trajectories"] = {name: np.asarray(rows, np.float64) for name, rows in predicted.items()}
    if "noise" in needs:
        noise = client.noise(run_id, layer.name)
        found |= {
            "noise_steps": np.asarray(noise.steps, np.int64),
            "beta1": np.asarray(noise.beta1, np.float64),
            "diffusion": np.asarray(noise.diffusion, np.float64),
        }
    if "forces" in needs:
        forces = client.forces(run_id, layer.name)
        drift, rest = np.asarray(forces.drift, np.float64), np.asarray(forces.noise, np.float64)
        found |= {"force_steps": np.asarray(forces.steps, np.int64), "along": drift + rest, "noise": rest}
    return LayerResult(layer.name, layer.m, layer.n, steps, spectra.astype(np.float64), **found)  # type: ignore[arg-type]
