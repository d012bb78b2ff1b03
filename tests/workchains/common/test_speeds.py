"""Measured speeds of a code, from nodes as finished jobs leave them."""

from __future__ import annotations

from typing import Any

import pytest
from aiida import orm

from aiida_cse.workchains.common.speeds import measured_speeds
from tests.nodes import job_node, system_node

# AiiDA makes nodes outside of the database's session until they are stored
pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


def stage(first: int = 0, step: int = 1000, seconds: Any = 2.0, kind: str = "nvt") -> dict[str, Any]:
    return {"kind": kind, "first_step": first, "step": step, "wall_seconds": seconds}


@pytest.fixture
def code(localhost: orm.Computer) -> orm.InstalledCode:
    """A code of its own, without jobs."""
    return orm.InstalledCode(
        computer=localhost, filepath_executable="/x/lmp", default_calc_job_plugin="cse.lammps"
    )


def job(code: orm.InstalledCode, results: Any, status: int = 0, settings: Any = None) -> int:
    made = job_node(
        "cse.lammps",
        code.computer,
        {"code": code, "system": system_node(), "plan": orm.Dict({"settings": settings or {}})},
        outputs={"results": orm.Dict(results)},
        exit_status=status,
    )
    return int(made.pk)


def test_the_newest_jobs_of_a_code_give_its_speeds(code: orm.InstalledCode) -> None:
    used = {"accelerator": "omp", "threads": 2, "kspace_style": "ewald"}
    old = job(code, {"ranks": 4, "stages": [stage(), stage(1000, 3000, 6.0, "npt")]}, settings=used)
    new = job(code, {"ranks": 1, "stages": [stage(), stage(kind="minimize")]}, status=400)
    first, second = measured_speeds(code)
    assert (first.pk, second.pk) == (new, old)
    assert [speed.pk for speed in measured_speeds(code, most=1)] == [new]
    assert (second.ranks, second.threads, second.accelerator, second.kspace_style) == (4, 2, "omp", "ewald")
    assert (second.steps, second.seconds, second.steps_per_second) == (3000, 8.0, 375.0)
    assert second.atom_steps_per_second == 375.0 * second.atoms
    assert first.ns_per_day(2.0) == pytest.approx(500 * 2e-6 * 86400)


def test_jobs_without_a_time_give_no_speed(code: orm.InstalledCode) -> None:
    job(code, {"stages": [stage()]}, status=410)
    for stages in (None, "x", [], [None], [stage(seconds=None)], [stage(seconds="2")], [stage(step=0)]):
        job(code, {"stages": stages})
    assert measured_speeds(code) == []
