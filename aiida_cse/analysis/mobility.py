"""Mobility of the ions by layer: the variance of their displacements over a lag."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import FACT_KEYS, ReducedProduction
from aiida_cse.analysis.registry import Need, Quantity, finite_or_none, ion_name, ions_in, observable
from aiida_cse.physics.profiles.displacements import displacement_variance
from aiida_cse.physics.statistics.resampling import group_blocks
from aiida_cse.reduction.config import ReductionConfig

__all__ = ["displacement_variances"]

_AXES = "xyz"
#: groups of blocks for an error, the least length of a group in lags, and the fewest groups
_GROUPS, _LAGS, _FEWEST = 20, 5, 5


def _rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    lag = f"{found['lags_ps'][0]:g} ps" if found.get("lags_ps") else "the first lag"
    layers = {"layer_left": "1st layer left", "layer_right": "1st layer right", "inside": "mid-slab"}
    for layer, axis in product(layers, "xz"):
        for ion in ions_in(found, f"variance_<ion>_{layer}_{axis}_A2"):
            key, name = f"variance_{ion}_{layer}_{axis}", f"Var(Δ{axis}) of {ion_name(ion)}, {layers[layer]}"
            seen = found[f"{key}_A2"] is not None
            reason = "fewer than five groups of blocks" if seen else "no displacement began there"
            yield Quantity.of(found, name, f"{key}{{}}_A2", "Å²", reason=reason, note=f"lag {lag}")


@observable(
    "displacement_variance",
    kind="ArrayData",
    summary="Variance of the displacements per layer, lag and axis in Å^2, if the reduction kept any.",
    description=(
        "Variance of the displacements over a lag (equation 4 of Kozdra et al.), by the layer where an ion was at "
        "its start; arrays, and numbers for the first lag."
    ),
    need=Need("displacements (`sampling.lags_ps`)", lambda config: bool(config.lags)),
    rows=_rows,
    section="Mobility",
    keys={
        **FACT_KEYS,
        "lags_ps": ("ps", "The lags"),
        "<ion>_start_ns": (
            "ns",
            "Start of the range in which its displacements begin, from the first frame; null without a block",
        ),
        "<ion>_end_ns": ("ns", "Its end"),
        "<ion>_layers": ("", "Names of the layers, in the order of the first axis"),
        "<ion>_layer_edges_A": (
            "Å",
            "Edges of the layers, from the mid-plane of the slab; the outermost are the ends of the box",
        ),
        "<ion>_variance_A2": ("Å²", "(layers, lags, 3) variance along x, y and z; NaN without a sample"),
        "<ion>_error_A2": (
            "Å²",
            "(layers, lags, 3) its standard error, from up to 20 groups of blocks of at least five lags each; NaN "
            "with fewer than five groups",
        ),
        "<ion>_mean_A": ("Å", "(layers, lags, 3) mean displacement"),
        "<ion>_samples": ("", "(layers, lags) number of displacements"),
        "variance_<ion>_<layer>_<axis>_A2": ("Å²", "Variance at the first lag; null without a sample"),
        "variance_<ion>_<layer>_<axis>_error_A2": ("Å²", "Its standard error"),
    },
)
def displacement_variances(production: ReducedProduction) -> dict[str, Any]:
    """Return the variance of the displacements (eq 4) of each ion, by the layer where they began.

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
        window = production.displacement_window(ion.species)
        whole = np.arange(0) if window is None else window.whole
        blocks = [part[:0] if window is None else window.blocks(part) for part in parts]
        found = displacement_variance(*(part.sum(axis=0) for part in blocks))
        errors = _errors([part[whole] for part in blocks], config)
        results |= {
            f"{ion.key}_start_ns": None if window is None else window.facts["start_ns"],
            f"{ion.key}_end_ns": None if window is None else window.facts["end_ns"],
            f"{ion.key}_layers": list(moments.layers),
            f"{ion.key}_layer_edges_A": list(ion.species.layer_edges),
            f"{ion.key}_variance_A2": found.variance,
            f"{ion.key}_error_A2": errors,
            f"{ion.key}_mean_A": found.mean,
            f"{ion.key}_samples": np.asarray(found.samples),
        }
        for row, layer in enumerate(moments.layers):
            for column, axis in enumerate(_AXES):
                key = f"variance_{ion.key}_{layer}_{axis}"
                results[f"{key}_A2"] = finite_or_none(found.variance[row, 0, column])
                results[f"{key}_error_A2"] = finite_or_none(errors[row, 0, column])
    return results


def _errors(blocks: list[NDArray[np.float64]], config: ReductionConfig) -> NDArray[np.float64]:
    """Return the standard errors (layers, lags, 3) from counts, sums and squares of whole blocks.

    Displacements that overlap, or that one ion makes in succession, are not independent. Blocks are therefore
    added up to about :data:`_GROUPS` groups of at least :data:`_LAGS` lags each; NaN with fewer than
    :data:`_FEWEST`.
    """
    errors = np.full(blocks[1].shape[1:], np.nan)
    for index, lag in enumerate(config.lags):
        groups = min(_GROUPS, len(blocks[0]) * config.block_frames // (_LAGS * lag))
        if groups >= _FEWEST:
            grouped = (group_blocks(part[:, :, index], groups) for part in blocks)
            errors[:, index] = displacement_variance(*grouped, blocks=True).standard_error
    return errors
