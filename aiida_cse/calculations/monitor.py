"""The monitor ``cse.thermo``: ends a running LAMMPS job early when nothing good can come of it any more.

AiiDA calls it each time that it asks for the job. Its message becomes part of exit code 150, which all monitors
share, and begins with one of :data:`PREFIXES`, so that a handler knows what was found.
"""

from __future__ import annotations

import time
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from aiida import orm
from aiida.schedulers.datastructures import JobState
from aiida.transports import Transport

from aiida_cse.lammps.job.script import LOG
from aiida_cse.lammps.log.reader import LogReport, read_log
from aiida_cse.lammps.protocol.stage import JobPlan, Stage

__all__ = ["PREFIXES", "thermo"]

#: what a message begins with, by what was found
PREFIXES = {
    "not_a_number": "cse.thermo: not a number",
    "runaway_temperature": "cse.thermo: runaway temperature",
    "no_progress": "cse.thermo: no progress",
}

#: so many rows in a row must be too hot: one may be an atom that was drawn badly
HOT_ROWS = 3

#: the longest time between two looks that counts: what is beyond is a clock that jumped, or a daemon that slept
LONGEST_LOOK = 600.0

#: key of the extra of the job in which the monitor keeps what it saw
MEMORY = "cse_thermo"


def thermo(
    node: orm.CalcJobNode,
    transport: Transport,
    temperature_factor: float = 3.0,
    stalled_seconds: float | None = 3600.0,
) -> str | None:
    """Return why a job should be ended, None if it should not.

    Parameters
    ----------
    node, transport
        The job, and the open connection to its machine.
    temperature_factor
        A temperature is runaway if it is higher than the stage's (the upper end of its ramp) by this factor, in
        three rows in a row. Minimisations and push-offs have no temperature to keep.
    stalled_seconds
        How long the log may stay as it is; None for any time. It has to be longer than the time between two
        rows of the thermo table (``thermo_ps``).

    Raises
    ------
    ValueError
        ``temperature_factor`` is not above 1, or ``stalled_seconds`` not above 0.
    """
    if not temperature_factor > 1:
        msg = f"temperature_factor = {temperature_factor!r} must be above 1"
        raise ValueError(msg)
    if stalled_seconds is not None and not stalled_seconds > 0:
        msg = f"stalled_seconds = {stalled_seconds!r} must be above 0, or null"
        raise ValueError(msg)
    if node.get_scheduler_state() is JobState.DONE:
        # AiiDA asks once more, and cannot end what has ended
        return None
    content = _fetch(node, transport)
    if content is None:
        return None
    report = read_log(content.decode("utf-8", errors="replace").splitlines(keepends=True))
    return (
        _not_a_number(report)
        or _runaway(report, node, temperature_factor)
        or _stalled(node, len(content), stalled_seconds)
    )


def _fetch(node: orm.CalcJobNode, transport: Transport) -> bytes | None:
    """Return the log so far, None if there is none yet."""
    workdir = node.get_remote_workdir()
    if workdir is None:
        return None
    path = str(PurePosixPath(workdir) / LOG)
    if not transport.isfile(path):
        return None
    with TemporaryDirectory() as folder:
        local = Path(folder) / LOG
        transport.getfile(path, str(local))
        return local.read_bytes()


def _not_a_number(report: LogReport) -> str | None:
    broken = report.not_a_number()
    return broken and f"{PREFIXES['not_a_number']}: {broken[0]} at step {broken[1]}"


def _runaway(report: LogReport, node: orm.CalcJobNode, factor: float) -> str | None:
    if "plan" not in node.inputs or not report.stages or not report.tables:
        return None
    stages = {stage.name: stage for stage in JobPlan.model_validate(node.inputs.plan.get_dict()).stages}
    table = report.tables[-1]
    target = _highest_target(stages.get(table.stage or ""))
    if target is None or "temp" not in table.columns or len(table.rows) < HOT_ROWS:
        return None
    rows = table.rows[-HOT_ROWS:]
    temperatures = [row[table.columns.index("temp")] for row in rows]
    if min(temperatures) <= factor * target:
        return None
    return (
        f"{PREFIXES['runaway_temperature']}: {temperatures[-1]:.0f} K at step {rows[-1][0]:.0f} of {table.stage}, "
        f"more than {factor:g} times {target:g} K"
    )


def _highest_target(stage: Stage | None) -> float | None:
    if stage is None or stage.kind not in ("nvt", "npt") or stage.temperature is None:
        return None
    return max(stage.temperature) if isinstance(stage.temperature, tuple) else stage.temperature


def _stalled(node: orm.CalcJobNode, size: int, allowed: float | None) -> str | None:
    """Compare the log with what the last look saw; times are of this machine alone."""
    now = time.time()
    memory: dict[str, Any] = node.base.extras.get(MEMORY, {})
    waited = 0.0
    if memory.get("size") == size:
        waited = memory["waited"] + min(max(0.0, now - memory["seen"]), LONGEST_LOOK)
    node.base.extras.set(MEMORY, {"size": size, "seen": now, "waited": waited})
    if allowed is None or waited <= allowed:
        return None
    return f"{PREFIXES['no_progress']}: the log has not grown for {waited:.0f} s"
