"""The plan of a production: segments end on checkpoints, frames fall on steps that all segments share."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aiida_cse.lammps.production import MOST_SEGMENTS, PRODUCTION, ProductionPlan
from aiida_cse.lammps.stage import JobPlan
from aiida_cse.validation import explain

PLAN: dict[str, Any] = {
    "length_ps": 100,
    "segment_ps": 20,
    "frame_ps": 2,
    "settings": {"restart_interval": 5000},
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"length_ps": 0}, "'length_ps' = 0: Input should be greater than 0"),
        ({"length_ps": float("inf")}, "'length_ps' = inf: Input should be a finite number"),
        ({"length_ps": 1e30}, "'length_ps' = 1e+30: Input should be less than or equal"),
        ({"length_ps": 10}, "length_ps = 10 is shorter than one segment (segment_ps = 20)"),
        ({"length_ps": 100.001}, "length_ps = 100.001 ps is no whole number of steps of 2 fs"),
        ({"segment_ps": 15}, "segment_ps = 15 (7500 steps) must be a multiple of the checkpoint cadence"),
        ({"settings": {"restart_interval": 3000}}, "settings.restart_interval = 3000 steps"),
        ({"frame_ps": 3}, "segment_ps = 20 must be a multiple of frame_ps = 3"),
        ({"frame_ps": 0.003}, "frame_ps = 0.003 ps is no whole number of steps of 2 fs"),
        ({"length_ps": 20 * MOST_SEGMENTS + 20}, "segment_ps = 20 cuts length_ps into more than 9999 segments"),
        ({"timestep_fs": 5}, "'timestep_fs' = 5"),
        ({"settings": {"kspace": "pppm"}}, "'settings': unknown key 'kspace'; did you mean 'kspace_style'?"),
        ({"segments": 3}, "unknown key 'segments'; did you mean 'segment_ps'?"),
    ],
)
def test_a_wrong_plan_is_refused_by_its_field(change: dict[str, Any], message: str) -> None:
    ProductionPlan.model_validate(PLAN)
    with pytest.raises(ValidationError) as caught:
        ProductionPlan.model_validate(PLAN | change)
    assert message in explain(caught.value)


def test_segments_are_one_run() -> None:
    plans = [JobPlan.model_validate(plan) for plan in ProductionPlan.model_validate(PLAN).segments(700, 11)]
    assert [plan.target_step for plan in plans] == [10_000, 20_000, 30_000, 40_000, 50_000]
    assert {plan.stages for plan in plans} == {plans[0].stages}
    (stage,) = plans[0].stages
    assert (stage.name, stage.kind, stage.temperature, stage.trajectory_ps) == (PRODUCTION, "nvt", 700, 2)
    assert {(plan.seed, plan.first_step) for plan in plans} == {(11, 0)}
    assert stage.velocities is None, "the production goes on with the velocities of the interface"


def test_what_is_left_is_a_shorter_segment() -> None:
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
