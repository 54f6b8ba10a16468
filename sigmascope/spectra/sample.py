"""A sample of a matrix by which its motion is judged: some of every row and of every column."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import count

import numpy as np
import torch

# a distance is judged by runs of so many neighbours, a cache line, and by so many numbers at least
_RUN, _FEWEST = 16, 2**14
_FEW_ROWS = 4  # of fewer, all is looked at
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
# or, where memory holds nothing but rows in one piece, by so many of them
_ROWS = 32


def sampled(matrix: torch.Tensor) -> torch.Tensor:
    """Runs of ``_RUN`` neighbours as stored, a view: some of every row, and of every column; or all.

    Few of either can be all that moves.
    """
    stored = matrix if matrix.is_contiguous() else matrix.T
    rows, columns = stored.shape
    if not stored.is_contiguous():
        return stored[:: max(1, rows // _ROWS)]
    step = _run_every(rows, columns)
    return (
        stored if step is None else stored.as_strided(((stored.numel() - _RUN) // step + 1, _RUN), (step, 1))
    )


@lru_cache(maxsize=1024)
def _run_every(rows: int, columns: int) -> int | None:
    """How far apart runs begin, so that each row and column has some; None where that would be all.

    By the golden ratio of a row, which spreads their beginnings over the columns, or a part of it.
    """
    size = rows * columns
    for parts in count(max(1, math.ceil(_FEWEST / _RUN * _GOLDEN * columns / size))):
        step = int(_GOLDEN * columns / parts)
        if rows < _FEW_ROWS or step <= _RUN or step > columns - _RUN:
            return None
        begins = np.arange(0, size - _RUN + 1, step)[: _RUN * columns] % columns
        seen = np.zeros(columns + _RUN, dtype=np.int64)
        np.add.at(seen, begins, 1)
        np.add.at(seen, begins + _RUN, -1)
        runs = seen.cumsum()
        runs[:_RUN] += runs[columns:]  # of those that go on in the next row
        if runs[:columns].all():
            return step
    return None
