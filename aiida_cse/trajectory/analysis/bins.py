"""The bins of the histograms of a state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_cse.trajectory.config import ReductionConfig

__all__ = ["bin_centres", "bin_volume"]


def bin_centres(config: ReductionConfig) -> NDArray[np.float64]:
    """Return the centres of the bins (bins,), Å from the mid-plane of the slab."""
    edges = np.linspace(-config.box[2] / 2, config.box[2] / 2, config.bins + 1)
    centres: NDArray[np.float64] = (edges[1:] + edges[:-1]) / 2
    return centres


def bin_volume(config: ReductionConfig) -> float:
    """Return the volume of one bin, Å³."""
    return config.box[0] * config.box[1] * config.box[2] / config.bins
