"""The EMC of the tests' environment, and files as EMC 9.4.4 writes them of molecules that we have placed."""

from __future__ import annotations

import importlib.util
import platform
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from aiida_cse.building.electrolyte.emc_input import EmcType, emc_field
from aiida_cse.building.recipe import Recipe
from aiida_cse.building.type_table import Chemistry, chemistry_of
from aiida_cse.lammps.files.data import TOPOLOGY, DataFile
from aiida_cse.lammps.files.system import WALL_MOLECULE, System

__all__ = ["emc_output", "emc_program", "emc_script", "with_types_alike"]


def emc_script(name: str) -> Path:
    """Return the path of a script of EMC."""
    return _root() / "scripts" / name


def emc_program() -> Path:
    """Return the path of EMC's program for this machine."""
    return _root() / "bin" / ("emc_macos" if sys.platform == "darwin" else f"emc_linux_{platform.machine()}")


def _root() -> Path:
    spec = importlib.util.find_spec("pyemc")
    assert spec is not None, "emc-pypi is one of the requirements of the tests"
    assert spec.origin is not None
    return Path(spec.origin).parent / "emc"


def with_types_alike(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return a recipe of PEO with another type for the third oxygens, farther along the chain than EMC looks."""
    third = {
        "revises": "opls-aa-peo",
        "title": "The third oxygen from either end is its own type",
        "citations": ["none"],
        "confidence": "none",
        "atom_types": [{"name": "OS3", "element": "O", "mass": 15.999, "charge": -0.4, "bonded": "OS"}],
        "typing": [{"smarts": "[OX2]CCOCCOC[CX4H3]", "type": "OS3"}],
        "lj": [{"type": "OS3", "epsilon": 0.14, "sigma": 2.9}],
    }
    forcefield = recipe["forcefield"] | {"polymer": "third", "own_sets": {"third": third}}
    return recipe | {"forcefield": forcefield}


def emc_output(
    recipe: Recipe, system: System, seed: int, change: Callable[[EmcType], EmcType] = lambda entry: entry
) -> tuple[str, str, float]:
    """Return the text of a data file, of parameters, and the height in Å of EMC's box.

    EMC's types count alphabetically, its atoms come in another order, its molecules are whole, without image
    flags, in a box that is periodic along z and so high that no molecule of ``system`` overlaps another. The
    molecules are moved along z so that some reach over the ends. ``change`` gives EMC other parameters.
    """
    chemistry = chemistry_of(recipe)
    entries = sorted(map(change, emc_field(recipe, chemistry).types), key=lambda entry: entry.label.lower())
    layout = _shuffled(system.data, seed)
    height = float(layout.lengths[2])
    shift = np.random.default_rng(seed).uniform(0, height)
    data = _data(chemistry, entries, layout, shift)
    return data, _parameters(chemistry, recipe, entries), height


def _shuffled(data: DataFile, seed: int) -> DataFile:
    """Return the molecules without the wall, with the atoms of each in another order."""
    molecules = data.select(data.molecules != WALL_MOLECULE)
    keys = np.random.default_rng(seed).random(molecules.natoms)
    order = np.lexsort((keys, molecules.molecules))
    places = np.empty(len(order), dtype=np.int64)
    places[order] = np.arange(1, len(order) + 1)
    topology = {
        kind: np.column_stack([terms[:, :1], places[terms[:, 1:] - 1]])
        for kind, terms in molecules.topology.items()
    }
    return DataFile(
        box=molecules.box,
        masses=molecules.masses,
        molecules=molecules.molecules[order] - molecules.molecules.min() + 1,
        types=molecules.types[order],
        charges=molecules.charges[order],
        positions=molecules.positions[order],
        images=molecules.images[order],
        topology=topology,
        topology_types=molecules.topology_types,
    )


def _data(chemistry: Chemistry, entries: list[EmcType], layout: DataFile, shift: float) -> str:
    labels = [entry.label for entry in entries]
    names = [chemistry.types[number - 1].label for number in layout.types]
    charges = {entry.label: entry.charge for entry in entries}
    positions = layout.unwrapped + np.array([0.0, 0.0, shift])
    lines = ["LAMMPS output created by EMC v9.4.4, build Apr 16 2025 07:36:34", "", f"{layout.natoms:12d}  atoms"]
    kinds = [kind for kind in TOPOLOGY if len(layout.topology[kind])]
    lines += [f"{len(layout.topology[kind]):12d}  {kind}" for kind in kinds]
    lines += ["", f"{len(entries):12d}  atom types"]
    lines += [f"{layout.topology_types[kind]:12d}  {kind[:-1]} types" for kind in kinds]
    lines += ["", *(f"{0:14d} {edge:14.8f}  {a}lo {a}hi" for a, edge in zip("xyz", layout.lengths, strict=True))]
    lines += [
        "",
        "Masses",
        "",
        *(f"{n:8d} {entry.mass:10.5f}  # {entry.label}" for n, entry in enumerate(entries, 1)),
    ]
    lines += ["", "Atoms", ""]
    for index, (name, position) in enumerate(zip(names, positions, strict=True)):
        x, y, z = (f"{value:14.10f}" for value in position)
        numbers = f"{index + 1:8d} {layout.molecules[index]:7d} {labels.index(name) + 1:3d}"
        lines.append(f"{numbers} {charges[name]:7.4f}  {x}  {y}  {z}  # {name}")
    for kind in kinds:
        lines += ["", kind.title(), ""]
        for number, (term, *atoms) in enumerate(layout.topology[kind].tolist(), 1):
            comment = ",".join(names[atom - 1] for atom in atoms)
            lines.append("".join(f"{value:8d}" for value in (number, term, *atoms)) + f"  # {comment}")
    return "\n".join(lines) + "\n"


def _parameters(chemistry: Chemistry, recipe: Recipe, entries: list[EmcType]) -> str:
    lines = ["# LAMMPS parameters created by EMC v9.4.4, build Apr 16 2025 07:36:34", "", "# Variables", ""]
    lines += [f"variable\tseed\t\tindex\t{recipe.seeds.electrolyte}", "variable\tcutoff\t\tindex\t9.5"]
    lines += ["variable\tcharge_cutoff\tindex\t9.5", "", "# Masses", ""]
    lines += [f"mass\t\t{n:2d} {entry.mass:11.5f}  # {entry.label}" for n, entry in enumerate(entries, 1)]
    lines += ["", "# Potentials", "", "pair_style\tlj/cut/coul/long ${cutoff} ${charge_cutoff}  # 9.5"]
    lines += ["bond_style\tharmonic", "angle_style\tharmonic", "dihedral_style\tmulti/harmonic"]
    lines += ["pair_modify\tmix arithmetic tail yes", "special_bonds\tlj/coul 0 0 0.5", "", "# Pair Coeffs", ""]
    lines += [
        f"pair_coeff\t{n:2d} {n:2d} {entry.epsilon:10.5f} {entry.sigma:10.5f}  # {entry.label},{entry.label}"
        for n, entry in enumerate(entries, 1)
    ]
    return "\n".join([*lines, *_bonded(chemistry)]) + "\n"


def _bonded(chemistry: Chemistry) -> Iterator[str]:
    """Yield the bonded coefficients of the recipe's own include file."""
    wanted = ("bond_coeff", "angle_coeff", "dihedral_coeff")
    for line in chemistry.forcefield.splitlines():
        words = line.split("#", 1)[0].split()
        if words and words[0] in wanted:
            yield f"{words[0]}\t{' '.join(words[1:])}"
