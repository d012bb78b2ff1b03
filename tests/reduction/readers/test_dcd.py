"""The DCD reader against MDAnalysis, and files that are cut, damaged or of another format."""

import os
import struct
import warnings
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from openmm import app

from aiida_cse.reduction.readers import dcd
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.dcd import DcdFile
from tests.reduction.synthetic import FRAME_STEPS, NATOMS, make, write_dcd


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_dcd(tmp_path / "a.dcd", make(1, 12).positions, first_step=30)


def test_the_header_is_read(path: Path) -> None:
    with DcdFile(path) as file:
        assert (file.natoms, file.frames, file.first_step, file.frame_steps) == (NATOMS, 12, 30, FRAME_STEPS)
        assert file.timestep_fs == 2.0
        assert file.leftover_bytes == 0


@pytest.mark.parametrize("small_frame", [0, 10**6])
def test_consecutive_frames_are_read_in_both_ways(
    path: Path, small_frame: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dcd, "_SMALL_FRAME", small_frame)
    with DcdFile(path) as file:
        for first, count in ((3, 5), (11, 1), (0, 12)):
            frames = file.read(first, count)
            assert np.array_equal(frames.along(2), make(1, 12).positions[first : first + count, :, 2])
            assert (frames.boxes == [20.0, 20.0, 110.0]).all()


def test_frames_that_are_apart_are_read(path: Path) -> None:
    with DcdFile(path) as file:
        frames = file.read_xyz(1, 3, stride=4)
        for axis in range(3):
            assert np.array_equal(frames.along(axis), make(1, 12).positions[1:10:4, :, axis])
        assert (frames.boxes == [20.0, 20.0, 110.0]).all()


def test_agrees_with_mdanalysis(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe.empty(NATOMS)
        universe.load_new(str(path), format="DCD")
    with DcdFile(path) as file:
        z = file.read(0, file.frames).along(2)
    assert np.array_equal([frame.positions[:, 2] for frame in universe.trajectory], z)


def test_reads_files_of_mdanalysis(tmp_path: Path) -> None:
    positions = make(2, 4).positions
    target = tmp_path / "b.dcd"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        universe = MDAnalysis.Universe.empty(NATOMS, trajectory=True)
        universe.dimensions = [20, 20, 110, 90, 90, 90]
        with MDAnalysis.Writer(str(target), NATOMS, istart=40, nsavc=5) as writer:
            for frame in positions:
                universe.atoms.positions = frame
                writer.write(universe.atoms)
    with DcdFile(target) as file:
        assert (file.frames, file.first_step, file.frame_steps, file.timestep_fs) == (4, 40, 5, None)
        frames = file.read(0, 4)
        assert np.array_equal(frames.along(2), positions[..., 2])
        assert frames.boxes == pytest.approx(np.tile([20.0, 20.0, 110.0], (4, 1)))


def test_frames_follow_from_the_size_not_from_the_header(tmp_path: Path) -> None:
    for claimed in (0, 3, 100):
        path = write_dcd(tmp_path / "c.dcd", make(1, 5).positions, frames_in_header=claimed)
        with DcdFile(path) as file:
            assert file.frames == 5


def test_a_cut_file_ends_after_its_last_complete_frame(path: Path) -> None:
    whole = path.read_bytes()
    with DcdFile(path) as file:
        header, frame = len(whole) - 12 * file.frame_bytes, file.frame_bytes
    for size in [*range(header + 1), *range(header, len(whole), frame // 3)]:
        path.write_bytes(whole[:size])
        with DcdFile(path) as file:
            assert file.frames == max(size - header, 0) // frame
            assert file.leftover_bytes == ((size - header) % frame if size >= header else size)


def test_a_file_that_shrinks_while_it_is_read_is_refused(path: Path) -> None:
    with DcdFile(path) as file:
        os.truncate(path, path.stat().st_size - file.frame_bytes - 8)
        assert file.read(0, 10).along(2).shape == (10, NATOMS)
        with pytest.raises(TrajectoryError, match=r"a.dcd: ends within or after frame \d+; it shrank"):
            file.read(0, 12)


def test_damage_names_the_frame(path: Path) -> None:
    content = bytearray(path.read_bytes())
    with DcdFile(path) as file:
        start = len(content) - 12 * file.frame_bytes
        content[start + 4 * file.frame_bytes] ^= 1
        path.write_bytes(content)
        with pytest.raises(TrajectoryError, match=r"a.dcd: frame 4 \(step 70\): its unit cell is damaged"):
            file.read(2, 5)
        content[start + 4 * file.frame_bytes] ^= 1
        content[start + 7 * file.frame_bytes - 2] ^= 1
        path.write_bytes(content)
        with pytest.raises(TrajectoryError, match=r"frame 6 \(step 90\): its coordinates are damaged"):
            file.read(0, 12)
        with pytest.raises(TrajectoryError, match=r"frame 6 \(step 90\): its coordinates are damaged"):
            file.read_xyz(0, 4, stride=3)


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({"i8": 3}, "has fixed atoms"),
        ({"i10": 0}, "has no unit cell"),
        ({"i11": 1}, "has a fourth dimension"),
        ({"i2": 0}, "says 0 steps between frames"),
    ],
)
def test_unsupported_headers_are_refused(tmp_path: Path, header: dict[str, int], why: str) -> None:
    path = write_dcd(tmp_path / "d.dcd", make(1, 2).positions, **header)
    with pytest.raises(TrajectoryError, match=f"d.dcd: the header {why}"):
        DcdFile(path)


def test_a_tilted_box_is_refused(tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "e.dcd", make(1, 2).positions)
    content = path.read_bytes()
    cell = struct.pack("<6d", 20, 0, 20, 0, 0, 110)
    path.write_bytes(content.replace(cell, struct.pack("<6d", 20, 0.1, 20, 0, 0, 110)))
    with DcdFile(path) as file, pytest.raises(TrajectoryError, match="its box is tilted"):
        file.read(0, 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"ITEM: TIMESTEP\n0\n" * 20, "is no little-endian DCD file"),
        (struct.pack(">i4s", 84, b"CORD") + bytes(100), "is a big-endian DCD file; convert it"),
        (struct.pack("<q4s", 84, b"CORD") + bytes(100), "is a DCD file of 8-byte records; convert it"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "f.dcd"
    path.write_bytes(content)
    with pytest.raises(TrajectoryError, match=f"f.dcd: {why}"):
        DcdFile(path)


def test_times_come_from_the_header(tmp_path: Path) -> None:
    positions = make(1, 3).positions
    for timestep, step, expected in (
        (2.0, 10, (2.0, 0.02, 0.06)),
        (0.001, 10, (1.0, 0.01, 0.03)),
        (0.0, 10, ()),
        (float("nan"), 10, ()),
    ):
        path = write_dcd(tmp_path / "a.dcd", positions, first_step=30, frame_steps=step, timestep=timestep)
        with DcdFile(path) as file:
            found = [one for one in (file.timestep_fs, file.frame_ps, file.first_ps) if one is not None]
            assert found == pytest.approx(list(expected))
            assert file.unwrapped is None
    # another program, with the placeholder of VMD and mdtraj or the steps and the time of NAMD
    for timestep, step, expected in ((1.0, 1, (None, None)), (2 / 48.88821, 500, (1.0, 0.06))):
        path = write_dcd(tmp_path / "a.dcd", positions, first_step=30, frame_steps=step, timestep=timestep)
        path.write_bytes(path.read_bytes().replace(b"Written by LAMMPS", b"Written by others"))
        with DcdFile(path) as file:
            assert file.timestep_fs is None
            assert (file.frame_ps, file.first_ps) == expected


def test_times_of_mdanalysis_and_openmm_are_read(tmp_path: Path) -> None:
    universe = MDAnalysis.Universe.empty(NATOMS, trajectory=True)
    universe.dimensions = [20, 20, 110, 90, 90, 90]
    with MDAnalysis.Writer(str(tmp_path / "a.dcd"), NATOMS, dt=0.5) as writer:
        for _ in range(3):
            writer.write(universe.atoms)
    with DcdFile(tmp_path / "a.dcd") as file:
        assert (file.first_step, file.frame_steps, file.frame_ps, file.first_ps) == (0, 1, 0.5, 0.0)
    topology = app.Topology()
    topology.setUnitCellDimensions((2.0, 2.0, 11.0))
    residue = topology.addResidue("X", topology.addChain())
    for _ in range(4):
        topology.addAtom("X", None, residue)
    with (tmp_path / "b.dcd").open("w+b") as stream:
        file = app.DCDFile(stream, topology, 0.002, firstStep=1000, interval=500)
        for number in range(3):
            file.writeModel(np.full((4, 3), 0.1 * number).tolist())
    with DcdFile(tmp_path / "b.dcd") as file:
        assert (file.frames, file.first_step, file.frame_steps) == (3, 1000, 500)
        assert (file.frame_ps, file.first_ps) == (1.0, 2.0)
        frames = file.read_xyz(0, 3)
        assert frames.boxes == pytest.approx(np.tile([20.0, 20.0, 110.0], (3, 1)))
        assert frames.along(1)[2] == pytest.approx(np.full(4, 2.0))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrajectoryError, match=r"none.dcd: cannot be opened"):
        DcdFile(tmp_path / "none.dcd")
