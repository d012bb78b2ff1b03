"""Interruptible runs of LAMMPS, which continue from their newest checkpoint when requested again."""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import FILENAMES, System
from aiida_cse.lammps.job.records import EPILOGUE_LINES, job_scripts, prologue_lines
from aiida_cse.lammps.job.script import FINAL_DATA, LOG, TRAJECTORY, render_script
from aiida_cse.lammps.log.outcome import judge
from aiida_cse.lammps.log.reader import LogReport, read_log
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.reduction.readers.dcd import DcdFile

__all__ = ["PROGRAM", "Run", "Track"]

Floats = NDArray[np.float64]

#: seconds between two looks at a job, and between two lines about it
_LOOK, _LINE = 0.5, 30.0
#: the program of this Python environment, on one core; the threaded styles are faster on one core as well
PROGRAM = Path(sys.executable).parent / "lmp"
_FLAGS = "-sf omp -pk omp 1"


@dataclass(frozen=True)
class Track:
    """The frames of a trajectory: times (F,) in ps, positions (F, N, 3) unwrapped and boxes (F, 3), Å."""

    times: Floats
    positions: NDArray[np.float32]
    boxes: Floats

    def after(self, picoseconds: float) -> Track:
        """Return the frames from this time after the first one."""
        kept = self.times >= self.times[0] + picoseconds - 1e-9
        return Track(self.times[kept], self.positions[kept], self.boxes[kept])


@dataclass(frozen=True)
class Run:
    """The run of a system and a plan, in as many jobs as interruptions require.

    Each job has a numbered folder below ``folder`` with a link to the preceding one. The scripts around LAMMPS
    find the newest valid checkpoint there, as for the jobs of a WorkChain.
    """

    folder: Path
    plan: JobPlan

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.folder.name

    @property
    def jobs(self) -> list[Path]:
        """The folders of its jobs, in order."""
        return sorted(path for path in self.folder.glob("[0-9]*") if path.is_dir())

    @property
    def done(self) -> bool:
        """Whether the last job proved that it finished."""
        return bool(self.jobs) and _report(self.jobs[-1]).reached(self.plan.target_step)

    @property
    def reached_ps(self) -> float:
        """The time reached in the last stage, ps."""
        step = max((_report(job).last_step or 0 for job in self.jobs), default=0)
        last = self.plan.spans[-1]
        return max(0, min(step, last.end) - last.start) * last.stage.timestep_fs / 1000

    @property
    def system(self) -> System:
        """The initial system."""
        return System.read(self.jobs[0])

    @property
    def final(self) -> DataFile:
        """The final atoms."""
        return DataFile.read(self.jobs[-1] / FINAL_DATA)

    def finish(self, build: Callable[[], System]) -> Run:
        """Run to the end, from the newest checkpoint or, initially, from the system returned by ``build``.

        Raises
        ------
        RuntimeError
            LAMMPS failed, with its message; or another command is running here.
        """
        if self.done:
            return self
        with self._claimed():
            folder = self._next_job(build)
            self._watch(folder, _start(folder))
        problem = judge(_report(folder), self.plan.target_step, _said(folder))
        if problem is not None:
            raise RuntimeError(f"{self.name}: {problem.kind}: {problem.error} ({folder})")
        return self

    def series(self, stage: str, *columns: str) -> Floats:
        """Return times in ps since the beginning of the stage and columns of its log, (rows, 1 + columns)."""
        rows: dict[float, list[float]] = {}
        for job in self.jobs:
            for table in _report(job).tables:
                if table.stage == stage:
                    picked = [table.columns.index(column) for column in ("step", *columns)]
                    rows |= {row[0]: [row[number] for number in picked] for row in table.rows}
        found = np.array([rows[step] for step in sorted(rows)])
        found[:, 0] = self._times(stage, found[:, 0])
        return found

    def track(self) -> Track:
        """Return the trajectory; of frames that were run twice, those of the later job."""
        (stage,) = (stage.name for stage in self.plan.stages if stage.trajectory_ps)
        frames: dict[int, tuple[NDArray[np.float32], Floats]] = {}
        for job in self.jobs:
            if (job / TRAJECTORY).is_file():
                frames |= _frames(job / TRAJECTORY)
        steps = sorted(frames)
        return Track(
            self._times(stage, np.array(steps, dtype=np.float64)),
            np.stack([frames[step][0] for step in steps]),
            np.stack([frames[step][1] for step in steps]),
        )

    def _times(self, stage: str, steps: Floats) -> Floats:
        (span,) = (span for span in self.plan.spans if span.stage.name == stage)
        times: Floats = (steps - span.start) * span.stage.timestep_fs / 1000
        return times

    @contextmanager
    def _claimed(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "claim").open("w") as claim:
            try:
                fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise RuntimeError(f"{self.name}: another command is at work in {self.folder}") from error
            yield

    def _next_job(self, build: Callable[[], System]) -> Path:
        before = [job for job in self.jobs if (job / FILENAMES["info"]).is_file()]
        system = System.read(before[0]) if before else build()
        folder = self.folder / f"{len(self.jobs):03d}"
        folder.mkdir()
        (folder / "input.in").write_text(render_script(self.plan))
        for name, text in job_scripts().items():
            (folder / name).write_text(text)
        if before:
            (folder / "parent").symlink_to(before[-1].resolve())
        system.write(folder)
        return folder

    def _watch(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        """Wait for a job and show its progress; end it with this command."""
        began = told = time.monotonic()
        try:
            while process.poll() is None:
                time.sleep(_LOOK)
                if time.monotonic() - told >= _LINE:
                    told = time.monotonic()
                    print(self._progress(_report(folder), told - began), flush=True)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def _progress(self, report: LogReport, seconds: float) -> str:
        if not report.stages:
            return f"{self.name}: setting up"
        at, first = report.stages[-1], report.stages[0].first_step
        done, steps = self._picoseconds(at.step), at.step - first
        line = f"{self.name}: {done:.1f} of {self._picoseconds(self.plan.target_step):.1f} ps, stage {at.name}"
        if steps <= 0:
            return line
        speed = (done - self._picoseconds(first)) / 1000 / seconds * 86400
        left = timedelta(seconds=round((self.plan.target_step - at.step) * seconds / steps))
        return f"{line}, {speed:.2f} ns/day, {left} left"

    def _picoseconds(self, step: int) -> float:
        """Return the simulated time at a step, without minimisations."""
        return sum(
            (min(step, span.end) - span.start) * span.stage.timestep_fs / 1000
            for span in self.plan.spans
            if span.start < step and span.stage.kind != "minimize"
        )


def _start(folder: Path) -> subprocess.Popen[bytes]:
    before = prologue_lines(str(folder.resolve()).replace("/", "-"), str(PROGRAM), None)
    lammps = f"{shlex.quote(str(PROGRAM))} -in input.in -log {LOG} -nb {_FLAGS} > lammps.out"
    (folder / "job.sh").write_text(f"exec 2> stderr.txt\n{before}\n{lammps}\n{EPILOGUE_LINES}\n")
    return subprocess.Popen(["bash", "job.sh"], cwd=folder, start_new_session=True)


def _report(folder: Path) -> LogReport:
    if not (folder / LOG).is_file():
        return LogReport()
    with (folder / LOG).open() as lines:
        return read_log(lines)


def _said(folder: Path) -> list[str]:
    return [
        line
        for name in ("stderr.txt", "lammps.out")
        if (folder / name).is_file()
        for line in (folder / name).read_text(errors="replace").splitlines()
    ]


def _frames(path: Path) -> dict[int, tuple[NDArray[np.float32], Floats]]:
    with DcdFile(path) as file:
        found = {}
        for number in range(file.frames):
            frame = file.read_xyz(number, 1)
            positions = np.stack([frame.along(axis)[0] for axis in range(3)], axis=1)
            found[file.first_step + number * file.frame_steps] = (positions, frame.boxes[0].copy())
        return found
