"""Streams: atom types counted at times and in bins of their own, beside ions that are counted in every frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.profiles import charge_integrals, density_profiles
from aiida_cse.analysis.registry import analyse, observables
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.structure import Structure
from aiida_cse.reduction.coarsen import join_bins, merge_blocks, rereading_reasons
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from aiida_cse.reduction.system import IonDescription
from tests.reduction.synthetic import FRAME_STEPS, LENGTH, NATOMS, config, make, write_dcd

FRAMES = 64
#: ions every 0.02 ps in 110 bins; densities every 0.06 ps, not as often in each block; charge in 55 bins
POINT: dict[str, Any] = {"anion_point": "atom", "anion": IonDescription("TFSI", (4,))}
STREAMS = {"density": {"every_ps": 0.06}, "charge": {"every_ps": 0.1, "bins": 55}}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dcd(tmp_path_factory.mktemp("a") / "a.dcd", make(7, FRAMES, hop=0.1).positions)


@pytest.fixture(scope="module")
def plain(path: Path) -> State:
    return reduce_segments([path], config())


def counted(every: int | list[int], bins: int, block: int = 10) -> np.ndarray:
    """Return the atoms (blocks, types, bins) of every ``every``-th frame, or of given ones, in float64."""
    settings, made = config(), make(7, FRAMES, hop=0.1)
    types = np.array(settings.atom_types)
    slab = np.isin(types, settings.framework)
    weights = np.array(settings.masses)[types[slab] - 1]
    found = np.zeros((-(-FRAMES // block), len(settings.labels), bins), np.int64)
    for frame in range(0, FRAMES, every) if isinstance(every, int) else every:
        z = made.positions[frame, :, 2].astype(np.float64)
        share = (z - (z[slab] @ weights / weights.sum() + settings.midplane_offset)) / LENGTH + 0.5
        np.add.at(found[frame // block], (types - 1, ((share - np.floor(share)) * bins).astype(int)), 1)
    return found


def test_each_stream_counts_its_own_frames_in_its_own_bins(path: Path) -> None:
    state = reduce_segments([path], config(streams=STREAMS))
    assert list(state.streams) == ["density", "charge"]
    np.testing.assert_array_equal(state.streams["density"], counted(3, 110))
    np.testing.assert_array_equal(state.streams["charge"], counted(5, 55))


@pytest.mark.parametrize("streams", [STREAMS, {}, {"charge": {"every_ps": 0.02, "bins": 100}}])
@pytest.mark.parametrize("changes", [{}, {"lags_ps": ()}, POINT])
def test_ions_are_counted_as_without_streams(path: Path, streams: Any, changes: dict[str, Any]) -> None:
    """The atoms of the other types are not looked at in most frames."""
    state, expected = (
        reduce_segments([path], config(**changes, **more)).arrays() for more in ({"streams": streams}, {})
    )
    own = {name for name in expected if not name.startswith(("stream_", "range"))}
    for name in own:
        np.testing.assert_array_equal(state[name], expected[name], err_msg=name)


def test_a_stream_of_every_frame_and_bin_is_the_default(path: Path, plain: State) -> None:
    assert reduce_segments([path], config(streams={"atoms": {"every_ps": 0.02}})).equals(plain)
    two = reduce_segments([path], config(streams={"atoms": {"every_ps": 0.02}, **STREAMS}))
    np.testing.assert_array_equal(two.streams["atoms"], plain.histograms)
    np.testing.assert_array_equal(two.streams["charge"], counted(5, 55))


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("cut", [1, 13, 60])
def test_streams_do_not_depend_on_where_a_run_is_cut(path: Path, tmp_path: Path, cut: int, threads: int) -> None:
    whole = reduce_segments([path], config(streams=STREAMS), threads=threads)
    positions = make(7, FRAMES, hop=0.1).positions
    parts = [
        reduce_segments(
            [write_dcd(tmp_path / f"{first}.dcd", positions[first:stop], first_step=FRAME_STEPS * first)],
            config(streams=STREAMS),
        )
        for first, stop in ((0, cut), (cut, FRAMES))
    ]
    assert parts[0].merge(parts[1]).equals(whole)
    whole.save(tmp_path / "state.npz")
    assert State.load(tmp_path / "state.npz").equals(whole)


def test_a_stream_between_frames_takes_the_nearest_ones(path: Path, tmp_path: Path) -> None:
    # 25 ps with frames every 2 ps, a hundredth of that
    streams = {"density": {"every_ps": 0.25}}
    settings = config(streams=streams)
    frames = [0, 13, 25, 38, 50, 63]
    assert np.flatnonzero(settings.streams["density"].counted(np.arange(FRAMES))).tolist() == frames
    whole = reduce_segments([path], settings, threads=3)
    np.testing.assert_array_equal(whole.streams["density"], counted(frames, 110))
    positions = make(7, FRAMES, hop=0.1).positions
    parts = [
        reduce_segments(
            [write_dcd(tmp_path / f"{first}.dcd", positions[first:stop], first_step=FRAME_STEPS * first)], settings
        )
        for first, stop in ((0, 38), (38, FRAMES))
    ]
    assert parts[0].merge(parts[1]).equals(whole)
    whole.save(tmp_path / "state.npz")
    loaded = State.load(tmp_path / "state.npz")
    assert loaded.equals(whole)
    found = density_profiles(ReducedProduction(loaded, 700.0))
    volume = 20 * 20 * LENGTH / 110
    np.testing.assert_allclose(found["Li_per_A3"], counted(frames, 110)[:, 2].sum(axis=0) / 6 / volume)
    assert found["sampled_ps"] == pytest.approx(0.25)


def test_joined_bins_and_blocks_are_those_of_a_coarser_reduction(path: Path) -> None:
    state = reduce_segments([path], config(streams=STREAMS, lags_ps=()))
    coarse = reduce_segments([path], config(streams=STREAMS, lags_ps=(), bins=55, block_ps=0.4))
    assert merge_blocks(join_bins(state, 2), 2).equals(coarse)
    assert rereading_reasons(state.config, coarse.config) == ()
    other = config(lags_ps=(), streams={"density": {"every_ps": 0.12}, "atoms": {"every_ps": 0.02}})
    assert rereading_reasons(state.config, other) == (
        "streams.density.every_frames = 6: the state has 3",
        "streams.atoms: is not in the state, which has density, charge",
    )


def test_a_coordinate_that_is_not_finite_is_found_in_what_is_counted(tmp_path: Path) -> None:
    positions = make(7, 12).positions
    positions[8, NATOMS - 1, 2] = np.inf  # an atom of an anion
    broken = write_dcd(tmp_path / "a.dcd", positions)
    for changes in ({}, {"streams": {}}, {"streams": {"charge": {"every_ps": 0.08}}}):
        with pytest.raises(ValueError, match=r"a.dcd: frame 8 \(step 80\) has a coordinate that is not finite"):
            reduce_segments([broken], config(lags_ps=(), **changes))
    # atoms of no ion are looked at in the frames of a stream only, and in the first frames of a file
    point = {"lags_ps": (), **POINT}
    reduce_segments([broken], config(streams={"charge": {"every_ps": 0.1}}, **point))
    with pytest.raises(ValueError, match=r"frame 8 \(step 80\) has a coordinate that is not finite"):
        reduce_segments([broken], config(streams={"charge": {"every_ps": 0.08}}, **point))


# -- analysis ------------------------------------------------------------------------------------------------


def test_densities_divide_by_the_frames_of_their_stream(path: Path, plain: State) -> None:
    state = reduce_segments([path], config(streams=STREAMS))
    production = ReducedProduction(state, 700.0)
    found, charge = density_profiles(production), charge_integrals(production)
    volume = 20 * 20 * LENGTH / 110
    frames = len(range(0, FRAMES, 3))
    li = counted(3, 110)[:, 2]
    np.testing.assert_allclose(found["Li_per_A3"], li.sum(axis=0) / frames / volume)
    # blocks of ten frames have three or four of the stream
    per_block = np.array([len([f for f in range(10 * b, 10 * b + 10) if f % 3 == 0]) for b in range(6)])
    means = li[:6] / per_block[:, None] / volume
    np.testing.assert_allclose(found["Li_error_per_A3"], means.std(axis=0, ddof=1) / np.sqrt(6), atol=1e-18)
    assert (found["sampled_ps"], charge["sampled_ps"]) == (pytest.approx(0.06), pytest.approx(0.1))
    assert (len(found["z_A"]), len(found["point_z_A"]), len(charge["z_A"])) == (110, 110, 55)
    np.testing.assert_array_equal(
        found["point_li_per_A3"], density_profiles(ReducedProduction(plain, 700.0))["point_li_per_A3"]
    )
    total = np.array(state.config.charges) @ counted(5, 55).sum(axis=(0, 2)) / len(range(0, FRAMES, 5)) / 400
    enclosed = sum(charge[f"charge_enclosed_{side}_e_per_A2"] for side in ("left", "right"))
    assert enclosed == pytest.approx(total)


def test_a_block_without_a_frame_of_a_stream_does_not_count(path: Path) -> None:
    streams = {"atoms": {"every_ps": 0.02}, "charge": {"every_ps": 0.3}}
    state = reduce_segments([path], config(streams=streams))
    found = charge_integrals(ReducedProduction(state, 700.0))
    assert np.isfinite(found["left_error_e_per_A2"][:55]).all()
    rare = reduce_segments([path], config(streams={"charge": {"every_ps": 5.0}}))
    late = ReducedProduction(rare, 700.0, AnalysisSettings(start_ns=0.001))
    with pytest.raises(ValueError, match=r"start_ns, end_ns: there is no frame of the stream charge between them"):
        charge_integrals(late)


def test_an_observable_without_its_stream_is_left_out(path: Path) -> None:
    state = reduce_segments([path], config(streams={"charge": {"every_ps": 0.1}}))
    names = set(analyse(state, 700.0))
    assert "charge_integral" in names
    assert "density_profiles" not in names
    need = observables()["density_profiles"].need
    assert need is not None
    assert need.words == "histograms of all atoms (a stream `density` or `atoms`, and no subset of the atoms)"
    with pytest.raises(ValueError, match=r"the reduction has no histograms of all atoms \(a stream `density`"):
        density_profiles(ReducedProduction(state, 700.0))


def test_a_subset_of_the_atoms_has_no_charge_and_no_densities(path: Path) -> None:
    subset = config().model_copy(update={"atom_ids": tuple(range(3, NATOMS + 3))})
    names = set(analyse(reduce_segments([path], subset), 700.0))
    assert {"populations", "free_energy_profiles", "transitions"} <= names
    assert not {"charge_integral", "density_profiles"} & names


def test_runs_are_compared_with_the_charge_in_its_own_bins(path: Path) -> None:
    state = reduce_segments([path], config(streams=STREAMS))
    found = Structure.of(ReducedProduction(state, 700.0))
    assert (found.charge.shape[1], found.ions["li"].shape[1]) == (55, 110)
    other = Structure.of(ReducedProduction(reduce_segments([path], config(bins=220)), 700.0))
    moved = found.on(other)
    assert (moved.charge.shape[1], moved.ions["li"].shape[1]) == (220, 220)
    assert moved.charge[0].sum() / 220 == pytest.approx(found.charge[0].sum() / 55)
