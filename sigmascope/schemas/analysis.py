"""What is worked out from recorded spectra: forces, metrics, forecasts."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Forecaster = Literal[
    "persistence",
    "linear",
    "damped_trend",
    "sde",
    "sde_as_printed",
    "sde_anisotropic",
    "sde_anisotropic_as_printed",
]
# what can be scored: these, and the training itself
Scored = Literal[Forecaster, "continued_training"]


class Forces(BaseModel):
    """What moved the k largest singular values of one layer, batch by batch; rows align with ``steps``.

    observed = drift + noise + repulsion + turning + remainder, each (steps, k), in units of sigma a batch.
    ``drift`` and ``noise`` part u_k^T G v_k into its causal running mean and the rest; ``repulsion`` is eta D
    times the exact Laplacian of sigma_k, ``repulsion_as_printed`` times that of Lemma 6.5; ``turning`` is
    second order along the batch's own G beyond it, null where it was not recorded, and then part of
    ``remainder``, else of third order, beside what recorded spectra (float32) and tracked modes are off by.
    Eta D stands until it is measured again. null where two values coincide and repulsion diverges, and before
    the first measurement; ``steps`` are those that were looked at (``modes_every``).
    """

    layer: str
    k: int
    half_life: float = Field(description="batches, of the running mean")
    steps: list[int]
    observed: list[list[float]]
    drift: list[list[float]]
    noise: list[list[float]]
    repulsion: list[list[float | None]]
    repulsion_as_printed: list[list[float | None]]
    turning: list[list[float | None]]
    remainder: list[list[float | None]]
    anisotropy: list[list[float | None]] = Field(
        description="Var(u_k^T G v_k) / (2 eta D) by mode: noise along it over that of an average direction"
    )


class MetricInfo(BaseModel):
    """What a metric of a spectrum is."""

    name: str
    title: str
    formula: str
    unit: str
    reference: str


class SpectrumMetrics(BaseModel):
    """Metrics of one layer's spectrum, one list a metric, aligned with ``steps``; null where undefined."""

    layer: str
    steps: list[int]
    values: dict[str, list[float | None]]


class SpectrumSummary(BaseModel):
    """Every metric of one spectrum, the costly ones (tail fits) included; null where undefined."""

    layer: str
    step: int
    values: dict[str, float | None]


class LayerForecast(BaseModel):
    """A forecast of the k largest singular values of one layer, which saw nothing after ``origin``.

    Each table is (steps, k); the 90 % band is meant to hold the truth in nine cases of ten.
    """

    layer: str
    method: Forecaster
    origin: int
    steps: list[int]
    median: list[list[float]]
    low50: list[list[float]]
    high50: list[list[float]]
    low90: list[list[float]]
    high90: list[list[float]]


class ForecastScore(BaseModel):
    """How a forecaster did on one layer, over all origins of a rolling evaluation.

    ``skill`` is 1 - MAE / MAE(persistence); ``crps`` the continuous ranked probability score by the five
    quantiles of a forecast (the weighted interval score), in units of sigma; ``coverage_90`` the share of
    truths inside the 90 % band. Means over origins and the k values; ``skill_by_mode`` over origins alone,
    the largest value first.
    """

    layer: str
    method: Scored
    horizon: int
    origins: int
    k: int
    mae: float
    skill: float | None
    crps: float
    coverage_50: float
    coverage_90: float
    skill_by_mode: list[float | None]
