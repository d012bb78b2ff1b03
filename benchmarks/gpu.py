"""MD of an interface on a GPU, by LAMMPS and by OpenMM: speed, energy, forces and restarts, compared with the CPU.

``benchmarks/gpu.sh`` runs it with the LAMMPS of the machine. Each row starts from the same configuration with the
force field of the recipe, PPPM or PME, in NVE with a timestep of 2 fs:

* ns per day of wall time, from the second half of the run;
* differences from LAMMPS on the processor, the first row, in the potential energy of the start (kcal/mol, whole
  system) and in the forces (root mean square over atoms, kcal/mol/Å);
* restart: whether a run that restarts from the middle ends at the same coordinates to the last bit, or the largest
  difference (Å).

A row that cannot run says why. The exit code is 0 if the first row runs and no row that started has failed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.protocol.accelerator import Accelerator, accelerator_words
from benchmarks.md.runs import protocol_settings
from benchmarks.md.system import LAMMPS, SIZES, dense_interface, run_lammps
from benchmarks.openmm_system import openmm_system

__all__ = ["main"]

TIMESTEP_FS = 2.0
HEADER = f"{'row':<26} {'ns/day':>8} {'energy':>9} {'forces':>8}  restart"
_COMMANDS = """\
units real
atom_style full
boundary p p p
variable cutoff equal 12
{start}
include forcefield.in
kspace_style {kspace} {accuracy}
kspace_modify order {order}
neighbor {skin} bin
timestep {timestep}
fix move all nve
thermo_style custom step pe
thermo_modify format float %.17g
"""
_WHOLE = """\
run 0 post no
print "potential $(pe:%.17g)"
write_dump all custom forces.dump id fx fy fz modify sort id format float %.12g
run {half}
write_restart half.restart
run {half}
write_dump all custom end.dump id xu yu zu modify sort id format float %.17g
"""
_REST = """\
run {half}
write_dump all custom rest.dump id xu yu zu modify sort id format float %.17g
"""
#: what LAMMPS says about the last run
_LOOP = re.compile(r"^Loop time of (\S+) on ", re.M)


class SkippedError(Exception):
    """A row cannot run here; the message says why."""


@dataclass(frozen=True)
class Result:
    """Result of one row.

    Attributes
    ----------
    ns_per_day
        Speed in wall time.
    energy
        Potential energy of the start, kcal/mol.
    forces
        (N, 3) forces at the start, kcal/mol/Å, by atom ID.
    restart
        Largest difference of a coordinate between the uninterrupted and the restarted run, Å.
    """

    ns_per_day: float
    energy: float
    forces: NDArray[np.float64]
    restart: float

    def line(self, name: str, reference: Result | None) -> str:
        """Return the line of the table; without a reference there are no differences."""
        energy, forces = "–", "–"
        if reference is not None:
            off = float(np.sqrt(np.mean(np.sum((self.forces - reference.forces) ** 2, axis=1))))
            energy, forces = f"{self.energy - reference.energy:.3g}", f"{off:.2g}"
        restart = "same bits" if self.restart == 0 else f"up to {self.restart:.1g} Å"
        return f"{name:<26} {self.ns_per_day:>8.3g} {energy:>9} {forces:>8}  {restart}"


# -- LAMMPS --------------------------------------------------------------------------------------------------


def _lammps(program: Path, system: System, steps: int, accelerator: Accelerator, gpus: int) -> Result:
    """Run LAMMPS from the start to the end, and once more from the middle."""
    settings, half = protocol_settings("moderate"), steps // 2
    words = accelerator_words(accelerator, 1, gpus)
    values = {
        "kspace": settings.kspace_style,
        "accuracy": settings.kspace_accuracy,
        "order": settings.kspace_order or 5,
        "skin": settings.skin,
        "timestep": TIMESTEP_FS,
        "half": half,
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        system.write(folder)
        whole = (_COMMANDS + _WHOLE).format(start="read_data system.data", **values)
        log = run_lammps(folder, whole, words, program=program)
        run_lammps(
            folder, (_COMMANDS + _REST).format(start="read_restart half.restart", **values), words, program=program
        )
        forces, end, rest = (
            np.loadtxt(folder / file, skiprows=9)[:, 1:] for file in ("forces.dump", "end.dump", "rest.dump")
        )
    energy = next(float(line.split()[1]) for line in log.splitlines() if re.match(r"potential \S+$", line))
    per_day = half * TIMESTEP_FS * 1e-6 * 86400 / float(_LOOP.findall(log)[-1])
    return Result(per_day, energy, forces, float(np.abs(end - rest).max()))


def _packages(program: Path) -> str:
    """Return what LAMMPS says about itself; raises SkippedError if it does not run."""
    if shutil.which(str(program)) is None:
        raise SkippedError(f"no LAMMPS at {program}; set LAMMPS to its path")
    done = subprocess.run([str(program), "-h"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SkippedError(
            f"{program} -h ends with {done.returncode}: {(done.stderr or done.stdout).strip()[-80:]}"
        )
    return done.stdout


def _need_package(program: Path, package: str, gpus: int) -> None:
    """Raise SkippedError unless LAMMPS has a package for GPUs and there is one."""
    about = _packages(program)
    if package not in about.split():
        raise SkippedError(f"this LAMMPS has no package {package}")
    if package == "KOKKOS" and gpus and not any(api in about for api in ("CUDA", "HIP", "SYCL")):
        raise SkippedError("its KOKKOS is for processors: built without CUDA, HIP or SYCL")
    if not gpus:
        raise SkippedError("no GPU")


# -- OpenMM --------------------------------------------------------------------------------------------------


def _openmm(platform: str, system: System, steps: int) -> Result:
    """Run OpenMM on a platform; raises SkippedError without it."""
    try:
        import openmm
        from openmm import unit
    except ImportError as error:
        raise SkippedError("OpenMM is not installed (pip install openmm)") from error
    names = [openmm.Platform.getPlatform(k).getName() for k in range(openmm.Platform.getNumPlatforms())]
    if platform not in names:
        failures = [line for line in openmm.Platform.getPluginLoadFailures() if platform in line]
        why = f": {failures[0].splitlines()[0].rsplit(': ', 1)[-1][:60]}" if failures else ""
        raise SkippedError(f"OpenMM {openmm.__version__} has no platform {platform}{why}")
    model, half = openmm_system(system.data, system.forcefield), steps // 2

    def context() -> Any:
        integrator = openmm.VerletIntegrator(TIMESTEP_FS * unit.femtosecond)
        try:
            made = openmm.Context(model, integrator, openmm.Platform.getPlatformByName(platform))
        except openmm.OpenMMException as error:
            raise SkippedError(f"OpenMM on {platform}: {str(error).splitlines()[0][:60]}") from error
        made.setPositions(system.data.positions * unit.angstrom)
        made.setVelocities(_velocities(system) * (unit.angstrom / unit.femtosecond))
        return made

    def end(one: Any) -> Any:
        found = one.getState(getPositions=True).getPositions(asNumpy=True)
        return np.asarray(found.value_in_unit(unit.angstrom))

    first = context()
    start = first.getState(getEnergy=True, getForces=True)
    kcal = unit.kilocalorie_per_mole
    forces = np.asarray(start.getForces(asNumpy=True).value_in_unit(kcal / unit.angstrom))
    first.getIntegrator().step(half)
    middle = first.createCheckpoint()
    begin = time.perf_counter()
    first.getIntegrator().step(half)
    last = end(first)
    seconds = time.perf_counter() - begin
    again = context()
    again.loadCheckpoint(middle)
    again.getIntegrator().step(half)
    per_day = half * TIMESTEP_FS * 1e-6 * 86400 / seconds
    energy = start.getPotentialEnergy().value_in_unit(kcal)
    return Result(per_day, energy, forces, float(np.abs(end(again) - last).max()))


def _velocities(system: System) -> NDArray[np.float64]:
    """Return the velocities, Å/fs; zero if the system has none."""
    found = system.data.velocities
    return np.zeros_like(system.data.positions) if found is None else found


# -- table ---------------------------------------------------------------------------------------------------


def _rows(program: Path, system: System, steps: int, gpus: int) -> Iterator[tuple[str, Callable[[], Result]]]:
    """Yield the rows by name; the first one is what the others are compared with."""

    def lammps(accelerator: Accelerator, package: str = "", number: int = 0) -> Callable[[], Result]:
        def run() -> Result:
            if package:
                _need_package(program, package, gpus)
            else:
                _packages(program)
            return _lammps(program, system, steps, accelerator, number)

        return run

    yield "LAMMPS, processor", lammps("none")
    yield "LAMMPS, GPU package", lammps("gpu", "GPU", gpus)
    yield "LAMMPS, KOKKOS", lammps("kokkos", "KOKKOS", gpus)
    for platform in ("CUDA", "HIP", "OpenCL", "CPU", "Reference"):
        few = max(steps // 10, 2) if platform == "Reference" else steps
        yield f"OpenMM, {platform}", lambda name=platform, number=few: _openmm(name, system, number)  # type: ignore[misc]


def _number_of_gpus() -> int:
    """Return the number of GPUs that nvidia-smi lists; 0 without it."""
    if shutil.which("nvidia-smi") is None:
        return 0
    done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in done.stdout.splitlines()) if done.returncode == 0 else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table and return the exit code."""
    parser = argparse.ArgumentParser(prog="benchmarks/gpu.sh", description=__doc__)
    parser.add_argument("--lammps", type=Path, default=LAMMPS, help="LAMMPS that is measured")
    parser.add_argument("--gpus", type=int, help="number of GPUs; by default all that nvidia-smi lists")
    parser.add_argument("--size", type=float, choices=SIZES, default=1.0, help="share of the published interface")
    parser.add_argument("--steps", type=int, default=1000, help="steps of each run")
    options = parser.parse_args(arguments)
    gpus = _number_of_gpus() if options.gpus is None else options.gpus
    system, reference, failed = dense_interface(options.size), None, 0
    print(f"{len(system.data.positions):,} atoms, {options.steps} steps of {TIMESTEP_FS:g} fs, {gpus} GPUs")
    print(HEADER)
    for number, (name, run) in enumerate(_rows(options.lammps, system, max(options.steps, 2), gpus)):
        try:
            result = run()
        except SkippedError as why:
            print(f"{name:<26} skipped: {why}", flush=True)
            continue
        except (RuntimeError, KeyError, OSError) as error:
            failed += 1
            print(f"{name:<26} failed: {str(error).strip().splitlines()[-1][:120]}", flush=True)
            continue
        reference = result if number == 0 else reference
        print(result.line(name, reference), flush=True)
    return 1 if failed or reference is None else 0


if __name__ == "__main__":
    sys.exit(main())
