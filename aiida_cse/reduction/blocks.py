"""Stacks of blocks of time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.scratch import Scratch, release, row_pieces

__all__ = ["join_blocks"]


def join_blocks(
    earlier: NDArray[np.int64], later: NDArray[np.int64], shift: int, scratch: Scratch
) -> NDArray[np.int64]:
    """Add two stacks of blocks, the second of which starts ``shift`` blocks after the first."""
    whole = scratch.zeros((shift + len(later), *earlier.shape[1:]), np.int64)
    for stack, start in ((earlier, 0), (later, shift)):
        for rows in row_pieces(stack):
            whole[start + rows.start : start + rows.stop] += stack[rows]
            release(stack, whole)
    return whole
