"""What each metric of a spectrum is called, how it is defined, where it comes from: for labels and legends.

The one home of the names: a test holds the fields of :class:`~sigmascope.theory.metrics.SpectrumMetrics` and
:class:`~sigmascope.theory.metrics.RandomizedNull` against it. In the formulas σ_1 >= ... >= σ_n are the
singular values of W (m x n, m >= n) and λ_k = σ_k², eigenvalues of W^T W, unscaled.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Source = Literal["values", "fit", "matrix"]

MARTIN_MAHONEY = "Martin and Mahoney (2021), JMLR 22(165)"
MARTIN_PENG_MAHONEY = "Martin, Peng and Mahoney (2021), Nature Communications 12, 4122"
ROY_VETTERLI = "Roy and Vetterli (2007), EUSIPCO"
HORN_JOHNSON = "Horn and Johnson, Matrix Analysis, chapters 5 and 7"
CLAUSET = "Clauset, Shalizi and Newman (2009), SIAM Review 51, 661"
TRACY_WIDOM = "Johnstone (2001), Annals of Statistics 29, 295; Ma (2012), Bernoulli 18, 322"
MARCHENKO_PASTUR = "Marchenko and Pastur (1967)"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric.

    Attributes:
        name: of the field that holds it.
        title: in prose.
        formula: in text.
        unit: sigma (that of the entries of W), decades, nats, values (a count), or empty for a pure number.
        reference: where it is defined.
        source: what it takes: ``values`` the singular values alone, ``fit`` a law fitted to them, ``matrix``
            W itself. Those of ``values`` are the ones that come for all steps at once.
    """

    name: str
    title: str
    formula: str
    unit: str
    reference: str
    source: Source


METRICS: tuple[Metric, ...] = (
    Metric("spectral_norm", "spectral norm", "σ_1", "sigma", HORN_JOHNSON, "values"),
    Metric("frobenius_norm", "Frobenius norm", "√(Σ σ_k²)", "sigma", HORN_JOHNSON, "values"),
    Metric("nuclear_norm", "nuclear norm", "Σ σ_k", "sigma", HORN_JOHNSON, "values"),
    Metric("log_spectral_norm", "log spectral norm", "log₁₀ σ_1²", "decades", MARTIN_PENG_MAHONEY, "values"),
    Metric(
        "log_frobenius_norm", "log Frobenius norm", "log₁₀ Σ σ_k²", "decades", MARTIN_PENG_MAHONEY, "values"
    ),
    Metric(
        "stable_rank",
        "stable rank",
        "Σ σ_k² / σ_1²",
        "",
        "Rudelson and Vershynin (2007), Journal of the ACM 54(4)",
        "values",
    ),
    Metric(
        "effective_rank",
        "effective rank",
        "exp(-Σ p_k ln p_k), p_k = σ_k / Σ σ_j",
        "",
        ROY_VETTERLI,
        "values",
    ),
    Metric(
        "hard_rank",
        "hard rank",
        "number of σ_k > m ε σ_1 and > their error bound, ε the precision of the values",
        "values",
        MARTIN_MAHONEY,
        "values",
    ),
    Metric("entropy", "entropy", "-Σ p_k ln p_k, p_k = σ_k / Σ σ_j", "nats", ROY_VETTERLI, "values"),
    Metric(
        "normalized_entropy",
        "normalised entropy",
        "-Σ p_k ln p_k / ln n, p_k = σ_k / Σ σ_j",
        "",
        "Alter, Brown and Botstein (2000), PNAS 97, 10101, with p_k as Roy and Vetterli (2007) have it",
        "values",
    ),
    Metric(
        "matrix_entropy",
        "matrix entropy",
        "-Σ p_k ln p_k / ln R, p_k = σ_k² / Σ σ_j² over the R values that the hard rank counts",
        "",
        MARTIN_MAHONEY,
        "values",
    ),
    Metric("spread", "spread", "σ_1 - median σ", "sigma", "the paper, Lemma 6.18 and Fig. 5", "values"),
    Metric("condition_number", "condition number", "σ_1 / σ_n", "", HORN_JOHNSON, "values"),
    Metric(
        "mp_soft_rank",
        "MP soft rank",
        "λ_+ / λ_1, λ_+ = s² (√m + √n)² with s² fitted to the bulk",
        "",
        MARTIN_MAHONEY,
        "fit",
    ),
    Metric(
        "mp_distance",
        "MP distance",
        "sup |F_n - F_MP| over the bulk, outliers left out",
        "",
        f"{MARCHENKO_PASTUR}; Kolmogorov (1933)",
        "fit",
    ),
    Metric(
        "outliers",
        "outliers",
        "number of σ_k beyond the 95 % Tracy-Widom edge, tested from the top down",
        "values",
        TRACY_WIDOM,
        "fit",
    ),
    Metric(
        "outlier_mass", "outlier mass", "Σ σ_k² over the outliers / Σ σ_k² over all", "", TRACY_WIDOM, "fit"
    ),
    Metric(
        "tw_p_value",
        "Tracy-Widom p-value",
        "P(F_1 > (λ_1 - center) / scale), center and scale for a variance fitted to the bulk",
        "",
        TRACY_WIDOM,
        "fit",
    ),
    Metric("alpha", "power-law alpha", "p(λ) ~ λ^-α beyond the λ_min that fits best", "", CLAUSET, "fit"),
    Metric("alpha_error", "standard error of alpha", "(α - 1) / √(tail points)", "", CLAUSET, "fit"),
    Metric("tail_points", "points of the power law", "number of λ_k >= λ_min", "values", CLAUSET, "fit"),
    Metric("weighted_alpha", "weighted alpha", "α log₁₀ λ_1", "decades", MARTIN_PENG_MAHONEY, "fit"),
    Metric("log_alpha_norm", "log alpha norm", "log₁₀ Σ λ_k^α", "decades", MARTIN_PENG_MAHONEY, "fit"),
    Metric(
        "kolmogorov",
        "Kolmogorov distance from shuffled",
        "mean over draws of sup |F_W - F_shuffled|",
        "",
        MARTIN_MAHONEY,
        "matrix",
    ),
    Metric(
        "wasserstein",
        "Wasserstein-1 distance from shuffled",
        "mean over draws of Σ |σ_k - σ_k of shuffled| / n",
        "sigma",
        MARTIN_MAHONEY,
        "matrix",
    ),
)

OVER_TIME: tuple[str, ...] = tuple(metric.name for metric in METRICS if metric.source == "values")
