"""Costs of LAMMPS jobs before they run: wall time from measured speeds, disk, and cores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiida_cse.lammps.job.continuity import trajectory_bytes
from aiida_cse.lammps.job.script import IONS, TRAJECTORY
from aiida_cse.lammps.protocol.stage import JobPlan, RunSettings
from aiida_cse.workchains.common.speeds import Speed

__all__ = ["Duration", "Part", "duration_of", "folder_bytes", "stored_bytes", "written_trajectories"]

#: s; time of the engine, the scheduler and the parser for each job, measured with the demo
_OVERHEAD = 8.0
#: relative differences of the number of atoms up to which a speed counts as measured on this size
_SAME_SIZE = 1.5
#: bytes per atom of restart and data files, measured with the demo: with bonds and velocities, and without bonds
_RESTART, _DATA = {True: 265, False: 142}, {True: 210, False: 110}
#: bytes of the log in the folder of a job: force field, each stage, each checkpoint, which repeats the setup, and
#: each line of thermo data
_LOG, _LOG_STAGE, _LOG_CHECKPOINT, _LOG_LINE = 14_000, 5000, 1500, 275
#: restart files that a job leaves, one of up to three stages and one of more
_KEPT, _KEPT_OF_MANY = 3, 10
#: bytes that a job stores for its compressed log, script and records, and more for each stage and each checkpoint
_JOB, _JOB_STAGE, _JOB_CHECKPOINT = 13_000, 1250, 40
#: bytes per line of thermo data: at constant volume five columns are the same in many jobs, which are stored once
_THERMO_LINE = {True: 80, False: 115}
#: bytes per atom of a system node, with bonds and without
_SYSTEM = {True: 225, False: 190}
#: bytes of the results of an analysis; of a compressed reduction per count, per frame, and per coordinate
#: (of framework and ions) that it keeps at its ends for displacements
_RESULTS, _COUNT, _FRAME, _COORDINATE = 120_000, 0.67, 9.5, 1.9


@dataclass(frozen=True)
class Part:
    """LAMMPS jobs of a process that run one after the other.

    Attributes
    ----------
    name
        The part of the process: ``ceramic``, ``interface T0700_r1``.
    jobs
        The plans of its jobs.
    base
        Code and options of the jobs.
    atoms
        Number of atoms.
    bonded
        Whether molecules are among them.
    followed
        Number of atoms of the framework and the ions, which a production may write apart.
    looks
        Steps at which the run is judged, if it is a production.
    until_reduced
        Whether the trajectories are deleted at each look.
    earliest
        Step at which it may end at the earliest, if a rule decides; None if it runs to its end.
    needed
        Number of its last jobs that run in any case.
    processes
        Number of its processes that run at once: its own, the restart chain and the job.
    counts_per_ps
        Counts of the reduction per ps of its trajectory.
    coordinates
        Numbers of coordinates that a reduction keeps at its ends.
    """

    name: str
    jobs: tuple[JobPlan, ...]
    base: Mapping[str, Any]
    atoms: int
    bonded: bool = True
    followed: int = 0
    looks: tuple[int, ...] = ()
    until_reduced: bool = False
    earliest: int | None = None
    needed: int = 0
    processes: int = 3
    counts_per_ps: float = 0.0
    coordinates: int = 0

    @property
    def steps(self) -> int:
        """Number of steps of all its jobs; a minimisation counts as one."""
        return sum(job.target_step - _start(job) for job in self.jobs)

    @property
    def picoseconds(self) -> float:
        """Simulated time of all its jobs."""
        return math.fsum(
            steps * stage.timestep_fs / 1000
            for job in self.jobs
            for stage, steps in _stages(job)
            if stage.is_dynamics
        )

    @property
    def settings(self) -> RunSettings:
        """Settings that its jobs share."""
        return self.jobs[0].settings

    @property
    def ranks(self) -> int:
        """MPI ranks of a job."""
        options = self.base.get("lammps", {}).get("metadata", {}).get("options", {})
        if options.get("withmpi") is False:
            return 1
        resources = options.get("resources", {})
        if "tot_num_mpiprocs" in resources:
            return int(resources["tot_num_mpiprocs"])
        computer = self.code.computer
        default = None if computer is None else computer.get_default_mpiprocs_per_machine()
        per_machine = resources.get("num_mpiprocs_per_machine", default or 1)
        return int(resources.get("num_machines", 1)) * int(per_machine)

    @property
    def cores(self) -> int:
        """Cores that a job uses: its MPI ranks times their threads."""
        return self.ranks * self.settings.threads

    @property
    def code(self) -> Any:
        """The code of LAMMPS."""
        return self.base["lammps"]["code"]


@dataclass(frozen=True)
class Duration:
    """Wall time of a part, and the speed that it follows from.

    Attributes
    ----------
    least, most
        Time of LAMMPS until the earliest and until the latest end, s.
    longest
        Time of the longest job, s.
    waiting
        Time besides LAMMPS, in which engine, scheduler and parser work, s.
    measured
        Measurements of one system and one number of ranks, to whose speed that of the part is proportional.
    differences
        In what the part differs from what was measured; empty if it was measured on such a system.
    """

    least: float
    most: float
    longest: float
    waiting: float
    measured: tuple[Speed, ...]
    differences: tuple[str, ...]


def duration_of(part: Part, speeds: Sequence[Speed], most_cores: int | None = None) -> Duration | None:
    """Return the wall time of a part on at most so many cores; None if no speed of its code was measured.

    The nearest measurement is taken: that of the same electrostatics, then of the same kind of system, the same
    number of cores, and the nearest size. The time of a step is taken as proportional to the number of atoms and
    of the neighbours of an atom, and inversely to the number of cores.
    """
    if not part.jobs or not speeds:
        return None
    settings, cores = part.settings, part.cores if most_cores is None else min(part.cores, most_cores)

    def distance(speed: Speed) -> tuple[bool, bool, bool, float, float]:
        return (
            speed.accelerator != settings.accelerator,
            speed.kspace_style != settings.kspace_style,
            (speed.phase in ("slab", "ceramic")) == part.bonded,
            abs(math.log(speed.ranks * speed.threads / cores)),
            abs(math.log(speed.atoms / part.atoms)),
        )

    best = min(speeds, key=distance)
    alike = tuple(speed for speed in speeds if distance(speed) == distance(best) and speed.reach == best.reach)
    rate = sum(speed.steps * speed.atoms for speed in alike) / math.fsum(speed.seconds for speed in alike)
    rate *= cores / (best.ranks * best.threads)
    if best.reach is not None:
        rate *= (best.reach / (settings.cutoff + settings.skin)) ** 3
    times = [
        sum(stage.max_iterations if stage.kind == "minimize" else steps for stage, steps in _stages(job))
        * part.atoms
        / rate
        for job in part.jobs
    ]
    always = len(part.jobs) - part.needed
    least = math.fsum(
        time
        for number, (job, time) in enumerate(zip(part.jobs, times, strict=True))
        if part.earliest is None or job.target_step <= part.earliest or number >= always
    )
    waiting = _OVERHEAD * len(part.jobs)
    return Duration(least, math.fsum(times), max(times), waiting, alike, _differences(part, best, cores))


def _differences(part: Part, best: Speed, cores: int) -> tuple[str, ...]:
    """Return in what a part differs from the system and the job of which a speed was measured."""
    settings, found = part.settings, []
    if (best.phase in ("slab", "ceramic")) == part.bonded:
        found.append("an interface" if part.bonded else "a ceramic")
    if not 1 / _SAME_SIZE <= part.atoms / best.atoms <= _SAME_SIZE:
        found.append(f"{part.atoms:,} atoms")
    if cores != best.ranks * best.threads:
        found.append(f"{cores} cores")
    if settings.kspace_style != best.kspace_style:
        found.append(settings.kspace_style)
    if settings.accelerator != best.accelerator:
        found.append(f"accelerator {settings.accelerator}")
    return tuple(found)


def folder_bytes(part: Part) -> float:
    """Return the size of what the jobs of a part leave in their folders at most, bytes."""
    total = 0.0
    #: trajectories by the look at which they are reduced
    written: dict[int, int] = {}
    for job in part.jobs:
        look = next((step for step in part.looks if step >= job.target_step), 0) if part.until_reduced else 0
        written[look] = written.get(look, 0) + sum(written_trajectories(part, job).values())
        restarts = min(_KEPT if len(job.stages) <= _KEPT else _KEPT_OF_MANY, _checkpoints(job))
        total += part.atoms * (restarts * _RESTART[part.bonded] + 2 * _DATA[part.bonded])
        total += 2 * _log_bytes(job)
    return total + max(written.values(), default=0)


def written_trajectories(part: Part, job: JobPlan) -> dict[str, int]:
    """Return the size in bytes of each trajectory that a job of a part writes, by the name of its file.

    The sizes are exact for a job that is not interrupted. A stage that has frames is the only one that has.
    """
    sizes: dict[str, int] = {}
    for span in job.spans:
        first, last = max(span.start, _start(job)), min(span.end, job.target_step)
        written = ((TRAJECTORY, span.stage.trajectory_ps, part.atoms), (IONS, span.stage.ions_ps, part.followed))
        for name, picoseconds, atoms in written:
            if picoseconds and first < last:
                sizes[name] = trajectory_bytes(atoms, first, last, span.stage.interval(picoseconds))
    return sizes


def stored_bytes(parts: Sequence[Part]) -> float:
    """Return the size of what parts store in the repository of the profile at most, bytes, within some 30 %.

    Files of equal content are stored once, so that the parts of a phase share the system from which they start.
    """
    starts = {part.name.split()[0]: part for part in parts if not part.looks}
    total = math.fsum(part.atoms * _SYSTEM[part.bonded] for part in starts.values())
    for part in parts:
        for job in part.jobs:
            total += _JOB + _checkpoints(job) * _JOB_CHECKPOINT
            for stage, steps in _stages(job):
                lines = steps / stage.interval(stage.thermo_ps) + 1
                total += _JOB_STAGE + lines * _THERMO_LINE[stage.kind == "nvt" and stage.scale_z is None]
        total += max(1, len(part.looks)) * part.atoms * _SYSTEM[part.bonded]
        if not part.looks:
            continue
        # each look stores the results and the reduction of what is new
        stage = part.jobs[-1].stages[-1]
        frame_ps = stage.ions_ps or stage.trajectory_ps or math.inf
        total += len(part.looks) * (_RESULTS + part.coordinates * _COORDINATE)
        total += part.picoseconds * (part.counts_per_ps * _COUNT + _FRAME / frame_ps)
    return total


def _start(job: JobPlan) -> int:
    return max(job.first_step, job.resume_step)


def _stages(job: JobPlan) -> list[tuple[Any, int]]:
    """Return the stages of a job with the number of their steps in it."""
    spans = ((span.stage, min(span.end, job.target_step) - max(span.start, _start(job))) for span in job.spans)
    return [(stage, steps) for stage, steps in spans if steps > 0]


def _log_bytes(job: JobPlan) -> float:
    stages = _stages(job)
    lines = math.fsum(steps / stage.interval(stage.thermo_ps) + 1 for stage, steps in stages)
    return _LOG + len(stages) * _LOG_STAGE + _checkpoints(job) * _LOG_CHECKPOINT + lines * _LOG_LINE


def _checkpoints(job: JobPlan) -> int:
    return sum(-(-steps // job.settings.restart_interval) for _, steps in _stages(job))
