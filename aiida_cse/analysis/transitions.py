"""Entries and exits by ion identity, their rates, and their dependence on the way of counting."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import Ion, IonTransitions, ReducedProduction
from aiida_cse.physics.exchange.exposure import Exposure, count_exposed
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.sensitivity import recount_at_stride
from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.physics.statistics.poisson import rate_interval
from aiida_cse.reduction.state import Track

__all__ = ["exposure_of", "sensitivity", "transitions"]


def transitions(production: ReducedProduction) -> dict[str, Any]:
    """Return the transitions of each ion, per side and under each rule that is known.

    Returns
    -------
    dict
        Numbers and lists; those of the rule of the settings at the top level, those of each rule in ``by_rule``.

    Raises
    ------
    ValueError
        ``minimum_excess`` is set and there is no ion that the slab started with.
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
        **by_rule[production.settings.rule],
        "by_rule": by_rule,
        "sensitivity": sensitivity(production),
    }


def _under(rule: Rule, production: ReducedProduction) -> dict[str, Any]:
    found = production.transitions(rule)
    results: dict[str, Any] = {"observed_ns": production.window.observed_ns(rule)}
    for name, ion in production.ions.items():
        results |= _counts(ion, found[name]) | _rates(ion, found[name], rule, production)
    return results | _conditioned(found, rule, production)


def _counts(ion: Ion, found: IonTransitions) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for side, events in {"": found.both, **{f"_{side}": events for side, events in found.sides.items()}}.items():
        results[f"s_in_{ion.exchange_key}{side}"] = events.entries
        results[f"s_out_{ion.exchange_key}{side}"] = events.exits
    return results | {f"matrix_{ion.key}": found.matrix.tolist()}


# -- rates ---------------------------------------------------------------------------------------------------


def _rates(ion: Ion, found: IonTransitions, rule: Rule, production: ReducedProduction) -> dict[str, Any]:
    exposure = exposure_of(ion, found, rule, production)
    key = f"rate_in_{ion.exchange_key}"
    return {
        f"exposure_{ion.exchange_key}_ion_ns": exposure.ion_time,
        **_rate(f"{key}_per_s", exposure.events, exposure.time, production.settings.level),
        **_rate(f"{key}_per_ion_per_s", exposure.events, exposure.ion_time, production.settings.level),
    }


def _conditioned(found: dict[str, IonTransitions], rule: Rule, production: ReducedProduction) -> dict[str, Any]:
    """Return the entries that count under the condition, of the ion that the slab started with."""
    minimum = production.settings.minimum_excess
    ion = next((ion for ion in production.ions.values() if "excess" in ion.counts), None)
    if ion is None:
        if minimum is None:
            return {}
        raise ValueError(f"minimum_excess is {minimum}, it must be null: the slab started with none of the ions")
    exposure = exposure_of(ion, found[ion.name], rule, production, minimum)
    key = f"{ion.exchange_key}_conditioned"
    return {
        f"s_in_{key}": exposure.events,
        "exposure_conditioned_ns": exposure.time,
        "exposure_conditioned_ion_ns": exposure.ion_time,
        **_rate(f"rate_in_{key}_per_ion_per_s", exposure.events, exposure.ion_time, production.settings.level),
    }


def exposure_of(
    ion: Ion, found: IonTransitions, rule: Rule, production: ReducedProduction, minimum_excess: int | None = None
) -> Exposure:
    """Return the entries of an ion and the ns and ion·ns of its donors, while the excess was large enough.

    Parameters
    ----------
    ion, found, rule
        The ion and its transitions under this rule.
    production
        The production.
    minimum_excess
        What counts is the time in which the excess is at least this; None for all of it.
    """
    window = production.window
    looks = window.looks(rule)
    if not len(looks):
        return Exposure(0, 0.0, 0.0)
    stride = window.look_frames(rule)
    entering = ion.entries(found.events)
    return count_exposed(
        (entering[:, 0] - looks[0]) // stride,
        ion.donors[ion.rows(looks)],
        stride * window.frame_ns,
        condition=None if minimum_excess is None else ion.counts["excess"][ion.rows(looks)] >= minimum_excess,
    )


def _rate(key: str, events: int, exposure_ns: float, level: float) -> dict[str, Any]:
    """Return a rate and its exact interval in s⁻¹, null where nothing was exposed."""
    if exposure_ns <= 0:
        return {key: None, f"{key}_interval": None}
    exposure_s = exposure_ns * 1e-9
    return {key: events / exposure_s, f"{key}_interval": list(rate_interval(events, exposure_s, level))}


#: strides that are tried, over that of the snapshots
MULTIPLES = (1, 2, 5, 10)


@dataclass(frozen=True)
class _Way:
    """One way of counting: a rule, the track that it left, and the stride (frames) at which that is looked at."""

    rule: Rule
    track: Track
    stride: int
    core_scale: float | None = None


def sensitivity(production: ReducedProduction) -> list[dict[str, Any]]:
    """Count the entries and exits of each ion in other ways.

    The published rule at 1, 2, 5 and 10 times the stride of the snapshots; cores, as wide as the regions say and
    as the reduction was asked for, followed at every frame, and their state looked at with these strides.

    Returns
    -------
    list of dict
        One record per way: ``rule``, ``stride_ps``, ``core_scale`` (None without cores), ``observed_ns``, and the
        entries and exits of each ion per side. A stride at which there are no two looks is left out.
    """
    return [record for way in _ways(production) if (record := _record(production, way)) is not None]


def _ways(production: ReducedProduction) -> Iterator[_Way]:
    strides = [multiple * production.state.config.snapshot_frames for multiple in MULTIPLES]
    for stride in strides:
        yield _Way("snapshot", production.tracks["snapshot"], stride)
    for scale, track in sorted(production.core_tracks.items()):
        for stride in dict.fromkeys([1, *strides]):
            yield _Way("core", track, stride, scale)


def _record(production: ReducedProduction, way: _Way) -> dict[str, Any] | None:
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


def _events(production: ReducedProduction, way: _Way, start: int) -> NDArray[np.int64]:
    """Return the events (E, 4) in the window as they are seen at the stride."""
    window, track = production.window, way.track
    if way.stride == window.look_frames(way.rule):
        return window.events(track.events, way.rule)
    # ions that never change would only make the table of labels larger
    moving, columns = np.unique(track.events[:, 1], return_inverse=True)
    events = track.events.copy()
    events[:, 1] = columns
    recounted = recount_at_stride(
        track.first_labels[moving], events, way.rule, start=start, stop=window.stop, stride=way.stride
    )
    seen: NDArray[np.int64] = recounted.events.copy()
    seen[:, 1] = moving[seen[:, 1]]
    return seen
