"""The dependence of a count of transitions on rule, stride and width of the cores.

Positions can be counted again under any rule (:func:`transition_sensitivity`). A list of events gives back the
labels of the ions (:func:`labels_from_events`), and the count at larger strides (:func:`recount_at_stride`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.exchange.regions import REGION_NAMES, RegionSet
from aiida_cse.physics.exchange.transitions import (
    NEEDED_REGIONS,
    RULES,
    Exchange,
    Rule,
    Transitions,
    count_transitions,
)
from aiida_cse.physics.statistics import arguments
from aiida_cse.schema import located

__all__ = ["Sensitivity", "labels_from_events", "recount_at_stride", "transition_sensitivity"]

Target = Literal["ceramic", "layer"]

#: largest label that fits the type of the labels
_LARGEST_LABEL = 127


@dataclass(frozen=True)
class Sensitivity:
    """Entries and exits per side, under one rule, stride and width of the cores.

    Attributes
    ----------
    rule
        ``snapshot`` or ``core``.
    stride
        In frames.
    core_scale
        Width of the buffers over that of the regions; None under ``snapshot``, which has no cores.
    left, right
        Entries and exits.
    """

    rule: Rule
    stride: int
    core_scale: float | None
    left: Exchange
    right: Exchange


def transition_sensitivity(
    z: ArrayLike,
    regions: RegionSet,
    *,
    strides: Sequence[int] = (1, 2, 5, 10),
    core_scales: Sequence[float] = (0.5, 1.0, 1.5),
    target: Target = "ceramic",
) -> list[Sensitivity]:
    """Count the transitions of positions under both rules, at each stride, and for each width of the cores.

    With a stride only every stride-th frame is used, also under ``core``.

    Parameters
    ----------
    z
        (frames, ions) positions in the frame of the slab, Å.
    regions
        Regions of the species.
    strides
        In frames.
    core_scales
        Widths of the buffers over those of ``regions``.
    target
        Region of the entries and exits: ``ceramic``, or the first ``layer`` of each side.

    Returns
    -------
    list of Sensitivity
        ``snapshot`` at each stride, then ``core`` for each scale at each stride.

    Raises
    ------
    ValueError
        ``z`` is not finite, a stride is no whole number above zero, a scale leaves no core, the target is
        unknown, or ``regions`` lacks one that it needs.
    """
    places = arguments.array("z", z, ndim=2, length=1)
    steps = [arguments.count("strides", stride, least=1) for stride in strides]
    needed = NEEDED_REGIONS[arguments.one_of("target", target, NEEDED_REGIONS)]
    missing = [name for name in needed if name not in regions.names]
    if missing:
        raise ValueError(
            f"regions of {regions.species} lack {', '.join(missing)}, which the target {target!r} needs"
        )
    ways: list[tuple[Rule, float | None, NDArray[np.int8]]] = [("snapshot", None, regions.label(places))]
    for scale in core_scales:
        with located("core_scales"):
            ways.append(("core", scale, regions.scaled_cores(scale).core_label(places)))
    results = []
    for rule, core_scale, labels in ways:
        for stride in steps:
            sides = count_transitions(labels, rule, stride=stride, names=regions.names).exchange(target)
            results.append(Sensitivity(rule, stride, core_scale, sides["left"], sides["right"]))
    return results


def labels_from_events(
    first_labels: ArrayLike,
    events: ArrayLike,
    frames: ArrayLike,
    *,
    first_frames: ArrayLike | None = None,
) -> NDArray[np.int8]:
    """Return the label of each ion at given frames, from a list of all its events.

    Parameters
    ----------
    first_labels
        (ions,) the first label of each ion, −1 for none.
    events
        (E, 4) frame, ion, from, to; ascending in the frame. The new label holds from that frame on.
    frames
        (F,) ascending numbers of the frames.
    first_frames
        (ions,) the frame at which an ion gets its first label; without them it has it from the start.

    Returns
    -------
    ndarray of int8
        (F, ions); −1 where an ion has no label yet.

    Raises
    ------
    ValueError
        An array has the wrong shape or values that are no whole numbers, frames or events do not ascend, or an
        event leaves a region that its ion is not in.
    """
    first = _whole("first_labels", first_labels, ndim=1, least=-1, most=_LARGEST_LABEL)
    wanted = _whole("frames", frames, ndim=1)
    if (np.diff(wanted) <= 0).any():
        raise ValueError("frames must ascend")
    table = _checked_events(events)
    _check_continuity(table, first)
    labels = np.full((len(wanted), len(first)), -2, dtype=np.int8)
    labels[:1] = first
    rows = np.searchsorted(wanted, table[:, 0])
    seen = rows < len(wanted)
    # of several events of an ion between two frames, the last assignment is the latest event
    labels[rows[seen], table[seen, 1]] = table[seen, 3]
    latest = np.maximum.accumulate(np.where(labels > -2, np.arange(len(wanted))[:, None], 0), axis=0)
    labels = np.take_along_axis(labels, latest, axis=0)
    if first_frames is not None:
        since = _whole("first_frames", first_frames, ndim=1, least=-1)
        if len(since) != len(first):
            raise ValueError(f"first_frames has {len(since)} values, first_labels has {len(first)}")
        labels[wanted[:, None] < since] = -1
    return labels


def recount_at_stride(
    first_labels: ArrayLike,
    events: ArrayLike,
    rule: Rule = "snapshot",
    *,
    start: int,
    stop: int,
    stride: int,
    names: tuple[str, ...] = REGION_NAMES,
) -> Transitions:
    """Count the transitions seen at every stride-th frame, from a list of all events.

    Under ``snapshot`` this is the result of :func:`count_transitions` for the labels at that stride, if each ion
    always has a label. Under ``core`` the state of each ion is still followed at every frame, and its changes
    between looks are counted. This differs from the count for positions known at the looks only, where an ion may
    be in a buffer.

    Parameters
    ----------
    first_labels, events
        As in :func:`labels_from_events`; all events of the ions, counted at a finer stride.
    rule
        The rule of the events.
    start, stop
        Numbers of the first look and of the frame after the last.
    stride
        In the frames of the events.
    names
        Names of the regions, one per label.

    Returns
    -------
    Transitions
        Its events have the number of the first look with the new label.

    Raises
    ------
    ValueError
        As :func:`labels_from_events` and :func:`count_transitions`, or ``stop`` is not above ``start``.
    """
    first = arguments.count("start", start)
    end, step = arguments.count("stop", stop, least=first + 1), arguments.count("stride", stride, least=1)
    arguments.one_of("rule", rule, RULES)
    table = _checked_events(events)
    # the first look, and the first one after each event; nothing changes at the others
    after = -(-np.maximum(table[:, 0] - first, 0) // step) * step + first
    looks = np.unique(np.append(after[after < end], first))
    found = count_transitions(labels_from_events(first_labels, table, looks), rule, names=names)
    numbered = found.events.copy()
    numbered[:, 0] = looks[numbered[:, 0]]
    return Transitions(found.matrix, numbered, rule, step, names)


def _whole(
    name: str, values: ArrayLike, *, ndim: int, least: int = 0, most: int = arguments.LARGEST_COUNT
) -> NDArray[np.int64]:
    return arguments.array(name, values, ndim=ndim, least=least, most=most, whole=True).astype(np.int64)


def _checked_events(events: ArrayLike) -> NDArray[np.int64]:
    """Return the events (E, 4), which ascend in the frame and have possible labels."""
    table = _whole("events", events, ndim=2)
    if table.shape[1] != 4:
        raise ValueError(f"events has {table.shape[1]} columns: must have 4, frame, ion, from, to")
    if (table[:, 2:] > _LARGEST_LABEL).any():
        raise ValueError(f"events go from or to region {table[:, 2:].max()}: must be at most {_LARGEST_LABEL}")
    if (np.diff(table[:, 0]) < 0).any():
        raise ValueError("events must ascend in the frame")
    return table


def _check_continuity(events: NDArray[np.int64], first_labels: NDArray[np.int64]) -> None:
    """Refuse an event that leaves a region other than the known one of its ion."""
    if (events[:, 1] >= len(first_labels)).any():
        raise ValueError(f"events are of ion {events[:, 1].max()}, first_labels has {len(first_labels)} ions")
    order = np.argsort(events[:, 1], kind="stable")
    ions, origins, targets = events[order, 1:].T
    same_ion = np.diff(ions, prepend=-1) == 0
    before = np.where(same_ion, np.roll(targets, 1), first_labels[ions])
    wrong = np.flatnonzero((before >= 0) & (before != origins))
    if len(wrong):
        at = int(wrong[0])
        raise ValueError(
            f"events[{order[at]}] leaves region {origins[at]}, but ion {ions[at]} is in region {before[at]}"
        )
