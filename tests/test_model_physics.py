"""The short ones of the checks of ``benchmarks.physics``: what is conserved, a crystal, and runs that go on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.building.type_table import chemistry_of
from aiida_cse.forcefields.pairs import LENNARD_JONES
from aiida_cse.lammps.files.system import FILENAMES, System
from aiida_cse.lammps.protocol.stage import JobPlan, RunSettings
from benchmarks.md.system import run_lammps
from benchmarks.physics.conservation import (
    BOLTZMANN,
    DRIFT,
    MOMENTUM,
    SECOND_ORDER,
    constant_energy,
    drift,
    neutrality,
    thermal_momentum,
)
from benchmarks.physics.density import electrolyte_recipe, with_tail, without_wall
from benchmarks.physics.held import Mixture, against_neat
from benchmarks.physics.lab import Lab
from benchmarks.physics.lattice import CONSTANTS, crystal
from benchmarks.physics.rows import Estimate
from benchmarks.physics.runs import Run, Track
from benchmarks.physics.structure import diffusion, first_shell
from tests.systems import crystal_and_molecules

SEED = 1
#: atm of 1 kcal/mol/Å³
ATMOSPHERES = 68568.415
PRESSURE = """\
units real
atom_style full
variable cutoff equal {cutoff}
read_data {data}
include {forcefield}
kspace_style pppm 1e-4
thermo_style custom press
thermo_modify format float %.10g
run 0
"""


def test_what_the_builders_make_is_neutral(tmp_path: Path) -> None:
    rows = list(neutrality(Lab(tmp_path, quick=True)))
    assert [row.quantity for row in rows if not row.holds] == []


def test_the_first_shell_of_a_known_crystal() -> None:
    rng = np.random.default_rng(SEED)
    grid = np.array([(x, y, z) for x in range(4) for y in range(4) for z in range(4)])
    # two images away from the box, as unwrapped coordinates may be
    positions = 2.5 * grid + rng.normal(0, 0.02, (40, 64, 3)) + [20.0, -10.0, 0.0]
    track = Track(np.arange(40.0), positions.astype(np.float32), np.full((40, 3), 10.0))
    even = grid.sum(axis=1) % 2 == 0
    shell = first_shell(track, even, ~even, reach=3.2)
    assert shell.distance.value == pytest.approx(2.5, abs=0.01)
    assert shell.neighbours.value == 6


def test_the_diffusion_of_a_random_walk() -> None:
    rng = np.random.default_rng(SEED)
    coefficient, spacing = 0.2, 0.5  # Å²/ps and ps
    steps = rng.normal(0, np.sqrt(2 * coefficient * spacing), (400, 300, 3))
    walk = np.cumsum(steps, axis=0)
    walk[:, 200:] = 0  # the framework
    drifting = walk + np.linspace(0, 30, 400)[:, None, None]
    track = Track(spacing * np.arange(400.0), drifting.astype(np.float32), np.full((400, 3), 20.0))
    moving = np.arange(300) < 200
    found = diffusion(track, moving, ~moving, np.ones(300), lags=(2.0, 10.0))
    assert found.value == pytest.approx(coefficient * 1e-4, rel=0.05)
    assert found.interval is not None
    assert found.interval[0] <= coefficient * 1e-4 <= found.interval[1]


def test_the_interval_of_a_drift_holds_as_often_as_it_says() -> None:
    rng, atoms, slope = np.random.default_rng(SEED), 100, 50.0
    steps = np.arange(200.0) * 10
    rising = slope * steps * 1e-6 * BOLTZMANN * (3 * atoms - 3)
    hits = []
    for _ in range(1000):
        rows = np.column_stack([steps, rising + rng.normal(0, 0.01, len(steps))])
        interval = drift(rows, 1.0, atoms).interval
        assert interval is not None
        hits.append(interval[0] <= slope <= interval[1])
    assert 0.93 <= np.mean(hits) <= 0.97


def test_a_layer_is_held_against_a_mixture_of_its_own_salt() -> None:
    """Salt that comes and goes does not widen the interval; what is not known of the neat ones does."""
    rng, frames, lighter = np.random.default_rng(SEED), 400, 0.97
    salt = 0.31 + 0.05 * np.sin(4 * np.pi * np.arange(frames) / frames)
    neat = 1 / ((1 - (salt - 0.30) / 0.06) / 1.05 + (salt - 0.30) / 0.06 / 1.11)
    density = lighter * neat * rng.normal(1, 0.002, frames)
    for error in (0.0, 0.02):
        ends = (
            Mixture(1000, 100, part, Estimate(value, (value - error, value + error)))
            for part, value in ((0.30, 1.05), (0.36, 1.11))
        )
        found = against_neat(density, salt, *ends)
        assert found.value == pytest.approx(lighter, abs=0.001)
        assert found.error == pytest.approx(lighter * error / 1.05 * np.hypot(5, 1) / 6, rel=0.1, abs=0.001)


@pytest.mark.integration
def test_five_picoseconds_of_the_crystal(tmp_path: Path) -> None:
    temperature = 300.0
    stages = [
        {"name": "minimize", "kind": "minimize", "max_iterations": 100},
        {
            "name": "crystal",
            "kind": "npt",
            "duration_ps": 5,
            "temperature": temperature,
            "velocities": temperature,
            "pressure": 1,
            "barostat": "xy-z",
            "thermo_ps": 0.1,
        },
    ]
    settings = {"cutoff": 7.0, "kspace_accuracy": 1e-4}
    run = Run(tmp_path / "crystal", plan(stages, **settings)).finish(lambda: crystal((1, 1, 1), SEED))
    times, volumes = run.series("crystal", "vol").T
    edge = float(np.cbrt(volumes[times >= 2]).mean())
    assert edge == pytest.approx(CONSTANTS[temperature], rel=0.01)


@pytest.fixture(scope="module")
def molecules(tmp_path_factory: pytest.TempPathFactory) -> System:
    """Two short chains and an ion pair, relaxed."""
    stages = [
        {"name": "push_off", "kind": "pushoff", "duration_ps": 1, "timestep_fs": 1, "temperature": 300},
        {"name": "minimize", "kind": "minimize", "max_iterations": 500},
        {"name": "settle", "kind": "nvt", "duration_ps": 2, "timestep_fs": 1, "temperature": 400},
    ]
    stages[2]["velocities"] = 400
    recipe = electrolyte_recipe(2, 4, 1, SEED)
    folder = tmp_path_factory.mktemp("molecules") / "run"
    run = Run(folder, plan(stages, cutoff=8.0)).finish(lambda: without_wall(recipe))
    return run.system.evolved(run.final)


@pytest.mark.integration
def test_energy_and_momentum_are_conserved(molecules: System, tmp_path: Path) -> None:
    scatter = []
    for timestep in (1.0, 2.0):
        rows = constant_energy(molecules, tmp_path / f"{timestep}", timestep, 4.0, RunSettings())
        found = drift(rows, timestep, molecules.info.natoms)
        assert abs(found.value) <= DRIFT
        assert rows[:, 3].max() <= MOMENTUM * thermal_momentum(molecules)
        scatter.append(rows[:, 1].std())
    low, high = SECOND_ORDER
    assert low <= scatter[1] / scatter[0] <= high


@pytest.mark.integration
def test_the_tail_of_a_liquid_has_its_known_pressure(molecules: System, tmp_path: Path) -> None:
    """Allen and Tildesley, Computer Simulation of Liquids, section 2.8, summed over the pairs of types."""
    cutoff, pressures = 8.0, []
    for name, forcefield in (("cut", molecules.forcefield), ("whole", with_tail(molecules.forcefield))):
        folder = tmp_path / name
        folder.mkdir()
        replace(molecules, forcefield=forcefield).write(folder)
        script = PRESSURE.format(cutoff=cutoff, **FILENAMES)
        log = run_lammps(folder, script, ("-sf", "omp", "-pk", "omp", "1"))
        pressures.append(float(log[log.index("Press") :].split()[1]))
    numbers = np.bincount(molecules.data.types, minlength=16) / np.prod(molecules.data.lengths)
    expected = 0.0
    for pair in chemistry_of(electrolyte_recipe(2, 4, 1, SEED)).pairs:
        if pair.style == LENNARD_JONES:
            epsilon, sigma = pair.coefficients
            x = (sigma / cutoff) ** 3
            both = (1 if pair.i == pair.j else 2) * numbers[pair.i] * numbers[pair.j]
            expected += both * 16 / 3 * np.pi * epsilon * sigma**3 * (2 / 3 * x**3 - x)
    assert pressures[1] - pressures[0] == pytest.approx(expected * ATMOSPHERES, rel=1e-4)


@pytest.mark.integration
def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    stage = {"name": "hot", "kind": "nvt", "duration_ps": 1, "temperature": 300, "velocities": 300}
    stages = [stage | {"thermo_ps": 0.01, "trajectory_ps": 0.01}]
    settings = {"cutoff": 6.0, "kspace_accuracy": 1e-3, "restart_interval": 100}
    whole = plan(stages, **settings)
    Run(tmp_path / "run", whole.model_copy(update={"stop_step": 300})).finish(crystal_and_molecules)
    for lost in ("restart.300", "final.data"):  # as if it had been killed between two checkpoints
        (tmp_path / "run" / "000" / lost).unlink()
    unfinished = Run(tmp_path / "run", whole)
    assert (unfinished.done, unfinished.reached_ps) == (False, 0.6)
    run = unfinished.finish(crystal_and_molecules)
    assert (run.done, len(run.jobs)) == (True, 2)
    times = run.series("hot", "temp")[:, 0]
    assert times == pytest.approx(np.arange(101) / 100)
    assert run.track().times == pytest.approx(times)


def plan(stages: list[dict[str, Any]], **settings: Any) -> JobPlan:
    return JobPlan.model_validate({"stages": stages, "seed": SEED, "settings": {"exact": False} | settings})
