"""Cooling plans: steps, rates and boxes as asked, wrong ones refused by their field."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from aiida_cse.lammps.protocol.cooling import CoolingPlan, cooling_error
from aiida_cse.lammps.protocol.schedule import job_plans
from aiida_cse.lammps.protocol.stage import JobPlan, Stage

PLAN: dict[str, Any] = {"rate_K_per_ns": 100, "step_K": 40, "hold_ps": 50}
SCALED: dict[str, Any] = PLAN | {"box": "scaled", "expansion_per_K": 2e-4}


def stages(plan: dict[str, Any], hot: float = 700, cold: float = 600) -> list[Stage]:
    schedule = CoolingPlan.model_validate(plan).schedule(hot, cold)
    return [JobPlan.model_validate(job).stages[0] for job in job_plans(schedule, seed=1)]


def test_steps_are_equal_and_no_larger_than_requested() -> None:
    found = stages(PLAN)
    assert [stage.name for stage in found] == [f"{kind}_{n:02d}" for n in (1, 2, 3) for kind in ("cool", "hold")]
    ramps, holds = found[::2], found[1::2]
    assert [stage.temperature for stage in ramps] == [
        pytest.approx((700, 2000 / 3)), pytest.approx((2000 / 3, 1900 / 3)), pytest.approx((1900 / 3, 600)),
    ]  # fmt: skip
    assert [stage.temperature for stage in holds] == [pytest.approx(t) for t in (2000 / 3, 1900 / 3, 600)]
    assert holds[-1].temperature == 600
    assert {stage.duration_ps for stage in holds} == {50}
    assert [stage.duration_ps for stage in ramps] == pytest.approx([1000 / 3] * 3), "100 K per ns"
    assert {(stage.kind, stage.barostat, stage.pressure) for stage in found} == {("npt", "xy-z", 1.0)}
    assert {stage.velocities for stage in found} == {None}, "the velocities are those of the hot run"


def test_the_last_hold_may_be_longer() -> None:
    *_, before, _, last = stages(PLAN | {"last_ps": 500})
    assert (before.duration_ps, last.duration_ps) == (50, 500)


def test_the_length_of_a_scaled_box_follows_its_expansion() -> None:
    found = stages(SCALED)
    assert {stage.kind for stage in found} == {"nvt"}
    assert {stage.scale_z for stage in found[1::2]} == {None}
    length = 1.0
    for ramp in found[::2]:
        assert ramp.scale_z is not None
        length *= ramp.scale_z
    assert length == pytest.approx(1 - 2e-4 * 100)
    assert {stage.scale_z for stage in stages(SCALED | {"expansion_per_K": 0})} == {None}


def test_ions_in_a_landscape_are_cooled_by_their_langevin_bath() -> None:
    found = stages(SCALED | {"expansion_per_K": 0, "thermostat": "langevin"})
    assert {(stage.kind, stage.thermostat, stage.scale_z) for stage in found} == {("nvt", "langevin", None)}


@given(
    hot=st.floats(1, 3000),
    share=st.floats(0.01, 0.999),
    step=st.floats(0.5, 4000),
    rate=st.floats(1e-3, 1e4),
)
def test_any_cooling_descends_without_a_gap(hot: float, share: float, step: float, rate: float) -> None:
    cold = hot * share
    plan = CoolingPlan(rate_K_per_ns=rate, step_K=step, hold_ps=1)
    if (hot - cold) / step > 99:
        assert "step_K" in (cooling_error(plan, hot, cold) or "")
        return
    places = plan.temperatures(hot, cold)
    assert (places[0], places[-1]) == (hot, cold)
    steps = [before - after for before, after in pairwise(places)]
    assert all(0 < one <= step * (1 + 1e-6) for one in steps)
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rate_K_per_ns": 0}, "rate_K_per_ns"),
        ({"step_K": -1}, "step_K"),
        ({"hold_ps": 0}, "hold_ps"),
        ({"box": "fixed"}, "box"),
        ({"box": "scaled"}, "expansion_per_K = None: required with box: scaled"),
        ({"expansion_per_K": 1e-4}, "expansion_per_K = 0.0001: required with box: scaled"),
        ({"box": "scaled", "expansion_per_K": 0.5}, "expansion_per_K"),
        ({"barostat": "y"}, "barostat"),
        ({"thermostat": "langevin"}, "thermostat = langevin: has no barostat; give box: scaled"),
        ({"rate_per_ns": 3}, "unknown key 'rate_per_ns'; did you mean 'rate_K_per_ns'?"),
    ],
)
def test_a_wrong_plan_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message.replace("?", r"\?")):
        CoolingPlan.model_validate(PLAN | change)


@pytest.mark.parametrize(
    ("change", "hot", "cold", "message"),
    [
        ({}, 600, 700, "temperature = 700: must be below hot_temperature = 600 K"),
        ({}, 600, 600, "temperature = 600: must be below"),
        ({"step_K": 1}, 700, 400, "step_K = 1: makes 300 steps, at most 99 are possible; give 3.03 or more"),
        ({"rate_K_per_ns": 1e9}, 700, 600, "less than one step of timestep_fs = 2"),
        ({"thermostat_fs": 1}, 700, 600, "thermostat_fs = 1 must be at least 10 steps"),
        ({"settings": {"restart_interval": 100}}, 700, 600, None),
    ],
)
def test_an_impossible_cooling_is_refused(
    change: dict[str, Any], hot: float, cold: float, message: str | None
) -> None:
    found = cooling_error(CoolingPlan.model_validate(PLAN | change), hot, cold)
    assert (found is None) if message is None else (found is not None and message in found)
