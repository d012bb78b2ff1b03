"""Ions that hop between two states: known rates, and entries and exits that alternate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def two_state_chain(
    rng: np.random.Generator, *, ions: int, frames: int, enter: float, leave: float
) -> NDArray[np.int64]:
    """Return labels (frames, ions): 2 inside, 3 outside; stationary, ``enter`` and ``leave`` per frame."""
    inside = rng.random(ions) < enter / (enter + leave)
    chance = rng.random((frames - 1, ions))
    labels = np.empty((frames, ions), dtype=np.int64)
    labels[0] = np.where(inside, 2, 3)
    for frame, draw in enumerate(chance, 1):
        inside = inside ^ (draw < np.where(inside, leave, enter))
        labels[frame] = np.where(inside, 2, 3)
    return labels
