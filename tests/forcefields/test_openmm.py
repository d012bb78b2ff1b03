"""Energies of single molecules, term by term: LAMMPS with the include file, OpenMM with the published forms.

OpenMM is given the numbers of the sets, in its own harmonic and periodic forces; LAMMPS the files of a system. The
molecules stand alone without cutoff, so that nothing but the terms themselves is compared.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import pytest
from openmm import unit

from aiida_cse.building.electrolyte.molecules import anion_molecule, chain_molecule, conformer
from aiida_cse.building.electrolyte.typing import TypedMolecule, type_molecule
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.building.type_table import MoleculeTemplate, chemistry_of
from aiida_cse.forcefields.include import BONDED_STYLES
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import FILENAMES, System
from tests.building.test_recipe import TFSI, changed

pytestmark = pytest.mark.integration

#: Å; no atom of a molecule is farther from another
REACH = 150.0
TERMS = ("bond", "angle", "dihedral", "vdwl", "coul")
PRINT = "\n".join(f'variable e_{name} equal e{name[:5]}\nprint "{{0}}{name} ${{{{e_{name}}}}}"' for name in TERMS)

SCRIPT = f"""\
units real
atom_style full
boundary f f f
read_data {FILENAMES["data"]}
variable cutoff index {REACH}
include isolated.in
neighbor 0.5 bin
comm_modify cutoff {REACH + 1}
thermo_style custom step evdwl ecoul ebond eangle edihed
run 0
{PRINT.format("")}
include opls.in
run 0
{PRINT.format("opls ")}
"""


@dataclass(frozen=True)
class Case:
    """A molecule in LAMMPS (``template``) and in the force-field sets (``typed``)."""

    recipe: Recipe
    template: MoleculeTemplate
    typed: TypedMolecule
    charge_scale: float


def case(name: str) -> Case:
    recipe = load_recipe("llzo-ppo-litfsi-demo" if name == "PPO" else "llzo-peo-litfsi-demo")
    if name == recipe.polymer.name:
        sets = recipe.forcefield.sets()
        typed = type_molecule(name, chain_molecule(recipe.polymer), sets.polymer, [])
        return Case(recipe, chemistry_of(recipe).chain, typed, 1.0)
    smiles = {"TFSI": TFSI, "FSI": "FS(=O)(=O)[N-]S(=O)(=O)F", "triflate": "[O-]S(=O)(=O)C(F)(F)F"}
    content = changed(recipe, "salt.anion", {"name": name, "smiles": smiles[name]})
    content["forcefield"]["salt"] = "cl-p-2004" if name == "TFSI" else "cl-p-2017"
    recipe = Recipe.model_validate(content)
    typed = type_molecule(name, anion_molecule(recipe.salt.anion), recipe.forcefield.sets().salt, [])
    return Case(recipe, chemistry_of(recipe).anion, typed, 0.7)


@pytest.mark.parametrize("name", ["PEO", "PPO", "TFSI", "FSI", "triflate"])
@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.long)])
def test_another_engine_gives_the_same_energies(
    name: str, seed: int, tmp_path: Path, environment_bin: Path
) -> None:
    subject = case(name)
    noise = np.random.default_rng(seed).normal(scale=0.03, size=(subject.template.natoms, 3))
    positions = conformer(name, subject.typed.graph, seed) + noise
    found = of_lammps(subject, positions, tmp_path, environment_bin)
    expected = of_openmm(subject, positions)
    for term in TERMS:
        assert abs(expected[term]) > 1e-3, term
        assert found[term] == pytest.approx(expected[term], rel=1e-5), term
        assert found[f"opls {term}"] == pytest.approx(found[term], rel=1e-9), term


# -- LAMMPS ------------------------------------------------------------------------------------------------


def of_lammps(subject: Case, positions: np.ndarray, folder: Path, environment_bin: Path) -> dict[str, float]:
    """Return the energies in kcal/mol; those with the prefix ``opls`` use ``dihedral_style opls``."""
    system_of(subject, positions).write(folder)
    include = (folder / FILENAMES["forcefield"]).read_text()
    (folder / "isolated.in").write_text(include.replace("coul/long", "coul/cut"))
    (folder / "opls.in").write_text(opls_style(subject, include))
    (folder / "run.in").write_text(SCRIPT)
    done = subprocess.run(
        [environment_bin / "lmp", "-in", "run.in", "-log", "none"],
        cwd=folder, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    energies = {}
    for line in done.stdout.splitlines():
        words = line.rsplit(maxsplit=1)
        if len(words) == 2 and words[0].removeprefix("opls ") in TERMS:
            energies[words[0]] = float(words[1])
    return energies


def system_of(subject: Case, positions: np.ndarray) -> System:
    chemistry, template = chemistry_of(subject.recipe), subject.template
    topology = {
        kind: terms + np.array([0] + [1] * (terms.shape[1] - 1)) for kind, terms in template.topology.items()
    }
    data = DataFile(
        box=np.array([(-REACH / 2, REACH / 2)] * 3),
        masses=chemistry.masses,
        molecules=np.full(template.natoms, 2),
        types=template.types,
        charges=chemistry.charges[template.types - 1],
        positions=positions,
        images=np.zeros((template.natoms, 3), dtype=np.int64),
        topology=topology,
        topology_types=dict(chemistry.topology_types),
    )
    return System.create(data, chemistry.forcefield, phase="electrolyte", types=chemistry.types)


def opls_style(subject: Case, include: str) -> str:
    """Return the dihedrals of the include file in LAMMPS' own OPLS form, from the values of the sets."""
    sets = subject.recipe.forcefield.sets()
    known = {term.atoms: term.opls for chosen in (sets.polymer, sets.salt) for term in chosen.dihedrals}
    lines = ["dihedral_style opls"]
    for line in include.splitlines():
        if line.startswith("dihedral_coeff"):
            command, atoms = line.split("#")
            coefficients = " ".join(f"{value:.10g}" for value in known[tuple(atoms.split())])
            lines.append(f"dihedral_coeff {command.split()[1]} {coefficients}")
    assert BONDED_STYLES["dihedral"] in include
    return "\n".join([*lines, ""])


# -- OpenMM ------------------------------------------------------------------------------------------------

KCAL = unit.kilocalorie_per_mole
ANGSTROM = unit.angstrom


def of_openmm(subject: Case, positions: np.ndarray) -> dict[str, float]:
    """Return the energies in kcal/mol, from the published functional forms and values."""
    system = openmm.System()
    for atom in subject.typed.atoms:
        system.addParticle(atom.mass)
    vdwl, coulomb = nonbonded(subject, charged=False), nonbonded(subject, charged=True)
    forces = {"bond": bonds(subject), "angle": angles(subject), "dihedral": torsions(subject),
              "vdwl": vdwl, "coul": coulomb}  # fmt: skip
    for group, force in enumerate(forces.values()):
        force.setForceGroup(group)
        system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(1.0), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions * ANGSTROM)
    energies = {}
    for group, name in enumerate(forces):
        state = context.getState(getEnergy=True, groups={group})
        energies[name] = state.getPotentialEnergy().value_in_unit(KCAL)
    return energies


def bonds(subject: Case) -> Any:
    force = openmm.HarmonicBondForce()
    for (i, j), term in subject.typed.terms["bond"]:
        force.addBond(i, j, term.r0 * ANGSTROM, 2 * term.k * KCAL / ANGSTROM**2)
    return force


def angles(subject: Case) -> Any:
    force = openmm.HarmonicAngleForce()
    for (i, j, k), term in subject.typed.terms["angle"]:
        force.addAngle(i, j, k, term.theta0 * unit.degree, 2 * term.k * KCAL / unit.radian**2)
    return force


def torsions(subject: Case) -> Any:
    force = openmm.PeriodicTorsionForce()
    for atoms, term in subject.typed.terms["dihedral"]:
        for n, barrier in enumerate(term.opls, 1):
            force.addTorsion(*atoms, n, 0.0 if n % 2 else np.pi, barrier / 2 * KCAL)
    return force


def nonbonded(subject: Case, *, charged: bool) -> Any:
    """Return the Coulomb term alone, or the Lennard-Jones term alone with Lorentz–Berthelot mixing."""
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    for atom in subject.typed.atoms:
        lj = subject.typed.source.lennard_jones(atom.name)
        charge = atom.charge * subject.charge_scale if charged else 0.0
        force.addParticle(charge, lj.sigma * ANGSTROM, 0.0 * KCAL if charged else lj.epsilon * KCAL)
    one_four = subject.typed.source.one_four
    assert one_four is not None
    pairs = [path for path, _ in subject.typed.terms["bond"]]
    force.createExceptionsFromBonds(pairs, one_four.coul, one_four.lj)
    return force
