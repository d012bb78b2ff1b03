"""Mean numbers of ions per region, and the correlation of anions with cations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import FACT_KEYS, REGION_KEYS, Ion, ReducedProduction
from aiida_cse.analysis.registry import (
    Quantity,
    finite_or_none,
    finite_range_or_none,
    ion_name,
    ions_in,
    observable,
)
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.sensitivity import labels_from_events
from aiida_cse.physics.statistics.correlation import anion_cation_correlation
from aiida_cse.physics.statistics.timeseries import detect_equilibration
from aiida_cse.physics.statistics.timeseries import populations as averages

__all__ = ["anions_per_cation", "populations"]

#: points of a series at which its stationary part is searched for
_POINTS = 1000
#: values of a series that a straight line with errors needs
_FEWEST = 4
#: region whose ions a number counts, where the names differ
_PLACES = {"excess": "ceramic"}


#: the regions that views show, in words
_SHOWN = {"excess": "excess", "ceramic": "ceramic", "layer": "1st layers", "bulk": "bulk"}


def _rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    ions = ions_in(found, "n_<ion>_bulk")
    for ion, region in product(ions, _SHOWN):
        key = f"n_{ion}_{region}"
        if region == "excess" and key not in found:
            continue
        blocks = found.get(f"{key}_blocks") or []
        # results of earlier versions do not say why
        reason = found.get(f"{key}_reason") or ("the number never changed" if len(set(blocks)) == 1 else "")
        yield Quantity.of(found, f"N({ion_name(ion)}, {_SHOWN[region]})", f"{key}{{}}", reason=reason)
    for cation, anion in product(ions, ions):
        slope, pearson = f"{anion}_layer_per_{cation}_ceramic", f"correlation_{anion}_layer_{cation}_ceramic"
        for key, name in ((slope, "{1} (1st layers) per {0} (ceramic)"), (pearson, "r of {1} and {0}")):
            if key in found:
                reason = "one of the two numbers never changed, or too few independent samples"
                words = name.format(ion_name(cation), ion_name(anion))
                yield Quantity.of(found, words, f"{key}{{}}", reason=reason)


@observable(
    "populations",
    kind="Dict",
    summary="Mean number of ions per region with its error.",
    description=(
        "Mean numbers of ions per region over the time that is analysed. `n_li_excess` is the number in the "
        "ceramic minus the number that the slab started with."
    ),
    rows=_rows,
    section="Populations",
    keys={
        **FACT_KEYS,
        **REGION_KEYS,
        "n_<ion>_stride_ps": (
            "ps",
            "Time between the counts of this ion: between frames, or between snapshots for an ion in "
            "`counted_in_snapshots`",
        ),
        "n_<ion>_<region>": ("ions", "Mean number"),
        "n_<ion>_<region>_error": ("ions", "Standard error of the mean; null with a reason"),
        "n_<ion>_<region>_interval": (
            "ions",
            "Interval of the mean at the `level` of the settings; null if the number never changed, or if fewer "
            "than 5 ions were both inside and outside",
        ),
        "n_<ion>_<region>_error_from": (
            "",
            "Estimate of error and interval: `ions`, the variance between ions of the time each spends in the "
            "region, or `time`, the slow fluctuations of the number, whichever interval is wider; null without "
            "an interval. Results of earlier versions lack this key; theirs is that of `time`",
        ),
        "n_<ion>_<region>_reason": ("", "Why there is no interval; null if there is one"),
        "n_<ion>_<region>_inefficiency_ps": (
            "ps",
            "Time between independent samples (statistical inefficiency)",
        ),
        "n_<ion>_<region>_samples": (
            "",
            "Number of independent samples of the series, N frames over the statistical inefficiency",
        ),
        "n_<ion>_<region>_blocks": ("ions", "Means of up to ten equal blocks of time"),
        "n_<ion>_<exchange>_stationary_after_ns": (
            "ns",
            "Time from start_ns after which the number is stationary",
        ),
        "<ion>_layer_per_<ion>_ceramic": (
            "",
            "Additional anions in the first layers per additional cation in the ceramic: least squares over the "
            "snapshots, both sides together; null if a number never changed, or with fewer than 4 snapshots",
        ),
        "<ion>_layer_per_<ion>_ceramic_error": ("", "Its standard error, with samples − 2 degrees of freedom"),
        "<ion>_layer_per_<ion>_ceramic_samples": ("", "Number of independent samples for this slope"),
        "correlation_<ion>_layer_<ion>_ceramic": ("", "Pearson's r of the two numbers"),
        "correlation_<ion>_layer_<ion>_ceramic_interval": ("", "Its interval at the `level` of the settings"),
        "correlation_<ion>_layer_<ion>_ceramic_samples": ("", "Number of independent samples for r"),
    },
)
def populations(production: ReducedProduction) -> dict[str, Any]:
    """Return the mean number of each ion per region, and the correlation of anions with cations."""
    results = production.facts | production.region_facts()
    frame_ns = production.window.frame_ns
    for ion in production.ions.values():
        columns, level = np.column_stack(list(ion.counts.values())), production.settings.level
        shares = _time_shares(production, ion)
        for region, found in averages(columns, tuple(ion.counts), shares=shares, level=level).items():
            key = f"n_{ion.key}_{region}"
            results |= {
                key: found.mean,
                f"{key}_error": finite_or_none(found.standard_error),
                f"{key}_interval": finite_range_or_none(found.interval),
                f"{key}_error_from": found.error_from,
                f"{key}_reason": found.reason or None,
                f"{key}_inefficiency_ps": found.inefficiency * (ion.stride * frame_ns) * 1000,
                f"{key}_samples": found.samples,
                f"{key}_blocks": list(found.block_means),
            }
        series = ion.counts[ion.species.exchange]
        stride = max(1, len(series) // _POINTS)
        start = detect_equilibration(series[::stride]).start * stride * ion.stride
        skipped = ion.first - production.window.begin
        results[f"n_{ion.exchange_key}_stationary_after_ns"] = (skipped + start) * frame_ns
        results[f"n_{ion.key}_stride_ps"] = ion.stride * production.state.config.frame_ps
    return results | anions_per_cation(production)


def _time_shares(production: ReducedProduction, ion: Ion) -> NDArray[np.float64] | None:
    """Return the share of the snapshots in which each ion was in each of the regions of ``ion.counts``.

    Returns
    -------
    NDArray or None
        (ions, regions), of the snapshots within the window; None with fewer than two, between which no ion can be
        seen to move.
    """
    looks, track = production.window.looks("snapshot"), production.tracks["snapshot"]
    if len(looks) < 2:
        return None
    events = production.window.events(track.events, "snapshot")
    events = events[np.isin(events[:, 1], ion.numbers)]
    start = labels_from_events(track.first_labels, track.events, looks[:1])[0, ion.numbers]
    spent = np.zeros((len(ion.numbers), len(REGION_NAMES)), dtype=np.int64)
    labelled = np.flatnonzero(start >= 0)
    spent[labelled, start[labelled]] = len(looks)
    # from each event to the end of the window
    left = len(looks) - (events[:, 0] - looks[0]) // production.window.look_frames("snapshot")
    rows = np.searchsorted(ion.numbers, events[:, 1])
    np.add.at(spent, (rows, events[:, 2]), -left)
    np.add.at(spent, (rows, events[:, 3]), left)
    found = []
    for region in ion.counts:
        place = _PLACES.get(region, region)
        labels = [label for label, name in enumerate(REGION_NAMES) if name.startswith(place)]
        found.append(spent[:, labels].sum(axis=1) / len(looks))
    return np.column_stack(found)


def anions_per_cation(production: ReducedProduction) -> dict[str, Any]:
    """Return the number of additional anions in the first layers per additional cation in the ceramic.

    Both numbers are those at the snapshots, of both sides together.

    Returns
    -------
    dict
        For each cation that is exchanged with the ceramic and each anion that is exchanged with the layers: the
        slope with its error, Pearson's r with its interval, and the samples of both. None if a series never
        changes, and with fewer than 4 snapshots.
    """
    ions = production.ions.values()
    cations = [ion for ion in ions if ion.species.exchange == "ceramic"]
    anions = [ion for ion in ions if ion.species.exchange == "layer"]
    looks = production.window.looks("snapshot")
    results: dict[str, Any] = {}
    for cation, anion in product(cations, anions):
        slope = f"{anion.key}_layer_per_{cation.key}_ceramic"
        pearson = f"correlation_{anion.key}_layer_{cation.key}_ceramic"
        keys = (slope, f"{slope}_error", f"{slope}_samples", pearson, f"{pearson}_interval", f"{pearson}_samples")
        results |= dict.fromkeys(keys)
        if len(looks) < _FEWEST:
            continue
        found = anion_cation_correlation(
            cation.counts["ceramic"][cation.rows(looks)],
            anion.counts["layer"][anion.rows(looks)],
            production.settings.level,
        )
        results |= {
            slope: finite_or_none(found.slope),
            f"{slope}_error": finite_or_none(found.slope_error),
            f"{slope}_samples": found.slope_samples,
            pearson: finite_or_none(found.pearson),
            f"{pearson}_interval": finite_range_or_none(found.pearson_interval),
            f"{pearson}_samples": found.samples,
        }
    return results
