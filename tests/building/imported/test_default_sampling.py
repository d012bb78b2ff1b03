"""Times of trajectory files, and the sampling that follows from the length of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.building.imported.default_sampling import FEWEST, TrajectoryTimes, choose_sampling, read_times
from aiida_cse.reduction.readers.base import TrajectoryError
from tests.reduction import synthetic
from tests.reduction.readers.files import write_with_mdanalysis


def times(frames: int, frame_ps: float) -> TrajectoryTimes:
    return TrajectoryTimes((Path("a.dcd"),), frame_ps, 1.0, 0, frames)


@pytest.mark.parametrize(
    ("frames", "frame_ps", "expected"),
    [
        (400_000, 1.0, 1000),
        (20_000, 2.0, 1000),
        (2000, 2.0, 100),
        (4000, 1.0, 100),
        (12, 1.0, 1),
        (1000, 0.3, 7.5),
    ],
)
def test_snapshots_span_the_longest_step_of_the_ladder(frames: int, frame_ps: float, expected: float) -> None:
    sampling, words = choose_sampling(times(frames, frame_ps), {})
    assert sampling.snapshot_ps == sampling.block_ps == sampling.lags_ps[0] == pytest.approx(expected)
    assert sampling.snapshot_ps * FEWEST <= max(frames * frame_ps, FEWEST * frame_ps)
    assert words[0].startswith(f"{expected:g} ps for snapshots, blocks and displacements, because the run has")


def test_given_settings_are_kept() -> None:
    sampling, words = choose_sampling(times(4000, 1.0), {"snapshot_ps": 50, "bins": 100, "lags_ps": [20, 40]})
    assert (sampling.snapshot_ps, sampling.block_ps, sampling.bins, sampling.lags_ps) == (50, 100, 100, (20, 40))
    assert words == ["100 ps for blocks, because the run has 4 ns"]


@pytest.mark.parametrize(
    ("given", "width"), [({}, 0.2), ({"lags_ps": []}, 0.2), ({"bins": 100}, None), ({"lags_ps": [2.0]}, None)]
)
def test_a_box_that_changes_has_bins_by_width_unless_others_are_asked_for(
    given: dict[str, Any], width: float | None
) -> None:
    sampling, _ = choose_sampling(replace(times(400, 1.0), changing_box=True), given)
    assert sampling.bin_width == width


@pytest.fixture
def parts(tmp_path: Path) -> list[Path]:
    positions = synthetic.make(1, 30).positions
    first = synthetic.write_dcd(tmp_path / "1.dcd", positions[:20])
    return [first, synthetic.write_dcd(tmp_path / "2.dcd", positions[15:], first_step=15 * synthetic.FRAME_STEPS)]


def test_the_parts_of_a_run_are_ordered_by_their_steps(parts: list[Path]) -> None:
    found = read_times(parts[::-1])
    assert found.paths == tuple(parts)
    assert (found.frames, found.frame_ps, found.timestep_fs) == (30, 0.02, 2.0)
    assert found.notes == (f"the files were put in the order of time: {parts[0]}, {parts[1]}",)


def test_a_given_interval_overrides_that_of_the_files_aloud(parts: list[Path]) -> None:
    found = read_times(parts, frame_ps=0.03)
    assert found.frame_ps == 0.03
    assert found.notes == ("1.dcd: says 0.02 ps between frames; the given 0.03 ps are used",)


def test_a_file_that_counts_frames_has_steps_of_a_usual_timestep(tmp_path: Path) -> None:
    positions = synthetic.make(1, 20).positions
    path = write_with_mdanalysis(tmp_path / "a.xtc", positions, 100 + 5.0 * np.arange(20))
    found = read_times([path])
    assert (found.frame_ps, found.timestep_fs, found.first_frame, found.frames) == (5, 2, 20, 20)
    assert found.notes == ("a.xtc: counts frames; steps are those of a timestep of 2 fs",)


def test_two_files_of_the_same_start_are_refused(parts: list[Path]) -> None:
    with pytest.raises(TrajectoryError, match=r"starts at step 0, as .* does; give only one of them"):
        read_times([parts[0], synthetic.write_dcd(parts[0].with_name("3.dcd"), synthetic.make(1, 4).positions)])


def test_a_single_frame_is_too_few(tmp_path: Path) -> None:
    path = synthetic.write_dcd(tmp_path / "1.dcd", synthetic.make(1, 1).positions)
    with pytest.raises(TrajectoryError, match="an analysis needs two"):
        read_times([path])
