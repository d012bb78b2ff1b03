"""Monitors that end a running job: of LAMMPS if it can no longer succeed, and of any program after a time.

AiiDA calls them each time that it queries the job. Their message becomes part of exit code 150, which all monitors
share. That of ``cse.thermo`` begins with one of :data:`PREFIXES`, by which a handler recognises the cause.
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
from aiida_cse.lammps.protocol.stage import JobPlan

__all__ = ["PREFIXES", "thermo", "time_limit"]

#: first words of a message by cause
PREFIXES = {
    "not_a_number": "cse.thermo: not a number",
    "runaway_temperature": "cse.thermo: runaway temperature",
    "no_progress": "cse.thermo: no progress",
}

#: consecutive rows that must be too hot; a single one may result from an unfavourable initial velocity
HOT_ROWS = 3

#: s; longest interval between two calls that counts, in case the clock jumped or the daemon was suspended
LONGEST_LOOK = 600.0

#: key of the job's extra that holds the state of the monitor
MEMORY = "cse_thermo"
#: key of the job's extra with the time at which it was first seen to run
FIRST_SEEN = "cse_first_seen"


def thermo(
    node: orm.CalcJobNode,
    transport: Transport,
    temperature_factor: float = 3.0,
    stalled_seconds: float | None = 3600.0,
) -> str | None:
    """Return why a job should be ended; None if it should continue.

    Parameters
    ----------
    node, transport
        The job and the open connection to its computer.
    temperature_factor
        The temperature is running away if it exceeds that of the stage (the upper end of its ramp) by this factor
        in three consecutive rows. Minimisations and push-offs are exempt.
    stalled_seconds
        Time in s for which the log may stay unchanged; None for any time. It must exceed the wall time between two
        thermo rows (``thermo_ps``).

    Raises
    ------
    ValueError
        ``temperature_factor`` is not above 1, or ``stalled_seconds`` is not above 0.
    """
    if not temperature_factor > 1:
        msg = f"temperature_factor = {temperature_factor!r}: must be above 1"
        raise ValueError(msg)
    if stalled_seconds is not None and not stalled_seconds > 0:
        msg = f"stalled_seconds = {stalled_seconds!r}: must be above 0, or null"
        raise ValueError(msg)
    if node.get_scheduler_state() is JobState.DONE:
        # AiiDA calls once more after the end
        return None
    content = _fetch(node, transport)
    if content is None:
        return None
    report = read_log(content.decode("utf-8", errors="replace").splitlines(keepends=True))
    broken = report.not_a_number()
    if broken:
        return f"{PREFIXES['not_a_number']}: {broken[0]} at step {broken[1]}"
    return _runaway(report, node, temperature_factor) or _stalled(node, len(content), stalled_seconds)


def time_limit(node: orm.CalcJobNode, transport: Transport, seconds: float) -> str | None:
    """Return why a job should be ended that runs for more than ``seconds``; None if it should continue.

    A computer without a scheduler has nothing else that ends a program which never ends.

    Parameters
    ----------
    node, transport
        The job and the open connection to its computer.
    seconds
        Longest time, s, from the first query at which the job runs.
    """
    del transport
    if node.get_scheduler_state() is not JobState.RUNNING:
        return None
    now = time.time()
    first = node.base.extras.get(FIRST_SEEN, None)
    if first is None:
        node.base.extras.set(FIRST_SEEN, now)
        return None
    return f"cse.time_limit: it has not ended within {seconds:g} s" if now - first > seconds else None


def _fetch(node: orm.CalcJobNode, transport: Transport) -> bytes | None:
    """Return the log so far; None if there is none yet."""
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


def _runaway(report: LogReport, node: orm.CalcJobNode, factor: float) -> str | None:
    if "plan" not in node.inputs or not report.stages or not report.tables:
        return None
    stages = {stage.name: stage for stage in JobPlan.model_validate(node.inputs.plan.get_dict()).stages}
    table = report.tables[-1]
    stage = stages.get(table.stage or "")
    if stage is None or not stage.is_dynamics or stage.temperature is None:
        return None
    if "temp" not in table.columns or len(table.rows) < HOT_ROWS:
        return None
    target = max(stage.temperature) if isinstance(stage.temperature, tuple) else stage.temperature
    rows = table.rows[-HOT_ROWS:]
    temperatures = [row[table.columns.index("temp")] for row in rows]
    if min(temperatures) <= factor * target:
        return None
    return (
        f"{PREFIXES['runaway_temperature']}: {temperatures[-1]:.0f} K at step {rows[-1][0]:.0f} of {table.stage}, "
        f"more than {factor:g} times {target:g} K"
    )


def _stalled(node: orm.CalcJobNode, size: int, allowed: float | None) -> str | None:
    """Compare the size of the log with that of the previous call; times are those of this machine."""
    now = time.time()
    memory: dict[str, Any] = node.base.extras.get(MEMORY, {})
    waited = 0.0
    if memory.get("size") == size:
        waited = memory["waited"] + min(max(0.0, now - memory["seen"]), LONGEST_LOOK)
    node.base.extras.set(MEMORY, {"size": size, "seen": now, "waited": waited})
    if allowed is None or waited <= allowed:
        return None
    return f"{PREFIXES['no_progress']}: the log has not grown for {waited:.0f} s"
