"""The system of a landscape: where its ions start, and the forces that LAMMPS makes of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
from scipy import constants

from aiida_cse.building.reduction import describe_system
from aiida_cse.landscape.model import CATION, Ions, World, draw_landscape
from aiida_cse.landscape.system import landscape_system
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling

IONS = Ions(cations=400, anions=100)
KCAL = constants.R / constants.calorie / 1000
SAMPLING = Sampling(timestep_fs=4, frame_ps=0.2, block_ps=50, snapshot_ps=10, bins=240, lags_ps=())


def test_ions_start_at_the_stated_positions() -> None:
    system = landscape_system(draw_landscape(1), IONS, seed=1)
    z = system.data.unwrapped[system.data.types == 2, 2]
    assert system.info.charge == 0
    assert (np.abs(z) < 6).sum() == round(0.45 * 400) == system.info.slab.lithium  # type: ignore[union-attr]
    assert (np.abs(z) > 13).sum() == 400 - 180
    config = ReductionConfig.build(describe_system(system), SAMPLING)
    assert set(config.ions) == {"Li", "TFSI"}


@pytest.mark.parametrize("seed", range(1, 6))
def test_both_starts_of_a_quick_validation_are_far_apart_at_every_depth(seed: int) -> None:
    landscape = draw_landscape(seed, "drifting")
    temperature = landscape.barrier / 4
    top = landscape.half_thickness + 3.5
    halves = np.array([-top, -top / 2, top / 2, top])
    numbers = []
    for inside, beyond in ((0.45, 0.0), (0.95, 1.0)):
        ions = Ions(cations=250, anions=20, inside=inside)
        system = landscape_system(landscape, ions, seed, beyond=beyond)
        z = system.data.unwrapped[system.data.types == 3, 2] - landscape.origin
        outer, middle, other = np.histogram(z, halves)[0]
        numbers.append([outer + other, middle])
    weights = landscape.weight(CATION, halves, temperature)
    shares = np.array([weights[0] + weights[2], weights[1]]) / sum(landscape.weights(CATION, temperature).values())
    deviations = np.sqrt(250 * shares * (1 - shares))
    # 3 are needed in a layer
    assert (np.diff(numbers, axis=0)[0] > 5 * deviations).all()


def run_lammps(folder: Path, lmp: Path, commands: str) -> str:
    (folder / "in.lammps").write_text(
        "units real\natom_style full\nboundary p p p\nvariable cutoff equal 2.5\nread_data system.data\n"
        f"include forcefield.in\nneighbor 5.0 bin\n{commands}"
    )
    return subprocess.run([lmp, "-in", "in.lammps"], cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.integration
@pytest.mark.parametrize("world", ["plain", "drifting"])
def test_lammps_has_the_forces_of_the_landscape(tmp_path: Path, environment_bin: Path, world: World) -> None:
    landscape = draw_landscape(2, world)
    system = landscape_system(landscape, IONS, seed=2)
    everywhere, sites = system.data.unwrapped, 3 if landscape.molecular else 1
    places = np.random.default_rng(1).uniform(-24, 24, 500)
    everywhere[8:, 2] = np.concatenate([places[:400], np.repeat(places[400:], sites)])
    system.data.set_unwrapped(everywhere)
    system.write(tmp_path)
    # after a step of 1 ps the slab has moved, and everything else is where it was
    dump = "dump forces all custom 1 forces.txt id z fz\ndump_modify forces sort id format float %.10f\n"
    run_lammps(tmp_path, environment_bin / "lmp", f"{dump}timestep 1000\nrun 1\n")
    z, force = np.loadtxt(tmp_path / "forces.txt", skiprows=9 + len(everywhere) + 9)[8:, 1:].T
    # the sites of an anion are in one place, so that its springs do not pull
    z, force = (np.append(values[:400], values[400::sites]) for values in (z, force))
    away = (z - landscape.origin - landscape.drift / 1000 + 24) % 48 - 24
    known = (
        -np.concatenate([landscape.cation.evaluate(away[:400])[1], landscape.anion.evaluate(away[400:])[1]]) * KCAL
    )
    # which compensates the friction of what moves with the slab
    wind = landscape.drift * 1e-6 / landscape.damping_fs / landscape.thermal_speed_squared(1.0) * KCAL
    winds = wind * np.repeat([1.0, 14.007 / landscape.mass], [400, 100])
    for ions in (slice(400), slice(400, 500)):
        # where F is level, but for the ripples of the splines near the ends of such places
        level = force[ions][known[ions] == 0]
        assert np.median(level) == pytest.approx(winds[ions][0], rel=1e-3, abs=1e-6)
    known += winds
    assert np.abs(force - known).max() < 0.02 * np.abs(known).max()
    assert np.sqrt(np.mean((force - known) ** 2)) < 0.003 * np.abs(known).max()


@pytest.mark.integration
def test_lammps_has_its_energies_but_for_their_zero(tmp_path: Path, environment_bin: Path) -> None:
    landscape = draw_landscape(3)
    landscape_system(landscape, IONS, seed=3).write(tmp_path)
    places = np.array([-23.9, -20.0, -14.5, -12.0, -9.5, 0.0, 7.5, 9.5, 12.0, 14.5, 23.9])
    said = run_lammps(
        tmp_path,
        environment_bin / "lmp",
        f"variable z index {' '.join(map(str, places))}\nlabel loop\nset type 2*3 z $z\nrun 0 post no\n"
        "print 'AT $(f_landscape_Li/400:%.8f) $(f_landscape_TFSI/100:%.8f)'\nnext z\njump in.lammps loop\n",
    )
    lines = [line.split()[1:] for line in said.splitlines() if line.startswith("AT ")]
    found = np.array(lines, dtype=float).T
    for energies, curve in zip(found, (landscape.cation, landscape.anion), strict=True):
        shift = energies - curve.evaluate(places)[0] * KCAL
        assert np.ptp(shift) < 1e-3
