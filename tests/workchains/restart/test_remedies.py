"""The order of recovery steps after a failed run."""

import pytest

from aiida_cse.workchains.restart.remedies import BLOW_UP, FailedRun, next_remedy
from tests.lammps.jobs import plan
from tests.lammps.make_logs import HEAT, MINIMIZE, RELAX


@pytest.mark.parametrize("started", [300, 200])
def test_a_run_that_fails_at_once_goes_back_repeatedly(started: int) -> None:
    breakdown = FailedRun(started=started, reached=started, from_checkpoint=True)
    remedy = next_remedy(plan(MINIMIZE, HEAT, RELAX), BLOW_UP, ("checkpoint", "timestep"), breakdown)
    assert remedy is not None
    assert (remedy.change, remedy.plan.latest_checkpoint) == ("checkpoint", started - 1)


def test_a_run_that_fails_later_goes_back_once() -> None:
    breakdown = FailedRun(started=200, reached=250, from_checkpoint=True)
    remedy = next_remedy(plan(MINIMIZE, HEAT, RELAX), BLOW_UP, ("checkpoint", "timestep"), breakdown)
    assert remedy is None or remedy.change != "checkpoint"
