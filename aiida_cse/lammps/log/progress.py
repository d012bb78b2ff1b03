"""How far a running job is, from the end of its log."""

from __future__ import annotations

from dataclasses import dataclass

from aiida_cse.lammps.log.reader import LogReport, StageRecord, read_log

__all__ = ["Progress", "read_progress"]


@dataclass(frozen=True)
class Progress:
    """The running stage, its step and target, the speed, and the seconds that the stage still needs."""

    stage: str
    step: int
    start: int
    target: int
    ns_per_day: float | None
    seconds_left: float | None


def read_progress(log: str, elapsed: float | None = None, timestep_fs: float = 2.0) -> Progress | None:
    """Return the progress of the job with this log, or None before its first stage.

    Parameters
    ----------
    log
        The text of the log so far.
    elapsed
        Seconds since the running stage started, if known: gives speed and time left.
    timestep_fs
        The timestep of the running stage, in fs.
    """
    report: LogReport = read_log(log.splitlines(keepends=True))
    if not report.stages:
        return None
    stage: StageRecord = report.stages[-1]
    done = stage.step - stage.first_step
    rate = done / elapsed if elapsed and done > 0 else None
    return Progress(
        stage=stage.name,
        step=stage.step,
        start=stage.start,
        target=stage.target,
        ns_per_day=rate * timestep_fs * 1e-6 * 86400 if rate else stage.ns_per_day,
        seconds_left=(stage.target - stage.step) / rate if rate else None,
    )
