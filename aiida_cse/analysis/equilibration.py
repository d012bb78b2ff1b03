"""The equilibration coefficients with their bounds, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from aiida_cse.analysis.production import FACT_KEYS, REGION_KEYS, Ion, IonTransitions, ReducedProduction
from aiida_cse.analysis.registry import Quantity, ion_name, ions_in, observable
from aiida_cse.analysis.transitions import exposure_of
from aiida_cse.physics.exchange.equilibration import exchange_interval
from aiida_cse.physics.exchange.relaxation import member_frames
from aiida_cse.physics.exchange.sensitivity import labels_from_events
from aiida_cse.physics.exchange.starts import NOT_EQUILIBRATED, ONE_START, one_start, slowest_time
from aiida_cse.physics.exchange.verdict import EquilibrationVerdict, ExchangeData, equilibration_verdict
from aiida_cse.physics.statistics.poisson import poisson_upper

__all__ = ["equilibration"]

#: parts of the observed time in which entries and exits are counted
_PARTS = 240


def _rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    criteria = found.get("criteria") or {}
    note = f"one-sided {100 * criteria['bound_level']:g} %" if criteria.get("bound_level") else ""
    for exchange in ("ceramic", "layer"):
        for ion in ions_in(found, f"ec_<ion>_{exchange}"):
            key, name = f"{ion}_{exchange}", f"{ion_name(ion)}, {exchange}"
            yield Quantity.of(found, f"EC of {name}", f"ec_{key}{{}}", note=note)
            yield Quantity.of(found, f"S_t of {name}", f"s_total_{key}{{}}", "events")
    level = f", one-sided {100 * criteria['level']:g} %" if criteria.get("level") else ""
    bound = Quantity.of(found, f"entries{level}", "rate_upper_bound_per_s{}", "s⁻¹")
    reason = bound.reason or ("" if bound.value is not None else "no time in which an entry would have counted")
    yield replace(bound, value=None, upper=bound.value, reason=reason)
    if found.get("equilibrated"):
        yield Quantity.of(found, "slowest process seen", "slowest_time_ns{}", "ns")


@observable(
    "equilibration",
    kind="Dict",
    summary="EC with its bound, and the verdict with reasons.",
    description=(
        "The verdict with its numbers. `ec`, `ec_lower_bound` and `rate_upper_bound_per_s` are of the ions that "
        "decide, the lowest if there are several; see [equilibration](../science/equilibration.md)."
    ),
    rows=_rows,
    section="Equilibration",
    keys={
        **FACT_KEYS,
        **REGION_KEYS,
        "equilibrated": ("", "Whether every criterion is met"),
        "kind": (
            "",
            f"`{ONE_START}` or `{NOT_EQUILIBRATED}`; results of earlier versions do not have it",
        ),
        "slowest_time_ns": (
            "ns",
            "Slowest relaxation time that the run could have seen: a third of the time since its first frame, "
            "after which 5 % of a deviation remain. Slower processes may be hidden; see "
            "[two starts](../science/stopping.md#two-starts)",
        ),
        "decided_by": ("", "Ions whose exchange decides"),
        "reasons": ("", "One statement per criterion, with its number and its threshold"),
        "rule": ("", "Counting rule of the transitions"),
        "criteria": ("", "Settings of the analysis"),
        "ec": ("", "Equilibration coefficient"),
        "ec_lower_bound": ("", "Its one-sided lower bound"),
        "rate_upper_bound_per_s": (
            "s⁻¹",
            "One-sided upper bound of the rate of entries, or of bursts of them if no entry was seen",
        ),
        "ec_<ion>_<exchange>": ("", "Equilibration coefficient of one species"),
        "ec_<ion>_<exchange>_lower_bound": ("", "Its one-sided lower bound"),
        "burst_index_<ion>_<exchange>": (
            "",
            "Number of events that carry the information of one, from the counts per ion and over time; 1 if they "
            "are independent",
        ),
        "relaxation_times_<ion>_<exchange>": (
            "",
            "Length of the run in relaxation times; null if `maximum_remaining` is null",
        ),
        "remaining_deviation_<ion>_<exchange>": (
            "",
            "Deviation of the mean number from equilibrium that remains from the start, in standard deviations",
        ),
        "remaining_deviation_<ion>_<exchange>_upper_bound": ("", "Its one-sided upper bound"),
        "s_total_<ion>_<exchange>": ("events", "S_t, entries and exits together"),
        "s_total_<ion>_<exchange>_interval": (
            "events",
            "Interval of its mean; an entry and an exit count as a pair, so many pairs as the burst index as one",
        ),
        "rate_in_<ion>_<exchange>_upper_bound_per_s": ("s⁻¹", "One-sided upper bound of the rate of entries"),
        "rate_in_<ion>_<exchange>_per_ion_upper_bound_per_s": (
            "s⁻¹",
            "The same per ion that could enter: in the first layers for the ceramic, in the bulk for the layers",
        ),
        "reasons_<ion>_<exchange>": ("", "The statements about one species"),
    },
)
def equilibration(production: ReducedProduction) -> dict[str, Any]:
    """Return the verdict under the rule of the settings, with its reasons and numbers.

    Returns
    -------
    dict
        Numbers, words and lists. ``ec``, ``ec_lower_bound`` and ``rate_upper_bound_per_s`` are of the ions that
        decide.
    """
    settings, deciding = production.settings, production.deciding
    counted = production.transitions(settings.rule)
    verdicts = {
        name: equilibration_verdict(_exchange_data(ion, counted[name], production), settings)
        for name, ion in production.ions.items()
    }
    equilibrated = all(verdicts[name].equilibrated for name in deciding)
    results = {
        **production.facts,
        **production.region_facts(),
        "equilibrated": equilibrated,
        "kind": one_start(equilibrated),
        "slowest_time_ns": slowest_time(production.facts["end_ns"]),
        "decided_by": deciding,
        "reasons": [f"{name}: {reason}" for name in deciding for reason in verdicts[name].reasons],
        "rule": settings.rule,
        "criteria": settings.model_dump(mode="json"),
        "ec": min(verdicts[name].coefficient for name in deciding),
        "ec_lower_bound": min(verdicts[name].lower_bound for name in deciding),
        "rate_upper_bound_per_s": _upper_rates(production.ions[deciding[0]], counted[deciding[0]], production)[0],
    }
    for name, ion in production.ions.items():
        results |= _of_ion(ion, counted[name], verdicts[name], production)
    return results


def _exchange_data(ion: Ion, found: IonTransitions, production: ReducedProduction) -> ExchangeData:
    """Return the exchange data of one species, on which the criteria rest.

    Entries and exits are counted over time, and per ion for those ions that were outside the region at some time.
    The others could not enter. Deep in a crystal they are many, and compared with them any ion that crosses twice
    would look like a burst.

    Whether each ion is in the region is known at equally spaced frames. An ion in a buffer keeps the label of the
    last core it visited, so that recrossings at the boundary are not counted. An ion that visited no core is left
    out. Where the cores are not known, regions replace them.
    """
    ion_counts = ion.exchange_counts(found.events)
    at_start = production.labels_at_start(production.settings.rule)[ion.numbers]
    outside = ~np.isin(at_start, ion.exchange_labels) | ion_counts.any(axis=1)
    rule, window, counts = production.settings.rule, production.window, None
    if len(found.events):
        # in equal parts of the observed time
        looks = window.looks(rule)
        intervals = (found.events[:, 0] - looks[0]) // window.look_frames(rule) - 1
        parts = min(len(looks) - 1, _PARTS)
        counts = np.zeros((parts, 2), dtype=np.int64)
        for column, label in ((0, 3), (1, 2)):
            crossed = intervals[np.isin(found.events[:, label], ion.exchange_labels)]
            np.add.at(counts[:, column], crossed * parts // (len(looks) - 1), 1)
    members = None
    if production.settings.maximum_remaining is not None:
        track = production.tracks.get("core", production.tracks["snapshot"])
        frames = member_frames(window.begin, window.stop)
        labels = labels_from_events(track.first_labels, track.events, frames)[:, ion.numbers]
        members = np.isin(labels[:, (labels >= 0).all(axis=0)], ion.exchange_labels)
    return ExchangeData(
        found.both.entries,
        found.both.exits,
        net_fluxes=window.net_fluxes(found.events, ion.exchange_labels),
        population=ion.counts[ion.species.exchange],
        block_counts=counts,
        ion_counts=ion_counts[outside] if outside.any() else None,
        members=members,
    )


def _of_ion(
    ion: Ion, found: IonTransitions, verdict: EquilibrationVerdict, production: ReducedProduction
) -> dict[str, Any]:
    key, both = ion.exchange_key, found.both
    interval = exchange_interval(
        both.entries, both.exits, production.settings.level, burst_index=verdict.burst_index
    )
    remaining = verdict.remaining
    upper_rate, upper_rate_per_ion = _upper_rates(ion, found, production)
    return {
        f"ec_{key}": verdict.coefficient,
        f"ec_{key}_lower_bound": verdict.lower_bound,
        f"burst_index_{key}": verdict.burst_index,
        f"relaxation_times_{key}": None if remaining is None else remaining.relaxation_times,
        f"remaining_deviation_{key}": None if remaining is None else remaining.median,
        f"remaining_deviation_{key}_upper_bound": None if remaining is None else remaining.upper_bound,
        f"s_total_{key}": both.total,
        f"s_total_{key}_interval": list(interval),
        f"rate_in_{key}_upper_bound_per_s": upper_rate,
        f"rate_in_{key}_per_ion_upper_bound_per_s": upper_rate_per_ion,
        f"reasons_{key}": list(verdict.reasons),
    }


def _upper_rates(
    ion: Ion, found: IonTransitions, production: ReducedProduction
) -> tuple[float | None, float | None]:
    """Return the one-sided upper bounds of the rate of entries and of that per ion, s⁻¹; None without exposure."""
    exposure, level = exposure_of(ion, found, production.settings.rule, production), production.settings.level
    bounds = [
        poisson_upper(found.both.entries, level, dispersion=index) / (span_ns * 1e-9) if span_ns > 0 else None
        for index, span_ns in (
            (exposure.time_dispersion, exposure.time),
            (exposure.dispersion, exposure.ion_time),
        )
    ]
    return bounds[0], bounds[1]
