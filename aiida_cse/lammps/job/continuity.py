"""Checks that a continued run is the same run: its first state, its exactness and its trajectory.

At every checkpoint, a job repeats the setup of LAMMPS and prints a thermo row. A job that continues from the
checkpoint performs the same setup and prints the same row first. Rows that agree in every digit belong to the same
state, as far as energies, temperature and pressures can tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiida_cse.lammps.job.records import EndRecord, StartRecord
from aiida_cse.lammps.job.script import IONS, TRAJECTORY
from aiida_cse.lammps.log.reader import LogReport
from aiida_cse.lammps.protocol.stage import JobPlan

__all__ = ["Deviation", "deviation", "inexact_reason", "trajectory_bytes", "trajectory_error"]

#: relative change of a sum that another order of summation, on another machine or binary, may cause
ROUNDING = 1e-6
#: quantities that identify a state; pressures are left out, as small differences of large numbers
_STATE = ("temp", "pe", "ke", "vol")
#: size of the header of a DCD file
_HEADER_BYTES = 276


@dataclass(frozen=True)
class Deviation:
    """Difference between the first row of a job and that of the previous job.

    ``damaged`` is true if it exceeds rounding errors.
    """

    words: str
    damaged: bool


def deviation(start: StartRecord | None, report: LogReport) -> Deviation | None:
    """Return how the first state of a job differs from the checkpointed one.

    None if the states agree, or if one of the two logs does not contain the row.
    """
    table = next((table for table in report.tables if table.rows), None)
    before = _numbers(start.row) if start is not None else ()
    if start is None or table is None or len(before) != len(table.columns) or before[0] != table.rows[0][0]:
        return None
    pairs = dict(zip(table.columns, zip(before, table.rows[0], strict=True), strict=True))
    different = [name for name, (old, new) in pairs.items() if old != new]
    if not different:
        return None
    # the comparison is false for NaN
    close = {name: abs(old - new) <= ROUNDING * max(abs(old), abs(new), 1.0) for name, (old, new) in pairs.items()}
    damaged = [name for name in _STATE if name in pairs and not close[name]]
    name = (damaged or different)[0]
    old, new = pairs[name]
    words = (
        f"{start.restart} does not lead to the state in which it was written: at step {before[0]:.0f} {name} was "
        f"{old!r}, now it is {new!r}"
    )
    return Deviation(words, bool(damaged))


def _numbers(row: str) -> tuple[float, ...]:
    try:
        found = tuple(float(word) for word in row.split(",") if word.strip())
    except ValueError:
        return ()
    return found if found and math.isfinite(found[0]) else ()


def inexact_reason(start: StartRecord | None, report: LogReport, plan: JobPlan) -> str | None:
    """Return why a job need not repeat the uninterrupted run bit for bit; None if it does.

    The documentation of exactness lists the conditions. Those that a job cannot detect, such as another binary of
    the same version, are not checked.
    """
    if not plan.settings.exact:
        return "settings.exact is false"
    if plan.care is not None:
        return f"recovery settings apply up to step {plan.care.until_step}, after a failed run"
    if report.accelerated:
        return f"the order of summation in LAMMPS varies: {report.accelerated}"
    if start is None or start.restart == "none":
        return None
    if start.restart.endswith(".data"):
        return (
            f"no restart file could be read: the job continued from {start.restart}, which contains rounded "
            "coordinates and velocities and no state of thermostat and barostat"
        )
    if report.version and start.lammps_version and report.version != start.lammps_version:
        return f"LAMMPS {start.lammps_version} wrote the checkpoint, the job ran with {report.version}"
    if report.ranks and start.ranks and report.ranks != start.ranks:
        return f"{start.ranks} MPI processes wrote the checkpoint, the job ran with {report.ranks}"
    return _restarted_noise(report, plan)


def _restarted_noise(report: LogReport, plan: JobPlan) -> str | None:
    """Return which stage with random forces the job continued, whose random numbers no checkpoint contains."""
    first = report.stages[0] if report.stages else None
    if first is None or first.first_step == first.start:
        return None
    if first.kind == "pushoff":
        return f"the job continued inside the push-off {first.name}, whose random numbers restart"
    # each start of shots has noise of its own
    if first.name in {one.name for one in plan.stages if one.thermostat == "langevin" and one.kind == "nvt"}:
        return f"the job continued inside {first.name}, whose Langevin noise restarts"
    return None


def trajectory_error(
    plan: JobPlan, report: LogReport, natoms: int, end: EndRecord | None, ions: int = 0
) -> str | None:
    """Return what is missing from the trajectories of a completed job; None if nothing is known to be missing.

    Only the size of a file reveals a write that the file system accepted and lost. ``ions`` is the number of atoms
    in the trajectory of the ions, if there is one.
    """
    stage = next((stage for stage in plan.stages if stage.trajectory_ps), None)
    record = next((record for record in report.stages if stage and record.name == stage.name), None)
    if stage is None or record is None or end is None:
        return None
    for name, atoms, picoseconds in ((TRAJECTORY, natoms, stage.trajectory_ps), (IONS, ions, stage.ions_ps)):
        if picoseconds is None:
            continue
        expected = trajectory_bytes(atoms, record.first_step, record.step, stage.interval(picoseconds))
        found = end.files[name].bytes if name in end.files else 0
        # LAMMPS writes the header with the first frame
        if found != expected and (found, expected) != (0, _HEADER_BYTES):
            return f"{name} has {found} bytes, its frames need {expected}"
    return None


def trajectory_bytes(natoms: int, first: int, last: int, interval: int) -> int:
    """Return the size in bytes of a DCD file with every ``interval``-th step from ``first`` to ``last``.

    A frame consists of the box (6 doubles) and three records of ``natoms`` floats; its length precedes and follows
    each record.
    """
    frames = last // interval - (first - 1) // interval
    return _HEADER_BYTES + frames * (56 + 3 * (4 * natoms + 8))
