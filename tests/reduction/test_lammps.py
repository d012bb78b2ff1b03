"""Trajectories that LAMMPS wrote: resumed, stopped by its timer, and killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.layers import SurfaceOffsets
from aiida_cse.reduction.readers.dcd import DcdFile
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.segments import plan_segments
from aiida_cse.reduction.system import IonDescription, SystemDescription
from tests.reduction.oracle import ions_in_slab, positions_with_mdanalysis, reduce_with_mdanalysis
from tests.systems import TYPES, crystal_and_molecules

pytestmark = pytest.mark.integration

LAYER = SurfaceOffsets(inner=0.5, outer=6.0, margins=(0.5, 0.5, 0.5, 0.5))
SCRIPT = """\
units real
atom_style full
variable cutoff equal 6.0
{start}
kspace_style pppm 1e-4
neigh_modify delay 0 every 1 check yes
timestep 1.0
fix ensemble all nvt temp 900 900 50
dump frames all dcd 5 frames.dcd
dump_modify frames unwrap yes sort id
dump text all custom 5 frames.dump id type xu yu zu
dump_modify text format float %.9g
dump xtc all xtc 5 frames.xtc
dump_modify xtc unwrap yes sort id precision 100000
restart 50 run.*.restart
thermo 50
{timer}
run {steps} upto
"""
FRESH = """\
atom_modify sort 0 0
bond_style harmonic
read_data {data}
include {forcefield}
velocity all create 900 11"""
RESUMED = """\
atom_modify sort 0 0
read_restart {restart}
include {forcefield}"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("system")
    crystal_and_molecules().write(folder)
    return folder


@pytest.fixture(scope="module")
def config() -> ReductionConfig:
    system = crystal_and_molecules()
    data, slab = system.data, system.info.slab
    assert slab is not None
    x, y, z = data.lengths.tolist()
    described = SystemDescription(
        types=data.types,
        molecules=data.molecules,
        labels=tuple(one.label for one in TYPES),
        masses=tuple(data.masses.tolist()),
        charges=tuple(one.charge for one in TYPES),
        framework=(1,),
        thickness=slab.thickness,
        midplane_offset=slab.midplane_offset,
        box=(x, y, z),
        cation=IonDescription("Li", (3,)),
        initial_cations=0,
        anion=IonDescription("X", (4,)),
    )
    return ReductionConfig.build(
        described,
        Sampling(
            offsets={"Li": LAYER, "X": LAYER},
            timestep_fs=1.0,
            frame_ps=0.005,
            block_ps=0.05,
            snapshot_ps=0.01,
            core_scales=(0.5,),
            displacement_ps=0.01,
            lags_ps=(0.05, 0.3),
        ),
    )


def start_lammps(program: Path, folder: Path, start: str, steps: int, timer: str = "") -> subprocess.Popen[bytes]:
    folder.mkdir()
    (folder / "run.in").write_text(SCRIPT.format(start=start, steps=steps, timer=timer))
    with (folder / "screen").open("wb") as screen:
        return subprocess.Popen(
            [program / "lmp", "-in", "run.in"], cwd=folder, stdout=screen, stderr=screen, start_new_session=True
        )


def run_lammps(program: Path, folder: Path, start: str, steps: int, timer: str = "") -> Path:
    process = start_lammps(program, folder, start, steps, timer)
    assert process.wait(timeout=120) == 0, (folder / "screen").read_text()
    return folder / "frames.dcd"


def fresh(system: Path) -> str:
    return FRESH.format(data=system / "system.data", forcefield=system / "forcefield.in")


def resumed(system: Path, restart: Path) -> str:
    return RESUMED.format(restart=restart, forcefield=system / "forcefield.in")


@pytest.fixture(scope="module")
def program() -> Path:
    return Path(sys.executable).parent


@pytest.fixture(scope="module")
def uninterrupted(program: Path, system: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return run_lammps(program, tmp_path_factory.mktemp("lammps") / "whole", fresh(system), 400)


def test_agrees_with_a_loop_over_mdanalysis(uninterrupted: Path, config: ReductionConfig) -> None:
    state = reduce_segments([uninterrupted], config)
    oracle = reduce_with_mdanalysis(uninterrupted, config)
    assert (state.first_step, state.last_step) == (0, 400)
    assert state.centres == pytest.approx(oracle["centres"], abs=1e-9)
    assert np.array_equal(state.region_counts, oracle["regions"])
    expected = oracle["histograms"].sum(axis=0)
    assert np.abs(state.histograms.sum(axis=0) - expected).sum() <= 1e-5 * expected.sum()


def test_displacements_agree_with_mdanalysis(uninterrupted: Path, config: ReductionConfig) -> None:
    state = reduce_segments([uninterrupted], config)
    positions = positions_with_mdanalysis(uninterrupted, config)
    for name in config.ions:
        moments = state.displacement_moments(name)
        ions = ions_in_slab(positions, config, name)
        for index, lag in enumerate(config.lags):
            steps = (ions[lag:] - ions[:-lag])[:: config.displacement_frames]
            assert moments.counts[..., index].sum() == steps[..., 0].size > 0
            squares = moments.squares[:, :, index].sum(axis=(0, 1))
            assert squares == pytest.approx((steps**2).sum(axis=(0, 1)), rel=1e-3)


def test_a_text_dump_gives_the_same_up_to_the_last_digit(uninterrupted: Path, config: ReductionConfig) -> None:
    expected = reduce_segments([uninterrupted], config)
    state = reduce_segments([uninterrupted.with_suffix(".dump")], config)
    assert (state.first_step, state.last_step) == (0, 400)
    assert state.centres == pytest.approx(expected.centres, abs=1e-6)
    difference = np.abs(state.histograms - expected.histograms).sum()
    assert difference <= 1e-4 * expected.histograms.sum()
    for rule, track in expected.tracks.items():
        assert np.array_equal(state.tracks[rule].events, track.events)


def test_xtc_gives_the_same_within_its_precision(uninterrupted: Path, config: ReductionConfig) -> None:
    expected = reduce_segments([uninterrupted], config)
    state = reduce_segments([uninterrupted.with_suffix(".xtc")], config)
    assert (state.first_step, state.last_step) == (0, 400)
    assert state.centres == pytest.approx(expected.centres, abs=1e-4)
    difference = np.abs(state.histograms - expected.histograms).sum()
    assert difference <= 2e-3 * expected.histograms.sum()
    assert np.abs(state.region_counts - expected.region_counts).sum() <= 4


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_molecules_that_cross_a_boundary_stay_whole(
    uninterrupted: Path, config: ReductionConfig, axis: int
) -> None:
    length = config.box[axis]
    with DcdFile(uninterrupted) as file:
        x = file.read_xyz(0, file.frames).along(axis).astype(np.float64)
    pairs = x[:, np.array(config.atom_types) == 4].reshape(len(x), -1, 2)
    assert (np.abs(pairs[..., 0] - pairs[..., 1]) < 3.0).all()
    low = -length / 2 if axis == 2 else 0.0
    split = np.floor((pairs - low) / length)
    assert (split[..., 0] != split[..., 1]).any(), "no molecule lies across this boundary"
    assert (split != split[0]).any(), "no molecule has crossed this boundary"
    wrapped = low + (pairs - low) % length
    assert (np.abs(wrapped[..., 0] - wrapped[..., 1]) > length / 2).any()
    ions = ions_in_slab(positions_with_mdanalysis(uninterrupted, config), config, "X")[..., axis]
    steps = np.abs(np.diff(ions, axis=0))
    assert steps.max() < length / 4


def test_a_resumed_run_reduces_to_the_same_state(
    program: Path, system: Path, uninterrupted: Path, config: ReductionConfig, tmp_path: Path
) -> None:
    first = run_lammps(program, tmp_path / "first", fresh(system), 250)
    restart = tmp_path / "first" / "run.200.restart"
    second = run_lammps(program, tmp_path / "second", resumed(system, restart), 400)
    plan = plan_segments([first, second], config)
    assert plan.notes == ("frames.dcd: 11 frame(s) from step 200 on were left out",)
    whole = reduce_segments([uninterrupted], config)
    assert reduce_segments([first, second], config).equals(whole)
    assert reduce_segments([second], config, reduce_segments([first], config)).equals(whole)


def test_a_run_stopped_by_its_timer_reduces_to_the_same_state(
    program: Path, system: Path, config: ReductionConfig, tmp_path: Path
) -> None:
    # cold, so that the crystal keeps its shape however many steps the machine takes
    cold = "velocity all create 100 11\nfix ensemble all nvt temp 100 100 50\n"
    timer = cold + "timer timeout 00:00:01 every 50"
    path = run_lammps(program, tmp_path / "timer", fresh(system), 10_000_000, timer)
    state = reduce_segments([path], config)
    assert 0 < state.last_step < 10_000_000
    assert state.last_step % 50 == 0


def test_a_killed_run_reduces_to_its_complete_frames(
    program: Path, system: Path, config: ReductionConfig, tmp_path: Path
) -> None:
    process = start_lammps(program, tmp_path / "killed", fresh(system), 10_000_000)
    path = tmp_path / "killed" / "frames.dcd"
    try:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and (not path.exists() or path.stat().st_size < 200_000):
            time.sleep(0.02)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with DcdFile(path) as file:
        frames = file.frames
    assert frames > 50
    assert reduce_segments([path], config).frames == frames
    path.write_bytes(path.read_bytes()[:-1000])
    plan = plan_segments([path], config)
    assert plan.frames == frames - 1
    assert "is incomplete" in plan.notes[0]
