"""Assembly of the interface: the slab in the middle of the box, the electrolyte above and below it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.data import TOPOLOGY, DataFile
from aiida_cse.lammps.files.system import WALL_MOLECULE, System

__all__ = ["Placement", "assemble", "joint_velocities", "place"]

Floats = NDArray[np.float64]

#: largest relative difference of the two cross-sections
_SAME_EDGE = 1e-6


@dataclass(frozen=True)
class Placement:
    """Positions of the phases in the interface: the slab unchanged, the electrolyte shifted up by ``shift`` (Å).

    ``liquid`` has no wall, and every molecule is whole along z; ``box`` is that of the interface, (3, 2) Å.
    """

    solid: DataFile
    liquid: DataFile
    shift: float
    box: Floats

    @property
    def positions(self) -> Floats:
        """Unwrapped positions of all atoms, the slab first, (N, 3) in Å."""
        below, above = self.solid.unwrapped, self.liquid.unwrapped
        above[:, 2] += self.shift
        return np.vstack([below, above])


def assemble(ceramic: System, electrolyte: System, gap: float = 2.5) -> System:
    """Join the equilibrated slab and the equilibrated electrolyte into one periodic interface.

    The slab's mid-plane stays at z = 0 and the wall is removed. The electrolyte begins ``gap`` above the slab's
    topmost atom and ends, through the periodic boundary, ``gap`` below its lowest. The box is [−L/2, L/2] along z,
    with the middle of the electrolyte near its ends. Atoms of the ceramic come first.

    Parameters
    ----------
    ceramic
        The cut slab, mid-plane at z = 0.
    electrolyte
        Molecules and wall on the slab's cross-section, with valid image flags; no molecule crosses the wall.
    gap
        Distance between the outermost atoms of the two phases, Å.

    Raises
    ------
    ValueError
        The two differ in type table, force field or cross-section; the ceramic has no slab; or a molecule crosses
        the wall.
    """
    placement = place(ceramic, electrolyte, gap)
    solid, liquid, positions = placement.solid, placement.liquid, placement.positions
    # IDs of the liquid follow those of the solid
    shift = np.array([0, *[solid.natoms] * max(TOPOLOGY.values())])
    data = DataFile(
        box=placement.box,
        masses=solid.masses,
        molecules=np.concatenate([solid.molecules, liquid.molecules]),
        types=np.concatenate([solid.types, liquid.types]),
        charges=np.concatenate([solid.charges, liquid.charges]),
        positions=positions,
        images=np.zeros((len(positions), 3), dtype=np.int64),
        velocities=joint_velocities(solid, liquid),
        topology={
            kind: np.concatenate([solid.topology[kind], liquid.topology[kind] + shift[: atoms + 1]])
            for kind, atoms in TOPOLOGY.items()
        },
        topology_types=dict(solid.topology_types),
    )
    data.set_unwrapped(positions)
    return ceramic.evolved(data, phase="interface")


def place(ceramic: System, electrolyte: System, gap: float) -> Placement:
    """Return the positions of the phases in the interface; see :func:`assemble`."""
    if not (np.isfinite(gap) and gap > 0):
        raise ValueError(f"gap = {gap}: must be a positive number")
    if ceramic.info.slab is None:
        raise ValueError(
            f"ceramic: a system of phase {ceramic.info.phase!r} has no slab geometry; give the cut slab"
        )
    if ceramic.info.types != electrolyte.info.types:
        raise ValueError("ceramic and electrolyte have different type tables; build both from one recipe")
    if ceramic.forcefield != electrolyte.forcefield:
        raise ValueError("ceramic and electrolyte have different force fields; build both from one recipe")
    edges = zip("xy", ceramic.data.lengths[:2], electrolyte.data.lengths[:2], strict=True)
    for axis, below, above in edges:
        if abs(below - above) > _SAME_EDGE * below:
            raise ValueError(
                f"box edge L{axis}: {below:.6f} Å of the ceramic, {above:.6f} Å of the electrolyte;"
                " build the electrolyte on the equilibrated ceramic's cross-section and keep it fixed"
            )
    molecules = electrolyte.data.molecules != WALL_MOLECULE
    liquid = _whole(electrolyte.data.select(molecules))
    solid = ceramic.data
    z_solid, z_liquid = solid.unwrapped[:, 2], liquid.unwrapped[:, 2]
    length = float(np.ptp(z_solid) + np.ptp(z_liquid) + 2 * gap)
    box = np.vstack([solid.box[:2], [(-length / 2, length / 2)]])
    return Placement(solid, liquid, float(z_solid.max() + gap - z_liquid.min()), box)


def _whole(liquid: DataFile) -> DataFile:
    """Return the liquid with every molecule in the box along z, where its image flags become 0.

    An ion or a whole molecule may have passed through the wall; a molecule that crosses it is refused.
    """
    flags = liquid.images[:, 2]
    lowest = np.zeros(int(liquid.molecules.max()) + 1, dtype=np.int64)
    highest = lowest.copy()
    first = np.unique(liquid.molecules, return_index=True)[1]
    lowest[liquid.molecules[first]] = highest[liquid.molecules[first]] = flags[first]
    np.minimum.at(lowest, liquid.molecules, flags)
    np.maximum.at(highest, liquid.molecules, flags)
    across = np.flatnonzero(lowest < highest)
    if len(across):
        raise ValueError(
            f"electrolyte: {len(across)} molecules lie across the wall, the first is molecule {across[0]}"
            f" (z image flags {lowest[across[0]]} to {highest[across[0]]}); equilibrate behind the wall"
        )
    return replace(liquid, images=liquid.images * (1, 1, 0))


def joint_velocities(solid: DataFile, liquid: DataFile) -> Floats | None:
    """Return the velocities of both, zero where one has none; None if neither has."""
    if solid.velocities is None and liquid.velocities is None:
        return None
    return np.concatenate(
        [np.zeros((part.natoms, 3)) if part.velocities is None else part.velocities for part in (solid, liquid)]
    )
