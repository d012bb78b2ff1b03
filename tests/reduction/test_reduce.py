"""The reduction against scheduled transitions and an independent loop; segments, seams and refusals."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aiida_cse.physics.exchange.transitions import count_transitions
from aiida_cse.reduction import reduce as reduction
from aiida_cse.reduction import streaming
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.segments import plan_segments
from aiida_cse.reduction.state import State
from aiida_cse.reduction.system import IonDescription
from tests.reduction import synthetic
from tests.reduction.oracle import reduce_with_mdanalysis
from tests.reduction.synthetic import (
    ANIONS,
    ATOMS_PER_ANION,
    CATIONS,
    FRAME_STEPS,
    FRAMEWORK,
    NATOMS,
    config,
    make,
    write_dcd,
)

FRAMES = 60


@pytest.fixture(scope="module")
def trajectory() -> synthetic.Synthetic:
    return make(7, FRAMES, hop=0.05)


@pytest.fixture(scope="module")
def path(trajectory: synthetic.Synthetic, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dcd(tmp_path_factory.mktemp("whole") / "whole.dcd", trajectory.positions)


@pytest.fixture(scope="module")
def whole(path: Path) -> State:
    return reduce_segments([path], config())


def scheduled(trajectory: synthetic.Synthetic, stride: int) -> NDArray[np.int64]:
    """The events of the schedule; in the middles of the cores both rules see the same."""
    labels = np.concatenate([trajectory.regions["Li"], trajectory.regions["TFSI"]], axis=1)
    return count_transitions(labels, stride=stride).events


def write_segments(
    folder: Path, positions: NDArray[np.float32], starts: list[int], ends: list[int] | None = None
) -> list[Path]:
    """Write segments that begin at ``starts`` and end before ``ends``, by default where the next begins."""
    stops = ends or [*starts[1:], len(positions)]
    return [
        write_dcd(folder / f"{start:04d}.dcd", positions[start:stop], first_step=start * FRAME_STEPS)
        for start, stop in zip(starts, stops, strict=True)
    ]


# -- right ---------------------------------------------------------------------------------------------------


def test_scheduled_transitions_are_found_under_a_drifting_slab(
    whole: State, trajectory: synthetic.Synthetic
) -> None:
    assert len(whole.tracks["core"].events) > 50
    assert np.array_equal(whole.tracks["core"].events, scheduled(trajectory, 1))


@pytest.mark.parametrize("stride", [1, 2, 3, 7])
def test_snapshots_find_the_scheduled_regions_at_several_strides(
    path: Path, trajectory: synthetic.Synthetic, stride: int
) -> None:
    state = reduce_segments([path], config(snapshot_ps=0.02 * stride))
    assert np.array_equal(state.tracks["snapshot"].events, scheduled(trajectory, stride))


def test_populations_and_centres_are_those_scheduled(whole: State, trajectory: synthetic.Synthetic) -> None:
    for index, regions in enumerate(trajectory.regions.values()):
        expected = (regions[:, :, None] == np.arange(5)).sum(axis=1)
        assert np.array_equal(whole.region_counts[:, index], expected)
    assert whole.centres == pytest.approx(trajectory.centres, abs=1e-4)


@pytest.mark.parametrize("point", ["atom", "centre_of_mass"])
def test_agrees_with_a_loop_over_mdanalysis(path: Path, point: str) -> None:
    settings = config(
        bins=520, anion_point=point, anion=IonDescription("TFSI", (4,) if point == "atom" else (4, 5))
    )
    state = reduce_segments([path], settings)
    oracle = reduce_with_mdanalysis(path, settings)
    block = settings.block_frames
    expected = oracle["histograms"].reshape(-1, block, *state.histograms.shape[1:]).sum(axis=1)
    assert np.abs(state.histograms - expected).sum() <= 1e-5 * expected.sum()
    assert np.array_equal(state.region_counts, oracle["regions"])
    assert state.centres == pytest.approx(oracle["centres"], abs=1e-9)
    events = count_transitions(oracle["labels"], stride=settings.snapshot_frames).events
    assert np.array_equal(state.tracks["snapshot"].events, events)


def test_snapshots_keep_the_bins_of_the_ions(whole: State, trajectory: synthetic.Synthetic) -> None:
    assert whole.snapshots.tolist() == list(range(0, FRAMES, 3))
    assert whole.snapshot_bins.shape == (20, CATIONS + synthetic.ANIONS)
    counts = np.apply_along_axis(np.bincount, 1, whole.snapshot_bins[:, :CATIONS], minlength=110).sum(axis=0)
    z = trajectory.positions[::3, :, 2].astype(np.float64)[:, FRAMEWORK : FRAMEWORK + CATIONS]
    place = z - whole.centres[::3, None]
    expected = np.floor((place / synthetic.LENGTH + 0.5) % 1 * 110).astype(int)
    assert np.array_equal(np.bincount(expected.ravel(), minlength=110), counts)


def test_counts_are_complete(whole: State) -> None:
    assert (whole.histograms.sum(axis=(1, 2)) == whole.config.block_frames * NATOMS).all()
    assert (whole.point_histograms.sum(axis=2) == [[10 * CATIONS, 10 * synthetic.ANIONS]]).all()
    assert np.array_equal(whole.histograms[:, 2], whole.point_histograms[:, 0])


# -- mergeable -----------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(cuts=st.sets(st.integers(1, FRAMES - 1), max_size=4))
def test_merging_equals_the_whole_wherever_the_cuts_lie(
    cuts: set[int], whole: State, trajectory: synthetic.Synthetic, tmp_path_factory: pytest.TempPathFactory
) -> None:
    starts = [0, *sorted(cuts)]
    paths = write_segments(tmp_path_factory.mktemp("cut"), trajectory.positions, starts)
    assert reduce_segments(paths, config()).equals(whole)
    states = [reduce_segments([path], config()) for path in paths]
    forward = states[0]
    for state in states[1:]:
        forward = forward.merge(state)
    backward = states[-1]
    for state in reversed(states[:-1]):
        backward = state.merge(backward)
    assert forward.equals(whole)
    assert backward.equals(whole)


def test_chunks_do_not_matter(path: Path, whole: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "_CHUNK_FRAMES", 7)
    assert reduce_segments([path], config()).equals(whole)


@pytest.mark.parametrize("threads", [2, 3, 7, FRAMES + 5])
def test_threads_do_not_matter(path: Path, whole: State, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduction, "_cores", lambda: 100)
    seen: list[tuple[int, int]] = []
    state = reduce_segments(
        [path], config(), progress=lambda done, total: seen.append((done, total)), threads=threads
    )
    assert state.equals(whole)
    assert seen[-1] == (FRAMES, FRAMES)
    assert len(seen) == min(threads, FRAMES)


def test_no_more_threads_than_cores(path: Path, whole: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reduction, "_cores", lambda: 2)
    seen: list[int] = []
    assert reduce_segments([path], config(), progress=lambda done, _: seen.append(done), threads=9).equals(whole)
    assert seen == [30, 60]
    with pytest.raises(ValueError, match="threads = 0: must be at least 1"):
        reduce_segments([path], config(), threads=0)


def test_an_error_in_a_thread_is_raised(
    trajectory: synthetic.Synthetic, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reduction, "_cores", lambda: 2)
    broken = trajectory.positions.copy()
    broken[41, 20, 2] = np.nan
    path = write_dcd(tmp_path / "broken.dcd", broken)
    with pytest.raises(TrajectoryError, match=r"broken.dcd: frame 41 \(step 410\) has a coordinate"):
        reduce_segments([path], config(), threads=2)


def test_extending_reads_the_new_segment_alone(
    whole: State, trajectory: synthetic.Synthetic, tmp_path: Path
) -> None:
    first, second = write_segments(tmp_path, trajectory.positions, [0, 33])
    previous = reduce_segments([first], config())
    first.unlink()
    seen: list[tuple[int, int]] = []
    extended = reduce_segments([second], config(), previous, lambda done, total: seen.append((done, total)))
    assert extended.equals(whole)
    assert seen[-1] == (27, 27)


@pytest.mark.parametrize("bins", [{"bins": 110}, {"bin_width": 1.0}])
def test_ions_on_edges_are_counted_alike_wherever_the_box_starts(bins: dict[str, Any], tmp_path: Path) -> None:
    """Edges of bins, among them those between regions, with the box at several origins."""
    settings = config(midplane_offset=0.0, lags_ps=(), displacement_ps=None, snapshot_ps=0.02, **bins)
    for first in range(-55, 55, CATIONS):
        places = np.zeros((NATOMS, 3), dtype=np.float32)
        # symmetric about z = 0 by pairs of equal mass
        places[:FRAMEWORK, 2] = np.tile([-19.5, -19.5, 19.5, 19.5], FRAMEWORK // 4)
        edges = (first + np.arange(CATIONS) + 55) % 110 - 55
        places[FRAMEWORK : FRAMEWORK + CATIONS, 2] = edges
        places[FRAMEWORK + CATIONS :, 2] = edges[:ANIONS].repeat(ATOMS_PER_ANION)
        states = []
        for origin in (0.0, 0.5, 27.5, 55.0, -41.25, 1100.0):
            moved = places + np.array([0.0, 0.0, origin], dtype=np.float32)
            states.append(reduce_segments([write_dcd(tmp_path / f"{first}_{origin}.dcd", moved[None])], settings))
        for state in states:
            np.testing.assert_array_equal(state.snapshot_bins, states[0].snapshot_bins)
            np.testing.assert_array_equal(state.region_counts, states[0].region_counts)
            np.testing.assert_array_equal(state.histograms, states[0].histograms)
        # an edge belongs to what is above it
        assert settings.grid.bounds[states[0].snapshot_bins[0, :CATIONS]] == pytest.approx(edges)


# -- exact about time ----------------------------------------------------------------------------------------


def test_a_repeated_frame_is_counted_once(whole: State, trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    paths = write_segments(tmp_path, trajectory.positions, [0, 20, 40], [21, 41, FRAMES])
    plan = plan_segments(paths, config())
    assert plan.frames == FRAMES
    assert plan.notes[0] == "0000.dcd: 1 frame(s) from step 200 on were left out"
    assert reduce_segments(paths, config()).equals(whole)


def test_frames_beyond_a_restart_are_cut_from_the_older_segment(
    whole: State, trajectory: synthetic.Synthetic, tmp_path: Path
) -> None:
    lost = trajectory.positions.copy()
    lost[30:] += 5.0
    older = write_dcd(tmp_path / "older.dcd", lost[:45])
    newer = write_segments(tmp_path, trajectory.positions, [30])
    assert reduce_segments([older, *newer], config()).equals(whole)


def test_frames_that_the_state_holds_are_compared_and_not_counted_twice(
    whole: State, trajectory: synthetic.Synthetic, tmp_path: Path
) -> None:
    older, newer = write_segments(tmp_path, trajectory.positions, [0, 30], [45, FRAMES])
    previous = reduce_segments([older], config())
    assert reduce_segments([newer], config(), previous).equals(whole)
    assert reduce_segments([older], config(), previous).equals(previous)


def test_a_state_of_another_history_is_refused_with_a_remedy(
    whole: State, trajectory: synthetic.Synthetic, tmp_path: Path
) -> None:
    other = trajectory.positions.copy()
    other[36:] += np.float32(0.01)
    older, _ = write_segments(tmp_path, other, [0, 30], [45, FRAMES])
    (newer,) = write_segments(tmp_path, trajectory.positions, [30])
    with pytest.raises(TrajectoryError, match=r"0030.dcd: at step 360 .* continued from step 300 .*until_step"):
        reduce_segments([newer], config(), reduce_segments([older], config()))
    previous = reduce_segments([older], config(), until_step=300)
    assert reduce_segments([newer], config(), previous).equals(whole)


@pytest.mark.parametrize(
    ("moved", "along", "sampling", "words"),
    [
        # frame 30 is both a snapshot and a displacement frame
        (slice(16, 28), 2, {}, "12 of 12 Li are not where the state has them, 4.00 Å or more apart"),
        (slice(16, 17), 0, {}, "1 of 12 Li are not where the state has them, 5.00 Å or more apart"),
        (slice(28, None), 2, {"snapshot_ps": 0.14, "lags_ps": (), "displacement_ps": None}, "numbers of TFSI per"),
        (
            slice(28, None),
            2,
            {"snapshot_ps": 0.14, "lags_ps": (), "displacement_ps": None, "block_ps": 0.6},
            "TFSI",
        ),
    ],
)
def test_a_run_that_does_not_continue_from_the_shared_frame_is_refused(
    trajectory: synthetic.Synthetic,
    tmp_path: Path,
    moved: slice,
    along: int,
    sampling: dict[str, Any],
    words: str,
) -> None:
    """Its slab is where it was, and ions are 5 Å from where they were."""
    settings = config(**sampling)
    other = trajectory.positions.copy()
    other[30:, moved, along] += 5.0
    older, newer = write_segments(tmp_path, trajectory.positions, [0, 30], [31, FRAMES])
    previous = reduce_segments([older], settings)
    assert reduce_segments([newer], settings, previous).stop == FRAMES
    (newer,) = write_segments(tmp_path, other, [30])
    with pytest.raises(TrajectoryError, match=rf"0030.dcd: at step 300 .*{re.escape(words)}.*until_step"):
        reduce_segments([newer], settings, previous)


def test_rounding_of_coordinates_is_no_other_history(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    """XTC keeps multiples of 0.01 Å; the framework is as it was, because its centre is compared to 0.0001 Å."""
    (older,) = write_segments(tmp_path, trajectory.positions, [0], [45])
    previous = reduce_segments([older], config())
    rounded = trajectory.positions.copy()
    rounded[:, 16:] = np.round(rounded[:, 16:], 2)
    (newer,) = write_segments(tmp_path, rounded, [30])
    assert reduce_segments([newer], config(), previous).stop == FRAMES


def test_a_half_written_frame_ends_the_segment_with_a_note(
    trajectory: synthetic.Synthetic, tmp_path: Path
) -> None:
    path = write_dcd(tmp_path / "cut.dcd", trajectory.positions)
    path.write_bytes(path.read_bytes()[:-100])
    plan = plan_segments([path], config())
    assert plan.frames == FRAMES - 1
    assert plan.notes[0].startswith("cut.dcd: frame 59 is incomplete (")
    assert reduce_segments([path], config()).stop == FRAMES - 1


def test_a_segment_without_a_frame_is_noted_and_cuts_nothing(whole: State, path: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty.dcd"
    empty.touch()
    plan = plan_segments([path, empty], config())
    assert plan.notes == ("empty.dcd: ends before its first frame is complete",)
    assert reduce_segments([path, empty], config()).equals(whole)
    with pytest.raises(TrajectoryError, match=r"no complete frame to reduce: empty.dcd"):
        reduce_segments([empty], config())
    assert reduce_segments([empty], config(), whole).equals(whole)


def test_of_two_segments_with_the_same_first_frame_the_later_counts(
    trajectory: synthetic.Synthetic, whole: State, tmp_path: Path
) -> None:
    """A job that was killed before its next checkpoint is followed by one that begins where it began."""
    rest = len(trajectory.positions)
    files = [
        write_segments(tmp_path / name, trajectory.positions, [start], [end])[0]
        for name, start, end in (("a", 0, 20), ("b", 20, 23), ("c", 20, 21), ("d", 20, rest))
        if (tmp_path / name).mkdir() is None
    ]
    assert reduce_segments(files, config()).equals(whole)
    with pytest.raises(TrajectoryError, match=r"d/0020.dcd before it at step 200; segments must be in"):
        reduce_segments([files[0], files[3], files[1]], config())


# -- refused -------------------------------------------------------------------------------------------------


def test_gaps_and_wrong_order_are_refused(trajectory: synthetic.Synthetic, whole: State, tmp_path: Path) -> None:
    first, second, third = write_segments(tmp_path, trajectory.positions, [0, 20, 40])
    with pytest.raises(
        TrajectoryError, match=r"0040.dcd: starts at step 400, but .*0000.dcd ends before step 200"
    ):
        reduce_segments([first, third], config())
    with pytest.raises(TrajectoryError, match=r"0000.dcd: starts at step 0, but .*0020.dcd before it at step 200"):
        reduce_segments([second, first], config())
    with pytest.raises(TrajectoryError, match=r"starts at step 200, but .* at step 200; segments must be in"):
        reduce_segments([second, second], config())
    state = reduce_segments([first], config())
    with pytest.raises(TrajectoryError, match=r"0040.dcd: starts at step 400, but the state ends at step 190"):
        reduce_segments([third], config(), state)
    later = reduce_segments([third], config())
    with pytest.raises(TrajectoryError, match=r"0020.dcd: starts at step 200, before the state's first step 400"):
        reduce_segments([second, third], config(), later)
    with pytest.raises(
        ValueError, match="states do not join: one stops before step 200, the other starts at step 400"
    ):
        state.merge(later)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (
            {"frame_steps": 20},
            "has a frame every 20 steps, .*the sampling has frame_ps = 0.02, 10 steps of",
        ),
        ({"first_step": 5}, "starts at step 5, no multiple of frame_steps 10"),
        (
            {"timestep": 1.0},
            "has a frame every 10 steps, with a timestep of 1 fs, .*; the sampling .* timestep_fs = 2",
        ),
        ({"lengths": (20.0, 20.0, 110.01)}, r"frame 0 \(step 0\) has a box of 110.010000 Å along z"),
        ({"lengths": (20.0, 19.9, 110.0)}, r"frame 0 \(step 0\) has a box of 19.900000 Å along y"),
        ({"lengths": (20.1, 20.0, 110.0)}, r"frame 0 \(step 0\) has a box of 20.100000 Å along x"),
    ],
)
def test_another_run_is_refused(
    trajectory: synthetic.Synthetic, tmp_path: Path, changes: dict[str, object], match: str
) -> None:
    path = write_dcd(tmp_path / "other.dcd", trajectory.positions, **changes)  # type: ignore[arg-type]
    with pytest.raises(TrajectoryError, match=f"other.dcd: {match}"):
        reduce_segments([path], config())


def test_another_system_is_refused(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "other.dcd", trajectory.positions[:, 1:])
    with pytest.raises(TrajectoryError, match=f"other.dcd: has {NATOMS - 1} atoms, the system has {NATOMS}"):
        reduce_segments([path], config())


def test_a_coordinate_that_is_not_finite_is_refused(trajectory: synthetic.Synthetic, tmp_path: Path) -> None:
    for value in (np.nan, np.inf, -np.inf):
        broken = trajectory.positions.copy()
        broken[41, 20, 2] = value
        path = write_dcd(tmp_path / "broken.dcd", broken)
        with pytest.raises(TrajectoryError, match=r"broken.dcd: frame 41 \(step 410\) has a coordinate"):
            reduce_segments([path], config())


def test_a_state_of_other_settings_is_refused(path: Path, whole: State) -> None:
    with pytest.raises(ValueError, match="bins differs between the state and the new configuration: 110 and 220"):
        reduce_segments([path], config(bins=220), whole)
