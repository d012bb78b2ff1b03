"""Mutated files of every format: frames as in the sound file but for what was hit, or a refusal that names it."""

from __future__ import annotations

import gzip
import resource
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.readers.open import open_trajectory
from tests.reduction.readers.files import mutated, write_dump, write_with_mdanalysis
from tests.reduction.synthetic import FRAME_STEPS, make, write_dcd

FRAMES = 6
FORMATS = ("dump", "dump.gz", "dcd", "xtc", "trr", "nc", "pdb")
SAMPLE, ALL = 20, 300
#: s and bytes that a small file may take
LONGEST, LARGEST = 5.0, 500 * 2**20


@cache
def sound(suffix: str) -> tuple[bytes, NDArray[np.float32]]:
    """Return a sound file and its frames."""
    positions = make(8, FRAMES).positions
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix}"
        if suffix.startswith("dump"):
            write_dump(path, positions)
            if suffix.endswith("gz"):
                path.write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        elif suffix == "dcd":
            write_dcd(path, positions)
        else:
            steps = [FRAME_STEPS * number for number in range(FRAMES)]
            given = {"multiframe": True} if suffix == "pdb" else {}
            write_with_mdanalysis(path, positions, 0.02 * np.arange(FRAMES), steps, **given)
        return path.read_bytes(), read(path)


def read(path: Path) -> NDArray[np.float32]:
    """Return all coordinates and edges of a trajectory, (frames, columns)."""
    with open_trajectory(path) as file:
        if not file.frames:
            return np.zeros((0, 0), np.float32)
        frames = file.read_xyz(0, file.frames)
        axes = [frames.along(axis).copy() for axis in range(3)]
        return np.concatenate([*axes, frames.boxes.astype(np.float32)], axis=1)


def examine(path: Path, content: bytes, expected: NDArray[np.float32]) -> str:
    """Read a mutated file; return what is wrong with what happened, "" if nothing is."""
    path.write_bytes(content)
    suffix = path.suffix[1:]
    start = time.perf_counter()
    try:
        found = read(path)
    except TrajectoryError as error:
        if path.name not in str(error):
            return f"does not name the file: {error}"
        found = expected[:0]
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if time.perf_counter() - start > LONGEST:
        return "takes too long"
    if len(found) > len(expected):
        return f"has {len(found)} frames"
    if suffix == "pdb":
        # a model can end anywhere, as the number of atoms shows, and the one box stands before the first
        found = found[: len(found) if found.shape[1] == expected.shape[1] else 0, :-3]
        expected = expected[:, :-3]
    if len(found) and found.shape[1] != expected.shape[1]:
        return f"has {found.shape[1]} columns"
    same = [np.array_equal(one, other) for one, other in zip(found, expected, strict=False)]
    return "" if same.count(False) <= 1 else f"has {same.count(False)} other frames"


def faults(folder: Path, suffix: str, seeds: range) -> list[str]:
    content, expected = sound(suffix)
    path = folder / f"mutated.{suffix}"
    found = [(seed, examine(path, mutated(content, seed), expected)) for seed in seeds]
    return [f"seed {seed}: {why}" for seed, why in found if why]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_damaged_trajectory_is_read_or_refused_by_name(tmp_path: Path, suffix: str) -> None:
    assert faults(tmp_path, suffix, range(SAMPLE)) == []


@pytest.mark.long
@pytest.mark.parametrize("suffix", FORMATS)
def test_many_damaged_trajectories_are_read_or_refused_by_name(tmp_path: Path, suffix: str) -> None:
    sound(suffix)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert faults(tmp_path, suffix, range(SAMPLE, SAMPLE + ALL)) == []
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 < LARGEST
