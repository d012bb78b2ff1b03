"""The force field of an interface as forces of OpenMM, from the data file and the include file of LAMMPS."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.data import DataFile

__all__ = ["openmm_system"]

CUTOFF = 12.0
#: factor of Coulomb and Lennard-Jones between atoms three bonds apart
ONE_FOUR = 0.5
_PAIR = (
    "repulsion(kind1, kind2) * exp(-r * inverse(kind1, kind2)) "
    "- sixth(kind1, kind2) / r^6 + twelfth(kind1, kind2) / r^12"
)


def openmm_system(data: DataFile, forcefield: str) -> Any:
    """Return an ``openmm.System`` in a periodic box: bonded terms, pairs within 12 Å without a shift, and PME.

    Raises
    ------
    ValueError
        The include file has a style that is none of harmonic, multi/harmonic, lj/cut/coul/long and buck/coul/long.
    """
    import openmm
    from openmm import unit

    terms = _coefficients(forcefield)
    system = openmm.System()
    for mass in data.masses[data.types - 1]:
        system.addParticle(float(mass))
    edges = np.diag(data.lengths)
    system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) * unit.angstrom for row in edges.tolist()))
    for force in (*_bonded(data, terms), *_nonbonded(data, terms)):
        system.addForce(force)
    return system


def _bonded(data: DataFile, terms: dict[str, dict[Any, tuple[Any, ...]]]) -> list[Any]:
    """Return the bonds, angles and dihedrals."""
    import openmm
    from openmm import unit

    kcal, angstrom = unit.kilocalorie_per_mole, unit.angstrom
    bonds, angles, torsions = openmm.HarmonicBondForce(), openmm.HarmonicAngleForce(), openmm.RBTorsionForce()
    for kind, *atoms in data.topology["bonds"].tolist():
        stiffness, length = terms["bond_coeff"][kind]
        bonds.addBond(*(atom - 1 for atom in atoms), length * angstrom, 2 * stiffness * kcal / angstrom**2)
    for kind, *atoms in data.topology["angles"].tolist():
        stiffness, angle = terms["angle_coeff"][kind]
        angles.addAngle(*(atom - 1 for atom in atoms), angle * unit.degree, 2 * stiffness * kcal / unit.radian**2)
    for kind, *atoms in data.topology["dihedrals"].tolist():
        # OpenMM counts the angle from trans, LAMMPS from cis
        series = [(-1) ** power * value * kcal for power, value in enumerate(terms["dihedral_coeff"][kind])]
        torsions.addTorsion(*(atom - 1 for atom in atoms), *series, 0.0 * kcal)
    for force in (bonds, angles, torsions):
        force.setUsesPeriodicBoundaryConditions(True)
    return [bonds, angles, torsions]


def _nonbonded(data: DataFile, terms: dict[str, dict[Any, tuple[Any, ...]]]) -> list[Any]:
    """Return the charges, the other pairs, and those of the latter that are three bonds apart."""
    import openmm
    from openmm import unit

    pairs = (data.topology["bonds"][:, 1:] - 1).tolist()
    charged = openmm.NonbondedForce()
    for charge in data.charges.tolist():
        charged.addParticle(charge, 1.0, 0.0)
    charged.createExceptionsFromBonds(pairs, ONE_FOUR, ONE_FOUR)
    charged.setExceptionsUsePeriodicBoundaryConditions(True)
    charged.setNonbondedMethod(openmm.NonbondedForce.PME)
    charged.setCutoffDistance(CUTOFF * unit.angstrom)
    charged.setEwaldErrorTolerance(1e-5)
    tables = _pair_tables(terms["pair_coeff"], len(data.masses))
    short = openmm.CustomNonbondedForce(_PAIR)
    for name, table in tables.items():
        short.addTabulatedFunction(name, openmm.Discrete2DFunction(*table.shape, table.ravel("F").tolist()))
    short.addPerParticleParameter("kind")
    for kind in data.types.tolist():
        short.addParticle([kind - 1])
    short.createExclusionsFromBonds(pairs, 3)
    short.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    short.setCutoffDistance(CUTOFF * unit.angstrom)
    scaled = openmm.CustomBondForce(f"{ONE_FOUR} * (twelfth / r^12 - sixth / r^6)")
    scaled.setUsesPeriodicBoundaryConditions(True)
    for name in ("twelfth", "sixth"):
        scaled.addPerBondParameter(name)
    for i, j in _three_bonds_apart(pairs, len(data.types)):
        kinds = data.types[i] - 1, data.types[j] - 1
        scaled.addBond(i, j, [float(tables[name][kinds]) for name in ("twelfth", "sixth")])
    return [charged, short, scaled]


def _coefficients(forcefield: str) -> dict[str, dict[Any, tuple[Any, ...]]]:
    """Return the numbers of each command of the include file by type; those of a pair begin with its style."""
    found: dict[str, dict[Any, tuple[Any, ...]]] = defaultdict(dict)
    styles = {"bond_style": "harmonic", "angle_style": "harmonic", "dihedral_style": "multi/harmonic"}
    for line in forcefield.splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        command, *rest = words
        if command in styles and rest != [styles[command]]:
            raise ValueError(f"{line}: must be {styles[command]}")
        if command == "pair_coeff":
            found[command][int(rest[0]), int(rest[1])] = (rest[2], *map(float, rest[3:5]), *map(float, rest[5:]))
        elif command.endswith("_coeff"):
            found[command][int(rest[0])] = tuple(float(word) for word in rest[1:])
    return found


def _pair_tables(pairs: dict[Any, tuple[Any, ...]], types: int) -> dict[str, NDArray[np.float64]]:
    """Return, by type and type, the terms of a pair in kJ/mol and nm."""
    tables = {name: np.zeros((types, types)) for name in ("repulsion", "inverse", "sixth", "twelfth")}
    for (i, j), (style, *numbers) in pairs.items():
        own: dict[str, float] = {}
        if style == "buck/coul/long":
            strength, range_, attraction = numbers
            own = {"repulsion": 4.184 * strength, "inverse": 10 / range_, "sixth": 4.184e-6 * attraction}
        elif style == "lj/cut/coul/long":
            depth, size = numbers
            own = {"sixth": 4 * 4.184e-6 * depth * size**6, "twelfth": 4 * 4.184e-12 * depth * size**12}
        else:
            raise ValueError(f"pair_coeff {i} {j} {style}: must be lj/cut/coul/long or buck/coul/long")
        for name, value in own.items():
            tables[name][i - 1, j - 1] = tables[name][j - 1, i - 1] = value
    return tables


def _three_bonds_apart(pairs: list[list[int]], count: int) -> list[tuple[int, int]]:
    """Return the pairs of atoms that are three bonds apart and not fewer."""
    bound: list[set[int]] = [set() for _ in range(count)]
    for i, j in pairs:
        bound[i].add(j)
        bound[j].add(i)
    found = []
    for first in range(count):
        second = bound[first]
        third = set().union(*(bound[one] for one in second)) - second - {first}
        fourth = set().union(*(bound[one] for one in third)) - third - second - {first}
        found += [(first, last) for last in fourth if last > first]
    return found
