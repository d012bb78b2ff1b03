"""Measured speeds of a LAMMPS code, from its finished jobs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiida import orm

from aiida_cse.calculations.lammps import LammpsStageCalculation

__all__ = ["Speed", "measured_speeds"]

#: exit codes of jobs whose timings count: finished, or ended by the wall time
_TIMED = (0, 400)


@dataclass(frozen=True)
class Speed:
    """Speed of molecular dynamics with a code, measured on one system.

    Attributes
    ----------
    pk
        The process that measured it.
    atoms
        Number of atoms.
    phase
        Phase of the system, such as ``ceramic``, ``electrolyte`` or ``interface``; empty if unknown.
    ranks, threads
        MPI ranks, and OpenMP threads of each.
    accelerator, gpus
        Package, and GPUs of each node.
    kspace_style
        Solver of long-range electrostatics: ``pppm``, ``ewald`` or ``none``.
    steps
        Steps that were timed.
    seconds
        Their wall time, s.
    reach
        Cutoff of the pair forces with the skin of their neighbour lists, Å; None if unknown.
    """

    pk: int
    atoms: int
    phase: str
    ranks: int
    threads: int
    accelerator: str
    gpus: int
    kspace_style: str
    steps: int
    seconds: float
    reach: float | None = None

    @property
    def steps_per_second(self) -> float:
        """Steps per second of wall time."""
        return self.steps / self.seconds

    @property
    def atom_steps_per_second(self) -> float:
        """Steps per second times atoms, which varies less with the size of the system."""
        return self.steps_per_second * self.atoms

    def ns_per_day(self, timestep_fs: float) -> float:
        """Return the simulated time per day of wall time at this timestep, ns/day."""
        return self.steps_per_second * timestep_fs * 1e-6 * 86400


def measured_speeds(code: orm.AbstractCode, most: int = 500) -> list[Speed]:
    """Return the speeds that jobs of a LAMMPS code reached, newest first.

    Parameters
    ----------
    code
        The code, stored.
    most
        Number of jobs that are looked at, the newest first.
    """
    job = orm.QueryBuilder().append(orm.AbstractCode, filters={"id": code.pk}, tag="code")
    job.append(
        LammpsStageCalculation,
        with_incoming="code",
        filters={"attributes.exit_status": {"in": list(_TIMED)}},
        project="id",
        tag="job",
    )
    job.append(orm.Dict, with_outgoing="job", edge_filters={"label": "plan"}, project="attributes.settings")
    job.append(
        orm.Data,
        with_outgoing="job",
        edge_filters={"label": "system"},
        project=["attributes.natoms", "attributes.phase"],
    )
    job.append(
        orm.Dict,
        with_incoming="job",
        edge_filters={"label": "results"},
        project=["attributes.ranks", "attributes.stages"],
    )
    rows = job.order_by({"job": {"ctime": "desc"}}).limit(most).all()
    found = (_speed_of_job(*row) for row in rows)
    return [speed for speed in found if speed is not None]


def _speed_of_job(pk: int, settings: Any, atoms: Any, phase: Any, ranks: Any, stages: Any) -> Speed | None:
    """Return the speed of a job over its stages of dynamics; None if its nodes do not tell."""
    plan = settings if isinstance(settings, Mapping) else {}
    timed = [_timing(stage) for stage in stages] if isinstance(stages, list) else []
    steps, seconds = sum(steps for steps, _ in timed), math.fsum(seconds for _, seconds in timed)
    if not (_whole(atoms) and steps > 0 and seconds > 0):
        return None
    lengths = [
        float(one)
        for one in (plan.get("cutoff"), plan.get("skin"))
        if isinstance(one, (int, float)) and 0 < one < math.inf
    ]
    return Speed(
        pk=pk,
        atoms=atoms,
        phase=phase if isinstance(phase, str) else "",
        ranks=ranks if _whole(ranks) else 1,
        threads=plan["threads"] if _whole(plan.get("threads")) else 1,
        accelerator=str(plan.get("accelerator") or "none"),
        gpus=plan["gpus"] if _whole(plan.get("gpus")) else 0,
        kspace_style=str(plan.get("kspace_style") or "pppm"),
        steps=steps,
        seconds=seconds,
        reach=sum(lengths) if len(lengths) == 2 else None,
    )


def _timing(stage: Any) -> tuple[int, float]:
    """Return steps and wall time (s) of a stage of a job; zeros if it is no dynamics or has no time."""
    if not isinstance(stage, Mapping) or stage.get("kind") not in ("nvt", "npt"):
        return 0, 0.0
    first, last, seconds = (stage.get(key) for key in ("first_step", "step", "wall_seconds"))
    if not (isinstance(first, int) and isinstance(last, int) and isinstance(seconds, (int, float))):
        return 0, 0.0
    if last <= first or not math.isfinite(seconds) or seconds <= 0:
        return 0, 0.0
    return last - first, float(seconds)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
