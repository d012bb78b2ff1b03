"""The plan of a production: segments end on checkpoints, frames fall on steps that all segments share."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aiida_cse.lammps.job.script import render_script
from aiida_cse.lammps.protocol.production import MOST_SEGMENTS, PRODUCTION, ProductionPlan
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.physics.exchange.stopping import Decision, StopRule
from aiida_cse.schema import explain

PLAN: dict[str, Any] = {
    "length_ps": 100,
    "segment_ps": 20,
    "frame_ps": 2,
    "settings": {"restart_interval": 5000},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length_ps": 0}, "length_ps = 0: must be greater than 0"),
        ({"length_ps": float("inf")}, "length_ps = inf: must be a finite number"),
        ({"length_ps": 1e30}, "length_ps = 1e+30: must be less than or equal"),
        ({"length_ps": 10}, "length_ps = 10 is shorter than one segment (segment_ps = 20)"),
        ({"length_ps": 100.001}, "length_ps = 100.001 ps is no whole number of steps of 2 fs"),
        ({"segment_ps": 15}, "segment_ps = 15 (7500 steps) must be a multiple of the checkpoint cadence"),
        ({"settings": {"restart_interval": 3000}}, "settings.restart_interval = 3000 steps"),
        ({"frame_ps": 3}, "segment_ps = 20 must be a multiple of frame_ps = 3"),
        ({"all_atoms_ps": 6}, "segment_ps = 20 must be a multiple of all_atoms_ps = 6"),
        ({"all_atoms_ps": 1}, "all_atoms_ps = 1 must be at least frame_ps = 2"),
        (
            {"frame_ps": 4, "all_atoms_ps": 5},
            "all_atoms_ps = 5 must be at least frame_ps = 4, the time between",
        ),
        ({"all_atoms_ps": 4.001}, "all_atoms_ps = 4.001 ps is no whole number of steps of 2 fs"),
        ({"frame_ps": 0.003}, "frame_ps = 0.003 ps is no whole number of steps of 2 fs"),
        ({"length_ps": 20 * MOST_SEGMENTS + 20}, "segment_ps = 20 cuts length_ps into more than 9999 segments"),
        ({"timestep_fs": 5}, "timestep_fs = 5"),
        ({"settings": {"kspace": "pppm"}}, "settings: unknown key 'kspace'; did you mean 'kspace_style'?"),
        ({"segments": 3}, "unknown key 'segments'; did you mean 'segment_ps'?"),
    ],
)
def test_a_wrong_plan_is_refused_by_its_field(change: dict[str, Any], message: str) -> None:
    ProductionPlan.model_validate(PLAN)
    with pytest.raises(ValidationError) as caught:
        ProductionPlan.model_validate(PLAN | change)
    assert message in explain(caught.value)


def test_segments_form_one_run() -> None:
    plans = [JobPlan.model_validate(plan) for plan in ProductionPlan.model_validate(PLAN).segments(700, 11)]
    assert [plan.target_step for plan in plans] == [10_000, 20_000, 30_000, 40_000, 50_000]
    assert [plan.spans[-1].end for plan in plans] == [plan.target_step for plan in plans]
    assert len({plan.stages[0].model_copy(update={"duration_ps": None}) for plan in plans}) == 1
    (stage,) = plans[0].stages
    assert (stage.name, stage.kind, stage.temperature, stage.trajectory_ps) == (PRODUCTION, "nvt", 700, 2)
    assert {(plan.seed, plan.first_step) for plan in plans} == {(11, 0)}
    assert stage.velocities is None, "the production keeps the velocities of the interface"


def test_ions_are_written_more_often_than_all_atoms() -> None:
    plan = ProductionPlan.model_validate(PLAN | {"all_atoms_ps": 10})
    (stage,) = JobPlan.model_validate(plan.segments(700, 11)[0]).stages
    assert (stage.trajectory_ps, stage.ions_ps) == (10, 2)
    script = render_script(JobPlan.model_validate(plan.segments(700, 11)[0]), (1, 3, 6))
    assert "dump trajectory all dcd 5000 trajectory.dcd\n" in script
    assert (
        "group ions type 1 3 6\ndump ions ions dcd 1000 ions.dcd\ndump_modify ions unwrap yes sort id\n" in script
    )
    same = ProductionPlan.model_validate(PLAN | {"all_atoms_ps": 2})
    assert same.segments(700, 11) == ProductionPlan.model_validate(PLAN).segments(700, 11)


def test_a_longer_production_begins_with_the_same_segments() -> None:
    """AiiDA's cache finds what was run for a shorter one."""
    shorter = ProductionPlan.model_validate(PLAN).segments(700, 11)
    longer = ProductionPlan.model_validate(PLAN | {"length_ps": 160})
    assert longer.segments(700, 11)[:5] == shorter
    assert longer.segments(700, 11, after=50_000) == longer.segments(700, 11)[5:]
    assert longer.segments(700, 11, after=80_000) == []
    odd = longer.segments(700, 11, after=37_000)
    assert [(plan["resume_step"], plan["stop_step"]) for plan in odd[:2]] == [(37_000, 40_000), (40_000, 50_000)]


ADAPTIVE = {"rule": "equilibrated", "first_look_ns": 0.03, "growth": 1.5}


def test_looks_are_at_ends_of_segments() -> None:
    plan = ProductionPlan.model_validate(PLAN | {"stop": ADAPTIVE})
    assert plan.looks() == [20_000, 30_000, 40_000, 50_000]
    assert plan.looks(after=30_000) == [40_000, 50_000]
    assert plan.looks(after=50_000) == plan.looks(after=50_000) == [50_000], "nothing is left to run: look again"
    assert ProductionPlan.model_validate(PLAN).looks() == [50_000]
    assert ProductionPlan.model_validate(PLAN | {"length_ps": 70}).looks(10_000) == [35_000]


def test_a_rule_without_a_first_look_is_refused() -> None:
    with pytest.raises(ValidationError) as caught:
        ProductionPlan.model_validate(PLAN | {"stop": {"rule": "equilibrated"}})
    assert "stop.rule = equilibrated: needs first_look_ns" in explain(caught.value)


@pytest.mark.parametrize(
    ("stop", "verdicts", "decision"),
    [
        ({}, [True, True], Decision.CONTINUE),
        ({}, [True, True, False], Decision.BUDGET_SPENT),
        (ADAPTIVE, [False], Decision.CONTINUE),
        (ADAPTIVE, [False, True], Decision.EQUILIBRATED),
        (ADAPTIVE | {"confirmations": 2}, [False, True], Decision.CONTINUE),
        (ADAPTIVE | {"confirmations": 2}, [True, False, True], Decision.BUDGET_SPENT),
        (ADAPTIVE | {"confirmations": 2}, [False, True, True], Decision.EQUILIBRATED),
    ],
)
def test_the_stop_rule_ends_a_production(stop: dict[str, Any], verdicts: list[bool], decision: Decision) -> None:
    assert StopRule.model_validate(stop).decide(verdicts, looks=3) is decision


def test_a_temperature_may_have_its_own_length() -> None:
    plan = ProductionPlan.model_validate(PLAN | {"lengths": [[400, 60], [500, 40]]})
    assert [plan.at(temperature).length_ps for temperature in (400, 499.8, 600)] == [60, 40, 100]
    assert plan.at(400).lengths == ()
    assert plan.at(400).at(500).length_ps == 60, "what was settled stays"


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        ([[400, 10]], "lengths: at 400 K: length_ps = 10 is shorter than one segment (segment_ps = 20)"),
        ([[400, 60], [400.2, 40]], "lengths: each temperature must be there once, not 400, 400 K"),
        ([[-1, 60]], "lengths.0.0 = -1"),
        ([[400]], "lengths.0"),
    ],
)
def test_a_wrong_length_of_a_temperature_is_refused(lengths: list[Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        ProductionPlan.model_validate(PLAN | {"lengths": lengths})
    assert message in explain(caught.value)


def test_the_last_segment_may_be_shorter() -> None:
    plan = ProductionPlan.model_validate(PLAN | {"length_ps": 70})
    assert [segment["stop_step"] for segment in plan.segments(700, 1)] == [10_000, 20_000, 30_000, 35_000]


@given(
    cadence=st.integers(1, 5000),
    in_segment=st.integers(1, 40),
    segments=st.integers(1, 50),
    frames=st.integers(1, 20),
)
def test_segments_end_on_checkpoints_and_frames(cadence: int, in_segment: int, segments: int, frames: int) -> None:
    steps = cadence * in_segment * frames
    plan = ProductionPlan.model_validate(
        {
            "length_ps": steps * segments * 0.002,
            "segment_ps": steps * 0.002,
            "frame_ps": steps // frames * 0.002,
            "settings": {"restart_interval": cadence},
        }
    )
    stops = [segment["stop_step"] for segment in plan.segments(300, 1)]
    assert stops == [steps * (number + 1) for number in range(segments)]
    assert all(stop % cadence == 0 for stop in stops)
    assert stops[-1] == plan.total_steps
