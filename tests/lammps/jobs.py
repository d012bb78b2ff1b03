"""Jobs of the real program as the CalcJob runs them: a folder, a link to its parent, and the job's script."""

from __future__ import annotations

import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida_cse.lammps.files.data import DataFile
from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.job.records import (
    END_RECORD,
    EPILOGUE_LINES,
    START_RECORD,
    EndRecord,
    StartRecord,
    job_scripts,
    prologue_lines,
    read_record,
)
from aiida_cse.lammps.job.script import FINAL_DATA, LOG, render_script
from aiida_cse.lammps.log.reader import LogReport, read_log
from aiida_cse.lammps.protocol.accelerator import accelerator_words
from aiida_cse.lammps.protocol.stage import JobPlan

#: atom types of the small system that a stage with ``ions_ps`` writes apart
ION_TYPES = (1, 3)


@dataclass(frozen=True)
class Job:
    """A job in its folder.

    ``lmp`` is the program, ``latest`` the last step of which it may take a checkpoint, ``words`` are those of the
    accelerator on its command line.
    """

    folder: Path
    lmp: Path
    latest: int | None = None
    one_trajectory: bool = False
    words: tuple[str, ...] = ()

    @classmethod
    def prepare(cls, folder: Path, lmp: Path, system: System, plan: JobPlan, parent: Job | None = None) -> Job:
        """Write what the CalcJob writes."""
        folder.mkdir(parents=True)
        system.write(folder)
        (folder / "input.in").write_text(render_script(plan, ION_TYPES))
        for name, text in job_scripts().items():
            (folder / name).write_text(text)
        if parent is not None:
            (folder / "parent").symlink_to(parent.folder)
        settings = plan.settings
        words = accelerator_words(settings.accelerator, settings.threads, settings.gpus)
        return cls(folder, lmp, plan.latest_checkpoint, plan.one_trajectory, tuple(words))

    @property
    def name(self) -> str:
        """The name that the job's processes carry."""
        return str(self.folder.resolve()).replace("/", "-")

    def choose_checkpoint(self) -> StartRecord:
        """Run the prologue alone and return what it chose; the folder is then taken."""
        # not the last command of its shell: of a script that has ended, the folder's owner does not live
        script = f"{self._text_before()}\ntrue"
        subprocess.run(["bash", "-c", script], cwd=self.folder, check=True, timeout=60)
        return self.started_from

    def start(self, limit: int | None = None, launcher: str = "") -> subprocess.Popen[bytes]:
        """Run the job's script in a process group of its own; ``limit`` is that of LAMMPS' timer in seconds."""
        before = self._text_before()
        if limit is not None:
            before = before.replace(" off", f" {limit}")
        call = shlex.join([str(self.lmp), "-in", "input.in", "-log", LOG, "-nb", *self.words])
        lammps = f"{launcher} {call} > lammps.out"
        (self.folder / "job.sh").write_text(f"exec 2> stderr.txt\n{before}\n{lammps}\n{EPILOGUE_LINES}\n")
        return subprocess.Popen(["bash", "job.sh"], cwd=self.folder, start_new_session=True)

    def _text_before(self) -> str:
        return prologue_lines(self.name, str(self.lmp), None, self.latest, one_trajectory=self.one_trajectory)

    def run(self, limit: int | None = None, launcher: str = "") -> Job:
        """Run to the end of the script, whatever becomes of it."""
        process = self.start(limit, launcher)
        try:
            process.wait(timeout=120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
        return self

    @property
    def started_from(self) -> StartRecord:
        """The record of the prologue."""
        record = read_record(StartRecord, (self.folder / START_RECORD).read_bytes())
        assert record is not None
        return record

    @property
    def left(self) -> EndRecord:
        """The record of the epilogue."""
        record = read_record(EndRecord, (self.folder / END_RECORD).read_bytes())
        assert record is not None
        return record

    @property
    def stderr(self) -> str:
        """The standard error of the job script."""
        return (self.folder / "stderr.txt").read_text()

    @property
    def report(self) -> LogReport:
        """The report of the log."""
        with (self.folder / LOG).open() as lines:
            return read_log(lines)

    @property
    def final(self) -> DataFile:
        """The system at the end."""
        return DataFile.read(self.folder / FINAL_DATA)

    def checkpoints(self) -> list[Path]:
        """Return the restart files, oldest first."""
        return sorted(self.folder.glob("restart.*"), key=lambda path: int(path.suffix[1:]))


def plan(*stages: dict[str, Any], stop: int | None = None, **settings: Any) -> JobPlan:
    """Return a plan with settings that suit the small system of :mod:`tests.systems`."""
    return JobPlan.model_validate(
        {
            "stages": stages,
            "stop_step": stop,
            "seed": 7,
            "settings": {"cutoff": 6.0, "kspace_accuracy": 1e-3, "restart_interval": 50} | settings,
        }
    )
