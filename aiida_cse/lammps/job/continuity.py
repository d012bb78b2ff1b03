"""Whether a job that goes on begins in the state in which the job before it wrote the checkpoint.

A job sets up anew at every checkpoint and says in its log what it then has; a job that goes on from there sets up
the same, and says so in its first row. Two rows that agree in every digit are the same state, as far as energies,
temperature and pressures can tell.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from aiida_cse.lammps.job.records import StartRecord
from aiida_cse.lammps.log.reader import LogReport

__all__ = ["Deviation", "deviation"]

#: by how much another machine or binary may change a value that it adds up in another order
ROUNDING = 1e-6
#: what a state has whichever way it is added up; pressures are small differences of large numbers
_STATE = ("temp", "pe", "ke", "vol")


@dataclass(frozen=True)
class Deviation:
    """How the first row of a job differs from that of the job before; ``damaged`` if by more than roundings."""

    words: str
    damaged: bool


def deviation(start: StartRecord | None, report: LogReport) -> Deviation | None:
    """Return how the state that a job began with differs from that of the job before; None if it is the same.

    None also where the log of one of the two does not say.
    """
    table = next((table for table in report.tables if table.rows), None)
    before = _numbers(start.row) if start is not None else ()
    if table is None or len(before) != len(table.columns) or before[0] != table.rows[0][0]:
        return None
    pairs = dict(zip(table.columns, zip(before, table.rows[0], strict=True), strict=True))
    different = [name for name, (old, new) in pairs.items() if old != new]
    if not different:
        return None
    damaged = [name for name in _STATE if name in pairs and not _close(*pairs[name])]
    name = (damaged or different)[0]
    old, new = pairs[name]
    where = start.restart if start is not None else ""
    words = (
        f"{where} does not lead to the state in which it was written: at step {before[0]:.0f} {name} was {old!r}"
    )
    return Deviation(f"{words}, now it is {new!r}", bool(damaged))


def _close(old: float, new: float) -> bool:
    return abs(old - new) <= ROUNDING * max(abs(old), abs(new), 1.0)  # false of what is no number


def _numbers(row: str) -> tuple[float, ...]:
    try:
        found = tuple(float(word) for word in row.split(",") if word.strip())
    except ValueError:
        return ()
    return found if found and math.isfinite(found[0]) else ()
