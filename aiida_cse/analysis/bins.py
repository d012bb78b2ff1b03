"""The bins of the histograms of a state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_cse.reduction.config import ReductionConfig

__all__ = ["bin_centres", "bin_volume", "rebinned"]


def bin_centres(config: ReductionConfig) -> NDArray[np.float64]:
    """Return the centres of the bins (bins,), Å from the mid-plane of the slab."""
    edges = np.linspace(-config.box[2] / 2, config.box[2] / 2, config.bins + 1)
    centres: NDArray[np.float64] = (edges[1:] + edges[:-1]) / 2
    return centres


def bin_volume(config: ReductionConfig) -> float:
    """Return the volume of one bin, Å³."""
    return config.box[0] * config.box[1] * config.box[2] / config.bins


def rebinned(
    values: NDArray[np.float64], z: NDArray[np.float64], other: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return densities (..., bins) with bins around ``z`` as those around ``other``, (..., other bins).

    A density is constant within its bin, and zero outside of all: what is in a bin is shared out by overlap.
    """
    width, other_width = ((each[-1] - each[0]) / (len(each) - 1) for each in (z, other))
    low = np.maximum(z - width / 2, other[:, None] - other_width / 2)
    high = np.minimum(z + width / 2, other[:, None] + other_width / 2)
    shares = np.maximum(high - low, 0) / other_width
    found: NDArray[np.float64] = values @ shares.T
    return found
