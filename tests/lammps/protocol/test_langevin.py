"""The Langevin thermostat: where it may be, and noise that no two jobs share."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from MDAnalysis.lib.formats.libdcd import DCDFile
from pydantic import ValidationError
from scipy import constants, stats

from aiida_cse.lammps.job.continuity import inexact_reason
from aiida_cse.lammps.job.records import StartRecord
from aiida_cse.lammps.job.script import TRAJECTORY, render_script
from aiida_cse.lammps.log.reader import LogReport, StageRecord
from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.stage import JobPlan, Stage
from aiida_cse.landscape.model import Ions, draw_landscape
from aiida_cse.landscape.system import landscape_system
from tests.lammps.jobs import Job

PLAN: dict[str, Any] = {
    "length_ps": 8,
    "segment_ps": 4,
    "frame_ps": 0.2,
    "timestep_fs": 4,
    "thermo_ps": 0.2,
    "thermostat": "langevin",
    "velocities": "draw",
    "settings": {"cutoff": 2.5, "kspace_style": "none", "skin": 5.0, "restart_interval": 500, "exact": False},
}


def plans(**change: Any) -> list[JobPlan]:
    segments = ProductionPlan(**{**PLAN, **change}).segments(800.0, 11)
    return [JobPlan.model_validate(segment) for segment in segments]


def test_the_langevin_thermostat_belongs_to_nvt_stages() -> None:
    stage = {"name": "heat", "kind": "npt", "duration_ps": 1, "temperature": 300, "pressure": 1, "barostat": "z"}
    with pytest.raises(ValidationError, match="thermostat langevin belongs to an nvt stage, this is npt"):
        Stage.model_validate({**stage, "thermostat": "langevin"})


def test_the_script_has_no_nose_hoover_and_no_lattice_sum() -> None:
    script = render_script(plans()[0])
    bath, integrator = re.findall(r"fix stage_production(?:_bath)? moving (.*)\n", script)
    assert re.fullmatch(r"langevin 800 800 100 \$\(.*\) tally yes gjf vhalf", bath)
    assert integrator == "nve"
    assert "kspace_style none\n" in script
    assert "nvt temp" not in script


def test_a_job_continued_within_a_stage_reports_its_new_noise() -> None:
    plan = plans(settings={**PLAN["settings"], "exact": True})[1]
    record = StageRecord("production", "nvt", start=0, target=2000, first_step=1000, step=2000)
    reason = inexact_reason(StartRecord(restart="restart.1000", sha256=""), LogReport(stages=[record]), plan)
    assert reason == "the job continued inside production, whose Langevin noise restarts"


@pytest.mark.integration
def test_segments_share_no_noise_and_keep_the_temperature(tmp_path: Path, environment_bin: Path) -> None:
    system = landscape_system(draw_landscape(3), Ions(cations=400, anions=100), seed=3)
    lmp = environment_bin / "lmp"
    first, second = plans()
    parent = Job.prepare(tmp_path / "first", lmp, system, first).run()
    child = Job.prepare(tmp_path / "second", lmp, system, second, parent).run()
    # x is free: with the same noise the velocities would agree once those of the start are forgotten
    one, other = (np.diff(frames(job)[-15:, 8:, 0], axis=0).ravel() for job in (parent, child))
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.1
    for job in (parent, child):
        assert job.report.reached(1000)
        assert np.ptp(frames(job)[:, :8], axis=0).max() == 0
        velocities = job.final.velocities
        assert velocities is not None
        # g/mol Å²/fs² in K; four standard errors of 500 ions
        masses = np.array([138.905, 6.94, 14.007])[job.final.types - 1]
        kelvin = (masses[8:, None] * velocities[8:] ** 2).mean() * 1e7 / constants.R
        assert kelvin == pytest.approx(800, rel=4 * np.sqrt(2 / 1500))


@pytest.mark.integration
def test_langevin_velocities_are_gaussian(tmp_path: Path, environment_bin: Path) -> None:
    """Noise drawn evenly would leave them a kurtosis of 3 − 1.2 Δt/damping, 2.88 here."""
    system = landscape_system(draw_landscape(3), Ions(cations=400, anions=100), seed=3)
    plan = plans(length_ps=4, segment_ps=4, frame_ps=0.004, thermostat_fs=40)[0]
    job = Job.prepare(tmp_path / "job", environment_bin / "lmp", system, plan).run()
    # along x and y the cations are free, and move by Δt times their velocity at the half step
    steps = np.diff(frames(job)[100:, 8:408, :2], axis=0)
    assert stats.kurtosis(steps.ravel(), fisher=False) == pytest.approx(3, abs=0.05)


def frames(job: Job) -> np.ndarray:
    with DCDFile(str(job.folder / TRAJECTORY)) as trajectory:
        return np.array(trajectory.readframes().xyz)
