"""XTC files and text dumps: the same numbers as from DCD files, and refusals that name the fault."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from numpy.typing import NDArray

from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.dump import DumpFile
from aiida_cse.reduction.readers.open import open_trajectory
from aiida_cse.reduction.readers.xtc import XtcFile
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.segments import plan_segments
from tests.reduction import synthetic
from tests.reduction.synthetic import FRAME_STEPS, LENGTH, NATOMS, config, make, write_dcd

FRAMES = 30


@pytest.fixture(scope="module")
def trajectory() -> synthetic.Synthetic:
    return make(11, FRAMES, hop=0.05)


def frame_text(
    positions: NDArray[np.float32],
    step: int,
    order: NDArray[np.int64] | None = None,
    columns: str = "id type xu yu zu",
    lengths: tuple[float, float, float] = (20.0, 20.0, LENGTH),
) -> str:
    natoms = len(positions)
    bounds = "\n".join(f"{-length / 2:.16e} {length / 2:.16e}" for length in lengths)
    types = config().atom_types
    rows = {"id": lambda i: i + 1, "type": lambda i: types[i], "element": lambda i: "X"}
    rows |= {
        name: lambda i, axis=axis: f"{positions[i, axis]:.9g}" for axis, name in enumerate(("xu", "yu", "zu"))
    }
    lines = [
        " ".join(str(rows[name](i)) for name in columns.split())
        for i in (np.arange(natoms) if order is None else order)
    ]
    return (
        f"ITEM: TIMESTEP\n{step}\nITEM: NUMBER OF ATOMS\n{natoms}\nITEM: BOX BOUNDS pp pp pp\n{bounds}\n"
        f"ITEM: ATOMS {columns} \n" + "\n".join(lines) + "\n"
    )


def write_dump(
    path: Path, positions: NDArray[np.float32], first_step: int = 0, columns: str = "id type xu yu zu"
) -> Path:
    rng = np.random.default_rng(1)
    frames = [
        frame_text(one, first_step + number * FRAME_STEPS, rng.permutation(len(one)), columns)
        for number, one in enumerate(positions)
    ]
    path.write_text("".join(frames))
    return path


def write_xtc(path: Path, positions: NDArray[np.float32], first_step: int = 0, stride: int = FRAME_STEPS) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe.empty(positions.shape[1], trajectory=True)
        universe.dimensions = [20, 20, LENGTH, 90, 90, 90]
        with MDAnalysis.Writer(str(path), positions.shape[1]) as writer:
            for number, one in enumerate(positions):
                universe.atoms.positions = one
                universe.trajectory.ts.data["step"] = first_step + number * stride
                writer.write(universe.atoms)
    return path


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
    assert plan.notes[0].startswith(f"a.{suffix}: frame 8 is incomplete (")
    assert reduce_segments([path], config()).frames == 8


@pytest.mark.parametrize("suffix", ["dump", "xtc"])
def test_an_empty_file_is_noted(trajectory: synthetic.Synthetic, tmp_path: Path, suffix: str) -> None:
    write = {"dump": write_dump, "xtc": write_xtc}[suffix]
    path = write(tmp_path / f"a.{suffix}", trajectory.positions[:3])
    empty = tmp_path / f"b.{suffix}"
    empty.touch()
    assert plan_segments([path, empty], config()).notes == (
        f"b.{suffix}: ends before its first frame is complete",
    )


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
    with pytest.raises(TrajectoryError, match=rf"a.{suffix}: has a frame every 10 steps, frame_steps is 20"):
        reduce_segments(
            [write(tmp_path / f"a.{suffix}", trajectory.positions[:3])],
            config(frame_steps=20, lags_ps=(), displacement_ps=None, block_ps=0.2, snapshot_ps=0.2),
        )


def test_frames_of_a_dump_must_be_equally_spaced(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    path = tmp_path / "a.dump"
    path.write_text("".join(frame_text(trajectory.positions[0], step) for step in (0, 10, 30)))
    with pytest.raises(
        TrajectoryError, match=r"a.dump: frame 2: is of step 30, it must be of step 20: .* 10 steps"
    ):
        DumpFile(path)


def test_frames_of_an_xtc_must_be_equally_spaced(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    first = write_xtc(tmp_path / "1.xtc", trajectory.positions[:3])
    second = write_xtc(tmp_path / "2.xtc", trajectory.positions[3:5], first_step=50)
    path = tmp_path / "a.xtc"
    path.write_bytes(first.read_bytes() + second.read_bytes())
    with pytest.raises(TrajectoryError, match=r"a.xtc: frame 3: is of step 50, it must be of step 30"):
        reduce_segments([path], config())


def damaged(text: str, damage: str) -> str:
    lines = text.splitlines(keepends=True)
    frame = len(lines) // 3
    second = lines[frame : 2 * frame]
    if damage == "id":
        second[-1] = second[-2]
    elif damage == "word":
        second[-1] = second[-1].replace(".", "x")
    elif damage == "atoms":
        second[3] = f"{NATOMS - 1}\n"
    elif damage == "tilt":
        second[4:6] = ["ITEM: BOX BOUNDS xy xz yz pp pp pp\n", second[5].strip() + " 1.5\n"]
    elif damage == "box":
        second[5] = "0 20.01\n"
    elif damage == "line":
        del second[-1]
    elif damage == "step":
        second[1] = "ten\n"
    return "".join([*lines[:frame], *second, *lines[2 * frame :]])


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ("id", f"frame 1: its atoms do not have the IDs 1 to {NATOMS}"),
        ("word", "frame 1: its atoms cannot be read: could not convert"),
        (
            "atoms",
            f"frame 1: has {NATOMS} lines of atoms, it must have {NATOMS - 1}|frame 1: has {NATOMS - 1} atoms",
        ),
        ("tilt", "frame 1: its header cannot be read: its box is tilted"),
        ("box", r"frame 1 \(step 10\) has a box of 20.010000 Å along x, the configuration 20.000000 Å"),
        ("line", f"frame 1: has {NATOMS - 1} lines of atoms, it must have {NATOMS}"),
        ("step", "frame 1: its step is 'ten'"),
    ],
)
def test_damage_in_a_dump_names_the_frame(
    trajectory: synthetic.Synthetic, tmp_path: Path, damage: str, why: str
) -> None:
    path = write_dump(tmp_path / "a.dump", trajectory.positions[:3])
    path.write_text(damaged(path.read_text(), damage))
    with pytest.raises(TrajectoryError, match=f"a.dump: (?:{why})"):
        reduce_segments([path], config())


def test_wrapped_coordinates_and_other_types_are_refused(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    path = write_dump(tmp_path / "a.dump", trajectory.positions[:2])
    path.write_text(path.read_text().replace("xu yu zu", "x y z"))
    with pytest.raises(TrajectoryError, match=r"frame 0: has no column xu, yu, zu, only id type x y z; unwrapped"):
        reduce_segments([path], config())
    text = frame_text(trajectory.positions[0], 0)
    path.write_text(text.replace("\n17 3 ", "\n17 4 "))
    with pytest.raises(TrajectoryError, match=r"a.dump: atom 17 is of type 4, in the system it is of type 3"):
        reduce_segments([path], config())


def test_files_of_other_formats_are_refused(tmp_path: Path) -> None:
    for name, why in (
        ("a.dump", "is no text dump of LAMMPS"),
        ("a.xtc", "is no XTC file"),
        ("a.trr", r"its suffix is '.trr', it must be one of .dcd, .xtc, .lammpstrj, .dump"),
    ):
        path = tmp_path / name
        path.write_text("hello " * 100)
        with pytest.raises(TrajectoryError, match=f"{name}: {why}"):
            open_trajectory(path)
    for reader in (DumpFile, XtcFile):
        with pytest.raises(TrajectoryError, match=r"none: cannot be opened: No such file"):
            reader(tmp_path / "none")


def test_a_dump_that_shrinks_while_it_is_read_is_refused(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    path = write_dump(tmp_path / "a.dump", trajectory.positions[:5])
    with DumpFile(path) as file:
        os.truncate(path, path.stat().st_size // 2)
        with pytest.raises(TrajectoryError, match=r"a.dump: ends within or after frame 2; it shrank"):
            file.read(0, 5)
