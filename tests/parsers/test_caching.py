"""AiiDA's cache: of jobs that failed nothing is served, whatever they failed of; what succeeded is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.engine import CalcJob, run_get_node
from aiida.manage.caching import enable_caching
from aiida.plugins import CalculationFactory

from aiida_cse.data.system import CseSystemData
from tests.nodes import job_node, new_job, system_node
from tests.parsers.test_exit_codes import own_codes
from tests.systems import crystal_and_molecules

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

JOBS = ("cse.lammps", "cse.build", "cse.emc", "cse.reduce", "cse.moltemplate", "cse.read_data")
#: of aiida-core, which the parsers of this package hand on
OF_THE_SCHEDULER = (110, 120, 131, 140, 150, 160)

PLAN: dict[str, Any] = {
    "stages": [
        {
            "name": "heat",
            "kind": "nvt",
            "duration_ps": 0.1,
            "timestep_fs": 1,
            "temperature": 300,
            "velocities": 300,
        }
    ],
    "settings": {"cutoff": 6.0, "kspace_accuracy": 1e-3, "restart_interval": 50},
}


def served(name: str, computer: orm.Computer, system: CseSystemData, status: int) -> bool:
    """Return whether a job is served from one that ended with this code."""
    inputs = {"system": system, "plan": orm.Dict(PLAN | {"seed": 1000 + status}).store()}
    ended = job_node(name, computer, inputs, exit_status=status)
    ended.seal()
    with enable_caching(identifier=f"aiida.calculations:{name}"):
        again = new_job(name, computer, inputs)
    return bool(again.base.caching.is_created_from_cache)


@pytest.mark.parametrize("name", JOBS)
def test_what_failed_is_not_served(name: str, localhost: orm.Computer) -> None:
    system = system_node()
    failures = [*(code.status for code in own_codes(CalculationFactory(name)).values()), *OF_THE_SCHEDULER]
    assert [status for status in failures if served(name, localhost, system, status)] == []


@pytest.mark.parametrize("name", JOBS)
def test_what_succeeded_is_served(name: str, localhost: orm.Computer) -> None:
    assert served(name, localhost, system_node(), 0)


# -- the real program -----------------------------------------------------------------------------------------

Job = Callable[..., orm.CalcJobNode]


@pytest.fixture
def job(lmp: orm.InstalledCode) -> Job:
    """Return a function that runs LAMMPS from a system, or takes it from the cache."""

    def run(system: CseSystemData, options: dict[str, Any] | None = None, **plan: Any) -> orm.CalcJobNode:
        process: type[CalcJob] = CalculationFactory("cse.lammps")
        inputs = {"code": lmp, "system": system, "plan": orm.Dict(PLAN | plan)}
        with enable_caching(identifier="aiida.calculations:cse.lammps"):
            _, node = run_get_node(process, **inputs, metadata={"options": options or {}})
        return node

    return run


@pytest.mark.integration
def test_a_run_is_served_and_a_broken_one_is_run_again(job: Job) -> None:
    whole = crystal_and_molecules()
    first, second = job(CseSystemData(whole).store()), job(CseSystemData(whole).store())
    assert first.is_finished_ok
    assert not first.base.caching.is_created_from_cache
    assert second.base.caching.get_cache_source() == first.uuid
    assert second.outputs.results.get_dict() == first.outputs.results.get_dict()

    positions = whole.data.unwrapped.copy()
    positions[-2:] = positions[-4:-2] + np.array([0.0, 0.0, 0.05])
    whole.data.set_unwrapped(positions)
    broken = [job(CseSystemData(whole).store()) for _ in range(2)]
    assert all(node.exit_status in (410, 411, 412, 413) for node in broken)
    assert not any(node.base.caching.is_created_from_cache for node in broken)


@pytest.mark.integration
def test_a_longer_wall_time_is_given_its_chance(job: Job) -> None:
    """The cache looks at the inputs alone, and a wall time is none: the run that it ended must not be served."""
    system = CseSystemData(crystal_and_molecules()).store()
    stages = [PLAN["stages"][0] | {"duration_ps": 1000}]
    short = job(system, {"max_wallclock_seconds": 2}, stages=stages)
    assert short.exit_status in (400, 403)
    again = job(system, {"max_wallclock_seconds": 3}, stages=stages)
    assert not again.base.caching.is_created_from_cache
