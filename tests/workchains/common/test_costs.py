"""Wall time of a part from measured speeds."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from aiida_cse.lammps.protocol.production import ProductionPlan
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.workchains.common.costs import Part, duration_of
from aiida_cse.workchains.common.speeds import Speed

MEASURED = Speed(7, 1000, "interface", 1, 1, "none", 0, "pppm", steps=10_000, seconds=100.0, reach=12.0)


def production(ranks: int = 1, atoms: int = 1000, **settings: Any) -> Part:
    plan = ProductionPlan.model_validate(
        {
            "length_ps": 200,
            "segment_ps": 20,
            "frame_ps": 2,
            "settings": {"cutoff": 10.0, "skin": 2.0, "restart_interval": 5000, **settings},
            "stop": {"rule": "equilibrated", "first_look_ns": 0.04},
        }
    )
    resources = {"num_machines": 1, "num_mpiprocs_per_machine": ranks}
    base = {"lammps": {"code": SimpleNamespace(computer=None), "metadata": {"options": {"resources": resources}}}}
    jobs = tuple(JobPlan.model_validate(one) for one in plan.segments(500, 1))
    return Part("production", jobs, base, atoms, looks=tuple(plan.looks()), earliest=plan.looks()[0])


def seconds(part: Part, *speeds: Speed, **limit: int) -> float:
    found = duration_of(part, speeds, **limit)
    assert found is not None
    return found.most


def test_a_run_of_the_measured_size_takes_the_measured_time() -> None:
    found = duration_of(production(), [MEASURED])
    assert found is not None
    assert (found.least, found.most) == pytest.approx((200, 1000))
    assert found.differences == ()
    assert duration_of(production(), []) is None


def test_the_time_of_a_step_follows_atoms_neighbours_and_cores() -> None:
    assert seconds(production(atoms=4000), MEASURED) == pytest.approx(4000)
    assert seconds(production(cutoff=22.0), MEASURED) == pytest.approx(8000)
    assert seconds(production(4), MEASURED) == pytest.approx(250)
    assert seconds(production(4), MEASURED, most_cores=2) == pytest.approx(500)
    found = duration_of(production(4, atoms=4000), [MEASURED])
    assert found is not None
    assert found.differences == ("4,000 atoms", "4 cores")


def test_the_nearest_measurement_is_taken() -> None:
    ewald = replace(MEASURED, kspace_style="ewald", seconds=1000.0)
    ceramic = replace(MEASURED, phase="slab", seconds=2000.0)
    large = replace(MEASURED, atoms=10_000, seconds=500.0)
    speeds = (ceramic, ewald, large, MEASURED)
    assert seconds(production(), *speeds) == pytest.approx(1000)
    assert seconds(production(atoms=9000), *speeds) == pytest.approx(4500)
    assert seconds(production(kspace_style="ewald"), *speeds) == pytest.approx(10_000)
    found = duration_of(production(kspace_style="ewald"), [ceramic])
    assert found is not None
    assert found.differences == ("an interface", "ewald")
