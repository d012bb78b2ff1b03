"""Mobility of the ions by layer: the variance of their displacements over a lag."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.results import known
from aiida_cse.physics.profiles.displacements import displacement_variance
from aiida_cse.physics.statistics.resampling import group_blocks
from aiida_cse.reduction.config import ReductionConfig

__all__ = ["displacement_variances"]

_AXES = "xyz"
#: groups of blocks that an error is taken over, their length in lags, and how many there must be
_GROUPS, _LAGS, _FEWEST = 20, 5, 5


def displacement_variances(production: ReducedProduction) -> dict[str, Any]:
    """Return the variance of the displacements (eq 4) of each ion, by the layer where they began.

    Returns
    -------
    dict
        ``lags_ps``, and per ion ``<ion>_layers`` and the arrays ``<ion>_variance_A2``, ``<ion>_error_A2`` and
        ``<ion>_mean_A`` (layers, lags, 3) and ``<ion>_samples`` (layers, lags). At the first lag also as numbers
        ``variance_<ion>_<layer>_<axis>_A2`` with ``_error_A2``; None without a sample.

    Raises
    ------
    ValueError
        The reduction kept no displacements.
    """
    config = production.state.config
    if not config.lags:
        raise ValueError("the reduction kept no displacements: its sampling has no lags_ps")
    results: dict[str, Any] = {**production.facts, "lags_ps": [lag * config.frame_ps for lag in config.lags]}
    for ion in production.ions.values():
        moments = production.state.displacement_moments(ion.name)
        parts = (moments.counts.astype(np.float64), moments.sums, moments.squares)
        blocks = [production.window.blocks(part) for part in parts]
        found = displacement_variance(*(part.sum(axis=0) for part in blocks))
        errors = _errors([part[production.window.whole] for part in blocks], config)
        results |= {
            f"{ion.key}_layers": list(moments.layers),
            f"{ion.key}_variance_A2": found.variance,
            f"{ion.key}_error_A2": errors,
            f"{ion.key}_mean_A": found.mean,
            f"{ion.key}_samples": np.asarray(found.samples),
        }
        for row, layer in enumerate(moments.layers):
            results |= _at_first_lag(f"variance_{ion.key}_{layer}", found.variance[row, 0], errors[row, 0])
    return results


def _errors(blocks: list[NDArray[np.float64]], config: ReductionConfig) -> NDArray[np.float64]:
    """Return the standard errors (layers, lags, 3) from counts, sums and squares of whole blocks.

    Blocks are added up to about :data:`_GROUPS` groups of at least :data:`_LAGS` lags each, because displacements
    that overlap, or that one ion makes in a row, are not independent; NaN with fewer than :data:`_FEWEST` groups.
    """
    errors = np.full(blocks[1].shape[1:], np.nan)
    for index, lag in enumerate(config.lags):
        groups = min(_GROUPS, len(blocks[0]) * config.block_frames // (_LAGS * lag))
        if groups >= _FEWEST:
            grouped = (group_blocks(part[:, :, index], groups) for part in blocks)
            errors[:, index] = displacement_variance(*grouped, blocks=True).standard_error
    return errors


def _at_first_lag(key: str, variance: NDArray[np.float64], error: NDArray[np.float64]) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for axis, value, spread in zip(_AXES, variance, error, strict=True):
        numbers[f"{key}_{axis}_A2"] = known(value)
        numbers[f"{key}_{axis}_error_A2"] = known(spread)
    return numbers
