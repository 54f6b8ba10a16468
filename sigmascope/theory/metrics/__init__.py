"""Metrics of a spectrum: :func:`spectrum_metrics` of one, :func:`metrics_over_time` of many, and W shuffled.

``METRICS`` says of each what it is called, its formula, its unit and where it comes from. Axis: singular
values of W, m x n, m >= n; lambda = sigma^2, unscaled.
"""

from sigmascope.theory.metrics.catalogue import METRICS, OVER_TIME, Metric
from sigmascope.theory.metrics.elementary import Series, metrics_over_time
from sigmascope.theory.metrics.randomized import RandomizedNull, randomized_null
from sigmascope.theory.metrics.spectrum import SpectrumMetrics, spectrum_metrics

__all__ = [
    "METRICS",
    "OVER_TIME",
    "Metric",
    "RandomizedNull",
    "Series",
    "SpectrumMetrics",
    "metrics_over_time",
    "randomized_null",
    "spectrum_metrics",
]
