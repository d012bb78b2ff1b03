"""What a reduction needs to know of a system, taken from the system itself."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from aiida_cse.lammps.system import System
from aiida_cse.trajectory.config import ReductionConfig, default_config
from aiida_cse.validation import StrictModel

__all__ = ["Sampling", "reduction_config"]


class Sampling(StrictModel):
    """How a trajectory is sampled: frames as LAMMPS wrote them, blocks and snapshots in ps.

    ``anion_point`` says which point stands for an anion: its centre of mass, or the one atom type
    ``anion_atom``.
    """

    timestep_fs: float = Field(gt=0, le=4)
    frame_ps: float = Field(gt=0)
    block_ps: float = Field(default=1000.0, gt=0)
    snapshot_ps: float = Field(default=1000.0, gt=0)
    bins: int = Field(default=520, ge=10, le=100_000)
    anion_point: Literal["centre_of_mass", "atom"] = "centre_of_mass"
    anion_atom: str | None = None


def reduction_config(system: System, sampling: Sampling) -> ReductionConfig:
    """Return the configuration of the reduction of a trajectory of ``system``.

    The regions follow the slab's surface planes; the cation is the species that both phases share, the anion
    the species of the electrolyte whose molecules are negative.

    Raises
    ------
    ValueError
        The system has no slab, no such ions, or its layers do not fit between the slab and its image.
    """
    info, data = system.info, system.data
    if info.slab is None:
        msg = f"a system of phase '{info.phase}' without a slab has no interface to analyse"
        raise ValueError(msg)
    cation = _only([t.species for t in info.types if t.phase == "both"], "cation shared by both phases")
    anion = _only(_anions(system), "species with negative molecules")
    if sampling.anion_point == "atom":
        anion_types = info.type_numbers(labels=(sampling.anion_atom or "",))
    else:
        anion_types = info.type_numbers(species=anion)
    x, y, z = (float(length) for length in data.lengths)
    return default_config(
        types=data.types.tolist(),
        molecules=data.molecules.tolist(),
        labels=[t.label for t in info.types],
        masses=[t.mass for t in info.types],
        charges=[t.charge for t in info.types],
        framework=info.type_numbers(labels=info.slab.framework),
        half_thickness=info.slab.thickness / 2,
        midplane_offset=info.slab.midplane_offset,
        box=(x, y, z),
        cation=cation,
        cation_types=info.type_numbers(species=cation),
        anion=anion,
        anion_types=anion_types,
        anion_point=sampling.anion_point,
        initial_cations=info.slab.lithium,
        timestep_fs=sampling.timestep_fs,
        frame_steps=max(1, round(sampling.frame_ps * 1000 / sampling.timestep_fs)),
        block_ps=sampling.block_ps,
        snapshot_ps=sampling.snapshot_ps,
        bins=sampling.bins,
    )


def _anions(system: System) -> list[str]:
    """Return the species of the electrolyte with a negative total charge."""
    charges: dict[str, float] = {}
    per_type = np.bincount(system.data.types - 1, minlength=len(system.info.types))
    for atom_type, count in zip(system.info.types, per_type.tolist(), strict=True):
        if atom_type.phase == "electrolyte":
            charges[atom_type.species] = charges.get(atom_type.species, 0.0) + count * atom_type.charge
    return [species for species, charge in charges.items() if charge < -1e-6]


def _only(species: list[str], what: str) -> str:
    names = sorted(set(species))
    if len(names) != 1:
        msg = f"the system must have exactly one {what}, it has {', '.join(names) or 'none'}"
        raise ValueError(msg)
    return names[0]
