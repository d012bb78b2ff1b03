"""Runs of a few steps that examine a LAMMPS program, and what their logs say of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from pydantic import Field

from aiida_cse.lammps.job.script import START_FILE, render_script
from aiida_cse.lammps.log.reader import read_log
from aiida_cse.lammps.probe.features import Feature, features_of, lacking_package, package_of, read_help
from aiida_cse.lammps.protocol.accelerator import accelerator_words
from aiida_cse.lammps.protocol.stage import JobPlan, Stage
from aiida_cse.schema import Name, StrictModel

__all__ = ["HELP", "JOIN", "ProbePlans", "Run", "Uses", "examined", "fingerprint", "shortened", "shortened_plan"]

#: file with the output of ``lmp -h``
HELP = "help.txt"
#: name of the run that appends one phase to the other
JOIN = "join"
#: steps of a stage, and between its checkpoints, frames and lines of the log
STEPS, EVERY = 4, 2
#: what a run is needed for; an accelerator only where a plan asks for it
Uses = Literal["study", "validation", "accelerator"]

#: seconds of LAMMPS per run are not limited by the script
_START = "variable timeout string off\nread_data system.data\n"


class Run(StrictModel):
    """A run of a few steps: what it is needed for, and its plan."""

    uses: Uses
    plan: JobPlan

    @property
    def arguments(self) -> list[str]:
        """Arguments of LAMMPS that switch the accelerator of the plan on."""
        settings = self.plan.settings
        return accelerator_words(settings.accelerator, settings.threads, settings.gpus)


class ProbePlans(StrictModel):
    """The runs of an examination by name."""

    # names are folders, and words of LAMMPS scripts
    runs: dict[Name, Run] = Field(min_length=1)

    def scripts(self) -> dict[str, str]:
        """Return the LAMMPS script of each run, which works in the folder of its name."""
        return {name: f"shell cd {name}\n{render_script(run.plan)}" for name, run in self.runs.items()}

    @staticmethod
    def start_file() -> tuple[str, str]:
        """Return name and content of the file with which each run starts."""
        return START_FILE, _START


def shortened(stage: Stage) -> Stage:
    """Return a stage of the same commands with :data:`STEPS` steps.

    Thermo rows and, if the stage has them, frames are written every :data:`EVERY` steps.
    """
    step = stage.timestep_fs / 1000
    changes: dict[str, Any] = {"thermo_ps": EVERY * step}
    if stage.kind == "minimize":
        changes["max_iterations"] = STEPS
    elif stage.shots is not None:
        changes["shots"] = stage.shots.model_dump() | {"number": 1, "most_ps": STEPS * step}
    else:
        changes["duration_ps"] = STEPS * step
    if stage.trajectory_ps is not None:
        changes |= {"trajectory_ps": EVERY * step, "ions_ps": None}
    return Stage.model_validate(stage.model_dump(exclude_none=True) | changes)


def shortened_plan(plan: JobPlan, stages: Iterable[Stage], **changes: Any) -> JobPlan:
    """Return a plan with the settings of ``plan`` for some of its stages, of a few steps each.

    Stages with the same commands apart from numbers are run once.
    """
    chosen: dict[tuple[object, ...], Stage] = {}
    for stage in stages:
        options = (stage.velocities, stage.scale_z, stage.trajectory_ps, stage.bias)
        given = tuple(value is not None for value in options)
        chosen.setdefault((stage.kind, stage.barostat, stage.mobile, stage.thermostat, *given), stage)
    short = tuple(
        shortened(stage).model_copy(update={"name": f"stage_{number}"})
        for number, stage in enumerate(chosen.values(), 1)
    )
    settings = plan.settings.model_dump() | {"restart_interval": EVERY}
    return JobPlan.model_validate(
        {"stages": [stage.model_dump(exclude_none=True) for stage in short], "settings": settings, **changes}
    )


def fingerprint(plans: ProbePlans) -> str:
    """Return a checksum of everything that an examination runs; another one makes an examination outdated."""
    digest = hashlib.sha256()
    for name, script in sorted(plans.scripts().items()):
        digest.update(f"{name}\n{plans.runs[name].arguments}\n{script}\n".encode())
    return digest.hexdigest()[:16]


def examined(
    help_text: str, scripts: Mapping[str, str], runs: Mapping[str, str], logs: Mapping[str, str], said: str
) -> dict[str, Any]:
    """Return what an examination found.

    Parameters
    ----------
    help_text
        Output of ``lmp -h``.
    scripts
        Script and include files of each run as one text, by its name.
    runs
        What each run is needed for.
    logs
        The log of each run that has one, or its output.
    said
        The last words of scheduler and launcher, the reason if LAMMPS does not start.

    Returns
    -------
    dict
        ``lammps_version`` (null if LAMMPS does not start), ``packages``, ``ranks`` of the first run, ``runs`` with
        ``uses``, ``complete`` and ``error`` of each, and ``missing`` with ``command``, ``style``, ``package`` and
        ``uses`` of each style.
    """
    program = read_help(help_text)
    reports = {name: read_log(logs.get(name, "").splitlines(keepends=True)) for name in runs}
    found: dict[str, dict[str, Any]] = {}
    for name, uses in runs.items():
        report = reports[name]
        complete = report.error is None and report.ended
        error = None if complete else report.error or _last_line(logs.get(name, "")) or _last_line(said)
        found[name] = {"uses": uses, "complete": complete, "error": error}
    missing: dict[Feature, dict[str, Any]] = {}
    if program is not None:
        for name, uses in runs.items():
            for feature in program.lacks(features_of(scripts[name])):
                entry = missing.setdefault(feature, {"package": package_of(feature), "uses": []})
                entry["uses"] = sorted({*entry["uses"], uses})
    for feature, entry in missing.items():
        for report in reports.values():
            if report.error and f"'{feature.style}'" in report.error:
                entry["package"] = lacking_package(report.error) or entry["package"]
    ranks = (report.ranks for report in reports.values() if report.ranks is not None)
    return {
        "lammps_version": program and program.version,
        "packages": [] if program is None else list(program.packages),
        "ranks": next(ranks, None),
        "runs": found,
        "missing": [
            {"command": feature.command, "style": feature.style, **entry}
            for feature, entry in sorted(missing.items())
        ],
        "error": None if program is not None else _last_line(said) or _last_line(help_text),
    }


def _last_line(text: str) -> str | None:
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip(" -")]
    return lines[-1][:300] if lines else None
