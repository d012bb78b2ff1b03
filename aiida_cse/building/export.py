"""Systems and frames of trajectories as files for other programs.

Molecules are whole, atoms keep their order, and coordinates are those of LAMMPS: the box begins where that of the
data file does, not at 0.
"""

from __future__ import annotations

import warnings
from itertools import count
from pathlib import Path
from string import ascii_uppercase
from typing import Any

import MDAnalysis
import numpy as np

from aiida_cse.building.imported.description import SystemFacts
from aiida_cse.lammps.files.data import TOPOLOGY
from aiida_cse.lammps.files.system import FILENAMES, System, SystemInfo
from aiida_cse.reduction.readers.base import TrajectoryReader
from aiida_cse.yaml_io import dump_mapping

__all__ = ["FACTS", "lammps_files", "make_universe", "residue_names", "write_frames", "write_structure"]

#: name of the facts beside the files of a system
FACTS = "facts.yaml"
#: characters of the name of a residue in a PDB file
_LONGEST_NAME = 4
#: largest number of an atom in the bonds of a PDB file
_LAST_SERIAL = 99_999
#: largest step that an XTC file holds
_LAST_STEP = 2**31 - 1
_FS_PER_PS = 1000.0


def lammps_files(system: System) -> dict[str, str]:
    """Return the texts of the files that a LAMMPS run, ``system import`` and ``reduce`` need, by file name."""
    facts = SystemFacts.of(system.info).model_dump(exclude_none=True, exclude_defaults=True)
    return {
        FILENAMES["data"]: system.data.format(system.info.phase),
        FILENAMES["forcefield"]: system.forcefield,
        FILENAMES["info"]: system.info.model_dump_json(indent=1) + "\n",
        FACTS: dump_mapping({"phase": system.info.phase} | _plain(facts)),
    }


def residue_names(info: SystemInfo) -> tuple[str, ...]:
    """Return the name of the residue of each type, at most four characters: LLZ, LI, PEO or TFSI.

    Molecules and ions have the name of their species. The ceramic has the initials of its mobile ion and of its
    positive framework.
    """
    mobile = [entry.element for entry in info.types if entry.phase == "both"]
    positive = [entry.element for entry in info.types if entry.phase == "ceramic" and entry.charge > 0]
    ceramic = "".join(element[0] for element in dict.fromkeys(mobile + positive)) or "CER"
    short: dict[str, str] = {}
    for entry in info.types:
        species = ceramic if entry.phase == "ceramic" else entry.species
        if species in short:
            continue
        name = "".join(filter(str.isalnum, species)).upper() or "MOL"
        endings = ("" if not number else str(number) for number in count())
        names = (name[: _LONGEST_NAME - len(ending)] + ending for ending in endings)
        short[species] = next(one for one in names if one not in short.values())
    return tuple(short[ceramic if entry.phase == "ceramic" else entry.species] for entry in info.types)


def make_universe(system: System) -> MDAnalysis.Universe:
    """Return an MDAnalysis Universe of a system.

    Each molecule, each mobile ion and the ceramic are residues, numbered from 1 in the order of their first atoms;
    residues of a name form a segment and a chain. Atoms are named by the labels of their types. Velocities are in
    Å/ps.
    """
    data, types = system.data, system.info.types
    index = data.types - 1
    mobile = np.array([entry.phase == "both" for entry in types])[index]
    by_type = residue_names(system.info)
    names = list(dict.fromkeys(by_type))
    segments = np.array([names.index(name) for name in by_type])[index]
    # a mobile ion is a residue of its own, wherever it came from
    keys = np.column_stack([np.where(mobile, -1 - np.arange(data.natoms), data.molecules), segments])
    _, firsts, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(firsts)
    residues = np.argsort(order)[inverse.reshape(-1)]
    of_residue = segments[firsts[order]]
    universe = MDAnalysis.Universe.empty(
        data.natoms,
        n_residues=len(firsts),
        n_segments=len(names),
        atom_resindex=residues,
        residue_segindex=of_residue,
        trajectory=True,
        velocities=data.velocities is not None,
    )
    labels, elements, masses = ([getattr(t, name) for t in types] for name in ("label", "element", "mass"))
    attributes: dict[str, Any] = {
        "ids": np.arange(1, data.natoms + 1),
        "names": np.array(labels, dtype=object)[index],
        "types": data.types.astype(str).astype(object),
        "elements": np.array(elements, dtype=object)[index],
        "masses": np.array(masses)[index],
        "charges": np.array([entry.charge for entry in types])[index],
        "resids": np.arange(1, len(firsts) + 1),
        "resnames": np.array(names, dtype=object)[of_residue],
        "segids": np.array(names, dtype=object),
        "chainIDs": np.array([ascii_uppercase[n % 26] for n in range(len(names))], dtype=object)[segments],
    }
    for name, values in attributes.items():
        universe.add_TopologyAttr(name, values)
    for kind in TOPOLOGY:
        if len(data.topology[kind]):
            universe.add_TopologyAttr(kind, data.topology[kind][:, 1:] - 1)
    universe.dimensions = [*data.lengths, 90.0, 90.0, 90.0]
    universe.atoms.positions = data.unwrapped
    if data.velocities is not None:
        universe.atoms.velocities = data.velocities * _FS_PER_PS
    return universe


def write_structure(system: System, path: str | Path, fmt: str) -> None:
    """Write the coordinates of a system in the format ``pdb``, ``gro``, ``xyz`` or ``extxyz``.

    Raises
    ------
    ValueError
        The coordinates do not fit into the columns of the format.
    """
    if fmt == "extxyz":
        Path(path).write_text(_extended_xyz(system), encoding="utf-8")
        return
    universe = make_universe(system)
    options: dict[str, Any] = {}
    if fmt == "pdb" and system.data.natoms > _LAST_SERIAL:
        options["bonds"] = None
    with warnings.catch_warnings():
        # MDAnalysis warns about the fields of a PDB file that a simulation does not have
        warnings.simplefilter("ignore")
        universe.atoms.write(str(path), file_format=fmt, **options)


def _extended_xyz(system: System) -> str:
    """Return the text of an extended XYZ file with the names of columns that ASE uses."""
    data, types = system.data, system.info.types
    residues = make_universe(system).atoms
    x, y, z = data.lengths
    columns = {
        "species:S:1": [types[number - 1].element for number in data.types],
        "pos:R:3": [f"{a:.8f} {b:.8f} {c:.8f}" for a, b, c in data.unwrapped],
        "masses:R:1": [f"{types[number - 1].mass:.8g}" for number in data.types],
        "initial_charges:R:1": [f"{charge:.8g}" for charge in data.charges],
        "atomtypes:S:1": [types[number - 1].label for number in data.types],
        "residuenames:S:1": residues.resnames.tolist(),
        "residuenumbers:I:1": residues.resids.astype(str).tolist(),
    }
    origin = " ".join(f"{low:.8f}" for low in data.box[:, 0])
    header = f'Lattice="{x:.8f} 0 0 0 {y:.8f} 0 0 0 {z:.8f}" Origin="{origin}" pbc="T T T"'
    header += f" Properties={':'.join(columns)}"
    rows = (" ".join(row) for row in zip(*columns.values(), strict=True))
    return "\n".join([str(data.natoms), header, *rows]) + "\n"


def write_frames(system: System, reader: TrajectoryReader, path: str | Path, last: int) -> int:
    """Write the last frames of a trajectory of a system as XTC, and return their number.

    Where the trajectory does not say its times, those of the frames are their numbers in ps.

    Parameters
    ----------
    system
        The system, whose atoms are those of the trajectory.
    reader
        The open trajectory.
    path
        The file to write.
    last
        Number of frames; all if there are fewer.

    Raises
    ------
    ValueError
        The trajectory has other atoms than the system, or no frames.
    """
    natoms = system.data.natoms
    if reader.natoms != natoms:
        raise ValueError(f"{reader.path}: has {reader.natoms} atoms; the system has {natoms}")
    if reader.atom_types is not None and not np.array_equal(reader.atom_types, system.data.types):
        atom = int(np.flatnonzero(reader.atom_types != system.data.types)[0])
        there, here = reader.atom_types[atom], system.data.types[atom]
        raise ValueError(f"{reader.path}: atom {atom + 1} is of type {there}; in the system it is of type {here}")
    if not reader.frames:
        raise ValueError(f"{reader.path}: has no complete frame")
    universe = make_universe(system)
    moment = universe.trajectory.ts
    first = max(reader.frames - last, 0)
    with MDAnalysis.Writer(str(path), n_atoms=natoms) as writer:
        for number in range(first, reader.frames):
            frame = reader.read_xyz(number, 1)
            moment.positions = np.column_stack([frame.along(axis)[0] for axis in range(3)])
            moment.dimensions = [*frame.boxes[0], 90.0, 90.0, 90.0]
            step = reader.first_step + number * reader.frame_steps
            if reader.frame_ps is not None:
                moment.time = (reader.first_ps or 0.0) + number * reader.frame_ps
            else:
                moment.time = number if reader.timestep_fs is None else step * reader.timestep_fs / _FS_PER_PS
            moment.data["step"] = step if step <= _LAST_STEP else number
            writer.write(universe)
    return reader.frames - first


def _plain(value: Any) -> Any:
    """Return a value with lists in place of tuples, as YAML writes it."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, (tuple, list)) else value
