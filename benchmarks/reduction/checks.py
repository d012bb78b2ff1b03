"""Agreement of the programs that are measured: a check raises AssertionError or describes the agreement."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aiida_cse.reduction.config import GRID, ReductionConfig
from aiida_cse.reduction.reduce import reduce_segments
from aiida_cse.reduction.state import State
from benchmarks.reduction.peers import LoopResult, circular_centre_offset, maicos_profiles, mdanalysis_loop
from benchmarks.reduction.trajectories import FRAME_STEPS, Generated

__all__ = ["GROUPS", "check_loop", "check_maicos", "check_schedule", "full", "moderate", "z_only"]

#: the five groups whose profiles MAICoS is asked for
GROUPS = {
    "framework": ("La", "Zr"),
    "ceramic oxygen": ("O",),
    "lithium": ("Li",),
    "anions": ("N", "S", "Os", "Cf", "F"),
    "polymer": ("C", "H", "Oe"),
}
_FRAMES, _MAICOS_FRAMES = 600, 20
#: MAICoS moves all atoms in float32 before it counts them, which puts some across the edge of a bin
_ROUNDING = 1e-3


def z_only(trajectory: Generated) -> ReductionConfig:
    """Return settings without displacements; an anion is represented by its nitrogen."""
    return trajectory.composition.config()


def full(trajectory: Generated) -> ReductionConfig:
    """Return settings with displacements from every frame over 1 ns; an anion is its centre of mass."""
    return trajectory.composition.config(molecular=True, lags_ps=(1000.0,), displacement_ps=2.0)


def moderate(trajectory: Generated) -> ReductionConfig:
    """Return settings with displacements from every tenth frame over 1 ns, those of the protocol ``moderate``."""
    return trajectory.composition.config(molecular=True, lags_ps=(1000.0,))


def check_schedule(*trajectories: Generated) -> Iterator[str]:
    """Compare the transitions found with those scheduled."""
    for one in trajectories:
        state = reduce_segments([one.path], z_only(one))
        if not np.array_equal(state.tracks["core"].events, one.events):
            raise AssertionError(f"{one.path.name}: the transitions are not those that were scheduled")
        yield f"{one.path.name}: all {len(one.events):,} scheduled transitions found, and no other"


def check_loop(*trajectories: Generated) -> Iterator[str]:
    """Compare the first frames with the loop over MDAnalysis, bit for bit for integers."""
    for one in trajectories:
        for name, config in (("z only", z_only(one)), ("full", full(one))):
            loop = mdanalysis_loop(one.path, config, _FRAMES)
            state = reduce_segments([one.path], config, until_step=_FRAMES * FRAME_STEPS)
            _compare(state, loop)
            yield f"{one.path.name}, {name}: {_FRAMES} frames equal those of the loop over MDAnalysis"


def _compare(state: State, loop: LoopResult) -> None:
    agreement = {
        "histograms": np.array_equal(state.histograms, loop.histograms),
        "populations": np.array_equal(state.region_counts, loop.region_counts),
        "charge": np.allclose(np.array(state.config.charges) @ state.histograms, loop.charges, atol=1e-6),
        "centres": np.allclose(state.centres, loop.centres, rtol=0, atol=1e-9),
    }
    for rule, events in loop.events.items():
        expected = np.concatenate([np.zeros((0, 4), np.int64), *events])
        agreement[f"transitions, {rule}"] = np.array_equal(state.tracks[rule].events, expected)  # type: ignore[index]
    if loop.counts is not None and loop.sums is not None and loop.squares is not None:
        found = state.displacements
        # six standard deviations of what rounding to the grid adds
        off = np.abs(found.squares[:, :, 0] / GRID**2 - loop.squares)
        agreement["displacements"] = np.array_equal(found.counts[:, :, 0], loop.counts)
        agreement["sums of displacements"] = np.allclose(
            found.sums[:, :, 0] / GRID, loop.sums, rtol=0, atol=6 * np.sqrt(loop.counts.max() / 6) / GRID
        )
        agreement["sums of squares"] = bool((off <= 6 * np.sqrt(loop.squares) / GRID + 1e-6).all())
    wrong = [name for name, agrees in agreement.items() if not agrees]
    if wrong:
        raise AssertionError(f"the loop over MDAnalysis has other {', '.join(wrong)}")


def check_maicos(trajectory: Generated) -> Iterator[str]:
    """Compare the profiles of MAICoS around its own centre, which differs slightly from the centre of mass."""
    offset = circular_centre_offset(trajectory.path, z_only(trajectory))
    config = trajectory.composition.config(midplane_offset=offset)
    state = reduce_segments([trajectory.path], config, until_step=_MAICOS_FRAMES * FRAME_STEPS)
    volume = _MAICOS_FRAMES * float(np.prod(config.box)) / config.bins
    profiles = maicos_profiles(trajectory.path, config, GROUPS, _MAICOS_FRAMES)
    worst = 0.0
    for name, labels in GROUPS.items():
        rows = [config.labels.index(label) for label in labels]
        counts = state.histograms[:, rows].sum(axis=(0, 1))
        worst = max(worst, float(np.abs(profiles[name] * volume - counts).sum() / counts.sum()))
    if worst > _ROUNDING:
        raise AssertionError(f"MAICoS has {worst:.2g} of the counts in another bin")
    yield f"MAICoS: profiles of {len(GROUPS)} groups equal but for {worst:.1g} of the counts, in the next bin"
