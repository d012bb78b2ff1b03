"""Mobility of the ions by layer: the variance of their displacements over a lag."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.physics.displacements import displacement_variance
from aiida_cse.trajectory.analysis.known import known
from aiida_cse.trajectory.analysis.subject import Subject

__all__ = ["displacement_variances"]

_AXES = "xyz"


def displacement_variances(subject: Subject) -> dict[str, Any]:
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
    config = subject.state.config
    if not config.lags:
        raise ValueError("the reduction kept no displacements: its sampling has no lags_ps")
    results: dict[str, Any] = {**subject.facts, "lags_ps": [lag * config.frame_ps for lag in config.lags]}
    for ion in subject.ions.values():
        moments = subject.state.displacement_moments(ion.name)
        found = displacement_variance(
            subject.window.blocks(moments.counts),
            subject.window.blocks(moments.sums),
            subject.window.blocks(moments.squares),
            blocks=True,
        )
        results |= {
            f"{ion.key}_layers": list(moments.layers),
            f"{ion.key}_variance_A2": found.variance,
            f"{ion.key}_error_A2": found.standard_error,
            f"{ion.key}_mean_A": found.mean,
            f"{ion.key}_samples": np.asarray(found.samples),
        }
        for row, layer in enumerate(moments.layers):
            results |= _at_first_lag(
                f"variance_{ion.key}_{layer}", found.variance[row, 0], found.standard_error[row, 0]
            )
    return results


def _at_first_lag(key: str, variance: NDArray[np.float64], error: NDArray[np.float64]) -> dict[str, float | None]:
    numbers: dict[str, float | None] = {}
    for axis, value, spread in zip(_AXES, variance, error, strict=True):
        numbers[f"{key}_{axis}_A2"] = known(value)
        numbers[f"{key}_{axis}_error_A2"] = known(spread)
    return numbers
