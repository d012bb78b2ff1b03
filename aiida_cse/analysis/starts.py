"""Ions by depth in the slab, and the judgement of several runs that started with different numbers of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.production import FACT_KEYS, ReducedProduction
from aiida_cse.analysis.registry import Documented, Need, finite_or_none, observable
from aiida_cse.physics.exchange.starts import (
    BOTH_SIDES,
    NOT_EQUILIBRATED,
    ONE_START,
    UNJUDGED,
    LayerOutcome,
    StartCriteria,
    StartedRun,
    StartsVerdict,
    ion_trends,
    judge_starts,
    slowest_time,
)
from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.timeseries import covariance_between_ions

__all__ = ["STARTS", "STARTS_LAYER", "both_starts", "depth_populations", "starts_lines"]

Results = Mapping[str, Any]

#: thickness of the layers of depth, Å, which divide either half of the slab equally
_THICKNESS = 4.0
#: layers that are joined for the judgement, if either half has more than two
_JOINED = 2
#: largest difference of the edges of layers of two runs, Å, and of their temperatures, K
_SAME_EDGES, _SAME_TEMPERATURE = 0.5, 1e-3
#: the worst outcome first
_KINDS = (NOT_EQUILIBRATED, ONE_START, BOTH_SIDES)


@observable(
    "depth_populations",
    kind="ArrayData",
    summary="Number of ions per layer of depth in the slab.",
    description=(
        "Ions that exchange with the ceramic, per layer of depth, at the snapshots since the first frame. Either "
        "half of the slab, from the boundary of the ceramic region to the mid-plane, is divided into equal "
        "layers of about 4 Å. `cse.starts` compares runs with different starts by them; see "
        "[two starts](../science/stopping.md#two-starts)."
    ),
    need=Need(
        "ions that exchange with the ceramic",
        lambda config: any(species.exchange == "ceramic" for species in config.ions.values()),
    ),
    section="Populations",
    keys={
        **FACT_KEYS,
        "ions": ("", "Ions that exchange with the ceramic"),
        "times_ns": ("ns", "(F) times of the snapshots, from the first frame of the reduction"),
        "judged_from_ns": (
            "ns",
            "Start of the part that is compared: a third of the time, or `start_ns` if that is later",
        ),
        "depth_edges_<ion>_A": ("Å", "(L + 1) edges of the layers from LEFT to RIGHT, from the mid-plane"),
        "n_<ion>_depth": ("ions", "(F, L) number in each layer at each snapshot; the first is that at the start"),
        "covariance_<ion>_depth": (
            "ions²",
            "(L, L) covariance of the mean numbers since `judged_from_ns`, from the differences between the ions",
        ),
        "trend_covariance_<ion>_depth": (
            "ions²",
            "(L, L) the same of the changes of the numbers along their linear trends",
        ),
    },
)
def depth_populations(production: ReducedProduction) -> dict[str, Any]:
    """Return the numbers of ions per layer of depth at the snapshots of the reduction, and their covariance.

    An ion is in the layer in which the centre of its bin lies. The snapshots are those from the first frame of the
    reduction to the end of the window, so that the start of the production is among them wherever the analysis
    begins.
    """
    state, window = production.state, production.window
    ions = [ion for ion in production.ions.values() if ion.species.exchange == "ceramic"]
    frames = state.snapshots[state.snapshots < window.stop]
    third = state.start + math.ceil((window.stop - state.start) * UNJUDGED)
    judged = frames >= max(window.begin, third)
    results: dict[str, Any] = {
        **production.facts,
        "ions": [ion.name for ion in ions],
        "times_ns": (frames - state.start) * window.frame_ns,
        "judged_from_ns": (max(window.begin, third) - state.start) * window.frame_ns,
    }
    centres = state.config.grid.centres
    for ion in ions:
        # as many layers of depth on either side of the mid-plane
        low, high = ion.species.edges[2], ion.species.edges[3]
        number = max(1, round(min(-low, high) / _THICKNESS))
        edges = np.concatenate([np.linspace(low, 0, number + 1), np.linspace(0, high, number + 1)[1:]])
        layer_of_bin = np.searchsorted(edges, centres, side="right") - 1
        layer_of_bin[(centres < edges[0]) | (centres >= edges[-1])] = -1
        places = layer_of_bin[state.snapshot_bins[: len(frames), ion.numbers]]
        inside = np.stack([places == layer for layer in range(len(edges) - 1)], axis=2)
        results |= {
            f"depth_edges_{ion.key}_A": edges.tolist(),
            f"n_{ion.key}_depth": inside.sum(axis=1),
            f"covariance_{ion.key}_depth": covariance_between_ions(
                inside[judged].sum(axis=0) / max(int(judged.sum()), 1)
            ),
            f"trend_covariance_{ion.key}_depth": covariance_between_ions(ion_trends(inside[judged])),
        }
    return results


STARTS = Documented(
    "starts",
    (
        "Judgement of runs of one temperature that started with different numbers of ions in the slab "
        "(`cse.starts`); see [two starts](../science/stopping.md#two-starts). Layers of the same depth on both "
        "sides are compared together."
    ),
    {
        "temperature_K": ("K", "Temperature of the runs"),
        "runs": ("", "Labels of the runs"),
        "kind": (
            "",
            f"`{BOTH_SIDES}`, `{ONE_START}` if a layer was not tested but each run has passed its own verdict, or "
            f"`{NOT_EQUILIBRATED}`",
        ),
        "equilibrated": ("", "Whether the runs are equilibrated, of either kind"),
        "reasons": ("", "The outcome, then one statement for the slab and for each layer of depth"),
        "layers": ("", "A record for the slab of each ion and for each of its layers, from the surface inward"),
        "times_ns": ("ns", "Length of each run since its start"),
        "judged_from_ns": ("ns", "Start of the compared part of each run"),
        "slowest_times_ns": ("ns", "Slowest relaxation time that each run could have seen alone"),
        "criteria": ("", "The thresholds"),
    },
)

STARTS_LAYER = Documented(
    "layers of starts",
    "A record of the slab or of a layer in `starts`.",
    {
        "ion": ("", "Name of the ion"),
        "layer": ("", "`slab`, or the depth of the layer below the boundary of the ceramic region"),
        "status": (
            "",
            "`met`, `apart`, `drifting` (all runs together) or, if the runs did not start apart, `not tested`",
        ),
        "between": ("", "The two runs that started farthest apart, that with more ions first"),
        "gap": ("ions", "Their difference at the start"),
        "gap_deviations": ("", "The same in standard deviations of the number at equilibrium; null if unknown"),
        "difference": ("ions", "Difference D of their mean numbers"),
        "difference_error": ("ions", "Its standard error"),
        "scale_reduction": ("", "R̂ of all runs; null if no number changed"),
        "remaining": ("", "Upper bound of the share of the gap that remains; null without a gap"),
        "drift": ("ions", "Change of the numbers of all runs, added, along their linear trends"),
        "drift_error": ("ions", "Its standard error"),
        "drift_p_value": ("", "p-value of no drift"),
    },
)


def both_starts(runs: Mapping[str, Results], criteria: StartCriteria | None = None) -> dict[str, Any]:
    """Judge whether runs of one temperature that started with different numbers of ions have met.

    Parameters
    ----------
    runs
        By label the results ``depth_populations`` of at least two runs and, for a verdict where a layer is not
        tested, ``equilibration``.
    criteria
        Thresholds.

    Returns
    -------
    dict
        The keys of :data:`STARTS`.

    Raises
    ------
    ValueError
        There are fewer than two runs, or they differ in temperature, ions or layers, or are too short; a result is
        missing, or is no such result.
    """
    chosen = criteria or StartCriteria()
    found = {label: _depths(label, run) for label, run in runs.items()}
    verdicts = {label: _verdict_alone(label, run) for label, run in runs.items()}
    if len(found) < 2:
        raise ValueError(f"runs = {', '.join(found) or 'none'}: at least two runs are needed")
    first_label, first = next(iter(found.items()))
    for label, run in found.items():
        apart = abs(run["temperature_K"] - first["temperature_K"])
        if apart > _SAME_TEMPERATURE or run["ions"] != first["ions"]:
            mine, others = (f"{', '.join(one['ions'])} at {one['temperature_K']:g} K" for one in (run, first))
            raise ValueError(
                f"runs.{label}: is of {mine}, but {first_label} of {others}; give runs of one system at one "
                "temperature"
            )
    judged = {ion: _judge_ion(ion, found, verdicts, chosen) for ion in first["ions"]}
    kind = min((verdict.kind for verdict in judged.values()), key=_KINDS.index)
    elapsed = {label: float(run["end_ns"]) for label, run in found.items()}
    return {
        "temperature_K": first["temperature_K"],
        "runs": list(runs),
        "kind": kind,
        "equilibrated": kind != NOT_EQUILIBRATED,
        "reasons": [
            line
            for ion, verdict in judged.items()
            for line in (
                f"{ion}: {verdict.reason}",
                *(one.sentence for one in (verdict.slab, *verdict.layers)),
            )
        ],
        "layers": [
            _record(ion, one) for ion, verdict in judged.items() for one in (verdict.slab, *verdict.layers)
        ],
        "times_ns": elapsed,
        "judged_from_ns": {label: float(run["judged_from_ns"]) for label, run in found.items()},
        "slowest_times_ns": {label: slowest_time(time) for label, time in elapsed.items()},
        "criteria": chosen.model_dump(mode="json"),
    }


def _depths(label: str, run: Results) -> Results:
    """Return the result ``depth_populations`` of a run, with the keys and types that the judgement needs."""
    if "depth_populations" not in run:
        raise ValueError(f"runs.{label}: depth_populations is missing; analyse its reduction again")
    found: Results = run["depth_populations"]
    place = f"runs.{label}.depth_populations"
    ions = found.get("ions") if isinstance(found, Mapping) else None
    keys = ["temperature_K", "ions", "end_ns", "judged_from_ns", "times_ns"]
    for ion in map(str, ions if isinstance(ions, list | tuple) else ()):
        keys += [f"depth_edges_{ion.lower()}_A", f"n_{ion.lower()}_depth", f"covariance_{ion.lower()}_depth"]
    missing = [key for key in keys if not isinstance(found, Mapping) or key not in found]
    if missing:
        raise ValueError(f"{place}: {missing[0]} is missing; give the depth_populations of a production")
    if not arguments.distinct_names(f"{place}.ions", found["ions"]):
        raise ValueError(f"{place}.ions = []: no ion exchanges with the ceramic; give runs of an interface")
    for key in ("temperature_K", "end_ns", "judged_from_ns"):
        arguments.number(f"{place}.{key}", found[key], least=0)
    times = arguments.array(f"{place}.times_ns", found["times_ns"], ndim=1)
    for ion in found["ions"]:
        edges, numbers = f"depth_edges_{ion.lower()}_A", f"n_{ion.lower()}_depth"
        # a judgement in every layer needs an outer and an inner one
        layers = len(arguments.array(f"{place}.{edges}", found[edges], ndim=1, length=3)) - 1
        if (np.diff(found[edges]) <= 0).any():
            raise ValueError(f"{place}.{edges}: must ascend")
        shape = arguments.array(f"{place}.{numbers}", found[numbers], ndim=2, length=1).shape
        if shape != (len(times), layers):
            raise ValueError(
                f"{place}.{numbers} has {shape[0]} times and {shape[1]} layers, but times_ns {len(times)} and "
                f"{edges} {layers}: they must agree"
            )
    return found


def _verdict_alone(label: str, run: Results) -> bool | None:
    """Return the verdict of a run on its own, None without the result ``equilibration``."""
    if "equilibration" not in run:
        return None
    found = run["equilibration"]
    if not isinstance(found, Mapping) or not isinstance(found.get("equilibrated"), bool | np.bool_):
        raise ValueError(
            f"runs.{label}.equilibration: equilibrated is missing; give the equilibration of a production, or none"
        )
    return bool(found["equilibrated"])


def _judge_ion(
    ion: str, runs: Mapping[str, Results], alone: Mapping[str, bool | None], criteria: StartCriteria
) -> StartsVerdict:
    """Judge one ion, in layers that join both sides of the slab."""
    key, started = ion.lower(), {}
    edges = {label: np.asarray(found[f"depth_edges_{key}_A"]) for label, found in runs.items()}
    first_label = next(iter(runs))
    first = edges[first_label]
    for label, one in edges.items():
        if len(one) != len(first) or np.abs(one - first).max() > _SAME_EDGES:
            raise ValueError(
                f"runs.{label}: its layers of depth are not those of {first_label}; analyse both with the same "
                "boundaries"
            )
    groups, names = _joined_layers(first)
    for label, found in runs.items():
        numbers = np.asarray(found[f"n_{key}_depth"])
        judged = np.asarray(found["times_ns"]) >= found["judged_from_ns"] * (1 - 1e-9)
        try:
            fine = StartedRun(
                at_start=numbers[0],
                series=numbers[judged],
                covariance=found[f"covariance_{key}_depth"],
                equilibrated=alone[label],
                # a result of an earlier version has none
                trend_covariance=found.get(f"trend_covariance_{key}_depth"),
            )
        except ValueError as error:
            raise ValueError(f"runs.{label}.depth_populations, {ion}: {error}") from error
        started[label] = fine.joined(groups)
    return judge_starts(started, names, criteria)


def _joined_layers(edges: NDArray[np.float64]) -> tuple[list[list[int]], list[str]]:
    """Return the layers that are judged together, and names by depth, from the surface to the middle.

    Layers of the same depth on both sides are joined, and two of successive depth, since a layer that has not
    relaxed leaves half of the gap of both: more than the third that may remain.
    """
    layers = len(edges) - 1
    # a layer in the middle belongs to both halves, and is counted once
    half = (layers + 1) // 2
    parts = np.array_split(np.arange(half), max(min(half, 2), math.ceil(half / _JOINED)))
    depths = (edges[: half + 1] - edges[0] + edges[-1] - edges[::-1][: half + 1]) / 2
    depths = np.minimum(depths, (edges[-1] - edges[0]) / 2)
    groups = [sorted({*part.tolist(), *(layers - 1 - part).tolist()}) for part in parts]
    return groups, [f"{depths[part[0]]:.3g}–{depths[part[-1] + 1]:.3g} Å" for part in parts]


def _record(ion: str, found: LayerOutcome) -> dict[str, Any]:
    return {
        "ion": ion,
        "layer": found.name,
        "status": found.status,
        "between": list(found.between),
        "gap": found.gap,
        "gap_deviations": finite_or_none(found.gap_deviations),
        "difference": found.difference,
        "difference_error": found.standard_error,
        "scale_reduction": finite_or_none(found.scale_reduction),
        "remaining": finite_or_none(found.remaining),
        "drift": found.drift,
        "drift_error": found.drift_error,
        "drift_p_value": found.drift_p_value,
    }


def starts_lines(found: Results) -> Iterator[str]:
    """Yield the judgement of a result ``starts`` for the terminal, a line each."""
    labels: Sequence[str] = found["runs"]
    yield f"{found['temperature_K']:g} K, {len(labels)} starts: {found['kind']}"
    for reason in found["reasons"]:
        yield f"  {reason}"
