"""Entries and exits by ion identity, their rates, and the rates under a condition."""

from __future__ import annotations

from typing import Any

from aiida_cse.analysis.production import Ion, IonTransitions, Subject
from aiida_cse.analysis.sensitivity import sensitivity
from aiida_cse.physics.exchange.exposure import Exposure, count_exposed
from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.exchange.transitions import Rule
from aiida_cse.physics.statistics.poisson import rate_interval

__all__ = ["exposure_of", "transitions"]


def transitions(subject: Subject) -> dict[str, Any]:
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
    config = subject.state.config
    by_rule: dict[str, Any] = {rule: _under(rule, subject) for rule in subject.tracks}
    return {
        **subject.facts,
        **subject.region_facts(),
        "rule": subject.settings.rule,
        "stride_ps": config.frame_ps * config.snapshot_frames,
        "regions": list(REGION_NAMES),
        "condition_minimum_excess": subject.settings.minimum_excess,
        **by_rule[subject.settings.rule],
        "by_rule": by_rule,
        "sensitivity": sensitivity(subject),
    }


def _under(rule: Rule, subject: Subject) -> dict[str, Any]:
    found = subject.transitions(rule)
    results: dict[str, Any] = {"observed_ns": subject.window.observed_ns(rule)}
    for name, ion in subject.ions.items():
        results |= _counts(ion, found[name]) | _rates(ion, found[name], rule, subject)
    return results | _conditioned(found, rule, subject)


def _counts(ion: Ion, found: IonTransitions) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for side, events in {"": found.both, **{f"_{side}": events for side, events in found.sides.items()}}.items():
        results[f"s_in_{ion.exchange_key}{side}"] = events.entries
        results[f"s_out_{ion.exchange_key}{side}"] = events.exits
    return results | {f"matrix_{ion.key}": found.matrix.tolist()}


# -- rates ---------------------------------------------------------------------------------------------------


def _rates(ion: Ion, found: IonTransitions, rule: Rule, subject: Subject) -> dict[str, Any]:
    exposure = exposure_of(ion, found, rule, subject)
    key = f"rate_in_{ion.exchange_key}"
    return {
        f"exposure_{ion.exchange_key}_ion_ns": exposure.ion_time,
        **_rate(f"{key}_per_s", exposure.events, exposure.time, subject.settings.level),
        **_rate(f"{key}_per_ion_per_s", exposure.events, exposure.ion_time, subject.settings.level),
    }


def _conditioned(found: dict[str, IonTransitions], rule: Rule, subject: Subject) -> dict[str, Any]:
    """Return the entries that count under the condition, of the ion that the slab started with."""
    minimum = subject.settings.minimum_excess
    ion = next((ion for ion in subject.ions.values() if "excess" in ion.counts), None)
    if ion is None:
        if minimum is None:
            return {}
        raise ValueError(f"minimum_excess is {minimum}, it must be null: the slab started with none of the ions")
    exposure = exposure_of(ion, found[ion.name], rule, subject, minimum)
    key = f"{ion.exchange_key}_conditioned"
    return {
        f"s_in_{key}": exposure.events,
        "exposure_conditioned_ns": exposure.time,
        "exposure_conditioned_ion_ns": exposure.ion_time,
        **_rate(f"rate_in_{key}_per_ion_per_s", exposure.events, exposure.ion_time, subject.settings.level),
    }


def exposure_of(
    ion: Ion, found: IonTransitions, rule: Rule, subject: Subject, minimum_excess: int | None = None
) -> Exposure:
    """Return the entries of an ion and the ns and ion·ns of its donors, while the excess was large enough.

    Parameters
    ----------
    ion, found, rule
        The ion and its transitions under this rule.
    subject
        The production.
    minimum_excess
        What counts is the time in which the excess is at least this; None for all of it.
    """
    window = subject.window
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
