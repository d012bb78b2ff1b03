"""Files that change while they are read: an error that names them, no crash and no wrong number."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.reduction import reduce as reduction
from aiida_cse.reduction import streaming
from aiida_cse.reduction.readers import dcd
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.checked import CheckedTrajectory
from aiida_cse.reduction.reduce import reduce_segments
from tests.reduction.synthetic import config, make, write_dcd

FRAMES = 400


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_dcd(tmp_path / "a.dcd", make(2, FRAMES).positions)


def after(frames: int, happens: Callable[[], object]) -> Callable[[int, int], None]:
    """Return a progress that lets something happen, in another thread, once so many frames are done."""

    def progress(done: int, _: int) -> None:
        if done >= frames and not happened:
            happened.append(True)
            thread = threading.Thread(target=happens)
            thread.start()
            thread.join()

    happened: list[bool] = []
    return progress


def cut(path: Path, size: int) -> Callable[[], None]:
    return lambda: os.truncate(path, size)


@pytest.mark.parametrize(("small_frame", "least_gap"), [(0, 8192), (0, 1), (10**6, 1)])
@pytest.mark.parametrize("stride", [1, 3, None])
@pytest.mark.parametrize("streams", [None, {"charge": {"every_ps": 0.05, "bins": 40}}])
def test_the_compiled_pass_equals_that_of_the_reader(
    path: Path, monkeypatch: pytest.MonkeyPatch, small_frame: int, least_gap: int, stride: int | None, streams: Any
) -> None:
    monkeypatch.setattr(dcd, "_SMALL_FRAME", small_frame)
    monkeypatch.setattr(dcd, "_LEAST_GAP", least_gap)
    monkeypatch.setattr(streaming, "_DIRECT_BYTES", 10_000)
    lags = {"displacement_ps": None, "lags_ps": ()} if stride is None else {"displacement_ps": 0.02 * stride}
    settings = config(streams=streams, **({"lags_ps": (0.12, 0.6)} | lags))
    found = reduce_segments([path], settings)
    monkeypatch.setattr(CheckedTrajectory, "source", lambda *_: None)
    assert reduce_segments([path], settings).equals(found)


def test_every_record_is_checked_though_some_atoms_are_not_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dcd, "_SMALL_FRAME", 0)
    monkeypatch.setattr(dcd, "_LEAST_GAP", 1)
    with dcd.DcdFile(path) as file:
        pieces = file.source(1, 1, np.array([[0, 1]])).pieces
        block, frame = 4 * file.natoms + 8, path.stat().st_size - 7 * file.frame_bytes
    assert pieces.tolist() == [[56, 64], [block + 52, block + 64], [2 * block + 52, 2 * block + 56]]
    whole = path.read_bytes()
    for record in range(3):
        for end in (0, block - 4):
            at = frame + 56 + record * block + end
            path.write_bytes(whole[:at] + b"\1" + whole[at + 1 :])
            with pytest.raises(TrajectoryError, match=f"frame {FRAMES - 7} .*its coordinates are damaged"):
                reduce_segments([path], config())


@pytest.mark.parametrize("share", [0.5, 0.01, 0.0])
@pytest.mark.parametrize("small_frame", [0, 10**6])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_file_that_shrinks_is_refused(
    path: Path, monkeypatch: pytest.MonkeyPatch, small_frame: int, threads: int, share: float
) -> None:
    monkeypatch.setattr(dcd, "_SMALL_FRAME", small_frame)
    monkeypatch.setattr(streaming, "_CHUNK_FRAMES", 10)
    monkeypatch.setattr(reduction, "_cores", lambda: 2)
    progress = after(50, cut(path, int(share * path.stat().st_size)))
    with pytest.raises(
        TrajectoryError, match=r"a.dcd: (ends within or after frame \d+; it shrank|was replaced or cut)"
    ):
        reduce_segments([path], config(), progress=progress, threads=threads)


@pytest.mark.parametrize("seed", range(20))
def test_a_file_may_shrink_at_any_time(path: Path, seed: int) -> None:
    whole, rng = reduce_segments([path], config()), np.random.default_rng(seed)
    size = int(rng.integers(path.stat().st_size))
    timer = threading.Timer(rng.uniform(0, 0.01), cut(path, size))
    timer.start()
    try:
        state = reduce_segments([path], config())
    except TrajectoryError:
        state = None
    timer.join()
    if state is not None:
        assert np.array_equal(state.centres, whole.centres[: state.frames])
        assert np.array_equal(state.region_counts, whole.region_counts[: state.frames])


def test_a_file_that_is_replaced_before_its_turn_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_CHUNK_FRAMES", 10)
    later = write_dcd(tmp_path / "b.dcd", make(2, 20).positions, first_step=FRAMES * 10)

    def replace() -> None:
        write_dcd(later, make(2, 20).positions, first_step=FRAMES * 10 + 10)

    with pytest.raises(TrajectoryError, match=r"b.dcd: was replaced or cut while it was read"):
        reduce_segments([path, later], config(), progress=after(50, replace))


def test_a_file_that_vanishes_is_read_to_its_end(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_CHUNK_FRAMES", 10)
    whole = reduce_segments([path], config())
    assert reduce_segments([path], config(), progress=after(50, path.unlink)).equals(whole)


def test_a_file_that_vanishes_before_its_turn_is_refused(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "_CHUNK_FRAMES", 10)
    later = write_dcd(tmp_path / "b.dcd", make(2, 20).positions, first_step=FRAMES * 10)
    with pytest.raises(TrajectoryError, match=r"b.dcd: cannot be opened: No such file"):
        reduce_segments([path, later], config(), progress=after(50, later.unlink))


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dcd").mkdir()
    with pytest.raises(TrajectoryError, match=r"a.dcd: cannot be "):
        reduce_segments([tmp_path / "a.dcd"], config())
