"""Progress of running LAMMPS jobs, from the logs in their working folders, and of reductions in this process."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import click

from aiida_cse.lammps.log.reader import Progress, read_progress
from aiida_cse.report.words import duration

__all__ = ["LAMMPS", "LogFollower", "frames_progress", "progress_words"]

#: process type of a LAMMPS job
LAMMPS = "aiida.calculations:cse.lammps"
#: lines that identify the current stage, kept besides the last thermo rows
_KEPT = ("CSE ", "keywords:", "Step ", "Performance:", "Loop time")
_ROWS = 5
#: interval between two lines on the frames of a reduction without a terminal, s
_LINES_S = 10.0


class LogFollower:
    """Follows ``log.lammps`` without reading it twice, and measures the speed of the current stage.

    Parameters
    ----------
    path
        The log.
    timesteps
        Timestep of each stage in fs, by the name of the stage.
    """

    def __init__(self, path: Path, timesteps: dict[str, float]) -> None:
        self._path = path
        self._timesteps = timesteps
        self._offset = 0
        self._kept: list[str] = []
        self._rows: deque[str] = deque(maxlen=_ROWS)
        self._since: tuple[str, int, float] = ("", 0, 0.0)

    def look(self) -> Progress | None:
        """Return the present progress of the job, or None before its first stage."""
        self._read()
        progress = read_progress("".join([*self._kept, *self._rows]))
        if progress is None:
            return None
        now = time.monotonic()
        if self._since[0] != progress.stage:
            self._since = (progress.stage, progress.step, now)
        _, first, begun = self._since
        if progress.step <= first:
            return progress
        rate = (progress.step - first) / (now - begun)
        timestep = self._timesteps.get(progress.stage)
        return replace(
            progress,
            ns_per_day=rate * timestep * 1e-6 * 86400 if timestep else None,
            seconds_left=(progress.target - progress.step) / rate,
        )

    def _read(self) -> None:
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                new = stream.read()
        except FileNotFoundError:
            return
        whole = new[: new.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode("utf-8", errors="replace").splitlines(keepends=True):
            if line.lstrip().startswith(_KEPT):
                self._kept.append(line)
                self._rows.clear()
            else:
                self._rows.append(line)


def progress_words(progress: Progress) -> str:
    """Return step and target of a stage, its speed and the remaining time."""
    parts = [f"step {progress.step:,} of {progress.target:,}"]
    if progress.ns_per_day is not None:
        parts.append(f"{progress.ns_per_day:.2f} ns/day")
    if progress.seconds_left is not None:
        parts.append(f"{duration(progress.seconds_left)} left")
    return " · ".join(parts)


@contextmanager
def frames_progress() -> Iterator[Callable[[int, int], None]]:
    """Give a function that shows how many of all frames are done.

    It draws a bar on a terminal, and elsewhere prints a line every ten seconds.
    """
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import Progress as Bar

        with Bar(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("frames", total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    last = time.monotonic()

    def print_line(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LINES_S:
            last = now
            click.echo(f"{done} of {total} frames ({100 * done / total:.0f} %)")

    yield print_line
