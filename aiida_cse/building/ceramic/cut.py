"""Cut of the equilibrated crystal into a slab at the recipe's plane.

The crystal is equilibrated as a periodic bulk. The plane moves with the framework, and coordinates are unwrapped,
so that each atom stays on the side it started on and both terminations survive.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import SlabGeometry, System

__all__ = ["cut_slab"]

Floats = NDArray[np.float64]

#: Å; displacement of an immobile atom beyond which the crystal has melted
_MELTED = 3.0
#: Å; vacuum between the slab and the ends of the box along z, and the smallest one between any atom and these
_MARGIN = 2.0
_LEAST_MARGIN = 0.5


def cut_slab(initial: System, equilibrated: DataFile, *, vibration: float = 1.5) -> System:
    """Cut the equilibrated periodic crystal into a slab with its mid-plane at z = 0.

    Framework and anions keep their unwrapped coordinates. Mobile ions that left the slab by more than
    ``vibration`` are moved back by whole box lengths; those that vibrate across the plane stay on the side they
    came from. The cross-section and the velocities are those of the equilibrated crystal.

    Parameters
    ----------
    initial
        The slab as built; the cut planes are the lower and upper end of its box.
    equilibrated
        The same atoms after the bulk equilibration, with valid image flags.
    vibration
        Largest distance beyond a cut plane that counts as vibration, Å.

    Raises
    ------
    ValueError
        The two do not have the same atoms, or the crystal melted.
    """
    geometry = initial.info.slab
    if geometry is None:
        raise ValueError(
            f"a system of phase {initial.info.phase!r} has no slab geometry; give the slab as it was built"
        )
    if equilibrated.natoms != initial.data.natoms:
        raise ValueError(
            f"the equilibrated crystal has {equilibrated.natoms} atoms, the slab as built {initial.data.natoms}"
        )
    differ = np.flatnonzero(equilibrated.types != initial.data.types)
    if len(differ):
        atom = int(differ[0])
        types = f"{equilibrated.types[atom]}, in the slab as built {initial.data.types[atom]}"
        raise ValueError(
            f"atom {atom + 1} of the equilibrated crystal has type {types}: these are not the same atoms"
        )
    places, centre = _relative_to_framework(initial, geometry, initial.data)
    positions, _ = _relative_to_framework(initial, geometry, equilibrated)
    scale = equilibrated.lengths / initial.data.lengths
    phases = np.array([entry.phase for entry in initial.info.types])[initial.data.types - 1]
    _refuse_melted(initial, phases == "ceramic", positions - places * scale)
    positions += (centre - initial.data.box[:, 0]) * scale
    height = float(equilibrated.lengths[2])
    mobile = phases == "both"
    z = positions[mobile, 2]
    left = (z < -vibration) | (z > height + vibration)
    positions[mobile, 2] = np.where(left, z - np.floor(z / height) * height, z)
    positions[:, 2] -= height / 2
    slab = SlabGeometry(
        thickness=height,
        framework=geometry.framework,
        midplane_offset=geometry.midplane_offset * float(scale[2]),
        lithium=geometry.initial_cations,
    )
    return initial.evolved(_data(initial.data, equilibrated, positions), phase="ceramic", slab=slab)


def _relative_to_framework(initial: System, geometry: SlabGeometry, data: DataFile) -> tuple[Floats, Floats]:
    """Return unwrapped positions (N, 3) relative to the framework's centre of mass, and that centre (3,), in Å."""
    framework = np.isin(data.types, initial.info.type_numbers(labels=geometry.framework))
    weights = initial.data.masses[data.types[framework] - 1]
    positions = data.unwrapped
    centre: Floats = np.average(positions[framework], axis=0, weights=weights)
    return positions - centre, centre


def _refuse_melted(initial: System, immobile: NDArray[np.bool_], displacements: Floats) -> None:
    distances = np.where(immobile, np.linalg.norm(displacements, axis=1), 0.0)
    atom = int(np.argmax(distances))
    if distances[atom] > _MELTED:
        label = initial.info.types[initial.data.types[atom] - 1].label
        raise ValueError(
            f"the crystal melted: atom {atom + 1} ({label}) is {distances[atom]:.1f} Å from its place,"
            f" more than {_MELTED} Å; equilibrate colder or with a shorter timestep"
        )


def _data(initial: DataFile, equilibrated: DataFile, positions: Floats) -> DataFile:
    lx, ly, height = equilibrated.lengths
    half = max(height / 2 + _MARGIN, float(np.abs(positions[:, 2]).max()) + _LEAST_MARGIN)
    data = DataFile(
        box=np.array([(0.0, lx), (0.0, ly), (-half, half)]),
        masses=initial.masses,
        molecules=initial.molecules,
        types=initial.types,
        charges=initial.charges,
        positions=positions,
        images=np.zeros_like(initial.images),
        velocities=equilibrated.velocities,
        topology_types=dict(initial.topology_types),
    )
    data.set_unwrapped(positions)
    # nothing is bonded, and crossings of the crystal's boundaries mean nothing in the slab
    data.images = np.zeros_like(initial.images)
    return data
