"""Stacks of blocks of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["join_blocks"]


def join_blocks(earlier: NDArray[np.int64], later: NDArray[np.int64], shift: int) -> NDArray[np.int64]:
    """Add two stacks of blocks, the second of which starts ``shift`` blocks after the first."""
    whole = np.zeros((shift + len(later), *earlier.shape[1:]), dtype=np.int64)
    whole[: len(earlier)] += earlier
    whole[shift:] += later
    return whole
