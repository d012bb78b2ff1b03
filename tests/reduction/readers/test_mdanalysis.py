"""XTC, TRR, NetCDF and PDB: coordinates, boxes, steps and times, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.open import open_trajectory
from tests.reduction.readers.files import trr_frame, write_with_mdanalysis
from tests.reduction.synthetic import LENGTH, NATOMS, make

TOLERANCES = {"xtc": 0.00502, "trr": 2e-5, "nc": 0.0, "pdb": 0.000501, "dcd": 0.0}
PRECISION = {"xtc": ("its coordinates are rounded to 0.01 Å",)}


def options(suffix: str) -> dict[str, object]:
    return {"multiframe": True} if suffix == "pdb" else {"dt": 2.0} if suffix == "dcd" else {}


@pytest.mark.parametrize("suffix", list(TOLERANCES))
def test_files_of_mdanalysis_are_read(tmp_path: Path, suffix: str) -> None:
    positions = make(4, 5).positions
    times = 6.0 + 2.0 * np.arange(5)
    path = write_with_mdanalysis(tmp_path / f"a.{suffix}", positions, times, **options(suffix))
    before = sorted(tmp_path.iterdir())
    with open_trajectory(path) as file:
        assert (file.frames, file.natoms, file.frame_steps, file.leftover_bytes) == (5, NATOMS, 1, 0)
        assert (file.ids, file.atom_types, file.unwrapped, file.units) == (None, None, None, None)
        assert file.frame_ps == (None if suffix == "pdb" else 2.0)
        assert file.first_ps == {"pdb": None, "dcd": 0.0}.get(suffix, 6.0)
        assert file.notes == PRECISION.get(suffix, ())
        for first, count, stride in ((0, 5, 1), (3, 1, 1), (1, 2, 2)):
            frames = file.read_xyz(first, count, stride)
            expected = positions[first : first + count * stride : stride]
            for axis in range(3):
                np.testing.assert_allclose(
                    frames.along(axis), expected[..., axis], rtol=0, atol=TOLERANCES[suffix]
                )
            assert frames.boxes == pytest.approx(np.tile([20.0, 20.0, LENGTH], (count, 1)))
    # the readers of MDAnalysis itself would leave an index
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("suffix", list(TOLERANCES))
def test_a_tilted_box_is_named(tmp_path: Path, suffix: str) -> None:
    # a rhombic dodecahedron
    box = (40.0, 40.0, 40.0, 60.0, 60.0, 90.0)
    path = write_with_mdanalysis(tmp_path / f"a.{suffix}", make(4, 2).positions, box=box, **options(suffix))
    with open_trajectory(path) as file, pytest.raises(TrajectoryError, match=r"frame 0.*: its box is tilted"):
        file.read(0, 2)


@pytest.mark.parametrize("suffix", ["xtc", "trr", "nc"])
def test_frames_must_be_equally_spaced_in_time(tmp_path: Path, suffix: str) -> None:
    times = np.array([0.0, 2.0, 4.0, 7.0, 9.0])
    path = write_with_mdanalysis(tmp_path / f"a.{suffix}", make(4, 5).positions, times)
    with pytest.raises(TrajectoryError, match=rf"a.{suffix}: frame \d.*: .*equally spaced in time"):  # noqa: SIM117
        with open_trajectory(path) as file:
            file.read(0, 5)


@pytest.mark.parametrize("suffix", ["xtc", "trr"])
def test_times_replace_steps_that_are_none(tmp_path: Path, suffix: str) -> None:
    positions, times = make(4, 4).positions, 100_000 + 0.2 * np.arange(4)
    for steps, expected in (
        ([1, 1, 1, 1], (500_000, 1)),
        ([0, 1, 2, 3], (0, 1)),
        ([50, 60, 70, 80], (50, 10)),
        ([2**31 - 20, 2**31 - 10, -(2**31), 10 - 2**31], (500_000, 1)),
    ):
        path = write_with_mdanalysis(tmp_path / f"a.{suffix}", positions, times, steps)
        with open_trajectory(path) as file:
            assert (file.first_step, file.frame_steps) == expected
            assert (file.frame_ps, file.first_ps) == (0.2, 100_000.0)
    path = write_with_mdanalysis(tmp_path / f"a.{suffix}", positions, np.zeros(4), [1, 1, 1, 1])
    with pytest.raises(TrajectoryError, match=rf"a.{suffix}: frame 1: is of step 1"):
        open_trajectory(path)


@pytest.mark.parametrize("suffix", ["xtc", "trr", "pdb"])
def test_an_incomplete_last_frame_is_left_out(tmp_path: Path, suffix: str) -> None:
    path = write_with_mdanalysis(tmp_path / f"a.{suffix}", make(4, 3).positions, **options(suffix))
    content = path.read_bytes()
    for cut in (200, 300) if suffix == "pdb" else (1, 50, 300):
        path.write_bytes(content[:-cut])
        with open_trajectory(path) as file:
            assert (file.frames, file.leftover_bytes > 0) == (2, True)
            assert len(file.read(0, 2).table) == 2


@pytest.mark.parametrize("double", [False, True])
def test_trr_frames_without_positions_are_passed_over(tmp_path: Path, double: bool) -> None:
    positions = np.random.default_rng(1).normal(size=(3, 12, 3))
    path = tmp_path / "a.trr"
    path.write_bytes(
        b"".join(
            trr_frame(positions[number], 500 * number, 1.0 * number, double)
            + trr_frame(positions[number], 500 * number + 250, number + 0.5, double, bare=True)
            for number in range(3)
        )
    )
    with open_trajectory(path) as file:
        assert (file.frames, file.frame_steps, file.frame_ps, file.first_ps) == (3, 500, 1.0, 0.0)
        np.testing.assert_allclose(file.read(0, 3).along(2), 10 * positions[..., 2], rtol=1e-6)


def test_damage_names_the_frame(tmp_path: Path) -> None:
    for suffix in ("xtc", "trr"):
        path = write_with_mdanalysis(tmp_path / f"a.{suffix}", make(4, 3).positions)
        content = bytearray(path.read_bytes())
        frame = content.find(content[:4], 4)
        # the number of atoms of the second frame
        content[frame + (4 if suffix == "xtc" else 64) + 1] ^= 64
        path.write_bytes(content)
        with pytest.raises(TrajectoryError, match=rf"a.{suffix}: frame 1, byte {frame}: "):
            open_trajectory(path)
    path = tmp_path / "a.pdb"
    write_with_mdanalysis(path, make(4, 3).positions, multiframe=True)
    path.write_text(path.read_text().replace("CRYST1   20.000", "CRYST1   20.x00"))
    with pytest.raises(TrajectoryError, match=r"a.pdb: its record CRYST1 is"):
        open_trajectory(path)


@pytest.mark.parametrize("suffix", ["xtc", "trr", "nc", "pdb"])
def test_empty_and_foreign_files_are_told_apart(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.touch()
    with open_trajectory(path) as file:
        assert file.frames == 0
    path.write_bytes(b"hello " * 100)
    with pytest.raises(TrajectoryError, match=rf"a.{suffix}: "):
        open_trajectory(path)
    with pytest.raises(TrajectoryError, match=rf"none.{suffix}: cannot be opened: No such file"):
        open_trajectory(tmp_path / f"none.{suffix}")


def test_a_missing_package_of_mdanalysis_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    for suffix, package in (("h5md", "h5py"), ("tng", "pytng")):
        path = tmp_path / f"a.{suffix}"
        path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
        with pytest.raises(TrajectoryError, match=rf"a.{suffix}: cannot be read by MDAnalysis: .*(?i:{package})"):
            open_trajectory(path)
