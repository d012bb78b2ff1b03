"""Whether an analysis asks what its reduction will be able to answer, before there is a reduction."""

from __future__ import annotations

import math

from aiida import orm

from aiida_cse.analysis.resolution import Resolution, unanswerable, unresolved
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.building.sampling import Sampling, reduction_config
from aiida_cse.data.system import CseSystemData

__all__ = ["analysis_error"]


def analysis_error(
    settings: orm.Dict | None, sampling: Sampling, length_ps: float, system: CseSystemData | None
) -> str | None:
    """Return why a production cannot be analysed as it is to be, None if nothing speaks against it.

    Parameters
    ----------
    settings
        Those of the analysis, which AnalysisSettings accepts; None for the defaults.
    sampling, length_ps
        How the production is sampled, and how long it is.
    system
        What it starts from; without it, nothing is said about where boundaries lie.
    """
    chosen = AnalysisSettings.model_validate(settings.get_dict() if settings is not None else {})
    there = Resolution(sampling.bins, sampling.frame_ps, sampling.block_ps, sampling.snapshot_ps, sampling.lags_ps)
    reasons = unresolved(chosen, there)
    if not reasons and chosen.boundaries and system is not None:
        reasons = unanswerable(chosen, reduction_config(system.get_system(), sampling))
    if reasons:
        return f"analysis.settings: {'; '.join(reasons)}"
    return _range_error(chosen, sampling, length_ps)


def _range_error(settings: AnalysisSettings, sampling: Sampling, length_ps: float) -> str | None:
    """Refuse a range that is not within the production, or has no whole block."""
    start, end = settings.start_ns * 1000, length_ps if settings.end_ns is None else settings.end_ns * 1000
    if end > length_ps:
        return f"analysis.settings.end_ns = {end / 1000:g} is behind the {length_ps / 1000:g} ns of plan.length_ps"
    name = "sampling.block_ps" if settings.block_ps is None else "analysis.settings.block_ps"
    block = sampling.block_ps if settings.block_ps is None else settings.block_ps
    first, stop = math.ceil(start / block - 1e-9), math.floor(end / block + 1e-9)
    if first < stop:
        snapshot = sampling.snapshot_ps if settings.snapshot_ps is None else settings.snapshot_ps
        return _snapshot_error(settings, first * block, stop * block, snapshot)
    until = "of plan.length_ps" if settings.end_ns is None else "until analysis.settings.end_ns"
    return (
        f"analysis.settings.start_ns = {start / 1000:g} leaves nothing of the {end / 1000:g} ns {until}: "
        f"at least one block, {name} = {block:g}, must follow it"
    )


def _snapshot_error(settings: AnalysisSettings, start: float, end: float, snapshot: float) -> str | None:
    """Refuse other boundaries where no snapshot lies in the range (ps)."""
    if not settings.boundaries or math.ceil(start / snapshot - 1e-9) * snapshot < end:
        return None
    return (
        f"analysis.settings.boundaries: there is no snapshot from {start / 1000:g} to {end / 1000:g} ns to count "
        f"the ions in, they are {snapshot:g} ps apart"
    )
