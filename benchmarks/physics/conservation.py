"""Quantities that need no average: charge, total momentum, and the energy of a run without a thermostat."""

from __future__ import annotations

import math
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aiida_cse.building.ceramic.cut import cut_slab
from aiida_cse.building.ceramic.slab import build_slab
from aiida_cse.building.electrolyte.build import build_electrolyte
from aiida_cse.building.interface.assembly import assemble
from aiida_cse.building.recipe import load_recipe
from aiida_cse.lammps.files.system import FILENAMES, System
from aiida_cse.lammps.job.script import kspace_commands
from aiida_cse.lammps.log.reader import read_log
from aiida_cse.lammps.protocol.stage import RunSettings
from benchmarks.md.runs import protocol_settings
from benchmarks.physics.lab import Lab, NotRunYetError
from benchmarks.physics.rows import LEVEL, Estimate, Row
from benchmarks.physics.runs import PROGRAM, Run

__all__ = [
    "BOLTZMANN",
    "DRIFT",
    "MOMENTUM",
    "NEUTRAL",
    "SECOND_ORDER",
    "constant_energy",
    "drift",
    "energy",
    "is_done",
    "neutrality",
    "relaxed_interface",
    "thermal_momentum",
]

#: e
NEUTRAL = 1e-10
#: K per ns and degree of freedom, above which a protocol would warn: what the thermostat would have to take out
DRIFT = 200.0
#: share of the momentum that the atoms would have if they all went the same way at their thermal speed
MOMENTUM = 1e-6
#: how much more the energy scatters at twice the timestep: the error of the integrator goes with its square
SECOND_ORDER = (3.0, 6.0)
#: kcal/mol/K
BOLTZMANN = 0.0019872067
#: kcal/mol in g/mol (Å/fs)²
_ENERGY = 1 / 2390.057361
#: K
_TEMPERATURE = 400.0
_BLOCKS = 5
_DONE = "done"

_SCRIPT = f"""\
units real
atom_style full
variable cutoff equal {{cutoff:g}}
read_data {FILENAMES["data"]}
include {FILENAMES["forcefield"]}
{{kspace}}
neighbor 2.0 bin
neigh_modify every 1 delay 0 check yes
velocity all zero linear
fix energy all nve
timestep {{timestep:g}}
variable momentum equal mass(all)*sqrt(vcm(all,x)^2+vcm(all,y)^2+vcm(all,z)^2)
thermo_style custom step etotal temp v_momentum
thermo_modify line yaml
thermo {{every}}
run {{steps}}
"""


def neutrality(lab: Lab) -> Iterator[Row]:
    """Return the charges of the built systems at the published size."""
    recipe = load_recipe(lab.sized("llzo-peo-litfsi", "llzo-peo-litfsi-demo"))
    slab = build_slab(recipe)
    electrolyte = build_electrolyte(recipe, *slab.data.lengths[:2].tolist())
    interface = assemble(cut_slab(slab, slab.data), electrolyte)
    for name, system in (("slab", slab), ("electrolyte", electrolyte), ("interface", interface)):
        charge = Estimate(math.fsum(system.data.charges.tolist()))
        yield Row(
            f"charge of the {name}",
            system.info.natoms,
            0,
            recipe.seeds.slab,
            charge,
            (-NEUTRAL, NEUTRAL),
            "e",
        )


def energy(lab: Lab, seed: int) -> Iterator[Row]:
    """Return drift and momentum of the relaxed demo interface at 1 and 2 fs, and drift with the protocols' mesh.

    The ratio of the energy fluctuations at 2 and 1 fs tests the integrator with a fine mesh; a coarse one adds
    noise.
    """
    run = relaxed_interface(lab, seed)
    system = run.system.evolved(run.final)
    length, atoms = lab.pick(10.0, 1.0), system.info.natoms
    scatter = []

    def row(quantity: str, estimate: Estimate, target: tuple[float, float], unit: str) -> Row:
        return Row(f"no thermostat, {quantity}", atoms, length, seed, estimate, target, unit)

    def rows_of(name: str, timestep: float, settings: RunSettings) -> NDArray[np.float64]:
        folder = run.folder / name
        if not (lab.start or is_done(folder)):
            raise NotRunYetError(f"{folder.name} has not been run to its end")
        return constant_energy(system, folder, timestep, length, settings)

    for timestep in (1.0, 2.0):
        rows = rows_of(f"nve-{timestep:g}fs", timestep, RunSettings())
        share = float(rows[:, 3].max()) / thermal_momentum(system)
        yield row(f"drift at {timestep:g} fs", drift(rows, timestep, atoms), (-DRIFT, DRIFT), "K/ns")
        yield row(f"momentum at {timestep:g} fs", Estimate(share), (0, MOMENTUM), "of thermal")
        scatter.append(float(rows[:, 1].std()))
    yield row("scatter of the energy, 2 fs / 1 fs", Estimate(scatter[1] / scatter[0]), SECOND_ORDER, "")
    moderate = protocol_settings("moderate")
    mesh = f"{moderate.kspace_accuracy:g}-order-{moderate.kspace_order}"
    rows = rows_of(f"nve-2fs-{mesh}", 2.0, moderate)
    yield row("drift at 2 fs, mesh of moderate", drift(rows, 2.0, atoms), (-DRIFT, DRIFT), "K/ns")


def constant_energy(
    system: System, folder: Path, timestep: float, length_ps: float, settings: RunSettings
) -> NDArray[np.float64]:
    """Run without a thermostat; return step, energy, temperature and total momentum, (rows, 4) in LAMMPS units."""
    if not is_done(folder):
        folder.mkdir(parents=True, exist_ok=True)
        system.write(folder)
        steps = round(length_ps * 1000 / timestep)
        script = _SCRIPT.format(
            cutoff=settings.cutoff,
            kspace="\n".join(kspace_commands(settings)),
            timestep=timestep,
            steps=steps,
            every=max(1, steps // 200),
        )
        (folder / "input.in").write_text(script)
        command: list[Any] = [PROGRAM, "-in", "input.in", "-log", "log.lammps"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{folder}: {done.stdout[-1000:]}")
        (folder / _DONE).touch()
    with (folder / "log.lammps").open() as lines:
        return np.array(read_log(lines).tables[-1].rows)


def is_done(folder: Path) -> bool:
    """Return whether a run without a thermostat has finished."""
    return (folder / _DONE).is_file()


def drift(rows: NDArray[np.float64], timestep: float, atoms: int) -> Estimate:
    """Return the drift of the energy per degree of freedom, K per ns: a line through the blocks of the run.

    The interval is Student's. It is valid if the energy fluctuates on times much shorter than a block, so that the
    blocks scatter independently around the line.
    """
    times = rows[:, 0] * timestep * 1e-6
    energies = rows[:, 1] / (BOLTZMANN * (3 * atoms - 3))
    blocks = np.array(
        [block.mean(axis=0) for block in np.array_split(np.column_stack([times, energies]), _BLOCKS)]
    )
    line = stats.linregress(blocks[:, 0], blocks[:, 1])
    half = float(stats.t.ppf((1 + LEVEL) / 2, _BLOCKS - 2) * line.stderr)
    slope = float(line.slope)
    return Estimate(slope, (slope - half, slope + half))


def thermal_momentum(system: System) -> float:
    """Return the momentum of the atoms if all moved in one direction at thermal speed, g/mol Å/fs."""
    masses = system.data.masses[system.data.types - 1]
    return float(np.sqrt(3 * BOLTZMANN * _TEMPERATURE * _ENERGY * masses).sum())


def relaxed_interface(lab: Lab, seed: int) -> Run:
    """Return the run that relaxes the interface of the demo's recipe with the protocols' cutoff."""

    def interface() -> System:
        recipe = load_recipe("llzo-peo-litfsi-demo")
        slab = build_slab(recipe)
        liquid = build_electrolyte(recipe, *slab.data.lengths[:2].tolist())
        return assemble(cut_slab(slab, slab.data), liquid)

    short = lab.pick(5.0, 1.0)
    stages: list[dict[str, Any]] = [
        {
            "name": "push_off",
            "kind": "pushoff",
            "duration_ps": 2,
            "timestep_fs": 1,
            "temperature": 300,
            "velocities": 300,
            "mobile": "electrolyte",
        },
        {"name": "minimize", "kind": "minimize", "max_iterations": 300},
        {
            "name": "settle",
            "kind": "nvt",
            "duration_ps": short,
            "timestep_fs": 1,
            "temperature": _TEMPERATURE,
            "velocities": _TEMPERATURE,
        },
        {
            "name": "relax",
            "kind": "npt",
            "duration_ps": lab.pick(10.0, 1.0),
            "temperature": _TEMPERATURE,
            "pressure": 1,
            "barostat": "z",
        },
    ]
    return lab.run("demo-interface", stages, seed, interface)
