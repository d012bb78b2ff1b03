"""States: merging, and the file, which is compressed, bounded in size and free of pickled objects."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest

from aiida_cse.reduction import archives
from aiida_cse.reduction.config import load_config
from aiida_cse.reduction.reduce import reduce_segments, run_reduction
from aiida_cse.reduction.state import FORMAT, State
from tests.reduction.synthetic import config, contents, make, write_dcd

# -- merging -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("cut", [2, 11, 59])
def test_a_continued_state_equals_the_whole(tmp_path: Path, cut: int, threads: int) -> None:
    positions = make(5, 60, hop=0.1).positions
    whole = write_dcd(tmp_path / "whole.dcd", positions)
    later = write_dcd(tmp_path / "later.dcd", positions[cut:], first_step=10 * cut)
    expected = reduce_segments([whole], config())
    assert reduce_segments([whole], config(), threads=threads).equals(expected)
    until = reduce_segments([whole], config(), until_step=10 * cut)
    assert reduce_segments([later], config(), until, threads=threads).equals(expected)


def test_lags_longer_than_the_run_take_no_space(tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 60, hop=0.1).positions)
    long = reduce_segments([path], config(lags_ps=(0.12, 0.06 * 10**10)))
    short = reduce_segments([path], config(lags_ps=(0.12,)))
    np.testing.assert_array_equal(long.displacements.counts[:, :, 0], short.displacements.counts[:, :, 0])


# -- file ----------------------------------------------------------------------------------------------------


def test_a_file_holds_the_state(state: State, path: Path) -> None:
    assert [one.name for one in path.parent.iterdir()] == ["state.npz"]
    assert State.load(path).equals(state)
    with path.open("rb") as file:
        assert State.load(file).equals(state)


def test_equal_states_give_equal_bytes(state: State, path: Path) -> None:
    State.load(path).save(path.with_name("b.npz"))
    assert path.read_bytes() == path.with_name("b.npz").read_bytes()


def test_a_file_is_compressed_and_read_by_numpy(state: State, path: Path) -> None:
    large = path.with_name("large.npz")
    with large.open("wb") as file:
        archives.write_arrays(file, {"large": np.arange(5000), "small": np.arange(50)})
    for one, expected in ((path, {zipfile.ZIP_DEFLATED}), (large, {zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED})):
        with zipfile.ZipFile(one) as archive:
            assert {member.compress_type for member in archive.infolist()} == expected
    np.testing.assert_array_equal(np.load(large)["large"], np.arange(5000))
    found = contents(path)
    assert path.stat().st_size < sum(array.nbytes for array in found.values()) / 2
    assert set(found) == {"config", "sources", *state.arrays()}
    for name, array in state.arrays().items():
        assert found[name].dtype == array.dtype != object
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_files_of_any_compression_are_read(state: State, path: Path, write: object) -> None:
    found = contents(path)
    write(path, **found)  # type: ignore[operator]
    assert State.load(path).equals(state)


def test_arrays_in_fortran_order_are_read(state: State, path: Path) -> None:
    np.savez(path, **{name: np.asfortranarray(array) for name, array in contents(path).items()})
    assert State.load(path).equals(state)


def _with_field(content: bytes, signature: bytes, offset: int, number: int) -> bytes:
    """Return a zip file with another number of two bytes in its first header of a kind."""
    at = content.index(signature) + offset
    return content[:at] + number.to_bytes(2, "little") + content[at + 2 :]


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "pickle", "array", "packed", "newer"])
def test_damaged_files_are_refused(path: Path, damage: str) -> None:
    content = path.read_bytes()
    array = BytesIO()
    np.save(array, np.arange(3))
    bad = {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "text": b"hello",
        "pickle": pickle.dumps([1]),
        "array": array.getvalue(),
        # a compression, and a version of zip, that Python does not know
        "packed": _with_field(content, b"PK\x01\x02", 10, 99),
        "newer": _with_field(content, b"PK\x01\x02", 6, 99),
    }
    path.write_bytes(bad[damage])
    with pytest.raises(ValueError, match=r"state.npz: is no state of a reduction"):
        State.load(path)


def test_a_header_that_cannot_be_parsed_is_refused(path: Path) -> None:
    arrays = contents(path)
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            written = BytesIO()
            np.save(written, array)
            damaged = written.getvalue().replace(b"), }", b"(, }") if name == "range" else written.getvalue()
            archive.writestr(f"{name}.npy", damaged)
    with pytest.raises(ValueError, match=r"state.npz: is no state of a reduction"):
        State.load(path)


def test_other_archives_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", range=[FORMAT, 0, 5])
    with pytest.raises(ValueError, match=r"other.npz: is no state of a reduction"):
        State.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"none.npz: .*No such file"):
        State.load(tmp_path / "none.npz")


@pytest.mark.parametrize(
    ("name", "array", "why"),
    [
        (
            "range",
            np.array([99, 0, 25]),
            "is a state of format 99, this program reads formats 3 and 4; reduce the trajectory again",
        ),
        (
            "range",
            np.array([1, 0, 25]),
            "is a state of format 1, this program reads formats 3 and 4; reduce the trajectory again",
        ),
        ("range", np.array([FORMAT, 0, 24]), r"is no state of a reduction: .* but 20 ions in 24 frames need"),
        ("range", np.array([FORMAT, -(2**63), 2**63 - 1]), "is no state of a reduction"),
        ("centres", np.zeros(25, np.int64), "centres is int64 of shape .25,., but .* need float64 of shape .25,."),
        ("snapshot_bins", np.zeros((8, 20), np.int32), "snapshot_bins is int32 of shape .8, 20., but .* .9, 20."),
        ("edges", np.array([{}], dtype=object), "edges.npy holds objects, not numbers"),
        ("edges", np.array(["a"]), "edges.npy holds <U1, not numbers"),
        ("core_last_labels", np.zeros(19, np.int8), "core_last_labels is int8 of shape .19,., but .* .20,."),
        ("core_events", np.zeros((2, 3), np.int64), "core_events is int64 of shape .2, 3., but .* .2, 4."),
        ("displacement_head", np.zeros((16, 3, 20), np.int32), "has 16 samples of displacements, more than"),
        ("displacement_tail_frames", np.array([0, 3, 6, 9, 25]), "displacement_tail_frames has the value 25"),
        ("displacement_tail_layers", np.full((5, 20), 12, np.int16), "displacement_tail_layers has the value 12"),
        ("displacement_tail_layers", np.full((5, 20), -1, np.int16), "displacement_tail_layers has the value -1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(path: Path, name: str, array: np.ndarray, why: str) -> None:
    np.savez(path, **(contents(path) | {name: array}))
    with pytest.raises(ValueError, match=rf"state.npz: (is no state of a reduction: )?{why}"):
        State.load(path)


def test_a_file_that_unpacks_to_too_much_is_refused_unread(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez_compressed(path, **(contents(path) | {"centres": np.zeros(10**7)}))
    monkeypatch.setattr(archives, "_SMALL_BYTES", 2**20)
    monkeypatch.setattr(archives, "_read_array", None)
    with pytest.raises(
        ValueError, match=r"state.npz: .* unpacks to 80,\d+,\d+ bytes, a file of \d+,\d+ bytes may to"
    ):
        State.load(path)


def test_an_array_larger_than_its_member_is_refused(path: Path) -> None:
    """A header of 30 bytes may not ask for 8 GB of memory."""
    bomb = BytesIO()
    np.lib.format.write_array_header_1_0(bomb, {"shape": (10**9,), "fortran_order": False, "descr": "<f8"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("bomb.npy", bomb.getvalue())
    with pytest.raises(ValueError, match=r"bomb.npy is an array of shape \(1000000000,\) in 128 bytes"):
        State.load(path)


def test_a_state_that_compresses_beyond_the_bound_is_stored_and_read(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_SMALL_BYTES", 0)
    monkeypatch.setattr(archives, "_LARGEST_RATIO", 2)
    state.save(path)
    with zipfile.ZipFile(path) as archive:
        assert {one.compress_type for one in archive.infolist()} == {zipfile.ZIP_STORED}
    assert State.load(path).equals(state)


# -- from files to a file ------------------------------------------------------------------------------------


def test_run_reduction_goes_from_files_to_file(state: State, tmp_path: Path) -> None:
    positions = make(3, 25).positions
    first = write_dcd(tmp_path / "1.dcd", positions[:11])
    second = write_dcd(tmp_path / "2.dcd", positions[10:], first_step=100)
    (tmp_path / "config.json").write_text(config().model_dump_json())
    settings = load_config(tmp_path / "config.json")
    assert settings == config()
    out = tmp_path / "out"
    out.mkdir()
    done = run_reduction([first], settings, out / "1.npz")
    assert (done.frames, done.first_step, done.last_step, done.frames_read) == (11, 0, 100, 11)
    done = run_reduction([second], settings, out / "2.npz", previous=out / "1.npz")
    assert (done.frames, done.first_step, done.last_step, done.frames_read) == (25, 0, 240, 15)
    assert State.load(out / "2.npz").equals(state)
    assert sorted(one.name for one in out.iterdir()) == ["1.npz", "2.npz"]


def test_a_wrong_configuration_file_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(config().model_dump_json().replace('"bins":110', '"bins":0,"bin":3'))
    with pytest.raises(ValueError, match=r"config.json: bins = 0: must be greater.*; bin = 3: Extra inputs"):
        load_config(path)
    with pytest.raises(ValueError, match=r"none.json: cannot be read"):
        load_config(tmp_path / "none.json")


# -- memory --------------------------------------------------------------------------------------------------

_MEASURED = """\
import json, sys
from pathlib import Path
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_plan
from aiida_cse.reduction.segments import Segment, SegmentPlan
path, frames = Path(sys.argv[1]), 500
config = ReductionConfig.model_validate_json(Path(sys.argv[2]).read_text())
peaks = []
for loops in (4, 250):
    plan = SegmentPlan(tuple(Segment(path, 0, frames, k * frames, 0) for k in range(loops)), ())
    state = reduce_plan(plan, config)
    state.save(path.with_name("state.npz"))
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    peaks.append(int(status["VmHWM"].split()[0]) / 1024)
print(json.dumps({"peaks": peaks, "size": state.nbytes / 2**20}))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not tell the peak of memory")
def test_memory_grows_by_the_size_of_the_state_only(tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(5, 500, hop=0.1).positions)
    (tmp_path / "config.json").write_text(config(block_ps=1.0, snapshot_ps=0.06).model_dump_json())
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(path), str(tmp_path / "config.json")],
        check=True,
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    found = json.loads(done.stdout)
    assert found["size"] > 25
    assert found["peaks"][1] - found["peaks"][0] < 1.5 * found["size"] + 20
