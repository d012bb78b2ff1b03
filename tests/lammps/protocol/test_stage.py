"""Stages, settings and plans: what is wrong is refused by the name of its field, and steps are counted through."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from aiida_cse.lammps.protocol.stage import JobPlan, RunSettings, Stage, plan_steps
from aiida_cse.schema import explain

NVT: dict[str, Any] = {"name": "heat", "kind": "nvt", "duration_ps": 1, "temperature": 300}
NPT: dict[str, Any] = NVT | {"kind": "npt", "pressure": 1, "barostat": "z"}
MINIMIZE: dict[str, Any] = {"name": "minimize", "kind": "minimize"}
INFINITE, NOT_A_NUMBER = float("inf"), float("nan")


def complaint(model: type[BaseModel], values: dict[str, Any]) -> str:
    """Return what the model says of values that it refuses."""
    with pytest.raises(ValidationError) as caught:
        model.model_validate(values)
    return explain(caught.value)


@pytest.mark.parametrize(
    ("base", "change", "message"),
    [
        (NVT, {"name": "Heat"}, "name = 'Heat'"),
        (NVT, {"name": "two words"}, "name = 'two words'"),
        (NVT, {"name": "a\nshell rm"}, r"name = 'a\nshell rm'"),
        (NVT, {"name": "a\n"}, r"name = 'a\n'"),
        (NVT, {"name": "a${x}"}, "name = 'a${x}'"),
        (NVT, {"name": "a" * 41}, "name = 'aaaa"),
        (NVT, {"kind": "nve"}, "kind = 'nve': must be 'minimize', 'pushoff', 'nvt', 'npt' or 'shots'"),
        (NVT, {"duration_ps": 0}, "duration_ps = 0: must be greater than 0"),
        (NVT, {"duration_ps": INFINITE}, "duration_ps = inf: must be a finite number"),
        (NVT, {"duration_ps": NOT_A_NUMBER}, "duration_ps = nan: must be a finite number"),
        (NVT, {"duration_ps": 1e12}, "duration_ps = 1000000000000.0: must be less than or equal"),
        (NVT, {"duration_ps": None}, "stage 'heat': every stage but minimize and shots needs duration_ps"),
        (NVT, {"timestep_fs": 5}, "timestep_fs = 5: must be less than or equal to 4"),
        (NVT, {"temperature": None}, "stage 'heat': a nvt stage needs temperature"),
        (NVT, {"temperature": -5}, "temperature.value = -5: must be greater than 0"),
        (NVT, {"temperature": 6000}, "temperature.value = 6000: must be less than or equal to 5000"),
        (
            NVT,
            {"temperature": "300\nshell rm"},
            "temperature.value = '300\\nshell rm': must be a valid number",
        ),
        (NVT, {"temperature": [300]}, "temperature.ramp.1: is missing"),
        (NVT, {"temperature": [100, -3]}, "temperature.ramp.1 = -3: must be greater than 0"),
        (NVT, {"velocities": 0}, "velocities = 0"),
        (NVT, {"thermostat_fs": INFINITE}, "thermostat_fs = inf"),
        (NVT, {"thermo_ps": -1}, "thermo_ps = -1"),
        (NVT, {"trajectory_ps": 0}, "trajectory_ps = 0"),
        (NVT, {"pressure": 1}, "stage 'heat': pressure belongs to an npt stage"),
        (NVT, {"barostat": "z"}, "stage 'heat': barostat (z, xy-z, x-y-z, iso) belongs to an npt stage"),
        (NVT, {"mobile": "polymer"}, "mobile = 'polymer': must be 'all' or 'electrolyte'"),
        (NVT, {"duration": 3}, "unknown key 'duration'; did you mean 'duration_ps'?"),
        (NVT, {"scale_z": 0.3}, "scale_z = 0.3: must be greater than or equal to 0.5"),
        (NPT, {"scale_z": 0.99}, "stage 'heat': scale_z belongs to an nvt stage"),
        (NPT, {"pressure": None}, "stage 'heat': pressure belongs to an npt stage, and an npt stage needs it"),
        (NPT, {"barostat": None}, "stage 'heat': barostat (z, xy-z, x-y-z, iso) belongs to an npt stage"),
        (NPT, {"pressure": [1, 3e5]}, "pressure.ramp.1 = 300000.0"),
        (NPT, {"barostat": "y"}, "barostat = 'y': must be 'z', 'xy-z', 'x-y-z' or 'iso'"),
        (NPT, {"barostat_fs": 0}, "barostat_fs = 0"),
        (NPT, {"barostat": "iso", "mobile": "electrolyte"}, "only barostat z can be"),
        (MINIMIZE, {"duration_ps": 1}, "stage 'minimize': every stage but minimize and shots needs duration_ps"),
        (MINIMIZE, {"trajectory_ps": 1}, "stage 'minimize': a minimize stage has no trajectory"),
        (MINIMIZE, {"max_iterations": 0}, "max_iterations = 0"),
    ],
)
def test_a_wrong_stage_is_refused_by_its_field(base: dict[str, Any], change: dict[str, Any], message: str) -> None:
    Stage.model_validate(base)
    assert message in complaint(Stage, base | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cutoff": 2}, "cutoff = 2: must be greater than 2"),
        ({"cutoff": 31}, "cutoff = 31"),
        ({"kspace_style": "msm"}, "kspace_style = 'msm': must be 'pppm', 'ewald' or 'none'"),
        ({"kspace_accuracy": 0.1}, "kspace_accuracy = 0.1: must be less than 0.1"),
        ({"skin": 0}, "skin = 0"),
        ({"restart_interval": 0}, "restart_interval = 0"),
        ({"restart_interval": 2.5}, "restart_interval = 2.5: must be a valid integer"),
        ({"exact": "perhaps"}, "exact = 'perhaps'"),
        ({"cut_off": 9}, "unknown key 'cut_off'; did you mean 'cutoff'?"),
    ],
)
def test_wrong_settings_are_refused_by_their_field(change: dict[str, Any], message: str) -> None:
    assert message in complaint(RunSettings, change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stages": []}, "stages = []: needs at least 1 entry"),
        ({"stages": [NVT, NVT]}, "stages: each name must be used once; used twice: heat"),
        ({"stop_step": 501}, "stop_step: 501 lies outside the last stage (0, 500]"),
        ({"stages": [NVT, NVT | {"name": "go"}], "stop_step": 500}, "stop_step: 500 lies outside the last stage"),
        ({"stop_step": 0}, "stop_step = 0"),
        ({"first_step": -1}, "first_step = -1"),
        ({"seed": 0}, "seed = 0"),
        ({"seed": 2**31}, "seed = 2147483648"),
        (
            {"stages": [NVT | {"temperature": 0}]},
            "stages.0.temperature.value = 0: must be greater than 0",
        ),
        ({"settings": {"cutof": 9}}, "settings: unknown key 'cutof'; did you mean 'cutoff'?"),
        ({"segments": 3}, "unknown key 'segments'"),
    ],
)
def test_a_wrong_plan_is_refused_by_its_field(change: dict[str, Any], message: str) -> None:
    assert message in complaint(JobPlan, {"stages": [NVT]} | change)


def test_a_wrong_entry_is_reported_once() -> None:
    wrong = {"stages": [NVT | {"temperature": 0}]}
    assert complaint(JobPlan, wrong) == "stages.0.temperature.value = 0: must be greater than 0"


def test_a_stage_counts_its_steps() -> None:
    assert Stage.model_validate(NVT).steps == 500
    assert Stage.model_validate(NVT | {"timestep_fs": 1}).steps == 1000
    assert Stage.model_validate(NVT | {"duration_ps": 0.001}).steps == 1
    assert Stage.model_validate(MINIMIZE).steps == 1
    assert Stage.model_validate(NVT).interval(0.1) == 50
    assert Stage.model_validate(NVT).interval(1e-6) == 1


@given(
    st.lists(st.floats(0.001, 1e4), min_size=1, max_size=8),
    st.integers(0, 10**9),
)
def test_steps_are_counted_through_all_stages(durations: list[float], first_step: int) -> None:
    stages = tuple(
        Stage.model_validate(NVT | {"name": f"s{number}", "duration_ps": duration})
        for number, duration in enumerate(durations)
    )
    spans = plan_steps(stages, first_step)
    assert spans[0].start == first_step
    assert all(before.end == after.start for before, after in pairwise(spans))
    assert all(span.end - span.start == span.stage.steps > 0 for span in spans)
    plan = JobPlan(stages=stages, first_step=first_step)
    assert plan.spans == spans
    assert plan.target_step == spans[-1].end


def test_a_segment_ends_inside_its_stage() -> None:
    assert JobPlan.model_validate({"stages": [NVT], "stop_step": 200}).target_step == 200
    assert JobPlan.model_validate({"stages": [NVT], "stop_step": 500}).target_step == 500


def test_a_plan_is_unchanged_as_a_dictionary() -> None:
    plan = JobPlan.model_validate({"stages": [NPT | {"pressure": [1, 100]}, MINIMIZE], "seed": 5})
    assert JobPlan.model_validate(plan.model_dump(mode="json", exclude_none=True)) == plan
