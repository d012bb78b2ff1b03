"""Moments of displacements: against a plain evaluation in float64, at every seam, at the edge of their range."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from aiida_cse.physics.exchange.transitions import count_transitions
from aiida_cse.reduction.config import GRID, ReductionConfig
from aiida_cse.reduction.displacements import Displacements
from aiida_cse.reduction.kernels.displacements import PairSums, add_pairs
from aiida_cse.reduction.layers import SURFACE_OFFSETS, SurfaceOffsets, surface_regions
from aiida_cse.reduction.readers.base import TrajectoryError
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from tests.reduction.oracle import ions_in_slab, positions_with_mdanalysis
from tests.reduction.synthetic import (
    ANIONS,
    ATOMS_PER_ANION,
    CATIONS,
    FRAME_STEPS,
    FRAMEWORK,
    HALF,
    LENGTH,
    config,
    make,
    write_dcd,
)

FRAMES = 90
#: 90 frames and lags of up to 24, in blocks of 20
CONFIG = config(displacement_ps=0.06, lags_ps=(0.06, 0.24, 0.48), block_ps=0.4)


def walk(seed: int, frames: int, cations: int = CATIONS, anions: int = ANIONS) -> NDArray[np.float32]:
    """Return (frames, N, 3) unwrapped positions of a slab that drifts along all axes and ions that wander off."""
    rng = np.random.default_rng(seed)
    first = FRAMEWORK + cations
    natoms = first + anions * ATOMS_PER_ANION
    start = rng.uniform(-LENGTH, LENGTH, (natoms, 3))
    steps = rng.normal(scale=2.0, size=(frames, natoms, 3))
    molecules = np.arange(first, natoms).reshape(anions, -1)
    steps[:, molecules] = steps[:, molecules].mean(axis=2, keepdims=True)
    start[molecules] = start[molecules[:, :1]] + rng.uniform(-2, 2, (*molecules.shape, 3))
    positions = start + np.cumsum(steps, axis=0)
    positions[:, :FRAMEWORK] = rng.uniform(-19, 19, (FRAMEWORK, 3)) + steps[:, :FRAMEWORK] / 10
    drift = np.cumsum(rng.normal(loc=0.3, scale=1.0, size=(frames, 1, 3)), axis=0)
    return (positions + drift).astype(np.float32)


@pytest.fixture(scope="module")
def positions() -> NDArray[np.float32]:
    return walk(5, FRAMES)


@pytest.fixture(scope="module")
def path(positions: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dcd(tmp_path_factory.mktemp("walk") / "walk.dcd", positions)


def pieces(folder: Path, positions: NDArray[np.float32], cuts: set[int], settings: ReductionConfig) -> list[State]:
    """Return the states of the pieces between the cuts, each reduced alone."""
    starts, stops = [0, *sorted(cuts)], [*sorted(cuts), len(positions)]
    states = []
    for start, stop in zip(starts, stops, strict=True):
        path = write_dcd(folder / f"{start}.dcd", positions[start:stop], first_step=start * FRAME_STEPS)
        states.append(reduce_segments([path], settings))
    return states


# -- right ---------------------------------------------------------------------------------------------------


def compare(path: Path, settings: ReductionConfig, name: str, lags: tuple[int, ...], stride: int) -> None:
    """Compare the moments with a plain evaluation; ``lags`` and ``stride`` in frames, blocks of 20 frames."""
    moments = reduce_segments([path], settings).displacement_moments(name)
    assert moments.layers == settings.ions[name].layers
    ions = ions_in_slab(positions_with_mdanalysis(path, settings), settings, name)
    place = (ions[..., 2] + LENGTH / 2) % LENGTH - LENGTH / 2
    layers = np.digitize(place, settings.ions[name].layer_edges[1:-1])
    assert set(layers.flat) == set(range(len(moments.layers)))
    blocks = np.arange(len(ions))[:, None] // 20
    for index, lag in enumerate(lags):
        step = (ions[lag:] - ions[:-lag])[::stride]
        layer, block = layers[:-lag:stride], np.broadcast_to(blocks, layers.shape)[:-lag:stride]
        for number in range(len(moments.counts)):
            for one in range(len(moments.layers)):
                own = step[(layer == one) & (block == number)]
                assert moments.counts[number, one, index] == len(own)
                atol = len(own) / GRID
                np.testing.assert_allclose(moments.sums[number, one, index], own.sum(axis=0), atol=atol)
                np.testing.assert_allclose(
                    moments.squares[number, one, index], (own**2).sum(axis=0), rtol=1e-3, atol=atol
                )


@pytest.mark.parametrize("name", ["Li", "TFSI"])
def test_agrees_with_a_plain_evaluation(path: Path, name: str) -> None:
    compare(path, CONFIG, name, (3, 12, 24), 3)
    moments = reduce_segments([path], CONFIG).displacement_moments(name)
    assert moments.lags_ps == pytest.approx((0.06, 0.24, 0.48))
    ions = ions_in_slab(positions_with_mdanalysis(path, CONFIG), CONFIG, name)
    stride = 3
    variance = moments.squares.sum(axis=(0, 1)) / moments.counts.sum(axis=(0, 1))[:, None]
    variance -= (moments.sums.sum(axis=(0, 1)) / moments.counts.sum(axis=(0, 1))[:, None]) ** 2
    expected = [(ions[lag:] - ions[:-lag])[::stride].reshape(-1, 3).var(axis=0) for lag in (3, 12, 24)]
    np.testing.assert_allclose(variance, expected, rtol=2e-4)


def crowd(*, mixed: bool) -> ReductionConfig:
    """Return the settings of 340 cations and 30 anions, whose atoms are mixed or follow each other."""
    labels, anions = np.array([4, 5, 5]), np.arange(30)
    types = np.repeat(labels, 30) if mixed else np.tile(labels, 30)
    molecules = np.tile(anions, 3) if mixed else np.repeat(anions, 3)
    return config(
        types=np.concatenate([[1, 2] * (FRAMEWORK // 2), [3] * 340, types]),
        molecules=np.concatenate([[1] * FRAMEWORK, 2 + np.arange(340), 342 + molecules]),
        displacement_ps=0.02,
        lags_ps=(0.02, 0.24, 0.48),
        block_ps=0.4,
    )


def test_many_ions_agree_with_a_plain_evaluation_in_any_order_of_their_atoms(tmp_path: Path) -> None:
    positions = walk(8, FRAMES, 340, 30)
    path = write_dcd(tmp_path / "a.dcd", positions)
    for name in ("Li", "TFSI"):
        compare(path, crowd(mixed=False), name, (1, 12, 24), 1)
    first = FRAMEWORK + 340
    order = first + np.arange(90).reshape(30, 3).T.ravel()
    mixed = write_dcd(tmp_path / "b.dcd", np.concatenate([positions[:, :first], positions[:, order]], axis=1))
    one, other = reduce_segments([path], crowd(mixed=False)), reduce_segments([mixed], crowd(mixed=True))
    np.testing.assert_array_equal(other.displacements.counts, one.displacements.counts)
    np.testing.assert_array_equal(other.displacements.sums, one.displacements.sums)
    np.testing.assert_array_equal(other.displacements.squares, one.displacements.squares)


def test_motion_with_the_slab_is_no_displacement(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    rigid = make(3, 1).positions + np.cumsum(rng.normal(scale=3, size=(40, 1, 3)), axis=0)
    moments = reduce_segments([write_dcd(tmp_path / "a.dcd", rigid.astype(np.float32))], CONFIG)
    found = moments.displacement_moments("Li")
    assert found.counts.sum() > 0
    assert (found.squares <= found.counts[..., None] * (1.5 / GRID) ** 2).all()


def test_a_lag_longer_than_the_run_has_no_samples(path: Path) -> None:
    moments = reduce_segments([path], config(lags_ps=(0.06 * 40,))).displacement_moments("Li")
    assert moments.counts.shape == (9, 7, 1)
    assert not moments.counts.any()


def test_without_lags_there_are_no_displacements(path: Path) -> None:
    state = reduce_segments([path], config(displacement_ps=None, lags_ps=()))
    assert state.displacement_moments("Li").counts.shape == (9, 7, 0)
    assert state.displacement_moments("Li").squares.shape == (9, 7, 0, 3)
    assert len(state.displacements.tail.frames) == len(state.displacements.head) == 0


def test_an_unknown_species_is_refused(path: Path) -> None:
    with pytest.raises(ValueError, match="name = 'Na': must be one of Li, TFSI"):
        reduce_segments([path], CONFIG).displacement_moments("Na")


# -- mergeable -----------------------------------------------------------------------------------------------


@st.composite
def samplings(draw: st.DrawFn) -> dict[str, Any]:
    stride = draw(st.integers(1, 5))
    lags = sorted(draw(st.sets(st.integers(1, 50 // stride), min_size=1, max_size=3)))
    return {
        "displacement_ps": 0.02 * stride,
        "lags_ps": [0.02 * stride * lag for lag in lags],
        "block_ps": 0.02 * draw(st.integers(1, 40)),
    }


@settings(deadline=None, max_examples=60)
@given(sampling=samplings(), cuts=st.sets(st.integers(1, FRAMES - 1), min_size=1, max_size=6), order=st.randoms())
def test_merging_in_any_order_equals_the_whole_wherever_the_cuts_lie(
    sampling: dict[str, Any],
    cuts: set[int],
    order: Any,
    path: Path,
    positions: NDArray[np.float32],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    made = config(**sampling)
    whole = reduce_segments([path], made)
    states = pieces(tmp_path_factory.mktemp("cut"), positions, cuts, made)
    while len(states) > 1:
        seam = order.randrange(len(states) - 1)
        states[seam : seam + 2] = [states[seam].merge(states[seam + 1])]
    assert states[0].equals(whole)


@settings(deadline=None, max_examples=10)
@given(cuts=st.sets(st.integers(1, FRAMES - 1), min_size=1, max_size=6))
def test_extending_reads_each_segment_alone(
    cuts: set[int], path: Path, positions: NDArray[np.float32], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("extended")
    starts, stops = [0, *sorted(cuts)], [*sorted(cuts), FRAMES]
    state: State | None = None
    for start, stop in zip(starts, stops, strict=True):
        segment = write_dcd(folder / "now.dcd", positions[start:stop], first_step=start * FRAME_STEPS)
        state = reduce_segments([segment], CONFIG, state)
        segment.unlink()
        state.save(folder / "state.npz")
        state = State.load(folder / "state.npz")
    assert state is not None
    assert state.equals(reduce_segments([path], CONFIG))


def test_a_state_that_starts_late_equals_a_plain_evaluation(
    path: Path, positions: NDArray[np.float32], tmp_path: Path
) -> None:
    late = write_dcd(tmp_path / "late.dcd", positions[31:], first_step=31 * FRAME_STEPS)
    found = reduce_segments([late], CONFIG).displacement_moments("TFSI")
    whole = reduce_segments([path], CONFIG).displacement_moments("TFSI")
    assert found.counts.shape == (4, 5, 3)
    assert np.array_equal(found.squares[1:], whole.squares[2:])
    assert found.counts.sum(axis=(0, 1)).tolist() == [ANIONS * origins for origins in (18, 15, 11)]


# -- in range ------------------------------------------------------------------------------------------------


def test_no_sum_overflows_at_the_edge_of_the_range() -> None:
    edge = int(CONFIG.displacement_range * GRID)
    ions, rows = CATIONS + ANIONS, 7
    positions = np.empty((rows, 3, ions), np.int32)
    positions[:] = np.where(np.arange(rows) % 2, edge, -edge)[:, None, None]
    layers = np.zeros((rows, ions), np.int16)
    layers[:, CATIONS:] = len(CONFIG.ions["Li"].layers)
    found = Displacements.empty(CONFIG, 1, ions)
    lags = np.array(CONFIG.lag_samples, np.int64)
    add_pairs(
        positions, layers, np.zeros(rows, np.int64), lags, 0, PairSums(found.counts, found.sums, found.squares)
    )
    for layer, number in ((0, CATIONS), (7, ANIONS)):
        assert found.counts[0, layer, 0] == 6 * number
        assert found.squares[0, layer, 0].tolist() == [6 * number * (2 * edge) ** 2] * 3
    atoms = 3 * ANIONS
    assert 7 * atoms * (2 * edge) ** 2 < 2**63 <= 7 * atoms * (2 * (edge + 1)) ** 2


@pytest.mark.parametrize(("axis", "name"), [(0, "x"), (1, "y"), (2, "z")])
def test_an_ion_beyond_the_range_is_named(
    positions: NDArray[np.float32], tmp_path: Path, axis: int, name: str
) -> None:
    far = positions.copy()
    far[42, FRAMEWORK, axis] = 1e8
    path = write_dcd(tmp_path / "far.dcd", far)
    with pytest.raises(
        TrajectoryError, match=rf"far.dcd: frame 42 \(step 420\) has an ion at 1e\+08 Å .* along {name}"
    ):
        reduce_segments([path], CONFIG)


def test_a_coordinate_that_is_not_finite_is_refused(positions: NDArray[np.float32], tmp_path: Path) -> None:
    broken = positions.copy()
    broken[42, 0, 1] = np.nan
    path = write_dcd(tmp_path / "broken.dcd", broken)
    with pytest.raises(TrajectoryError, match=r"broken.dcd: frame 42 \(step 420\) has an ion at nan Å"):
        reduce_segments([path], CONFIG)


# -- core widths ---------------------------------------------------------------------------------------------


def test_core_widths_count_the_transitions_between_these_cores(path: Path) -> None:
    made = config(core_scales=(0.5, 1.5))
    state = reduce_segments([path], made)
    found = {}
    for scale in (0.5, 1.0, 1.5):
        labels = []
        for name, margins in (("Li", (2.0, 3.0, 1.0, 1.0)), ("TFSI", (1.0, 1.0, 1.0, 1.0))):
            z = ions_in_slab(positions_with_mdanalysis(path, CONFIG), made, name)[..., 2]
            place = (z + LENGTH / 2) % LENGTH - LENGTH / 2
            offsets = SURFACE_OFFSETS[name]
            scaled = SurfaceOffsets.model_validate(
                offsets.model_dump() | {"margins": [scale * one for one in margins]}
            )
            labels.append(surface_regions(HALF, LENGTH / 2, name, scaled).core_label(place))
        track = state.tracks["core"] if scale == 1.0 else state.core_tracks[scale]
        found[scale] = count_transitions(np.concatenate(labels, axis=1), "core").events
        assert np.array_equal(track.events, found[scale])
    assert len(found[0.5]) > len(found[1.0]) > len(found[1.5]) > 10
