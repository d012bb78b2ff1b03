"""The file of a state: whole, without pickle, the same bytes for the same numbers."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from aiida_cse.reduction.command import load_config, run_reduction
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import FORMAT, State
from tests.reduction.synthetic import config, make, write_dcd


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> State:
    return reduce_segments([write_dcd(tmp_path_factory.mktemp("a") / "a.dcd", make(3, 25).positions)], config())


def test_round_trip(state: State, tmp_path: Path) -> None:
    state.save(tmp_path / "state.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
    assert State.load(tmp_path / "state.npz").equals(state)
    with (tmp_path / "state.npz").open("rb") as file:
        assert State.load(file).equals(state)


def test_same_state_same_bytes(state: State, tmp_path: Path) -> None:
    state.save(tmp_path / "a.npz")
    State.load(tmp_path / "a.npz").save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_the_file_holds_no_pickle(state: State, tmp_path: Path) -> None:
    state.save(tmp_path / "state.npz")
    with np.load(tmp_path / "state.npz", allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)
        assert set(archive.files) == {"config", *state._arrays()}


def _with_field(content: bytes, signature: bytes, offset: int, number: int) -> bytes:
    """Return a zip file with another number of two bytes in its first header of a kind."""
    at = content.index(signature) + offset
    return content[:at] + number.to_bytes(2, "little") + content[at + 2 :]


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "pickle", "array", "packed", "newer"])
def test_damaged_files_are_refused(state: State, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "state.npz"
    state.save(path)
    content = path.read_bytes()
    np.save(tmp_path / "array.npy", np.arange(3))
    bad = {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "text": b"hello",
        "pickle": pickle.dumps([1]),
        "array": (tmp_path / "array.npy").read_bytes(),
        # a compression, and a version of zip, that Python does not know
        "packed": _with_field(content, b"PK\x01\x02", 10, 99),
        "newer": _with_field(content, b"PK\x01\x02", 6, 99),
    }
    path.write_bytes(bad[damage])
    with pytest.raises(ValueError, match=r"state.npz: is no state of a reduction"):
        State.load(path)


def test_other_archives_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "other.npz", range=[FORMAT, 0, 5])
    with pytest.raises(ValueError, match=r"other.npz: is no state of a reduction"):
        State.load(tmp_path / "other.npz")
    with pytest.raises(ValueError, match=r"none.npz: .*No such file"):
        State.load(tmp_path / "none.npz")


def test_another_format_is_refused(state: State, tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    state.save(path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for numbers, why in (
        (
            [99, 0, 25],
            r"state.npz: is a state of format 99, this program reads format 3; reduce the trajectory again",
        ),
        (
            [1, 0, 25],
            r"state.npz: is a state of format 1, this program reads format 3; reduce the trajectory again",
        ),
        ([FORMAT, 0, 24], "is no state of a reduction: the arrays do not have the 24 frames"),
    ):
        np.savez(path, **(arrays | {"range": np.array(numbers)}))
        with pytest.raises(ValueError, match=why):
            State.load(path)


def test_run_reduction_goes_from_files_to_file(state: State, tmp_path: Path) -> None:
    positions = make(3, 25).positions
    first = write_dcd(tmp_path / "1.dcd", positions[:11])
    second = write_dcd(tmp_path / "2.dcd", positions[10:], first_step=100)
    (tmp_path / "config.json").write_text(config().model_dump_json())
    settings = load_config(tmp_path / "config.json")
    assert settings == config()
    done = run_reduction([first], settings, tmp_path / "1.npz")
    assert (done.frames, done.first_step, done.last_step, done.frames_read) == (11, 0, 100, 11)
    done = run_reduction([second], settings, tmp_path / "2.npz", previous=tmp_path / "1.npz")
    assert (done.frames, done.first_step, done.last_step, done.frames_read) == (25, 0, 240, 15)
    assert State.load(tmp_path / "2.npz").equals(state)


def test_a_wrong_configuration_file_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(config().model_dump_json().replace('"bins":110', '"bins":0,"bin":3'))
    with pytest.raises(
        ValueError, match=r"config.json: 'bins' = 0: Input should be greater.*; 'bin' = 3: Extra inputs"
    ):
        load_config(path)
    with pytest.raises(ValueError, match=r"none.json: cannot be read"):
        load_config(tmp_path / "none.json")
