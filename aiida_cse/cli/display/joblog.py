"""The log of a running LAMMPS job, followed without reading it twice."""

from __future__ import annotations

import time
from collections import deque
from pathlib import Path

from aiida_cse.lammps.log.progress import Progress, read_progress

__all__ = ["LogFollower"]

#: the lines that say where the job is, besides the last thermo rows
_KEPT = ("CSE ", "keywords:", "Step ", "Performance:", "Loop time")
_ROWS = 5


class LogFollower:
    """Follows ``log.lammps`` and measures the speed of the running stage between two looks at it.

    Parameters
    ----------
    path
        The log.
    timesteps
        The timestep of each stage in fs, by its name.
    """

    def __init__(self, path: Path, timesteps: dict[str, float]) -> None:
        self._path = path
        self._timesteps = timesteps
        self._offset = 0
        self._kept: list[str] = []
        self._rows: deque[str] = deque(maxlen=_ROWS)
        self._since: tuple[str, int, float] | None = None

    def look(self) -> Progress | None:
        """Return how far the job is now, or None before its first stage."""
        self._read()
        log = "".join([*self._kept, *self._rows])
        progress = read_progress(log)
        if progress is None:
            return None
        elapsed = self._elapsed(progress)
        return progress if elapsed is None else self._with_speed(progress, elapsed)

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

    def _elapsed(self, progress: Progress) -> float | None:
        """Return the seconds since this stage was first seen, once it has advanced since then."""
        now = time.monotonic()
        if self._since is None or self._since[0] != progress.stage:
            self._since = (progress.stage, progress.step, now)
        return now - self._since[2] if progress.step > self._since[1] else None

    def _with_speed(self, progress: Progress, elapsed: float) -> Progress:
        assert self._since is not None
        rate = (progress.step - self._since[1]) / elapsed
        timestep = self._timesteps.get(progress.stage)
        return Progress(
            stage=progress.stage,
            step=progress.step,
            start=progress.start,
            target=progress.target,
            ns_per_day=rate * timestep * 1e-6 * 86400 if timestep else None,
            seconds_left=(progress.target - progress.step) / rate,
        )
