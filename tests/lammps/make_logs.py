"""Regenerate the stored logs with the real program: ``python -m tests.lammps.make_logs``.

Each is what LAMMPS wrote for :mod:`tests.systems`: whole, cut short in every way a run can be, or failed.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.job.script import LOG, SHOTS
from aiida_cse.lammps.protocol.stage import JobPlan
from tests.lammps.jobs import Job, plan
from tests.systems import crystal_and_molecules

LOGS = Path(__file__).parent / "logs"
LMP = Path(sys.executable).parent / "lmp"

MINIMIZE: dict[str, Any] = {"name": "minimize", "kind": "minimize", "max_iterations": 50}
HEAT: dict[str, Any] = {
    "name": "heat",
    "kind": "nvt",
    "duration_ps": 0.2,
    "timestep_fs": 1,
    "temperature": [100, 300],
    "velocities": 100,
    "thermo_ps": 0.02,
}
RELAX: dict[str, Any] = HEAT | {
    "name": "relax",
    "kind": "npt",
    "velocities": None,
    "temperature": 300,
    "pressure": 1,
    "barostat": "xy-z",
}
#: a Li atom near the end of the box, and the crystal
ION: dict[str, Any] = {"atom": 65, "reference": [1, 2]}
SPRING = ION | {"centre": -17.0, "spring": 30, "inside": {"types": [3], "low": -7, "high": 7}}
WINDOW = HEAT | {"name": "window", "temperature": 300, "velocities": 300, "thermo_ps": 0.01, "bias": SPRING}
SHOOT: dict[str, Any] = {
    "name": "shoot",
    "kind": "shots",
    "temperature": 300,
    "timestep_fs": 1,
    "shots": ION | {"low": -18.0, "high": -16.0, "number": 6, "most_ps": 0.2, "followed": 4, "trace_fs": 50},
}
LONG: dict[str, Any] = HEAT | {"name": "production", "duration_ps": 1000, "thermo_ps": 0.2}

#: two runs with other columns, and two in the plain style
COLUMNS = """\
units real
atom_style full
variable cutoff equal 5
read_data system.data
include forcefield.in
kspace_style pppm 1e-3
velocity all create 300 5
fix go all nve
thermo 10
thermo_modify line yaml
thermo_style custom step temp pe
run 20
thermo_style custom step temp press vol lx
thermo_modify line yaml
run 20
thermo_style custom step temp pe v_cutoff
minimize 1e-4 1e-4 20 200
thermo_style one
run 20
"""


def main() -> None:
    """Write every log."""
    LOGS.mkdir(exist_ok=True)
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for name, make in CASES.items():
            made = make(folder / name)
            shutil.copyfile(made / LOG, LOGS / f"{name}.log")
            if (made / SHOTS).exists():
                shutil.copyfile(made / SHOTS, LOGS / f"{name}.txt")
            print(f"{name}: {(LOGS / f'{name}.log').stat().st_size} bytes")


def finished(folder: Path) -> Path:
    job = Job.prepare(folder, LMP, crystal_and_molecules(), plan(MINIMIZE, HEAT, RELAX, restart_interval=100))
    return job.run().folder


def shots(folder: Path) -> Path:
    return Job.prepare(folder, LMP, crystal_and_molecules(), plan(WINDOW, SHOOT)).run().folder


def timed_out(folder: Path) -> Path:
    system, job = crystal_and_molecules(), plan(MINIMIZE, LONG, cutoff=10.0, restart_interval=500)
    return Job.prepare(folder, LMP, system, job).run(limit=1).folder


def killed(folder: Path) -> Path:
    """Kill the process group without warning, some steps after the second checkpoint."""
    job = Job.prepare(
        folder, LMP, crystal_and_molecules(), plan(MINIMIZE, LONG, cutoff=10.0, restart_interval=300)
    )
    return kill_when(job, lambda log: b"  - [800, " in log and log.endswith(b", ]\n"))


def killed_mid_line(folder: Path) -> Path:
    """Let LAMMPS write its log in blocks, and kill it when the last one ends within a row."""
    often = LONG | {"thermo_ps": 0.005}
    job = Job.prepare(folder, LMP, crystal_and_molecules(), plan(often, cutoff=10.0, restart_interval=1000))
    script = folder / "input.in"
    script.write_text(script.read_text().replace("yaml flush yes", "yaml flush no"))
    return kill_when(job, lambda log: len(log) > 10_000 and b"  - [" in log[log.rfind(b"\n") :])


def not_a_number(folder: Path) -> Path:
    """Kill a run of which nothing is left but NaN, before LAMMPS builds a neighbour list and sees it."""
    system, long = with_two_atoms_at(0.0, (0, 1)), LONG | {"thermo_ps": 0.01}
    job = Job.prepare(folder, LMP, system, plan(long, kspace_style="ewald", restart_interval=10**6))
    return kill_when(job, lambda log: log.count(b"  - [") > 5)


def kill_when(job: Job, so_far: Callable[[bytes], bool]) -> Path:
    """Start the job and kill its process group as soon as its log is as asked."""
    process = job.start()
    log = job.folder / LOG
    while process.poll() is None and not (log.exists() and so_far(log.read_bytes())):
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return job.folder


def with_two_atoms_at(distance: float, atoms: tuple[int, int]) -> System:
    """Return the small system with one atom beside another, so close that it breaks."""
    system = crystal_and_molecules()
    positions = system.data.unwrapped
    positions[atoms[0]] = positions[atoms[1]] + [distance, 0, 0]
    system.data.set_unwrapped(positions)
    return system


def broken(folder: Path, distance: float, atoms: tuple[int, int], job: JobPlan) -> Path:
    return Job.prepare(folder, LMP, with_two_atoms_at(distance, atoms), job).run().folder


def restart_unreadable(folder: Path) -> Path:
    """Go on from a truncated checkpoint."""
    parent = Job.prepare(folder / "earlier", LMP, crystal_and_molecules(), plan(HEAT)).run()
    job = Job.prepare(folder / "later", LMP, crystal_and_molecules(), plan(HEAT), parent)
    whole = parent.checkpoints()[-1].read_bytes()
    (job.folder / "restart.200").write_bytes(whole[:-4])
    (job.folder / "start.in").write_text("variable timeout string off\nread_restart restart.200\n")
    return _lammps(job.folder)


def no_checkpoint(folder: Path) -> Path:
    """Start a later job of a run in a folder without checkpoints."""
    job = plan(MINIMIZE).model_copy(update={"first_step": 400})
    return Job.prepare(folder, LMP, crystal_and_molecules(), job).run().folder


def other_error(folder: Path) -> Path:
    """Ask for a force field with a coefficient missing."""
    job = Job.prepare(folder, LMP, crystal_and_molecules(), plan(HEAT))
    include = folder / "forcefield.in"
    include.write_text(include.read_text().replace("bond_coeff 1 100.0 1.5\n", ""))
    return job.run().folder


def columns(folder: Path) -> Path:
    Job.prepare(folder, LMP, crystal_and_molecules(), plan(HEAT))
    (folder / "input.in").write_text(COLUMNS)
    return _lammps(folder)


def _lammps(folder: Path) -> Path:
    command = [LMP, "-in", "input.in", "-log", LOG, "-nb"]
    subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, timeout=60, check=False)
    return folder


SHORT = HEAT | {"duration_ps": 0.04, "temperature": 300, "velocities": 300, "thermo_ps": 0.01}
SILENT = SHORT | {"duration_ps": 40, "thermo_ps": 40, "timestep_fs": 4}

CASES = {
    "finished": finished,
    "shots": shots,
    "timed_out": timed_out,
    "killed": killed,
    "killed_mid_line": killed_mid_line,
    "lost_atoms": lambda folder: broken(folder, 0.3, (69, 71), plan(SHORT)),
    "bond_atoms_missing": lambda folder: broken(folder, 0.3, (69, 71), plan(SILENT, restart_interval=5000)),
    "kspace_out_of_range": lambda folder: broken(folder, 0.0, (0, 1), plan(SHORT)),
    "not_a_number": not_a_number,
    "non_numeric": lambda folder: broken(
        folder, 0.0, (0, 1), plan(SHORT | {"duration_ps": 1}, kspace_style="ewald")
    ),
    "restart_unreadable": restart_unreadable,
    "no_checkpoint": no_checkpoint,
    "other_error": other_error,
    "columns": columns,
}

if __name__ == "__main__":
    main()
