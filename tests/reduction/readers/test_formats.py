"""XTC files and text dumps: the same numbers as from DCD files, and refusals that name the fault."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.dump import DumpFile
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.reduction.readers.xtc import XtcFile
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.segments import plan_segments
from tests.reduction import synthetic
from tests.reduction.readers.files import write_dump, write_xtc
from tests.reduction.synthetic import FRAME_STEPS, NATOMS, config, make, write_dcd

FRAMES = 30


@pytest.fixture(scope="module")
def trajectory() -> synthetic.Synthetic:
    return make(11, FRAMES, hop=0.05)


def test_a_text_dump_gives_the_same_bits(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    expected = reduce_segments([write_dcd(tmp_path / "a.dcd", trajectory.positions)], config())
    for name, columns in (("a.dump", "id type xu yu zu"), ("a.lammpstrj", "element zu xu id yu")):
        path = write_dump(tmp_path / name, trajectory.positions, columns=columns)
        assert reduce_segments([path], config()).equals(expected)


def test_xtc_gives_the_same_transitions(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    expected = reduce_segments([write_dcd(tmp_path / "a.dcd", trajectory.positions)], config())
    path = write_xtc(tmp_path / "a.xtc", trajectory.positions)
    state = reduce_segments([path], config())
    for rule, track in expected.tracks.items():
        assert np.array_equal(state.tracks[rule].events, track.events)
    assert np.array_equal(state.region_counts, expected.region_counts)
    # 0.01 Å is the precision of XTC
    assert state.centres == pytest.approx(expected.centres, abs=0.01)
    moments, exact = (one.displacement_moments("Li") for one in (state, expected))
    assert np.array_equal(moments.counts, exact.counts)
    np.testing.assert_allclose(moments.squares, exact.squares, rtol=1e-3, atol=0.5)


@pytest.mark.parametrize("suffix", ["dump", "xtc", "dcd"])
def test_segments_of_any_format_join(trajectory: synthetic.Synthetic, tmp_path: Path, suffix: str) -> None:
    write = {"dump": write_dump, "xtc": write_xtc, "dcd": write_dcd}[suffix]
    first = write(tmp_path / f"1.{suffix}", trajectory.positions[:16])
    second = write(tmp_path / f"2.{suffix}", trajectory.positions[13:], first_step=13 * FRAME_STEPS)
    whole = reduce_segments([write(tmp_path / f"3.{suffix}", trajectory.positions)], config())
    assert reduce_segments([first, second], config()).equals(whole)
    assert reduce_segments([second], config(), reduce_segments([first], config())).equals(whole)


@pytest.mark.parametrize("suffix", ["dump", "xtc"])
@pytest.mark.parametrize("cut", [1, 50, 120])
def test_a_half_written_frame_ends_the_segment(
    trajectory: synthetic.Synthetic, tmp_path: Path, suffix: str, cut: int
) -> None:
    write = {"dump": write_dump, "xtc": write_xtc}[suffix]
    path = write(tmp_path / f"a.{suffix}", trajectory.positions[:9])
    path.write_bytes(path.read_bytes()[:-cut])
    plan = plan_segments([path], config())
    assert plan.frames == 8
    assert any(note.startswith(f"a.{suffix}: frame 8 is incomplete (") for note in plan.notes)
    assert reduce_segments([path], config()).frames == 8


@pytest.mark.parametrize("suffix", ["dump", "xtc"])
def test_an_empty_file_is_noted(trajectory: synthetic.Synthetic, tmp_path: Path, suffix: str) -> None:
    write = {"dump": write_dump, "xtc": write_xtc}[suffix]
    path = write(tmp_path / f"a.{suffix}", trajectory.positions[:3])
    empty = tmp_path / f"b.{suffix}"
    empty.touch()
    notes = plan_segments([path, empty], config()).notes
    assert notes[-1] == f"b.{suffix}: ends before its first frame is complete"


@pytest.mark.parametrize("suffix", ["dump", "xtc"])
def test_a_single_frame_has_no_stride(trajectory: synthetic.Synthetic, tmp_path: Path, suffix: str) -> None:
    write = {"dump": write_dump, "xtc": write_xtc}[suffix]
    path = write(tmp_path / f"a.{suffix}", trajectory.positions[:1], first_step=70)
    with open_trajectory(path) as file:
        assert (file.frames, file.first_step, file.frame_steps) == (1, 70, 0)
    assert reduce_segments([path], config()).first_step == 70


@pytest.mark.parametrize("suffix", ["dump", "xtc"])
def test_another_system_or_stride_is_refused(trajectory: synthetic.Synthetic, tmp_path: Path, suffix: str) -> None:
    write = {"dump": write_dump, "xtc": write_xtc}[suffix]
    fewer = write(tmp_path / f"fewer.{suffix}", trajectory.positions[:2, :-1])
    with pytest.raises(TrajectoryError, match=f"has {NATOMS - 1} atoms, the system has {NATOMS}"):
        reduce_segments([fewer], config())
    with pytest.raises(
        TrajectoryError,
        match=rf"a.{suffix}: has a frame every 10 steps.*; the sampling has frame_ps = 0.04, 20 steps",
    ):
        reduce_segments(
            [write(tmp_path / f"a.{suffix}", trajectory.positions[:3])],
            config(frame_steps=20, lags_ps=(), displacement_ps=None, block_ps=0.2, snapshot_ps=0.2),
        )


def test_frames_of_an_xtc_must_be_equally_spaced(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    first = write_xtc(tmp_path / "1.xtc", trajectory.positions[:3])
    second = write_xtc(tmp_path / "2.xtc", trajectory.positions[3:5], first_step=50)
    path = tmp_path / "a.xtc"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(TrajectoryError, match=r"a.xtc: frame 3: is of step 50, it must be of step 30"):
        reduce_segments([path], config())


def test_files_of_other_formats_are_refused(tmp_path: Path) -> None:
    for name, why in (
        ("a.dump", "line 1: is no text dump of LAMMPS"),
        ("a.xtc", "frame 0, byte 0: is no frame of an XTC file"),
        ("a.gro", r"its suffix is '.gro', .*; of a GRO file only the first frame can be read, convert it"),
        ("a.xtc.gz", r"is a compressed .xtc file, which must be decompressed before it is read"),
        ("a.trj", r"its suffix is '.trj', it must be one of .dcd, .xtc, .trr, .lammpstrj, .dump"),
    ):
        path = tmp_path / name
        path.write_text("hello " * 100)
        with pytest.raises(TrajectoryError, match=f"{name}: {why}"):
            open_trajectory(path)
    for reader in (DumpFile, XtcFile):
        with pytest.raises(TrajectoryError, match=r"none: cannot be opened: No such file"):
            reader(tmp_path / "none")
