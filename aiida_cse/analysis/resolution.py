"""Resolution of a reduction: settings of an analysis that it does not allow, and its state as they ask for it."""

from __future__ import annotations

import numpy as np

from aiida_cse.analysis.settings import BOTH_SIDES, AnalysisSettings
from aiida_cse.reduction.coarsen import Boundaries, exact_boundaries, merge_blocks, select_lags, thin_snapshots
from aiida_cse.reduction.config import ReductionConfig
from aiida_cse.reduction.grid import Grid
from aiida_cse.reduction.sampling import Sampling
from aiida_cse.reduction.state import State
from aiida_cse.schema import nearest

__all__ = ["coarser", "other_boundaries", "unanswerable", "unresolved"]

#: advice if the state does not have the resolution that is asked for
_AGAIN = "reduce the trajectory again (aiida-cse reduce, or cse.reduce on its folders)"
#: smallest number of bins that a message offers
_FEWEST_BINS = 10
#: tolerance (Å) within which a boundary is that of the reduction
_SAME = 1e-6


# -- what a reduction cannot resolve -------------------------------------------------------------------------


def unresolved(settings: AnalysisSettings, there: Sampling | ReductionConfig) -> list[str]:
    """Return one refusal for each setting that is finer than a reduction resolves."""
    reasons = []
    if isinstance(there, ReductionConfig):
        whole = list(there.grid.factors())
    elif there.bin_width is not None or there.ion_bin_width is not None:
        # the box, and with it the number of bins of a fixed width, is not known yet
        whole = []
    else:
        whole = list(Grid(there.bins, 1.0).factors())
    if settings.bins is not None and whole and settings.bins not in whole:
        offered = ", ".join(str(bins) for bins in whole if bins >= _FEWEST_BINS or bins == there.bins)
        reasons.append(
            f"bins = {settings.bins}: the {there.bins} bins of the reduction make {offered}; choose from these, "
            f"or {_AGAIN}"
        )
    for name in ("block_ps", "snapshot_ps"):
        wanted, stored = getattr(settings, name), getattr(there, name)
        if not _multiple(wanted, stored):
            reasons.append(
                f"{name} = {wanted:g}: it is no multiple of the {stored:g} of the reduction; choose one, or "
                f"{_AGAIN}"
            )
    for lag in settings.lags_ps or ():
        if _lag_index(lag, there) is None:
            kept = ", ".join(f"{one:g}" for one in there.lags_ps) or "none"
            reasons.append(
                f"lags_ps = {lag:g}: the lags of the reduction are {kept}; choose from these, or {_AGAIN}"
            )
    return reasons


def unanswerable(settings: AnalysisSettings, config: ReductionConfig) -> list[str]:
    """Return one refusal for each setting that a reduction of this configuration does not allow."""
    reasons = unresolved(settings, config)
    try:
        others = other_boundaries(settings, config)
    except ValueError as error:
        return [*reasons, str(error)]
    if others and settings.rule == "core":
        reasons.append(
            f"rule = core: there are other boundaries of {' and '.join(others)}, and the reduction followed only "
            f"its own boundaries at every frame; set rule to snapshot, or {_AGAIN}"
        )
    return reasons


def other_boundaries(settings: AnalysisSettings, config: ReductionConfig) -> dict[str, Boundaries]:
    """Return the boundaries (Å, exactly on edges of bins) of the ions with other boundaries than in the reduction.

    Raises
    ------
    ValueError
        There is no such ion, or a boundary lies on no edge; the message gives the nearest ones.
    """
    found: dict[str, Boundaries] = {}
    for name, given in settings.boundaries.items():
        if name not in config.ions:
            raise ValueError(f"boundaries.{name}: the reduction has no such ion; {nearest(name, config.ions)}")
        places = (-given[1], -given[0], *given) if len(given) == BOTH_SIDES else given
        if np.allclose(places, config.ions[name].edges[1:-1], rtol=0, atol=_SAME):
            continue
        try:
            outer_left, inner_left, inner_right, outer_right = exact_boundaries(config, places).tolist()
        except ValueError as error:
            reason = str(error).removeprefix("boundaries")
            raise ValueError(f"boundaries.{name}{reason}; choose these, or {_AGAIN}") from error
        found[name] = (outer_left, inner_left, inner_right, outer_right)
    return found


def _multiple(wanted: float | None, stored: float) -> int:
    """Return the ratio of the wanted to the stored time, 0 if it is no whole number, 1 if nothing is wanted."""
    if wanted is None:
        return 1
    factor = round(wanted / stored)
    return factor if abs(factor * stored - wanted) <= 1e-6 * stored else 0


def _lag_index(lag: float, there: Sampling | ReductionConfig) -> int | None:
    """Return the index of a lag (ps) among those of the reduction, None if it is not there."""
    near = [abs(lag - one) <= 1e-6 * there.frame_ps for one in there.lags_ps]
    return near.index(True) if any(near) else None


# -- the state at the resolution of an analysis --------------------------------------------------------------


def coarser(state: State, settings: AnalysisSettings) -> State:
    """Return the state with the blocks, snapshots and lags of the settings, and the bins of the reduction.

    The settings must be allowed, see :func:`unanswerable`.

    Raises
    ------
    ValueError
        The blocks are so long that sums of displacements could overflow.
    """
    there = state.config
    if settings.lags_ps is not None:
        indices = [_lag_index(lag, there) for lag in settings.lags_ps]
        state = select_lags(state, [state.config.lags[index] for index in indices if index is not None])
    if (factor := _multiple(settings.block_ps, there.block_ps)) > 1:
        state = merge_blocks(state, factor)
    if (factor := _multiple(settings.snapshot_ps, there.snapshot_ps)) > 1:
        state = thin_snapshots(state, factor)
    return state
