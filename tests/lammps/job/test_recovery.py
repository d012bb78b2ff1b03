"""Recovery settings after a failed run: their commands in the script, and their effect in LAMMPS."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.job.script import render_script
from aiida_cse.lammps.log.reader import classify_error
from aiida_cse.lammps.protocol.stage import JobPlan
from tests.lammps.jobs import Job, plan
from tests.systems import crystal_and_molecules

NVT: dict[str, Any] = {
    "name": "heat",
    "kind": "nvt",
    "duration_ps": 0.2,
    "timestep_fs": 1,
    "temperature": 300,
    "velocities": 300,
    "thermo_ps": 0.02,
}
NPT = NVT | {"name": "relax", "kind": "npt", "pressure": 1, "barostat": "z"}
HELD = NPT | {"mobile": "electrolyte"}
PUSHOFF = NVT | {"name": "push", "kind": "pushoff"}
MINIMIZE: dict[str, Any] = {"name": "minimize", "kind": "minimize", "max_iterations": 20}


def careful(job: JobPlan, until: int, **care: Any) -> JobPlan:
    """Return the job with recovery settings up to step ``until``."""
    return JobPlan.model_validate(job.model_dump(exclude_none=True) | {"care": {"until_step": until} | care})


def lines(job: JobPlan) -> list[str]:
    return render_script(job).splitlines()


def runs(job: JobPlan) -> list[str]:
    """Return the lines by which a script runs, with how it does so."""
    words = ("run ", "run_style", "neigh_modify", "fix_modify stage_relax_hold respa")
    return [" ".join(line.split()[:3]) for line in lines(job) if line.startswith(words)]


# -- the script -----------------------------------------------------------------------------------------------


def test_without_recovery_settings_the_script_is_unchanged() -> None:
    assert runs(plan(NVT)) == ["neigh_modify every 1", "run 200 upto"]


def test_recovery_settings_end_after_a_step() -> None:
    job = careful(plan(NVT, NPT | {"velocities": None}), 100, substeps=4, rebuild_every_step=True)
    assert runs(job) == [
        "neigh_modify every 1",
        *("neigh_modify every 1", "run_style respa 2", "run 100 upto", "run_style verlet", "neigh_modify every 1"),
        "run 200 upto",
        "run 400 upto",
    ]
    script = lines(job)
    assert 'if "$(step) >= 100" then "jump SELF usual_heat"' in script
    assert script.index("label usual_heat") < script.index("label after_heat")
    assert "label usual_relax" not in script


def test_recovery_settings_may_last_to_the_end_of_the_stage() -> None:
    job = careful(plan(NVT), 1000, substeps=2)
    assert runs(job) == ["neigh_modify every 1", "run_style respa 2", "run 200 upto", "run_style verlet"]


def test_a_minimisation_has_no_recovery_settings() -> None:
    assert lines(careful(plan(MINIMIZE), 1, substeps=2, relax_steps=10)) == lines(plan(MINIMIZE))


@pytest.mark.parametrize(
    ("stage", "change", "message"),
    [
        (
            NVT | {"trajectory_ps": 0.1},
            {"care": {"until_step": 9, "relax_steps": 5}},
            "'heat' writes a trajectory",
        ),
        (NVT, {"care": {"until_step": 0}}, "greater than 0"),
        (NVT, {"care": {"until_step": 9, "substeps": 17}}, "less than or equal to 16"),
        (NVT, {"care": {"until_step": 9, "sub_steps": 2}}, "did you mean 'substeps'?"),
        (NVT, {"first_step": 50, "latest_checkpoint": 49}, "latest_checkpoint: 49 lies before the first step of"),
        (NVT, {"resume_step": 50, "latest_checkpoint": 0}, "latest_checkpoint: 0 lies before the first step of"),
    ],
)
def test_wrong_recovery_settings_are_refused(stage: dict[str, Any], change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message.replace("?", r"\?")):
        JobPlan.model_validate({"stages": [stage]} | change)


# -- the real program -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def system() -> System:
    return crystal_and_molecules()


@pytest.fixture
def lmp(environment_bin: Path) -> Path:
    return environment_bin / "lmp"


def moved(first: Job, second: Job) -> float:
    """Return by how much the ends of two jobs differ, in Å."""
    return float(np.abs(first.final.unwrapped - second.final.unwrapped).max())


@pytest.mark.integration
@pytest.mark.parametrize("stage", [NVT, NPT, HELD, PUSHOFF], ids=["nvt", "npt", "held", "pushoff"])
def test_substeps_are_a_shorter_timestep(stage: dict[str, Any], system: System, lmp: Path, tmp_path: Path) -> None:
    job = plan(stage, restart_interval=200)
    whole = Job.prepare(tmp_path / "whole", lmp, system, job).run()
    halves = Job.prepare(tmp_path / "halves", lmp, system, careful(job, 200, substeps=2)).run()
    assert halves.report.reached(200)
    if stage is PUSHOFF:
        assert moved(whole, halves) > 0, "its random numbers are others, so only that it runs can be said"
        return
    short = Job.prepare(
        tmp_path / "short", lmp, system, plan(stage | {"timestep_fs": 0.5}, restart_interval=400)
    ).run()
    # the thermostat acts once per counted step, so they are the same but for its error
    assert moved(short, halves) < 0.001 < 0.02 < moved(short, whole)
    pressure = [job.report.tables[0].rows[0] for job in (short, halves)]
    column = short.report.tables[0].columns.index("press")
    assert pressure[0][column] == pytest.approx(pressure[1][column], rel=1e-12), "of a held ceramic too"


@pytest.mark.integration
def test_frequent_neighbour_lists_change_only_rounding_errors(system: System, lmp: Path, tmp_path: Path) -> None:
    job = plan(NVT, restart_interval=200)
    whole = Job.prepare(tmp_path / "whole", lmp, system, job).run()
    often = Job.prepare(tmp_path / "often", lmp, system, careful(job, 200, rebuild_every_step=True)).run()
    assert often.report.reached(200)
    assert moved(whole, often) < 1e-6


@pytest.mark.integration
def test_recovery_keeps_frames_and_checkpoints(system: System, lmp: Path, tmp_path: Path) -> None:
    stage = NVT | {"trajectory_ps": 0.02}
    usual = Job.prepare(tmp_path / "usual", lmp, system, plan(stage)).run()
    job = Job.prepare(tmp_path / "job", lmp, system, careful(plan(stage), 100, substeps=4)).run()
    assert job.report.reached(200)
    assert [path.name for path in job.checkpoints()] == [path.name for path in usual.checkpoints()]
    sizes = {path.stat().st_size for path in tmp_path.glob("*/trajectory.dcd")}
    assert len(sizes) == 1
    later = careful(plan(stage | {"duration_ps": 0.3}), 100, substeps=4)
    resumed = Job.prepare(tmp_path / "resumed", lmp, system, later, job).run()
    assert resumed.report.reached(300)
    assert resumed.report.stages[0].first_step == 200


@pytest.mark.integration
def test_a_relaxation_before_a_stage_counts_no_steps(system: System, lmp: Path, tmp_path: Path) -> None:
    """Two atoms on top of each other: dynamics loses them, and does not once they have settled."""
    broken = crystal_and_molecules()
    positions = broken.data.unwrapped.copy()
    positions[-2:] = positions[-4:-2] + np.array([0.0, 0.0, 0.05])
    broken.data.set_unwrapped(positions)
    job = plan(NVT)
    lost = Job.prepare(tmp_path / "lost", lmp, broken, job).run()
    assert classify_error(lost.report.error or "") in (
        "lost_atoms",
        "bond_atoms_missing",
        "kspace_out_of_range",
        "not_a_number",
    )
    mended = Job.prepare(tmp_path / "mended", lmp, broken, careful(job, 100, relax_steps=500), lost).run()
    assert mended.report.reached(200)
    (stage,) = mended.report.stages
    assert (stage.first_step, stage.step, stage.steps_run) == (0, 200, 200)
    again = Job.prepare(tmp_path / "again", lmp, broken, careful(job, 100, relax_steps=500), mended).run()
    assert again.report.reached(200)
    assert again.report.tables == []


@pytest.mark.integration
def test_checkpoints_after_a_step_are_ignored(system: System, lmp: Path, tmp_path: Path) -> None:
    done = Job.prepare(tmp_path / "done", lmp, system, plan(NVT)).run()
    assert [path.name for path in done.checkpoints()] == ["restart.100", "restart.150", "restart.200"]
    for latest, chosen in ((None, "parent/restart.200"), (199, "parent/restart.150"), (99, "none")):
        job = plan(NVT).model_copy(update={"latest_checkpoint": latest})
        later = Job.prepare(tmp_path / f"before_{latest}", lmp, system, job, done)
        assert later.choose_checkpoint().restart == chosen
