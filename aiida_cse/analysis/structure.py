"""Structure of a run along z with its jackknife samples over time, by which runs are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.profiles import Counts, rebinned
from aiida_cse.physics.exchange.regions import REFERENCE_OFFSET
from aiida_cse.physics.profiles.charge import integrated_charge
from aiida_cse.physics.profiles.density import free_energy_profile
from aiida_cse.physics.statistics.resampling import group_blocks, leave_one_out

__all__ = ["SIDES", "FreeEnergies", "Side", "Structure"]

Floats = NDArray[np.float64]
Side = str

SIDES: tuple[Side, ...] = ("left", "right")
#: groups of blocks, or up to twice as many, of which each is left out in turn
_GROUPS = 10


@dataclass(frozen=True)
class FreeEnergies:
    """F / k_B (1 + G, bins) in K, its standard error (bins,), and whether its zero lies inside the ceramic."""

    values: Floats
    error: Floats
    has_zero: bool


@dataclass(frozen=True)
class Structure:
    """Densities along z: row 0 over all whole blocks of time, the other rows without one of G groups of blocks.

    Attributes
    ----------
    temperature
        K.
    half_thickness
        Half the thickness of the slab, Å.
    z
        (bins,) centres of the bins, Å from the mid-plane of the slab.
    charge_z
        The same for the charge, which may be sampled in other bins.
    charge
        (1 + G, bins) charge density, e/Å³.
    ions
        (1 + G, bins) number density of the points of each ion, Å⁻³, by its key.
    counts_per_visit
        Number of counts that make one independent visit, by the same keys.
    exposure
        Frames × volume of a bin, Å³: the counts at a density of one per Å³.
    layers
        Range of the first layer of each ion by key and side, Å.
    crossing
        Key of the ion whose exchange decides the verdict.
    """

    temperature: float
    half_thickness: float
    z: Floats
    charge_z: Floats
    charge: Floats
    ions: dict[str, Floats]
    counts_per_visit: dict[str, float]
    exposure: float
    layers: dict[str, dict[Side, tuple[float, float]]]
    crossing: str

    @classmethod
    def of(cls, production: ReducedProduction) -> Structure:
        """Return the structure of a run.

        Raises
        ------
        ValueError
            The box changes, the reduction has not all atoms, or the window holds no whole block of time.
        """
        config = production.state.config
        if config.bin_width is not None:
            raise ValueError(
                f"bin_width = {config.bin_width:g}: runs can only be compared, and have a shift Δz, if the box of "
                "each is of constant size; reduce the trajectory with bins instead"
            )
        points, types = Counts.of_points(production), Counts.of_types(production, "charge")
        if not len(points.whole) or not len(types.whole):
            raise ValueError(
                "start_ns, end_ns: there is no whole block of time between them; choose a longer range"
            )
        groups, ions, exposure = _leave_one_out(points)
        _, atoms, _ = _leave_one_out(types)
        keys = [ion.key for ion in production.ions.values()]
        return cls(
            temperature=production.temperature,
            half_thickness=config.half_thickness,
            z=points.grid.centres,
            charge_z=types.grid.centres,
            charge=np.einsum("t,stb->sb", np.array(config.charges), atoms),
            ions={key: ions[:, index] for index, key in enumerate(keys)},
            counts_per_visit={
                key: free_energy_profile(own.sum(axis=0), 1.0, 1.0, block_counts=own).dispersion
                if own.any()
                else 1.0
                for key, own in zip(keys, groups.swapaxes(0, 1), strict=False)
            },
            exposure=exposure,
            layers={
                ion.key: {"left": ion.species.edges[1:3], "right": ion.species.edges[3:5]}
                for ion in production.ions.values()
            },
            crossing=production.ions[production.deciding[0]].key,
        )

    def on(self, other: Structure) -> Structure:
        """Return the structure in the bins of another one."""
        found = self
        if not np.array_equal(self.charge_z, other.charge_z):
            charge = rebinned(self.charge, self.charge_z, other.charge_z)
            found = replace(found, charge_z=other.charge_z, charge=charge)
        if np.array_equal(self.z, other.z):
            return found
        mine, others = ((each.z[-1] - each.z[0]) / (len(each.z) - 1) for each in (self, other))
        return replace(
            found,
            z=other.z,
            ions={key: rebinned(density, self.z, other.z) for key, density in self.ions.items()},
            exposure=self.exposure * others / mine,
        )

    def charge_integrals(self, side: Side) -> Floats:
        """Return E_eff (1 + G, bins) from the end of the box on this side, e/Å²."""
        return integrated_charge(self.charge_z, self.charge, "left" if side == "left" else "right")

    def free_energies(self, key: str) -> FreeEnergies:
        """Return F of an ion (eq 2 of Kozdra et al., PCCP 27, 24918 (2025)), zero inside the ceramic.

        The zero is the mean of the two bins 4.2 Å inside the surfaces; there is none if one of them is empty.
        """
        density = self.ions[key]
        with np.errstate(divide="ignore"):
            energy = np.where(density > 0, -self.temperature * np.log(density), np.nan)
            visits = density[0] * self.exposure / self.counts_per_visit[key]
            error = np.where(visits > 0, self.temperature / np.sqrt(visits), np.nan)
        inside = self.half_thickness + REFERENCE_OFFSET
        bins = [int(np.argmin(np.abs(self.z - place))) for place in (inside, -inside)]
        zero = energy[:, bins].mean(axis=1, keepdims=True)
        if inside <= 0 or np.isnan(zero).any():
            return FreeEnergies(energy, error, has_zero=False)
        return FreeEnergies(energy - zero, error, has_zero=True)


def _leave_one_out(counts: Counts) -> tuple[Floats, Floats, float]:
    """Return counts per group of blocks (G, rows, bins), densities without one group each, and the exposure.

    Densities are (1 + G, rows, bins) in Å⁻³, the first over all groups. The exposure is frames × volume of a bin.
    """
    groups = group_blocks(counts.equal_blocks().astype(np.float64), _GROUPS)
    frames = counts.block_frames * max(len(counts.whole) // _GROUPS, 1)
    exposure = frames * float(counts.volume)
    return groups, leave_one_out(groups) / exposure, len(groups) * exposure
