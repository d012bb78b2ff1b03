"""Configuration of the reduction of a system's trajectory, from the system itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, System
from aiida_cse.reduction.config import ReductionConfig, interface_config
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.schema import nearest

__all__ = ["reduction_config", "refuse_unknown_ions"]


def reduction_config(system: System, sampling: Sampling) -> ReductionConfig:
    """Return the configuration of the reduction of a trajectory of ``system``.

    The regions follow the slab's surface planes. The cation is the species that both phases share, the anion the
    species of the electrolyte whose total charge is negative.

    Raises
    ------
    ValueError
        The system has no slab or no such ions, its layers do not fit between the slab and its image, or the
        sampling names an ion or an atom type that the system does not have.
    """
    info, data = system.info, system.data
    if info.slab is None:
        raise ValueError(f"a system of phase '{info.phase}' without a slab has no interface to analyse")
    mobile = {entry.species for entry in info.types if entry.phase == "both"}
    negative = _negative_species(system)
    for species, kind in ((mobile, "cation shared by both phases"), (negative, "species with negative molecules")):
        if len(species) != 1:
            found = ", ".join(sorted(species)) or "none"
            raise ValueError(f"the system must have exactly one {kind}, it has {found}")
    (cation,), (anion,) = mobile, negative
    labels = {ion: [entry.label for entry in info.types if entry.species == ion] for ion in (cation, anion)}
    refuse_unknown_ions(sampling.offsets, sampling.cation_atoms, sampling.anion_atom, labels)
    cation_types, initial_cations = info.type_numbers(species=cation), info.slab.initial_cations
    if sampling.cation_atoms:
        cation_types = info.type_numbers(labels=sampling.cation_atoms)
        in_slab = np.isin(data.types, cation_types) & (data.molecules == CERAMIC_MOLECULE)
        initial_cations = int(in_slab.sum())
    anion_atoms = labels[anion] if sampling.anion_atom is None else (sampling.anion_atom,)
    x, y, z = (float(length) for length in data.lengths)
    return interface_config(
        types=data.types.tolist(),
        molecules=data.molecules.tolist(),
        labels=[entry.label for entry in info.types],
        masses=[entry.mass for entry in info.types],
        charges=[entry.charge for entry in info.types],
        framework=info.type_numbers(labels=info.slab.framework),
        half_thickness=info.slab.thickness / 2,
        midplane_offset=info.slab.midplane_offset,
        box=(x, y, z),
        cation=cation,
        cation_types=cation_types,
        initial_cations=initial_cations,
        anion=anion,
        anion_types=info.type_numbers(labels=tuple(anion_atoms)),
        sampling=sampling,
    )


def refuse_unknown_ions(
    offsets: Iterable[str],
    cation_atoms: Iterable[str],
    anion_atom: str | None,
    labels: Mapping[str, Sequence[str]],
) -> None:
    """Refuse fields of a sampling that name an ion or an atom type that does not exist.

    ``labels`` are the atom types of the cation and of the anion, in this order, by name of the ion.

    Raises
    ------
    ValueError
        Names the field, its value and the nearest known name.
    """
    cation, anion = labels
    anion_atoms = () if anion_atom is None else (anion_atom,)
    for field, names, known, kind in (
        ("offsets", offsets, labels, "ion of the system"),
        ("anion_atom", anion_atoms, labels[anion], f"atom type of {anion}"),
        ("cation_atoms", cation_atoms, labels[cation], f"atom type of {cation}"),
    ):
        for name in names:
            if name not in known:
                raise ValueError(f"{field} = {name!r}: no {kind}; {nearest(str(name), known)}")


def _negative_species(system: System) -> set[str]:
    """Return the species of the electrolyte with a negative total charge."""
    charges: dict[str, float] = {}
    per_type = np.bincount(system.data.types - 1, minlength=len(system.info.types))
    for entry, count in zip(system.info.types, per_type.tolist(), strict=True):
        if entry.phase == "electrolyte":
            charges[entry.species] = charges.get(entry.species, 0.0) + count * entry.charge
    return {species for species, charge in charges.items() if charge < -1e-6}
