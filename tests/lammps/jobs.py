"""Jobs of the real program as the CalcJob runs them: a folder, a link to its parent, prologue, LAMMPS."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from aiida_cse.lammps.datafile import DataFile
from aiida_cse.lammps.log import LogReport, read_log
from aiida_cse.lammps.script import FINAL_DATA, LOG, PROLOGUE, START_RECORD, render_script
from aiida_cse.lammps.stage import JobPlan
from aiida_cse.lammps.system import System


@dataclass(frozen=True)
class Job:
    """A job in its folder; ``lmp`` is the program, ``latest`` the last step of which it may take a checkpoint."""

    folder: Path
    lmp: Path
    latest: tuple[str, ...] = ()

    @classmethod
    def prepare(cls, folder: Path, lmp: Path, system: System, plan: JobPlan, parent: Job | None = None) -> Job:
        """Write what the CalcJob writes."""
        folder.mkdir(parents=True)
        system.write(folder)
        (folder / "input.in").write_text(render_script(plan))
        prologue = resources.files("aiida_cse.lammps").joinpath(PROLOGUE).read_text()
        (folder / PROLOGUE).write_text(prologue)
        if parent is not None:
            (folder / "parent").symlink_to(parent.folder)
        return cls(folder, lmp, () if plan.latest_checkpoint is None else (str(plan.latest_checkpoint),))

    def choose_checkpoint(self) -> dict[str, str]:
        """Run the prologue and return what it chose."""
        subprocess.run(["sh", PROLOGUE, self.lmp, *self.latest], cwd=self.folder, check=True, timeout=60)
        record: dict[str, str] = json.loads((self.folder / START_RECORD).read_text())
        return record

    def start(self, timeout: str = "off") -> subprocess.Popen[bytes]:
        """Choose the checkpoint and start LAMMPS in a process group of its own."""
        self.choose_checkpoint()
        command = [self.lmp, "-in", "input.in", "-log", LOG, "-nb", "-var", "timeout", timeout]
        with (self.folder / "lammps.out").open("wb") as output:
            return subprocess.Popen(
                command, cwd=self.folder, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
            )

    def run(self, timeout: str = "off") -> Job:
        """Run to the end of the script, whatever becomes of it."""
        process = self.start(timeout)
        try:
            process.wait(timeout=120)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, 9)
                process.wait()
        return self

    @property
    def report(self) -> LogReport:
        """What the log says."""
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
