"""Plan of a crossing."""

import pytest

from aiida_cse.lammps.protocol.crossing import CrossingPlan, Ladder
from aiida_cse.lammps.protocol.stage import JobPlan

LADDER = Ladder({"atom": 1, "reference": (1,), "zero": 0.0}, {"types": (1,), "low": -1, "high": 1}, -20.0, 1)


@pytest.mark.parametrize("window_ps", [2.0, 9.0, 20.0])
def test_the_shortest_window_is_longer_than_its_relaxation(window_ps: float) -> None:
    settings = {"restart_interval": 10_000}
    plan = CrossingPlan.model_validate({"relax_ps": 50, "window_ps": window_ps, "settings": settings})
    job = JobPlan.model_validate(plan.next_round(LADDER, {-20.0: window_ps / 4}, 400.0, 0))
    assert job.stages[0].duration_ps >= 50 + window_ps / 4
    assert job.target_step % 10_000 == 0, "it ends at a checkpoint"


def test_windows_close_to_an_added_one_have_stiffer_springs() -> None:
    plan = CrossingPlan(spacing_A=1.0, spread_A=0.4)
    assert plan.spreads([-18.0, -17.1, -16.2]) == [0.4, 0.4, 0.4]
    assert plan.spreads([-18.0, -17.0, -16.5, -16.0]) == [0.4, 0.2, 0.2, 0.2]
    assert plan.spreads([-18.0]) == [0.4]
