"""Random matrix theory of singular-value spectra: numpy and scipy alone, no I/O, no clock, no global state.

W is a weight matrix, m x n with m >= n; ``singular_values`` are of W, ``eigenvalues`` their squares;
q = n / m; ``entry_variance`` is that of W's entries. Every function names its axis.
"""

from sigmascope.theory.airy import airy_kernel, extended_airy_kernel
from sigmascope.theory.anisotropic import ModeNoise, rank_one_noise, second_derivative, step_variance
from sigmascope.theory.edge import (
    BulkFit,
    EdgeScaling,
    edge_scaling,
    fit_bulk,
    median_entry_variance,
    outliers_at,
)
from sigmascope.theory.hilbert import (
    hilbert_transform,
    power_law_hilbert,
    power_law_hilbert_leading,
    stationary_residual,
    walled_density,
)
from sigmascope.theory.ito import (
    Form,
    canonical_diffusion,
    canonical_drift,
    canonical_time,
    eigenvalue_diffusion,
    eigenvalue_drift,
    laplacian,
    singular_value_diffusion,
    singular_value_drift,
)
from sigmascope.theory.law_fit import LawFit, fit_laws
from sigmascope.theory.laws import (
    Law,
    MarchenkoPastur,
    StationaryGamma,
    TracyWidom,
    marchenko_pastur_singular,
    on_singular_value_axis,
)
from sigmascope.theory.noise import beta1, diffusion, diffusion_as_printed, gradient_variance
from sigmascope.theory.scoring import cumulative_skill, skill
from sigmascope.theory.tails import TruncatedGammaFit, fit_truncated_gamma

__all__ = [
    "BulkFit",
    "EdgeScaling",
    "Form",
    "Law",
    "LawFit",
    "MarchenkoPastur",
    "ModeNoise",
    "StationaryGamma",
    "TracyWidom",
    "TruncatedGammaFit",
    "airy_kernel",
    "beta1",
    "canonical_diffusion",
    "canonical_drift",
    "canonical_time",
    "cumulative_skill",
    "diffusion",
    "diffusion_as_printed",
    "edge_scaling",
    "eigenvalue_diffusion",
    "eigenvalue_drift",
    "extended_airy_kernel",
    "fit_bulk",
    "fit_laws",
    "fit_truncated_gamma",
    "gradient_variance",
    "hilbert_transform",
    "laplacian",
    "marchenko_pastur_singular",
    "median_entry_variance",
    "on_singular_value_axis",
    "outliers_at",
    "power_law_hilbert",
    "power_law_hilbert_leading",
    "rank_one_noise",
    "second_derivative",
    "singular_value_diffusion",
    "singular_value_drift",
    "skill",
    "stationary_residual",
    "step_variance",
    "walled_density",
]
