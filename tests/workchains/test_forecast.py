"""What a forecast says about starts, wall times, cores and workers."""

from __future__ import annotations

from typing import Any

import pytest
from aiida.orm import WorkChainNode

from aiida_cse.building.recipe import load_recipe
from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains import forecast as forecasts
from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.common.costs import Duration
from aiida_cse.workchains.crossing import CrossingWorkChain
from aiida_cse.workchains.forecast import Forecast, forecast, slots_of
from aiida_cse.workchains.production import ProductionWorkChain
from aiida_cse.workchains.quench import QuenchWorkChain
from aiida_cse.workchains.study import StudyWorkChain
from tests.nodes import interface
from tests.workchains.conftest import Make

pytestmark = [
    pytest.mark.usefixtures("aiida_profile"),
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]


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
    assert "; add a worker with: " in warning
    assert warning.endswith("verdi daemon incr 1")
    assert found.needs_consent


def test_a_paper_study_stores_less_than_100_MB(lmp: Any, cse: Any) -> None:  # noqa: N802
    codes: Any = {"lammps": lmp, "cse": cse}
    recipe = load_recipe("llzo-peo-litfsi")
    found = forecast(StudyWorkChain.get_builder_from_protocol(codes, recipe, "paper"))
    productions = found.phases[-1]
    assert (len(productions), productions[0].atoms) == (4, 13_284), "the study of the paper, at full size"
    assert 50e6 < found.disk.repository < 100e6


# -- slots that a stored process holds -----------------------------------------------------------------------

#: two runs, and four crossings of four ladders each
CROSSED = {"temperatures": [400, 500], "crossing": {"temperatures": [400, 500]}}


@pytest.mark.parametrize(
    ("overrides", "slots"), [({"temperatures": [400, 500]}, 1 + 3 * 2), (CROSSED, 1 + 4 * (1 + 2 * 4))]
)
def test_slots_of_a_stored_study_are_those_of_its_forecast(
    overrides: dict[str, Any], slots: int, make: Make, codes: Codes
) -> None:
    recipe = load_recipe("llzo-peo-litfsi-demo")
    builder = StudyWorkChain.get_builder_from_protocol(codes, recipe, "demo", overrides=overrides)
    assert forecast(builder).slots == slots
    assert slots_of(make(builder).node) == slots


def test_slots_of_runs_launched_alone_are_known(make: Make, codes: Codes, recipe: dict[str, Any]) -> None:
    system, plan = CseSystemData(interface()), {"well": [24.5, 27.5], "span": [22.5, 27.5]}
    crossing: Any = CrossingWorkChain
    crossing = crossing.get_builder_from_protocol(
        codes, system, 500.0, "left", {"seeds": {"velocities": 3}}, protocol="demo", overrides={"plan": plan}
    )
    production = ProductionWorkChain.get_builder_from_protocol(codes, recipe, system, 500.0, "demo")
    quench = QuenchWorkChain.get_builder_from_protocol(codes, recipe, system, 400.0, protocol="demo")
    held = [slots_of(make(builder).node) for builder in (production, quench, crossing)]
    assert held == [3, 1 + 3, 1 + 2 * 4]


def test_slots_of_a_process_without_a_forecast_are_not_known() -> None:
    for label in ("StudyWorkChain", "AnalysisWorkChain"):
        node = WorkChainNode(process_type="aiida.workflows:cse.study")
        node.set_process_label(label)
        assert slots_of(node.store()) is None, "it has no inputs"
