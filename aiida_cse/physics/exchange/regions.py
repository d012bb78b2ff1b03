"""Regions of a slab and its electrolyte along z.

z = 0 is the mid-plane of the slab. Five regions tile the box for each species: bulk, first layer, ceramic, first
layer, bulk, from LEFT (z < 0) to RIGHT. The anion has no density between its two layers; an anion that is there
is labelled as ceramic nevertheless, so that every ion inside the box has a region.

A *core* is a region without a buffer along each of its boundaries. Under the core rule an ion changes its state
only when it enters another core; in a buffer it keeps its state.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.statistics import arguments

__all__ = [
    "REFERENCE_OFFSET",
    "REGION_NAMES",
    "Region",
    "RegionSet",
]

#: names of the regions in the order of their labels
REGION_NAMES = ("bulk_left", "layer_left", "ceramic", "layer_right", "bulk_right")

#: offset (Å) from the surface planes of the bins where the free energy of the cation is zero
REFERENCE_OFFSET = -4.2


@dataclass(frozen=True)
class Region:
    """One region, ``lower`` ≤ z < ``upper`` in Å, and its core, ``core[0]`` ≤ z < ``core[1]``."""

    name: str
    lower: float
    upper: float
    core: tuple[float, float]


@dataclass(frozen=True)
class RegionSet:
    """The regions of one species, in ascending z and without a gap.

    Raises
    ------
    ValueError
        Two regions overlap or leave a gap, a region is empty, or a core reaches out of its region.
    """

    species: str
    regions: tuple[Region, ...]

    def __post_init__(self) -> None:
        if not self.regions:
            raise ValueError(f"regions of {self.species}: there are none")
        for region in self.regions:
            low, high = region.core
            if not region.lower <= low < high <= region.upper:
                raise ValueError(
                    f"region {region.name} of {self.species}: core {low:g} to {high:g} Å is empty or reaches "
                    f"out of {region.lower:g} to {region.upper:g} Å"
                )
        for before, after in pairwise(self.regions):
            if before.upper != after.lower:
                raise ValueError(
                    f"regions of {self.species}: {before.name} ends at {before.upper:g} Å, {after.name} starts "
                    f"at {after.lower:g} Å; must start where the one before ends"
                )

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in the order of the labels."""
        return tuple(region.name for region in self.regions)

    @property
    def edges(self) -> tuple[float, ...]:
        """The boundaries in ascending order, one more than there are regions, in Å."""
        return (*(region.lower for region in self.regions), self.regions[-1].upper)

    @property
    def cores(self) -> tuple[tuple[float, float], ...]:
        """Lower and upper bound of each core, in Å."""
        return tuple(region.core for region in self.regions)

    def label(self, z: ArrayLike) -> NDArray[np.int8]:
        """Return the index of the region of each z (Å, any shape), −1 outside all of them."""
        position = np.asarray(z, dtype=np.float64)
        index = np.searchsorted(self.edges, position, side="right") - 1
        outside = (index < 0) | (index >= len(self.regions)) | ~np.isfinite(position)
        return np.where(outside, -1, index).astype(np.int8)

    def core_label(self, z: ArrayLike) -> NDArray[np.int8]:
        """Return the index of the core of each z (Å, any shape), −1 in a buffer and outside."""
        position = np.asarray(z, dtype=np.float64)
        label = self.label(position)
        low, high = np.array(self.cores).T
        inside = (label >= 0) & (position >= low[label]) & (position < high[label])
        return np.where(inside, label, -1).astype(np.int8)

    def scaled_cores(self, scale: float) -> RegionSet:
        """Return the regions with buffers ``scale`` times as wide.

        Raises
        ------
        ValueError
            ``scale`` is negative or not finite, or leaves a region without a core.
        """
        factor = arguments.number("scale", scale, least=0)
        scaled = []
        for region in self.regions:
            low, high = region.core
            # with a scale of 1 the core is the same bit for bit, and one of 0 never reaches out of the region
            core = (
                max(region.lower, low + (factor - 1) * (low - region.lower)),
                min(region.upper, high - (factor - 1) * (region.upper - high)),
            )
            if not core[0] < core[1]:
                length = region.upper - region.lower
                most = length / (length - (high - low))
                raise ValueError(
                    f"scale = {factor:g}: {region.name} of {self.species} would have no core; must be below "
                    f"{most:.4g}"
                )
            scaled.append(replace(region, core=core))
        return RegionSet(self.species, tuple(scaled))
