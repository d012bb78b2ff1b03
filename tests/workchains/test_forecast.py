"""What a forecast says about starts, wall times, cores and workers."""

from __future__ import annotations

from typing import Any

import pytest

from aiida_cse.building.recipe import load_recipe
from aiida_cse.workchains import forecast as forecasts
from aiida_cse.workchains.common.costs import Duration
from aiida_cse.workchains.forecast import Forecast, forecast
from aiida_cse.workchains.study import StudyWorkChain

pytestmark = pytest.mark.usefixtures("aiida_profile")


@pytest.fixture
def study(lmp: Any, cse: Any) -> Any:
    """Return the forecast of a demo study with changes."""

    def made(options: dict[str, Any] | None = None, **overrides: Any) -> Forecast:
        recipe = load_recipe("llzo-peo-litfsi-demo")
        codes: Any = {"lammps": lmp, "cse": cse}
        return forecast(
            StudyWorkChain.get_builder_from_protocol(codes, recipe, "demo", overrides=overrides, options=options)
        )

    return made


def test_starts_that_the_slab_cannot_give_are_refused_and_close_ones_told(study: Any) -> None:
    found = study(starts=["as-built", "emptied"], start_excess={"emptied": -60})
    (refusal,) = found.refusals
    assert refusal.startswith("start_excess.emptied: initial_excess = -60: the slab has 112 Li")
    found = study(starts=["as-built", "filled"])
    assert found.refusals == ()
    assert "starts = as-built, filled: as-built and filled are 5.3 σ of N apart; needs ≥ 8" in found.warnings


def test_runs_at_once_share_the_cores_of_this_machine(study: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forecasts, "_cores_here", lambda part: 2)
    monkeypatch.setattr(forecasts, "duration_of", lambda part, *_: Duration(100.0, 100.0, 100.0, 10.0, (), ()))
    found = study(temperatures=[400, 500], replicas=2)
    assert found.seconds == (2 * 110 + 2 * 210, 2 * 110 + 2 * 210)
    assert found.slots == 13
    assert found.notes == ("interface: 4 jobs at once need 4 cores; this machine has 2, which they share",)
    ranks = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 4}, "max_wallclock_seconds": 60}
    found = study(ranks)
    assert "ceramic: each job of 4 MPI ranks needs 4 cores; this machine has 2" in found.warnings[0]
    (note,) = found.notes
    assert note.startswith("wall time of 60 s: the longest job of ceramic and of electrolyte and of interface")


def test_a_daemon_with_too_few_slots_is_told_with_the_command_that_adds_workers(
    study: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forecasts, "daemon_hint", lambda: None)
    monkeypatch.setattr(forecasts, "worker_slots", lambda: (1, 10))
    monkeypatch.setattr(forecasts, "slots_in_use", lambda: 4)
    found = study(temperatures=[400, 500])
    (warning,) = found.warnings
    assert warning.startswith("7 processes run at once, each in a slot of a worker, also while it waits; 6 of 10")
    assert warning.endswith("verdi daemon incr 1")
    assert found.needs_consent
