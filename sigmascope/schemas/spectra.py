"""What a training run recorded of its layers."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Predictor = Literal["algorithm1", "first_order", "subspace", "hold"]


class Layer(BaseModel):
    """A recorded weight matrix, oriented so that m >= n; it has n singular values."""

    name: str
    m: int
    n: int
    q: float = Field(description="aspect ratio n / m")
    entry_variance: float = Field(description="variance of the entries before the first step")


class Metrics(BaseModel):
    """Training metrics, one array a quantity, aligned with ``steps``; null where it was not measured."""

    steps: list[int]
    values: dict[str, list[float | None]]


class Spectra(BaseModel):
    """Singular values of one layer, descending, one row a step."""

    layer: str
    steps: list[int]
    singular_values: list[list[float]]
    method: list[str]
    error_bound: list[float]


class Curve(BaseModel):
    """A law's density in its own unit, to be shifted and scaled by the parameters of a step."""

    x: list[float]
    pdf: list[float]


class LawFits(BaseModel):
    """The laws over one layer's spectrum, one entry a step.

    ``marchenko_pastur`` is the singular-value density at unit entry variance: at a step with entry variance
    s^2 it is (s x, pdf / s). ``tracy_widom`` is F_1': the largest singular value of pure noise lies at
    sqrt(tw_center + tw_scale x) with density pdf 2 sigma / tw_scale.
    ``fits`` holds the fields of :class:`sigmascope.theory.law_fit.LawFit`, by name, aligned with ``steps``,
    and ``printed_log_norm``, which is to the printed gamma law what ``gamma_log_norm`` is to the fitted one.
    """

    layer: str
    marchenko_pastur: Curve
    tracy_widom: Curve
    steps: list[int]
    fits: dict[str, list[float | None]]


class Predictions(BaseModel):
    """Predicted and true top-k singular values of one layer.

    ``skill`` is 1 - MAE(predictor) / MAE(hold) over all steps up to the one it stands at, and over the k
    values; ``hold`` is sigma(0) for ever. Trackers see each batch's gradient before they speak.
    """

    layer: str
    k: int
    steps: list[int]
    true: list[list[float]]
    predicted: dict[str, list[list[float]]]
    skill: dict[str, list[float | None]]


class Noise(BaseModel):
    """Gradient noise of one layer by step: norm of the gradient, beta1 (Lemma 6.19), direct D."""

    layer: str
    steps: list[int]
    gradient_norm: list[float]
    beta1: list[float]
    diffusion: list[float]
