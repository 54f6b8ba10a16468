"""What one recorded step consists of: the type that travels from a recorder to a sink.

Arrays are numpy, on the CPU; nothing here knows torch or a database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from sigmascope.theory.law_fit import LawFit


@dataclass(frozen=True, slots=True)
class LayerShape:
    """A weight matrix's name and shape, oriented so that ``m >= n``.

    ``name`` is the module path, ``entry_variance`` the variance of the entries before the first step.
    """

    name: str
    m: int
    n: int
    entry_variance: float


@dataclass(frozen=True, slots=True)
class GradientNoise:
    """Mini-batch noise of one layer's gradient at one step.

    ``gradient_norm`` is the Frobenius norm of the batch gradient; ``beta1`` the estimate of Lemma 6.19,
    E||g_batch - g||^2_F; ``diffusion`` the direct estimate D = eta C (1 - B/N) / (2 B), with C the
    per-sample gradient variance per entry.
    """

    gradient_norm: float
    beta1: float
    diffusion: float


@dataclass(frozen=True, slots=True)
class ModeUpdate:
    """What one batch does along the top modes of a layer, (k,) each.

    ``projected`` is u_k^T G v_k, G the weight change of the batch, u_k and v_k those of W before it: to first
    order the change of sigma_k. ``turned`` is the same with those of W + G, and the mean of both is the
    change to second order; None where it was not looked at.
    ``noise_variance`` is the variance that sampling the batch gives it, from per-sample gradients; None where
    these were not to be had (a batch of one sample, no linear layer) or do not make G (not SGD).
    """

    projected: NDArray[np.float32]
    noise_variance: NDArray[np.float32] | None
    turned: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class LayerRecord:
    """One layer at one step.

    ``singular_values`` are all of them, descending, float32. ``error_bound`` bounds their absolute error as
    computed by ``method``. ``trajectories`` maps a predictor's name to its top-k prediction for this step.
    """

    singular_values: NDArray[np.float32]
    method: str
    error_bound: float
    trajectories: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    law_fit: LawFit | None = None
    noise: GradientNoise | None = None
    modes: ModeUpdate | None = None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """Everything recorded after one optimisation step (step 0: before the first).

    ``metrics`` holds the loss, accuracies, learning rate and timings, by name.
    """

    step: int
    metrics: Mapping[str, float]
    layers: Mapping[str, LayerRecord]
