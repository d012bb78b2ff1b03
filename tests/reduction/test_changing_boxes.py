"""Boxes that change: bins of a fixed width around the slab, volumes from each frame's box, exact regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from aiida_cse.analysis.comparison import compare
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.profiles import Counts, charge_integrals, density_profiles, free_energy_profiles
from aiida_cse.analysis.registry import analyse
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.reduction.coarsen import exact_boundaries, join_bins, point_counts, rereading_reasons
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from tests.reduction.synthetic import FRAME_STEPS, LENGTH, config, make, write_dcd

FRAMES = 60


def fixed(**changes: Any) -> ReductionConfig:
    """Return the configuration with bins of 1 Å for a box that changes."""
    return config(**({"bin_width": 1.0, "lags_ps": (), "displacement_ps": None} | changes))


def write(path: Path, positions: NDArray[np.float32], boxes: NDArray[np.float64]) -> Path:
    """Write a DCD file whose frames have boxes (F, 3) of their own."""
    write_dcd(path, positions)
    content, one = path.read_bytes(), np.frombuffer(np.array([20.0, 0, 20, 0, 0, LENGTH]).tobytes(), np.uint8)
    for box in boxes:
        cell = np.array([box[0], 0, box[1], 0, 0, box[2]])
        content = content.replace(one.tobytes(), cell.tobytes(), 1)
    path.write_bytes(content)
    return path


def breathing(seed: int) -> NDArray[np.float64]:
    """Return boxes (F, 3) that vary by 2 Å along z and 0.5 Å across, none of them that of the configuration."""
    rng = np.random.default_rng(seed)
    return np.column_stack([rng.uniform(19.75, 20.25, (FRAMES, 2)), rng.uniform(109, 111, FRAMES)])


def gas(settings: ReductionConfig, boxes: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    """Return positions whose z are uniform in each frame's box, with the slab's mid-plane at z = 0.

    The atoms of an anion have the same z.
    """
    rng = np.random.default_rng(seed)
    types = np.array(settings.atom_types)
    slab = np.isin(types, settings.framework)
    z = rng.uniform(-0.5, 0.5, (len(boxes), len(types))) * boxes[:, 2:]
    z = z[:, np.unique(settings.molecules, return_index=True)[1][np.array(settings.molecules) - 1]]
    weights = np.array(settings.masses)[types[slab] - 1]
    z[:, slab] = rng.uniform(-5, 5, slab.sum())
    z[:, slab] -= (z[:, slab] @ weights / weights.sum() + settings.midplane_offset)[:, None]
    positions = np.zeros((*z.shape, 3), np.float32)
    positions[..., 2] = z
    return positions


def wrapped(settings: ReductionConfig, positions: NDArray[np.float32], boxes: NDArray[np.float64]) -> Any:
    """Return (frames, N) z of the atoms relative to the mid-plane, within each frame's box, in float64."""
    types = np.array(settings.atom_types)
    slab = np.isin(types, settings.framework)
    z = positions[..., 2].astype(np.float64)
    weights = np.array(settings.masses)[types[slab] - 1]
    z -= (z[:, slab] @ weights / weights.sum() + settings.midplane_offset)[:, None]
    share = z / boxes[:, 2:] + 0.5
    return (share - np.floor(share) - 0.5) * boxes[:, 2:]


@pytest.mark.parametrize("streams", [None, {"atoms": {"every_ps": 0.06, "bin_width": 2.5}}])
def test_atoms_and_ions_are_counted_exactly_in_each_box(tmp_path: Path, streams: Any) -> None:
    settings, boxes = fixed(streams=streams), breathing(1)
    made = make(3, FRAMES, hop=0.1).positions
    state = reduce_segments([write(tmp_path / "a.dcd", made, boxes)], settings)
    z, types = wrapped(settings, made, boxes), np.array(settings.atom_types)
    np.testing.assert_allclose(state.edges, boxes)
    li = types == 3
    edges = np.concatenate([[-np.inf], np.arange(-55.0, 56), [np.inf]])
    points = np.histogram(z[:, li], edges)[0]
    np.testing.assert_array_equal(state.point_histograms[:, 0].sum(axis=0), points)
    regions = np.searchsorted(settings.ions["Li"].edges[1:-1], z[:, li], side="right")
    expected = np.stack([np.bincount(row, minlength=5) for row in regions])
    np.testing.assert_array_equal(state.region_counts[:, 0], expected)
    assert state.region_counts.sum(axis=2).tolist() == [[12, 8]] * FRAMES
    every, width = (1, 1.0) if streams is None else (3, 2.5)
    half = int(55 / width)
    edges = np.concatenate([[-np.inf], width * np.arange(-half, half + 1), [np.inf]])
    for kind in range(5):
        found = np.histogram(z[::every][:, types == kind + 1], edges)[0]
        np.testing.assert_array_equal(state.histograms[:, kind].sum(axis=0), found)


def test_a_uniform_gas_in_a_breathing_box_has_a_flat_density(tmp_path: Path) -> None:
    settings, many = fixed(), 12
    total = np.zeros(112)
    for seed in range(many):
        boxes = breathing(seed)
        state = reduce_segments([write(tmp_path / "a.dcd", gas(settings, boxes, seed), boxes)], settings)
        total += density_profiles(ReducedProduction(state, 700.0))["F_per_A3"] / many
    # 16 atoms in each frame; in bins that every box reaches the density is that of N over V, averaged over the bin
    expected = 16 * np.mean(1 / np.prod(breathing(0), axis=1))
    inner, ends = total[2:-2], total[[0, 1, -2, -1]]
    assert inner.mean() == pytest.approx(expected, rel=0.01)
    # the two F of an anion are in one place
    assert inner.std() / inner.mean() == pytest.approx(1 / np.sqrt(8 * FRAMES * many / 110), rel=0.25)
    # the overflow bins are reached by half of the boxes, and have the same density
    assert ends == pytest.approx(expected, rel=0.6)


def test_densities_are_counts_over_the_volume_that_a_bin_had(tmp_path: Path) -> None:
    settings, boxes = fixed(), breathing(5)
    made = gas(settings, boxes, 5)
    production = ReducedProduction(reduce_segments([write(tmp_path / "a.dcd", made, boxes)], settings), 700.0)
    found = density_profiles(production)
    edges = np.arange(-56.0, 57)
    low, high = edges[:-1].copy(), edges[1:].copy()
    low[0], high[-1] = -np.inf, np.inf
    half = boxes[:, 2:] / 2
    reach = np.clip(np.minimum(high, half) - np.maximum(low, -half), 0, None)
    volume = (boxes[:, :1] * boxes[:, 1:2] * reach).sum(axis=0)
    z = wrapped(settings, made, boxes)[:, np.array(settings.atom_types) == 5]
    counts = np.histogram(z, np.concatenate([[-np.inf], edges[1:-1], [np.inf]]))[0]
    np.testing.assert_allclose(found["F_per_A3"], counts / volume, rtol=1e-6)
    assert len(found["z_A"]) == 112
    # charge per area, whatever the length of the box
    charge = charge_integrals(production)
    enclosed = sum(charge[f"charge_enclosed_{side}_e_per_A2"] for side in ("left", "right"))
    per_atom = np.array(settings.charges)[np.array(settings.atom_types) - 1]
    assert enclosed == pytest.approx(per_atom.sum() / np.prod(boxes[:, :2], axis=1).mean())


def test_the_bulk_ends_where_each_box_ends(tmp_path: Path) -> None:
    """The zero of the anion's F is the density of the bulk, in bins that only some boxes reach as well."""
    settings, boxes = fixed(), breathing(2)
    path = write(tmp_path / "a.dcd", gas(settings, boxes, 2), boxes)
    state = reduce_segments([path], settings)
    points, volumes = state.point_histograms[:, 1].sum(axis=0), state.config.grid.volumes(boxes)
    bulk = np.abs(state.config.grid.centres) > settings.ions["TFSI"].edges[-2]
    found = free_energy_profiles(ReducedProduction(state, 700.0))
    reference = points[bulk].sum() / volumes[bulk].sum()
    seen = points > 0
    expected = -700 * np.log(points[seen] / volumes[seen] / reference)
    np.testing.assert_allclose(found["tfsi_K"][seen], expected, atol=1e-6)


def test_barriers_are_found_in_bins_that_every_box_reaches(tmp_path: Path) -> None:
    settings, boxes = fixed(bin_width=0.5), breathing(2)
    state = reduce_segments([write(tmp_path / "a.dcd", gas(settings, boxes, 2), boxes)], settings)
    complete = Counts.of_points(ReducedProduction(state, 700.0)).complete()
    assert complete[2:-2].all()
    assert not complete[[0, 1, -2, -1]].any()
    found = analyse(state, 700.0)["anion_barrier"]
    low, high = (found[f"top_tfsi_{side}_z_A"] for side in ("left", "right"))
    assert low < 0 < high
    assert not [reason for reason in found["reasons"] if reason.startswith("TFSI")]


def test_a_constant_box_gives_the_regions_and_events_of_equal_bins(tmp_path: Path) -> None:
    path = write_dcd(tmp_path / "a.dcd", make(3, FRAMES, hop=0.1).positions)
    plain = reduce_segments([path], config(lags_ps=(), displacement_ps=None))
    state = reduce_segments([path], fixed())
    np.testing.assert_array_equal(state.region_counts, plain.region_counts)
    for mine, other in zip(state.tracks.values(), plain.tracks.values(), strict=True):
        np.testing.assert_array_equal(mine.events, other.events)
    np.testing.assert_array_equal(state.histograms[..., 1:-1], plain.histograms)
    assert not state.histograms[..., [0, -1]].any()
    found, expected = (analyse(one, 700.0) for one in (state, plain))
    assert found["populations"] == expected["populations"]
    np.testing.assert_allclose(
        found["density_profiles"]["Li_per_A3"][1:-1], expected["density_profiles"]["Li_per_A3"], rtol=1e-9
    )
    for side in ("left", "right"):
        name = f"{side}_e_per_A2"
        np.testing.assert_allclose(
            found["charge_integral"][name][1:-1], expected["charge_integral"][name], atol=1e-12
        )


@pytest.mark.parametrize("threads", [1, 2])
def test_a_changing_box_does_not_depend_on_where_a_run_is_cut(tmp_path: Path, threads: int) -> None:
    boxes, made = breathing(4), make(4, FRAMES, hop=0.1).positions
    whole = reduce_segments([write(tmp_path / "a.dcd", made, boxes)], fixed(), threads=threads)
    path = write(tmp_path / "b.dcd", made[23:], boxes[23:])
    content = bytearray(path.read_bytes())
    content[12:16] = (23 * FRAME_STEPS).to_bytes(4, "little")
    path.write_bytes(content)
    until = reduce_segments([tmp_path / "a.dcd"], fixed(), until_step=23 * FRAME_STEPS)
    assert reduce_segments([path], fixed(), until).equals(whole)
    whole.save(tmp_path / "state.npz")
    assert State.load(tmp_path / "state.npz").equals(whole)


def test_joined_bins_of_a_fixed_width_are_those_of_a_coarser_reduction(tmp_path: Path) -> None:
    path = write(tmp_path / "a.dcd", make(4, FRAMES, hop=0.1).positions, breathing(4))
    state = reduce_segments([path], fixed())
    coarse = fixed().model_copy(update={"bin_width": 4.0, "bins": 28})
    joined = join_bins(state, 4)
    assert joined.equals(reduce_segments([path], coarse))
    assert rereading_reasons(state.config, coarse) == ()
    assert rereading_reasons(state.config, config(lags_ps=()))[0].startswith("bins: one are equal parts")
    assert exact_boundaries(state.config, [-23.0, 0.0, 55.0]).tolist() == [-23, 0, 55]
    assert point_counts(state, "Li", [-23, 23]).sum() == 12 * FRAMES
    chosen = ReducedProduction(state, 700.0, AnalysisSettings(bins=28))
    assert len(free_energy_profiles(chosen)["z_A"]) == 28
    with pytest.raises(ValueError, match=r"bins = 100: the 112 bins of the reduction make 112, 56, 38, 28"):
        ReducedProduction(state, 700.0, AnalysisSettings(bins=100))


@pytest.mark.parametrize(
    ("axis", "length", "message"),
    [
        (
            2,
            60.0,
            r"a.dcd: frame 7 \(step 70\) has a box of 60.000000 Å along z, the cores of .* need more than 6",
        ),
        (1, 0.0, r"a.dcd: frame 7 \(step 70\): its box has no length"),
        (0, -5.0, r"a.dcd: frame 7 \(step 70\): its box has no length"),
    ],
)
def test_a_box_without_room_for_the_regions_is_refused(
    tmp_path: Path, axis: int, length: float, message: str
) -> None:
    boxes = breathing(1)
    boxes[7, axis] = length
    path = write(tmp_path / "a.dcd", make(3, FRAMES).positions, boxes)
    with pytest.raises(ValueError, match=message):
        reduce_segments([path], fixed())


def test_displacements_and_shifts_are_refused_in_a_box_that_changes(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"lags_ps = 0.12, 0.3: with bin_width = 1 .* it must be \[\]"):
        config(bin_width=1.0)
    values = fixed().model_dump() | {"lags": (6,), "displacement_frames": 3}
    with pytest.raises(ValueError, match=r"lags = \(6,\): displacements are not defined in a box that changes"):
        ReductionConfig.model_validate(values)
    state = reduce_segments([write(tmp_path / "a.dcd", make(3, FRAMES).positions, breathing(1))], fixed())
    hot, cold = (ReducedProduction(state, temperature) for temperature in (700.0, 400.0))
    with pytest.raises(
        ValueError, match=r"bin_width = 1: runs can only be compared, and have a shift Δz, if the box"
    ):
        compare(hot, cold)
