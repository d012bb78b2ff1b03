"""Coarser states and other boundaries: the same as from the trajectory, or the reason to read it again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.physics.exchange.transitions import count_transitions
from aiida_cse.reduction.coarsen import (
    exact_boundaries,
    join_bins,
    merge_blocks,
    point_counts,
    recount,
    rereading_reasons,
    select_lags,
    snapshot_labels,
    thin_snapshots,
)
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from aiida_cse.reduction.system import IonDescription
from tests.reduction.synthetic import CATIONS, FRAME_STEPS, config, make, write_dcd

FRAMES = 57
#: bins of 0.5 Å, so that the boundaries ± 32 and ± 23 lie on edges
FINE = {"bins": 220}
#: boundaries through the places where the ions stay
THROUGH = {"Li": (-45.5, -28.5, 28.0, 44.5), "TFSI": (-40.5, -22.5, 22.0, 39.5)}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dcd(tmp_path_factory.mktemp("reuse") / "a.dcd", make(5, FRAMES, hop=0.05).positions)


@pytest.fixture(scope="module")
def state(path: Path) -> State:
    return reduce_segments([path], config(**FINE))


def moved(made: ReductionConfig, **edges: tuple[float, ...]) -> ReductionConfig:
    """Return settings with other edges of the regions of some species, and cores that end with them."""
    ions = {
        name: species.model_copy(
            update={"edges": edges[name], "cores": tuple(zip(edges[name], edges[name][1:], strict=False))}
        )
        if name in edges
        else species
        for name, species in made.ions.items()
    }
    return made.model_copy(update={"ions": ions})


@pytest.mark.parametrize("factor", [1, 2, 4, 5])
def test_joined_bins_are_those_of_a_coarser_reduction(path: Path, state: State, factor: int) -> None:
    assert join_bins(state, factor).equals(reduce_segments([path], config(bins=220 // factor)))


@pytest.mark.parametrize("factor", [0, -1, 3])
def test_a_factor_that_does_not_divide_the_bins_is_refused(state: State, factor: int) -> None:
    with pytest.raises(ValueError, match=f"factor = {factor}: must divide the 220 bins"):
        join_bins(state, factor)


@pytest.fixture(scope="module", params=[0, 7, 34])
def late(path: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trajectory that begins within a block, between snapshots and between displacement frames."""
    positions = make(9, FRAMES, hop=0.05).positions
    file = tmp_path_factory.mktemp("late") / "a.dcd"
    return write_dcd(file, positions, first_step=request.param * FRAME_STEPS)


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 100])
def test_merged_blocks_are_those_of_a_reduction_with_longer_ones(late: Path, factor: int) -> None:
    merged = merge_blocks(reduce_segments([late], config()), factor)
    assert merged.equals(reduce_segments([late], config(block_ps=0.2 * factor)))


def test_blocks_without_displacements_are_merged(late: Path) -> None:
    plain: dict[str, Any] = {"lags_ps": (), "displacement_ps": None}
    merged = merge_blocks(reduce_segments([late], config(**plain)), 2)
    assert merged.equals(reduce_segments([late], config(block_ps=0.4, **plain)))


def test_a_state_of_merged_blocks_can_be_continued(tmp_path: Path) -> None:
    positions = make(9, FRAMES, hop=0.05).positions
    first = write_dcd(tmp_path / "1.dcd", positions[:33])
    second = write_dcd(tmp_path / "2.dcd", positions[33:], first_step=33 * FRAME_STEPS)
    longer = config(block_ps=0.6)
    merged = merge_blocks(reduce_segments([first], config()), 3)
    assert reduce_segments([second], longer, merged).equals(reduce_segments([first, second], longer))


@pytest.mark.parametrize("factor", [1, 2, 3, 7, 100])
def test_thinned_snapshots_are_those_of_a_reduction_with_fewer(late: Path, factor: int) -> None:
    thinned = thin_snapshots(reduce_segments([late], config()), factor)
    assert thinned.equals(reduce_segments([late], config(snapshot_ps=0.06 * factor)))


@pytest.mark.parametrize("lags", [(6,), (15,), (6, 15)])
def test_selected_lags_are_those_of_a_reduction_with_fewer(late: Path, lags: tuple[int, ...]) -> None:
    selected = select_lags(reduce_segments([late], config()), lags)
    assert selected.equals(reduce_segments([late], config(lags_ps=[lag * 0.02 for lag in lags])))


def test_all_lags_can_be_left_out(late: Path) -> None:
    selected = select_lags(reduce_segments([late], config()), ())
    assert selected.equals(reduce_segments([late], config(lags_ps=(), displacement_ps=None)))


@pytest.mark.parametrize("factor", [0, -2])
def test_a_factor_below_one_is_refused(state: State, factor: int) -> None:
    for function in (merge_blocks, thin_snapshots):
        with pytest.raises(ValueError, match=f"factor = {factor}: must be at least 1"):
            function(state, factor)


def test_lags_that_the_state_lacks_are_refused(state: State) -> None:
    with pytest.raises(ValueError, match="lags = 9: not in the state, which has 6, 15"):
        select_lags(state, (6, 9))
    with pytest.raises(ValueError, match=r"lags = \(15, 6\): must ascend"):
        select_lags(state, (15, 6))


def test_sums_of_displacements_never_overflow(path: Path) -> None:
    state = reduce_segments([path], config())
    with pytest.raises(ValueError, match=r"^displacement_frames = 3 in blocks of \d+ frames"):
        merge_blocks(state, 10**12)
    state.displacements.squares[:, 0, 0, 0] = 2**62
    with pytest.raises(
        ValueError, match="factor = 2: the sums of displacements over blocks of 20 frames overflow"
    ):
        merge_blocks(state, 2)


def test_populations_follow_for_other_boundaries(path: Path, state: State) -> None:
    edges = (-55.0, *THROUGH["Li"], 55.0)
    again = reduce_segments([path], moved(config(**FINE), Li=edges))
    counts = point_counts(state, "Li", edges[1:-1])
    blocks = np.arange(FRAMES) // state.config.block_frames
    for block in range(len(counts)):
        assert np.array_equal(counts[block], again.region_counts[blocks == block, 0].sum(axis=0))
    assert point_counts(state, "TFSI", [0.0]).sum() == FRAMES * 8


def test_snapshot_transitions_follow_for_other_boundaries(path: Path, state: State) -> None:
    edges = (-55.0, *THROUGH["Li"], 55.0)
    again = reduce_segments([path], moved(config(**FINE), Li=edges))
    labels = snapshot_labels(state, "Li", edges[1:-1])
    assert labels.shape == (19, CATIONS)
    events = count_transitions(labels).events
    events[:, 0] = state.snapshots[events[:, 0]]
    expected = again.tracks["snapshot"].events
    assert len(events) > 5
    assert np.array_equal(events, expected[expected[:, 1] < CATIONS])


@pytest.mark.parametrize("name", ["Li", "TFSI"])
def test_recounted_ions_are_those_of_a_reduction_with_other_boundaries(late: Path, name: str) -> None:
    places = THROUGH[name]
    state = reduce_segments([late], config(**FINE))
    again = reduce_segments([late], moved(config(**FINE), **{name: (-55.0, *places, 55.0)}))
    found = recount(state, {name: places})
    assert found.boundaries == {name: places}
    expected = again.region_counts[state.snapshots - state.start, list(state.config.ions).index(name)]
    assert np.array_equal(found.counts[name], expected)
    for field, values in again.tracks["snapshot"].arrays("").items():
        assert np.array_equal(found.track.arrays("")[field], values), field
    assert not np.array_equal(found.track.events, state.tracks["snapshot"].events)


def test_a_boundary_may_be_rounded_as_it_is_written(path: Path) -> None:
    uneven = reduce_segments([path], config(bins=520))
    edges = exact_boundaries(uneven.config, [-31.94, -22.85, 22.85, 31.94])
    assert edges == pytest.approx([-110 * 151 / 520, -110 * 108 / 520, 110 * 108 / 520, 110 * 151 / 520])
    assert np.array_equal(point_counts(uneven, "Li", [-22.85, 22.85]), point_counts(uneven, "Li", edges[1:3]))


def test_cores_leave_snapshots_between_them_unlabelled(path: Path, state: State) -> None:
    cores = [(-np.inf, -40.0), (-30.0, -25.0), (-20.0, 20.0), (25.0, 30.0), (40.0, 55.0)]
    labels = snapshot_labels(state, "Li", [-32, -23, 23, 32], cores)
    plain = snapshot_labels(state, "Li", [-32, -23, 23, 32])
    assert set(np.unique(labels)) == {-1, 0, 1, 2, 3, 4} or (labels >= -1).all()
    assert np.array_equal(labels[labels >= 0], plain[labels >= 0])
    assert len(count_transitions(labels, "core").events) <= len(count_transitions(plain).events)


@pytest.mark.parametrize(
    ("boundaries", "why"),
    [
        (
            [-32.0, 23.2],
            r"boundaries = 23.2 Å: lies on no edge of the state's bins, which are 0.5 Å wide; nearest: 23.00 and",
        ),
        ([-32.0, 60.0], r"boundaries = 60 Å: lies on no edge .* nearest: 54.50 Å$"),
        ([-32.0, -31.996], r"boundaries = .*: must ascend by at least a bin of 0.5 Å"),
        ([23.0, -32.0], "boundaries = .*: must ascend"),
        ([np.nan], "boundaries = nan: no position in the box"),
    ],
)
def test_boundaries_that_the_state_does_not_resolve_are_refused(
    state: State, boundaries: list[float], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        point_counts(state, "Li", boundaries)
    with pytest.raises(ValueError, match=why):
        snapshot_labels(state, "Li", boundaries)


def test_unknown_species_and_missing_cores_are_refused(state: State) -> None:
    with pytest.raises(ValueError, match="name = 'Na': must be one of Li, TFSI"):
        point_counts(state, "Na", [0.0])
    with pytest.raises(ValueError, match="cores has 1 entries: 3 regions need 3"):
        snapshot_labels(state, "Li", [-32, 32], [(-20.0, 20.0)])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"bins": 110},
        {"block_ps": 0.4},
        {"snapshot_ps": 0.12},
        {"core_scales": (1.5,)},
        {"lags_ps": (0.3,)},
        {"lags_ps": (), "displacement_ps": None},
        {"charges": [2.0, 3.0, 1.0, -1.0, 0.0]},
    ],
)
def test_coarser_settings_need_no_trajectory(changes: dict[str, Any]) -> None:
    assert rereading_reasons(config(**FINE), config(**(FINE | changes))) == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bins": 440}, "bins = 440: can only be made coarser, by whole factors of the 220 of the state"),
        (
            {"block_ps": 0.3},
            "block_frames = 15: can only be made coarser, by whole factors of the 10 of the state",
        ),
        ({"snapshot_ps": 0.04}, "snapshot_frames = 2: can only be made coarser, by whole factors of the 3 of"),
        ({"core_scales": (0.7,)}, "core_scales = 0.7: not in the state, which has 0.5, 1.5"),
        ({"lags_ps": (0.24,)}, "lags = 12: not in the state, which has 6, 15"),
        ({"displacement_ps": 0.02}, "displacement_frames = 1: the state has 3"),
        ({"thickness": 40.0}, "ions.Li: edges or cores differ, and the core rule depends on every frame"),
        ({"anion": IonDescription("TFSI", (4,))}, "ions.TFSI: types differs"),
        ({"midplane_offset": 0.0}, "midplane_offset differs"),
        ({"cation": "Na", "offsets": None}, "ions.Na: was not followed"),
    ],
)
def test_settings_that_need_the_trajectory_are_named(changes: dict[str, Any], reason: str) -> None:
    if "cation" in changes:
        want = config(**FINE).model_copy(update={"ions": {"Na": config(**FINE).ions["Li"]}})
    else:
        want = config(**(FINE | changes))
    assert any(reason in one for one in rereading_reasons(config(**FINE), want))
