"""Ensembles of the paper's processes, as iterators over time: thousands of paths in one array.

``matrix_sde`` moves W and decomposes it, ``ornstein_uhlenbeck`` does so by an exact transition, and
``eigenvalue_sde`` moves the singular values alone.
"""

from sigmascope.theory.ensembles.matrix import matrix_sde, ornstein_uhlenbeck
from sigmascope.theory.ensembles.snapshot import Snapshot
from sigmascope.theory.ensembles.spectral import eigenvalue_sde

__all__ = ["Snapshot", "eigenvalue_sde", "matrix_sde", "ornstein_uhlenbeck"]
