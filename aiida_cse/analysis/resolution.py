"""What the settings of an analysis ask of a reduction: whether its state can answer, and the state as asked."""

from __future__ import annotations

import numpy as np

from aiida_cse.analysis.settings import BOTH_SIDES, AnalysisSettings
from aiida_cse.reduction.coarsen import Boundaries, exact_boundaries, merge_blocks, select_lags, thin_snapshots
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.state import State
from aiida_cse.schema import nearest

__all__ = ["coarser", "other_boundaries", "unanswerable", "unresolved"]

#: what to do about what a state does not hold
_AGAIN = "reduce the trajectory again for others (aiida-cse reduce, or cse.reduce on its folders)"
#: fewest bins that a message offers
_FEWEST_BINS = 10
#: how far a boundary may be from that of the reduction to be the same, Å
_SAME = 1e-6


def _multiple(wanted: float | None, stored: float) -> int:
    """Return how many times as long the wanted time is, 0 where that is no whole number."""
    if wanted is None:
        return 1
    factor = round(wanted / stored)
    return factor if abs(factor * stored - wanted) <= 1e-6 * stored else 0


# -- what the state cannot answer ----------------------------------------------------------------------------


def unresolved(settings: AnalysisSettings, there: Sampling | ReductionConfig) -> list[str]:
    """Return, in sentences that name the field, what is finer than a reduction resolves; none where nothing is."""
    reasons = []
    if settings.bins is not None and there.bins % settings.bins:
        whole = [bins for bins in range(there.bins, 0, -1) if there.bins % bins == 0]
        offered = ", ".join(str(bins) for bins in whole if bins >= _FEWEST_BINS or bins == there.bins)
        reasons.append(f"bins is {settings.bins}, the {there.bins} of the reduction make {offered}; {_AGAIN}")
    if not _multiple(settings.block_ps, there.block_ps):
        reasons.append(_no_multiple("block_ps", settings.block_ps, there.block_ps))
    if not _multiple(settings.snapshot_ps, there.snapshot_ps):
        reasons.append(_no_multiple("snapshot_ps", settings.snapshot_ps, there.snapshot_ps))
    for lag in settings.lags_ps or ():
        if _place(lag, there) is None:
            kept = ", ".join(f"{one:g}" for one in there.lags_ps) or "none"
            reasons.append(f"lags_ps: {lag:g} is not among those of the reduction, {kept}; {_AGAIN}")
    return reasons


def unanswerable(settings: AnalysisSettings, config: ReductionConfig) -> list[str]:
    """Return, in sentences that name the field, what a reduction of ``config`` cannot answer; none if nothing."""
    reasons = unresolved(settings, config)
    try:
        others = other_boundaries(settings, config)
    except ValueError as error:
        return [*reasons, str(error)]
    if others and settings.rule == "core":
        reasons.append(
            f"rule is core with other boundaries of {' and '.join(others)}: the core rule looks at every frame, "
            f"and the reduction did so for its own boundaries alone; set rule to snapshot, or {_AGAIN}"
        )
    return reasons


def _no_multiple(name: str, wanted: float | None, stored: float) -> str:
    return f"{name} is {wanted:g}, it must be a multiple of the {stored:g} of the reduction; {_AGAIN}"


def _place(lag: float, there: Sampling | ReductionConfig) -> int | None:
    """Return which of the lags of the reduction this one (ps) is."""
    near = [abs(lag - one) <= 1e-6 * there.frame_ps for one in there.lags_ps]
    return near.index(True) if any(near) else None


# -- the state as asked for ----------------------------------------------------------------------------------


def coarser(state: State, settings: AnalysisSettings) -> State:
    """Return the state with the blocks, the snapshots and the lags that are asked for, and its own bins.

    The settings must be answerable, see :func:`unanswerable`.

    Raises
    ------
    ValueError
        The blocks are so long that sums of displacements could overflow.
    """
    there = state.config
    if settings.lags_ps is not None:
        places = [_place(lag, there) for lag in settings.lags_ps]
        state = select_lags(state, [state.config.lags[place] for place in places if place is not None])
    if (factor := _multiple(settings.block_ps, there.block_ps)) > 1:
        state = merge_blocks(state, factor)
    if (factor := _multiple(settings.snapshot_ps, there.snapshot_ps)) > 1:
        state = thin_snapshots(state, factor)
    return state


def other_boundaries(settings: AnalysisSettings, config: ReductionConfig) -> dict[str, Boundaries]:
    """Return the boundaries (Å, exactly on edges of bins) of the ions that have not those of the reduction.

    Raises
    ------
    ValueError
        There is no such ion, or a boundary lies on no edge; says the nearest.
    """
    found = {name: _others(settings, config, name) for name in settings.boundaries}
    return {name: places for name, places in found.items() if places is not None}


def _others(settings: AnalysisSettings, config: ReductionConfig, name: str) -> Boundaries | None:
    """Return the boundaries of one ion, None where they are those of the reduction."""
    if name not in config.ions:
        raise ValueError(f"boundaries: {name!r} is no ion of the reduction; {nearest(name, config.ions)}")
    given = settings.boundaries[name]
    places = (-given[1], -given[0], *given) if len(given) == BOTH_SIDES else given
    if np.allclose(places, config.ions[name].edges[1:-1], rtol=0, atol=_SAME):
        return None
    try:
        a, b, c, d = exact_boundaries(config, places).tolist()
    except ValueError as error:
        raise ValueError(f"{error} (of {name}); {_AGAIN}") from error
    return a, b, c, d
