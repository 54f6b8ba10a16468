"""Memory of the beta = 1 edge, made by ``tools/make_edge_dynamics_table.py``: do not edit.

Cov(A(0), A(v)) at the lags v, and its standard error, from 50,000 paths of real 192 x 96 matrices.
"""

from __future__ import annotations

LAGS = (0.4, 0.8, 1.6, 3.2)
COVARIANCE = (1.2800, 1.0426, 0.7205, 0.3873)
ERROR = (0.0008, 0.0016, 0.0030, 0.0051)
