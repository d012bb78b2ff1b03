"""A state outside of memory: the same numbers, no files left behind, and memory that does not grow."""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aiida_cse.reduction import displacements, scratch
from aiida_cse.reduction.archive import read_arrays
from aiida_cse.reduction.command import run_reduction
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.scratch import Scratch, pieces, release
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import config, make, write_dcd


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scratch, "_SMALL_BYTES", 1)
    monkeypatch.setattr(scratch, "_PIECE_BYTES", 1000)
    monkeypatch.setattr(displacements, "_NEAR_BYTES", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def test_what_is_dropped_from_memory_comes_back(folder: Path) -> None:
    array = Scratch(folder).zeros((300, 5), np.int64)
    assert not array.any()
    array[:] = np.arange(1500).reshape(300, 5)
    release(array, array[7:], np.zeros(3))
    np.testing.assert_array_equal(array.ravel(), np.arange(1500))
    np.testing.assert_array_equal(np.concatenate(list(pieces(array))), np.arange(1500))
    assert not list(folder.iterdir())


@pytest.mark.parametrize("outside", [False, True])
def test_joined_and_growing_arrays(folder: Path, outside: bool) -> None:
    place = Scratch(folder if outside else None)
    first, second = np.arange(1200).reshape(-1, 4), np.arange(40).reshape(-1, 4)
    np.testing.assert_array_equal(place.join(first, first[:0], second), np.concatenate([first, second]))
    assert place.join(first[:0], first[:0]).shape == (0, 4)
    rows = place.growing(4, np.int64)
    for part in (first, first[:0], second[:, ::-1]):
        rows.append(part)
    np.testing.assert_array_equal(rows.finish(), np.concatenate([first, second[:, ::-1]]))
    assert place.growing(4, np.int64).finish().shape == (0, 4)


def test_a_folder_that_is_not_there_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="none"):
        Scratch(tmp_path / "none").zeros((3,), np.int64)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("cut", [2, 11, 59])
def test_the_state_is_the_same(folder: Path, tmp_path: Path, cut: int, threads: int) -> None:
    positions = make(5, 60, hop=0.1).positions
    whole = write_dcd(tmp_path / "whole.dcd", positions)
    later = write_dcd(tmp_path / "later.dcd", positions[cut:], first_step=10 * cut)
    inside = reduce_segments([whole], config())
    assert reduce_segments([whole], config(), threads=threads, scratch=folder).equals(inside)
    until = reduce_segments([whole], config(), until_step=10 * cut, scratch=folder)
    assert reduce_segments([later], config(), until, threads=threads, scratch=folder).equals(inside)
    assert not list(folder.iterdir())


def test_lags_longer_than_the_run_take_no_space(folder: Path, tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 60, hop=0.1).positions)
    long = config(lags_ps=(0.12, 0.06 * 10**12))
    inside = reduce_segments([path], long)
    assert reduce_segments([path], long, scratch=folder).equals(inside)
    np.testing.assert_array_equal(
        inside.displacements.counts[:, :, 0],
        reduce_segments([path], config(lags_ps=(0.12,))).displacements.counts[:, :, 0],
    )


def test_files_are_those_of_numpy(folder: Path, tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 60, hop=0.1).positions)
    state = reduce_segments([path], config(), scratch=folder)
    state.save(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz", allow_pickle=False) as archive:
        found = {name: archive[name] for name in archive.files}
    for name, array in state._arrays().items():
        np.testing.assert_array_equal(found[name], array)
    np.savez_compressed(tmp_path / "numpy.npz", **found)
    assert State.load(tmp_path / "numpy.npz", Scratch(folder)).equals(state)


def test_arrays_in_any_order_are_read_and_objects_are_not(tmp_path: Path) -> None:
    table = np.arange(600).reshape(20, 30)
    np.savez(tmp_path / "a.npz", c=table, fortran=np.asfortranarray(table), scalar=np.float64(3))
    with (tmp_path / "a.npz").open("rb") as file:
        found = read_arrays(file, Scratch())
    np.testing.assert_array_equal(found["c"], table)
    np.testing.assert_array_equal(found["fortran"], table)
    assert found["scalar"] == 3
    np.savez(tmp_path / "objects.npz", a=np.array([{}], dtype=object))
    with (tmp_path / "objects.npz").open("rb") as file, pytest.raises(ValueError, match="objects"):
        read_arrays(file, Scratch())


_MEASURED = """\
import json, sys
from pathlib import Path
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_plan
from aiida_cse.reduction.segments import Segment, SegmentPlan
path, folder, frames = Path(sys.argv[1]), Path(sys.argv[2]), 500
config = ReductionConfig.model_validate_json(Path(sys.argv[3]).read_text())
peaks = []
for loops in (4, 400):
    plan = SegmentPlan(tuple(Segment(path, 0, frames, k * frames, 0) for k in range(loops)), ())
    state = reduce_plan(plan, config, scratch=folder)
    state.save(folder / "state.npz")
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peaks.append(int(status["VmHWM"].split()[0]) / 1024)
print(json.dumps({"peaks": peaks, "size": state.nbytes / 2**20}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the peak of memory")
def test_memory_does_not_grow_with_the_length(folder: Path, tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 500, hop=0.1).positions)
    (tmp_path / "config.json").write_text(config(block_ps=1.0, snapshot_ps=0.06).model_dump_json())
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(path), str(folder), str(tmp_path / "config.json")],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    found = json.loads(done.stdout)
    assert found["size"] > 40
    assert found["peaks"][1] - found["peaks"][0] < 20


def test_run_reduction_continues_outside_of_memory(tmp_path: Path) -> None:
    positions = make(5, 60, hop=0.1).positions
    first = write_dcd(tmp_path / "1.dcd", positions[:40])
    second = write_dcd(tmp_path / "2.dcd", positions[40:], first_step=400)
    (tmp_path / "out").mkdir()
    run_reduction([first], config(), tmp_path / "out" / "1.npz")
    run_reduction([second], config(), tmp_path / "out" / "2.npz", previous=tmp_path / "out" / "1.npz")
    assert State.load(tmp_path / "out" / "2.npz").equals(reduce_segments([first, second], config()))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["1.npz", "2.npz"]


def test_a_full_disk_is_not_blamed_on_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 60, hop=0.1).positions)
    reduce_segments([path], config()).save(tmp_path / "state.npz")

    def refuse(descriptor: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(scratch, "_reserve", refuse)
    with pytest.raises(ValueError, match=r"state.npz: \[Errno \d+\] No space left on device"):
        State.load(tmp_path / "state.npz", Scratch(tmp_path))
    with pytest.raises(OSError, match="No space left on device"):
        reduce_segments([path], config(), scratch=tmp_path)
