"""Schedules: the temperature of the run at every level, stages packed into jobs, wrong ones refused."""

from typing import Any

import pytest

from aiida_cse.lammps.protocol.schedule import job_plans, schedule_error
from aiida_cse.lammps.protocol.stage import JobPlan

SCHEDULE: dict[str, Any] = {
    "stages": [
        {"name": "minimize", "kind": "minimize"},
        {"name": "ramp", "kind": "nvt", "duration_ps": 1, "temperature": [100, "target"], "velocities": "target"},
        {"name": "hold", "kind": "npt", "duration_ps": 2, "temperature": "target", "pressure": 1, "barostat": "z"},
    ],
    "settings": {"cutoff": 9.0},
}


def plans(schedule: dict[str, Any], temperature: float | None = 700) -> list[JobPlan]:
    return [JobPlan.model_validate(plan) for plan in job_plans(schedule, seed=3, temperature=temperature)]


def test_the_target_is_the_temperature_of_the_run_at_every_level() -> None:
    _, ramp, hold = (plan.stages[0] for plan in plans(SCHEDULE))
    assert ramp.temperature == (100, 700)
    assert ramp.velocities == 700
    assert hold.temperature == 700


def test_the_target_reaches_the_stages_of_a_named_scheme() -> None:
    larsen = {
        "schedule": "larsen-2011",
        "max_temperature": 1000,
        "final_temperature": "target",
        "stage": {"velocities": "target"},
    }
    found = plans({"stages": [larsen], "stages_per_job": 21})
    (plan,) = found
    assert len(plan.stages) == 21
    assert {stage.temperature for stage in plan.stages} == {700, 1000}
    assert {stage.velocities for stage in plan.stages} == {700}


@pytest.mark.parametrize(("per_job", "sizes"), [(1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (9, [3])])
def test_stages_are_packed_into_jobs(per_job: int, sizes: list[int]) -> None:
    found = plans(SCHEDULE | {"stages_per_job": per_job})
    assert [len(plan.stages) for plan in found] == sizes
    assert [plan.first_step for plan in found] == [0, *(plan.target_step for plan in found[:-1])]
    assert found[-1].target_step == 1 + 500 + 1000
    assert {(plan.seed, plan.settings.cutoff) for plan in found} == {(3, 9.0)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": []}, "stages = []"),
        ({"stages_per_job": 0}, "stages_per_job = 0"),
        ({"stages_per_jobs": 2}, "unknown key 'stages_per_jobs'; did you mean 'stages_per_job'?"),
        ({"settings": {"cutof": 9}}, "settings: unknown key 'cutof'; did you mean 'cutoff'?"),
        ({"stages": ["minimize"]}, "stages.0 = 'minimize'"),
        ({"stages": [{"kind": "nvt"}]}, "stage '?': name: is missing"),
        ({"stages": [{"name": "a\nshell rm", "kind": "minimize"}]}, r"name = 'a\nshell rm'"),
        ({"stages": [{"name": "a", "kind": "minimize", "mobil": "all"}]}, "stage 'a': unknown key 'mobil'"),
        ({"stages": [SCHEDULE["stages"][0]] * 2}, "stages: each name must be used once; used twice: minimize"),
        ({"stages": [{"schedule": "larsen"}]}, "schedule = 'larsen': is unknown; did you mean 'larsen-2011'?"),
        ({"stages": [{"schedule": "larsen-2011"}]}, "max_temperature: is missing"),
    ],
)
def test_a_wrong_schedule_is_refused_by_its_field(change: dict[str, Any], message: str) -> None:
    assert schedule_error(SCHEDULE) is None
    assert message in (schedule_error(SCHEDULE | {"stages_per_job": 9} | change) or "")


def test_a_schedule_with_a_target_needs_a_temperature() -> None:
    assert (
        schedule_error(SCHEDULE, None)
        == "temperature = 'target': needs the temperature of the run, which is not given"
    )
    fixed = {"stages": [SCHEDULE["stages"][0]]}
    assert schedule_error(fixed, None) is None


@pytest.mark.parametrize("per_job", [1, 2])
def test_a_name_used_twice_is_refused_also_across_jobs(per_job: int) -> None:
    stages = [*SCHEDULE["stages"], SCHEDULE["stages"][0]]
    error = schedule_error({"stages": stages, "stages_per_job": per_job})
    assert error is not None
    assert "used twice: minimize" in error
