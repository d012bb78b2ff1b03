"""Input of Moltemplate that joins the phases: .lt files from which ``moltemplate.sh`` makes a data file.

Moltemplate: Jewett et al., J. Mol. Biol. 2021, 433, 166841. The phases have the positions of
:func:`~aiida_cse.building.interface.assembly.assemble`, without the wall, and unwrapped, because an .lt file has
no image flags.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from aiida_cse.building.interface.assembly import joint_velocities, place
from aiida_cse.lammps.files.data import TOPOLOGY, DataFile
from aiida_cse.lammps.files.forcefield_input import read_statements
from aiida_cse.lammps.files.system import System

__all__ = ["ARGUMENTS", "PROGRAM", "TEMPLATES", "templates"]

Floats = NDArray[np.float64]

PROGRAM = "Moltemplate"
#: the input files; Moltemplate is given the last
TEMPLATES = ("forcefield.lt", "ceramic.lt", "electrolyte.lt", "system.lt")
#: arguments of ``moltemplate.sh``
ARGUMENTS = ("-atomstyle", "full", TEMPLATES[-1])

_COEFFICIENTS = re.compile(r"^(pair|bond|angle|dihedral|improper)_coeff$")
_STYLES = frozenset({"bond_style", "angle_style", "dihedral_style", "improper_style", "special_bonds"})


def templates(ceramic: System, electrolyte: System, gap: float) -> dict[str, str]:
    """Return the text of each file of :data:`TEMPLATES`.

    ``forcefield.lt`` holds masses and coefficients by name, so that Moltemplate's own check finds missing ones.
    The pair style belongs to the script that runs LAMMPS, because it contains the cutoff.

    Parameters
    ----------
    ceramic, electrolyte, gap
        As for :func:`~aiida_cse.building.interface.assembly.assemble`.

    Raises
    ------
    ValueError
        As :func:`~aiida_cse.building.interface.assembly.assemble`.
    """
    placement = place(ceramic, electrolyte, gap)
    labels = [entry.label for entry in ceramic.info.types]
    velocities = joint_velocities(placement.solid, placement.liquid)
    split = placement.solid.natoms
    own = (None, None) if velocities is None else (velocities[:split], velocities[split:])
    box = zip("xyz", placement.box, strict=True)
    parts = (
        _forcefield(ceramic),
        _phase("Ceramic", placement.solid, labels, own[0]),
        _phase("Electrolyte", placement.liquid, labels, own[1]),
        [
            'import "ceramic.lt"',
            'import "electrolyte.lt"',
            *_section(
                "Data Boundary", (f"{low:.17g} {high:.17g} {x}lo {x}hi" for x, (low, high) in box), once=True
            ),
            "ceramic = new Ceramic",
            f"electrolyte = new Electrolyte.move(0.0, 0.0, {placement.shift:.17g})",
        ],
    )
    return {name: "\n".join(lines) + "\n" for name, lines in zip(TEMPLATES, parts, strict=True)}


# -- the files -------------------------------------------------------------------------------------------


def _section(title: str, lines: Iterable[str], *, once: bool = False) -> Iterator[str]:
    yield f'{"write_once" if once else "write"}("{title}") {{'
    yield from lines
    yield "}"


def _forcefield(system: System) -> Iterator[str]:
    """Yield types and coefficients; Moltemplate numbers types in the order in which they are first named."""
    commands = read_statements(system.forcefield).commands
    labels = [entry.label for entry in system.info.types]
    masses = (f"@atom:{entry.label} {entry.mass:.10g}" for entry in system.info.types)
    styles = (" ".join(words) for words in commands if words[0] in _STYLES)
    yield "ForceField {"
    yield from _section("Data Masses", masses, once=True)
    yield from _section("In Init", ["units real", "atom_style full", *styles], once=True)
    coefficients = []
    for command, *words in commands:
        found = _COEFFICIENTS.match(command)
        if found is not None:
            named = 2 if found[1] == "pair" else 1
            names = [
                f"@atom:{labels[int(word) - 1]}" if found[1] == "pair" else f"@{found[1]}:t{word}"
                for word in words[:named]
            ]
            coefficients.append(" ".join([command, *names, *words[named:]]))
    yield from _section("In Settings", coefficients, once=True)
    yield "}"


def _phase(name: str, data: DataFile, labels: list[str], velocities: Floats | None) -> Iterator[str]:
    yield 'import "forcefield.lt"'
    yield f"{name} inherits ForceField {{"
    columns = (data.molecules.tolist(), data.types.tolist(), data.charges.tolist(), data.unwrapped.tolist())
    rows = (
        f"$atom:a{number} $mol:m{molecule} @atom:{labels[kind - 1]} {charge:.10g} {_numbers(position)}"
        for number, (molecule, kind, charge, position) in enumerate(zip(*columns, strict=True), 1)
    )
    yield from _section("Data Atoms", rows)
    if velocities is not None:
        rows = (f"$atom:a{number} {_numbers(row)}" for number, row in enumerate(velocities.tolist(), 1))
        yield from _section("Data Velocities", rows)
    for kind in TOPOLOGY:
        if len(data.topology[kind]):
            terms = (
                f"${kind[:-1]}:t{number} @{kind[:-1]}:t{term} " + " ".join(f"$atom:a{atom}" for atom in atoms)
                for number, (term, *atoms) in enumerate(data.topology[kind].tolist(), 1)
            )
            yield from _section(f"Data {kind.title()}", terms)
    yield "}"


def _numbers(values: Iterable[float]) -> str:
    return " ".join(f"{value:.17g}" for value in values)
