"""Entries and exits by ion identity, their rates, and their dependence on the way of counting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import FACT_KEYS, REGION_KEYS, Ion, IonTransitions, ReducedProduction
from aiida_cse.analysis.registry import Documented, Quantity, ion_name, ions_in, observable
from aiida_cse.analysis.settings import single
from aiida_cse.physics.exchange.exposure import Exposure, IonHistories, count_exposed
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.sensitivity import labels_from_events, recount_at_stride
from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.physics.statistics.poisson import rate_interval
from aiida_cse.reduction.state import Track

__all__ = ["SENSITIVITY_RECORD", "exposure_of", "face_area", "sensitivity", "transitions"]

_SIDE_KEYS = {
    "s_in_<ion>_<exchange>_<side>": ("events", "Entries on one side"),
    "s_out_<ion>_<exchange>_<side>": ("events", "Exits on one side"),
}
_RATE_KEYS = {
    "s_in_<ion>_<exchange>": ("events", "Entries, both sides together"),
    "s_out_<ion>_<exchange>": ("events", "Exits, both sides together"),
    **_SIDE_KEYS,
    "matrix_<ion>": ("events", "Transitions from the region of the row to that of the column"),
    "rate_in_<ion>_<exchange>_per_nm2_per_s": (
        "s⁻¹ nm⁻²",
        "Entries over the observed time and the area of both faces of the slab, `area_nm2`",
    ),
    "rate_in_<ion>_<exchange>_per_nm2_per_s_interval": ("s⁻¹ nm⁻²", "Its interval, in the same way"),
    "exposure_<ion>_<exchange>_ion_ns": (
        "ion ns",
        "Number of ions that could enter, summed over the looks, times the time between looks: ions in the first "
        "layers for the ceramic, in the bulk for the layers",
    ),
    "rate_in_<ion>_<exchange>_per_s": (
        "s⁻¹",
        "Entries over the observed time; null if nothing was observed, as every rate",
    ),
    "rate_in_<ion>_<exchange>_per_s_interval": (
        "s⁻¹",
        "Its interval, at the `level` of the settings: exact for independent events, wider by their dispersion",
    ),
    "rate_in_<ion>_<exchange>_per_ion_per_s": ("s⁻¹", "Entries over the exposure"),
    "rate_in_<ion>_<exchange>_per_ion_per_s_interval": ("s⁻¹", "Its interval, in the same way"),
    "dispersion_<ion>_<exchange>": (
        "",
        "Number of entries that carry the information of one, for the rate per ion; 1 if they are independent",
    ),
    "dispersion_<ion>_<exchange>_raw": ("", "The same for entries over the observed time"),
    "s_in_<ion>_<exchange>_conditioned": ("events", "Entries while the condition held"),
    "exposure_conditioned_ns": ("ns", "Time in which the condition held"),
    "exposure_conditioned_ion_ns": ("ion ns", "Exposure in this time"),
    "rate_in_<ion>_<exchange>_conditioned_per_ion_per_s": (
        "s⁻¹",
        "Entries over the exposure while the condition held",
    ),
    "rate_in_<ion>_<exchange>_conditioned_per_ion_per_s_interval": ("s⁻¹", "Its interval, in the same way"),
    "dispersion_<ion>_<exchange>_conditioned": ("", "Dispersion of these entries, for the rate per ion"),
}

SENSITIVITY_RECORD = Documented(
    "a record of sensitivity",
    "One entry of the list `sensitivity`: entries and exits per side under one rule, at one stride, with cores of "
    "one width. A stride for which the time that is analysed is too short is left out.",
    {
        "rule": ("", "`snapshot` or `core`"),
        "stride_ps": (
            "ps",
            "Time between looks. Under `core`, the time between frames, or between looks at the labels that were "
            "followed at every frame",
        ),
        "core_scale": (
            "",
            "Width of the buffers relative to that of the settings of the reduction; null under `snapshot`",
        ),
        "observed_ns": ("ns", "Time from the first look to the last"),
        **_SIDE_KEYS,
    },
)

#: strides of the sensitivity analysis, in units of the time between snapshots
MULTIPLES = (1, 2, 5, 10)


def _rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    places = (("ceramic", "the ceramic"), ("layer", "the 1st layers"))
    for ion, exchange, place in [(i, *e) for e in places for i in ions_in(found, f"s_in_<ion>_{e[0]}")]:
        key, name = f"{ion}_{exchange}", ion_name(ion)
        for direction, words in (("in", "{} into {}"), ("out", "{} out of {}")):
            sides = (found.get(f"s_{direction}_{key}_{side}") for side in ("left", "right"))
            note = " left, ".join(map(str, sides)) + " right"
            counted = Quantity.of(found, words.format(name, place), f"s_{direction}_{key}{{}}", note=note)
            yield counted if "None" not in note else replace(counted, note="")
        without = "no time in which an entry would have counted"
        yield Quantity.of(found, f"Γ of {name} per ion", f"rate_in_{key}_per_ion_per_s{{}}", "s⁻¹", reason=without)
        condition, conditioned = found.get("condition_minimum_excess"), f"rate_in_{key}_conditioned_per_ion_per_s"
        if condition is not None and conditioned in found:
            words = f"the same while N({name}, excess) ≥ {condition:g}"
            yield Quantity.of(found, words, f"{conditioned}{{}}", "s⁻¹", reason=without)


@observable(
    "transitions",
    kind="Dict",
    summary="Entries and exits by ion identity, per side; rates.",
    description=(
        "Entries and exits by the identity of the ion, and the rates of entry, under the rule of the settings; "
        "under each rule in `by_rule`. Keys with `conditioned` are of the ions that the slab started with and "
        "count only what happened while the condition held at the look before; without a condition they count "
        "everything."
    ),
    rows=_rows,
    section="Exchange",
    keys={
        **FACT_KEYS,
        **REGION_KEYS,
        "rule": ("", "`snapshot` or `core`, see [transitions](../science/transitions.md)"),
        "stride_ps": ("ps", "Time between snapshots"),
        "regions": ("", "Names of the regions in the order of the matrices"),
        "condition_minimum_excess": (
            "ions",
            "The condition of the settings: smallest excess in the ceramic at the look before; null for none",
        ),
        "condition_last_ns": ("ns", "Only this time at the end counts under the condition; null for all of it"),
        "area_nm2": ("nm²", "Area of both faces of the slab, twice the mean cross-section of the box"),
        "observed_ns": ("ns", "Time in which a transition would have been counted"),
        **_RATE_KEYS,
        "by_rule": (
            "",
            "The keys from `observed_ns` on under each rule; without `core` if an ion was `counted_in_snapshots`",
        ),
        "sensitivity": ("", "The same counts obtained in other ways: a list of records, see below"),
    },
)
def transitions(production: ReducedProduction) -> dict[str, Any]:
    """Return the transitions of each ion per side, under each rule that is known.

    The results under the rule of the settings stand at the top level, those of each rule in ``by_rule``.

    Raises
    ------
    ValueError
        ``minimum_excess`` is set although the slab started with none of the ions.
    """
    config = production.state.config
    by_rule: dict[str, Any] = {rule: _under(rule, production) for rule in production.tracks}
    return {
        **production.facts,
        **production.region_facts(),
        "rule": production.settings.rule,
        "stride_ps": config.frame_ps * config.snapshot_frames,
        "regions": list(REGION_NAMES),
        "condition_minimum_excess": production.settings.minimum_excess,
        "condition_last_ns": production.settings.condition_last_ns,
        "area_nm2": 2 * face_area(production),
        **by_rule[production.settings.rule],
        "by_rule": by_rule,
        "sensitivity": sensitivity(production),
    }


def _under(rule: Rule, production: ReducedProduction) -> dict[str, Any]:
    """Return counts and rates of all ions under one rule."""
    found, level = production.transitions(rule), production.settings.level
    results: dict[str, Any] = {"observed_ns": production.window.observed_ns(rule)}
    for name, ion in production.ions.items():
        both, sides = found[name].both, found[name].sides
        for side, events in {"": both, **{f"_{side}": events for side, events in sides.items()}}.items():
            results[f"s_in_{ion.exchange_key}{side}"] = events.entries
            results[f"s_out_{ion.exchange_key}{side}"] = events.exits
        results[f"matrix_{ion.key}"] = found[name].matrix.tolist()
        exposure = exposure_of(ion, found[name], rule, production)
        key = f"rate_in_{ion.exchange_key}"
        results |= {
            f"exposure_{ion.exchange_key}_ion_ns": exposure.ion_time,
            f"dispersion_{ion.exchange_key}": exposure.dispersion,
            f"dispersion_{ion.exchange_key}_raw": exposure.time_dispersion,
            **_rate(f"{key}_per_s", exposure.events, exposure.time, exposure.time_dispersion, level),
            **_rate(
                f"{key}_per_nm2_per_s",
                exposure.events,
                exposure.time * 2 * face_area(production),
                exposure.time_dispersion,
                level,
            ),
            **_rate(f"{key}_per_ion_per_s", exposure.events, exposure.ion_time, exposure.dispersion, level),
        }
    return results | _conditioned(found, rule, production)


def _conditioned(found: dict[str, IonTransitions], rule: Rule, production: ReducedProduction) -> dict[str, Any]:
    """Return the entries that satisfy the condition, of the ion that the slab started with."""
    minimum = single(production.settings.minimum_excess)
    ion = next((ion for ion in production.ions.values() if "excess" in ion.counts), None)
    if ion is None:
        if minimum is None:
            return {}
        raise ValueError(f"minimum_excess is {minimum}, it must be null: the slab started with none of the ions")
    last_ns = single(production.settings.condition_last_ns)
    exposure = exposure_of(ion, found[ion.name], rule, production, minimum, last_ns=last_ns)
    key, level = f"{ion.exchange_key}_conditioned", production.settings.level
    return {
        f"s_in_{key}": exposure.events,
        "exposure_conditioned_ns": exposure.time,
        "exposure_conditioned_ion_ns": exposure.ion_time,
        f"dispersion_{key}": exposure.dispersion,
        **_rate(f"rate_in_{key}_per_ion_per_s", exposure.events, exposure.ion_time, exposure.dispersion, level),
    }


def exposure_of(
    ion: Ion,
    found: IonTransitions,
    rule: Rule,
    production: ReducedProduction,
    minimum_excess: int | None = None,
    last_ns: float | None = None,
) -> Exposure:
    """Return the entries of an ion with their dispersion, and the time (ns) and ion·time (ion ns) for them.

    Parameters
    ----------
    ion, found, rule
        The ion and its transitions under this rule.
    production
        The production.
    minimum_excess
        Only the time in which the excess is at least this is counted; None for all of it.
    last_ns
        Only this time at the end of the window is counted; None for all of it.
    """
    window = production.window
    looks = window.looks(rule)
    if not len(looks):
        return Exposure(0, 0.0, 0.0)
    stride, track = window.look_frames(rule), production.tracks[rule]
    moves = found.events.copy()
    moves[:, 0] = (moves[:, 0] - looks[0]) // stride
    moves[:, 1] = np.searchsorted(ion.numbers, moves[:, 1])
    first = labels_from_events(track.first_labels, track.events, looks[:1])[0, ion.numbers].astype(np.int64)
    # where an ion moves, its first move says it
    first[moves[::-1, 1]] = moves[::-1, 2]
    counted = np.ones(len(looks), dtype=bool) if last_ns is None else window.late(looks, last_ns)
    if minimum_excess is not None:
        counted &= ion.counts["excess"][ion.rows(looks)] >= minimum_excess
    donors, donor_labels = ion.donors
    return count_exposed(
        moves[np.isin(moves[:, 3], ion.exchange_labels), 0],
        donors[ion.rows(looks)],
        stride * window.frame_ns,
        condition=counted,
        histories=IonHistories(first, moves, ion.exchange_labels, donor_labels),
    )


def face_area(production: ReducedProduction) -> float:
    """Return the area of one face of the slab, the mean cross-section of the box, nm²."""
    state, window = production.state, production.window
    edges = state.edges[window.begin - window.origin : window.stop - window.origin]
    return float((edges[:, 0] * edges[:, 1]).mean() / 100)


def _rate(key: str, events: int, exposure_ns: float, dispersion: float, level: float) -> dict[str, Any]:
    """Return a rate and its interval in s⁻¹, None without exposure."""
    if exposure_ns <= 0:
        return {key: None, f"{key}_interval": None}
    exposure_s = exposure_ns * 1e-9
    interval = rate_interval(events, exposure_s, level, dispersion=dispersion)
    return {key: events / exposure_s, f"{key}_interval": list(interval)}


# -- sensitivity ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Counting:
    """A way of counting: a rule, the labels that it left, and the stride (frames) at which these are compared."""

    rule: Rule
    track: Track
    stride: int
    core_scale: float | None = None


def sensitivity(production: ReducedProduction) -> list[dict[str, Any]]:
    """Count the entries and exits of each ion in other ways.

    These are the published rule at 1, 2, 5 and 10 times the stride of the snapshots; and cores of each width in
    the reduction, followed at every frame, with their labels compared at every frame and at these strides.

    Returns
    -------
    list of dict
        One record per way, see :data:`SENSITIVITY_RECORD`. A stride with fewer than two looks is left out.
    """
    tracks = production.tracks
    strides = [multiple * production.state.config.snapshot_frames for multiple in MULTIPLES]
    ways = [_Counting("snapshot", tracks["snapshot"], stride) for stride in strides]
    cores = {1.0: tracks["core"], **production.state.core_tracks} if "core" in tracks else {}
    for scale, track in sorted(cores.items()):
        ways += [_Counting("core", track, stride, scale) for stride in dict.fromkeys([1, *strides])]
    return [record for way in ways if (record := _record(production, way)) is not None]


def _record(production: ReducedProduction, way: _Counting) -> dict[str, Any] | None:
    looks = production.window.looks("core" if way.stride == 1 else "snapshot")
    observed = (production.window.stop - 1 - looks[0]) // way.stride if len(looks) else 0
    if observed < 1:
        return None
    record: dict[str, Any] = {
        "rule": way.rule,
        "stride_ps": way.stride * production.state.config.frame_ps,
        "core_scale": way.core_scale,
        "observed_ns": int(observed) * way.stride * production.window.frame_ns,
    }
    events = _events(production, way, int(looks[0]))
    for ion in production.ions.values():
        for side, found in ion.transitions(events).sides.items():
            record[f"s_in_{ion.exchange_key}_{side}"] = found.entries
            record[f"s_out_{ion.exchange_key}_{side}"] = found.exits
    return record


def _events(production: ReducedProduction, way: _Counting, start: int) -> NDArray[np.int64]:
    """Return the events (E, 4) in the window that are seen at the stride."""
    window, track = production.window, way.track
    if way.stride == window.look_frames(way.rule):
        return window.events(track.events, way.rule)
    # ions that never change would only enlarge the table of labels
    moving, columns = np.unique(track.events[:, 1], return_inverse=True)
    events = track.events.copy()
    events[:, 1] = columns
    recounted = recount_at_stride(
        track.first_labels[moving], events, way.rule, start=start, stop=window.stop, stride=way.stride
    )
    seen: NDArray[np.int64] = recounted.events.copy()
    seen[:, 1] = moving[seen[:, 1]]
    return seen
