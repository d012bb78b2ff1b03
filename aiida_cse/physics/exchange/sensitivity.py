"""How a count of transitions depends on the way of counting: rule, stride and width of the cores.

From positions everything can be counted again (:func:`transition_sensitivity`). Where only a list of events was
kept, the labels that it stands for come back (:func:`labels_from_events`) and can be looked at more rarely
(:func:`recount_at_stride`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.exchange.regions import REGION_NAMES, RegionSet
from aiida_cse.physics.exchange.transitions import RULES, Exchange, Rule, Transitions, count_transitions
from aiida_cse.physics.statistics import arguments as checks

__all__ = ["Sensitivity", "labels_from_events", "recount_at_stride", "transition_sensitivity"]

Target = Literal["ceramic", "layer"]

#: largest whole number below which a float64 holds all of them
_LARGEST = 2**53
#: largest label that fits the type of the labels
_LARGEST_LABEL = 127
#: regions that each target needs
_NEEDED = {"ceramic": ("ceramic",), "layer": ("layer_left", "layer_right")}


@dataclass(frozen=True)
class Sensitivity:
    """Entries and exits per side, under one way of counting.

    Attributes
    ----------
    rule
        ``snapshot`` or ``core``.
    stride
        In frames.
    core_scale
        Width of the buffers over that of the regions' own; None under ``snapshot``, which has no cores.
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

    With a stride an ion is known at every stride-th frame only, under ``core`` too.

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
        Whose entries and exits: ``ceramic``, or each side's first ``layer``.

    Returns
    -------
    list of Sensitivity
        ``snapshot`` at each stride, then ``core`` for each scale at each stride.

    Raises
    ------
    ValueError
        ``z`` is not finite, a stride is no whole number above zero, a scale leaves no core, the target is not
        known, or ``regions`` lacks one that it needs.
    """
    places = checks.finite_array("z", z, ndim=2)
    steps = [_stride("strides", stride) for stride in strides]
    scaled = [(checks.nonnegative("core_scales", scale), _scaled(regions, scale)) for scale in core_scales]
    needed = _NEEDED[checks.one_of("target", target, _NEEDED)]
    missing = [name for name in needed if name not in regions.names]
    if missing:
        raise ValueError(
            f"regions of {regions.species} lack {', '.join(missing)}, which the target {target!r} needs"
        )
    labels = regions.label(places)
    results = [_sensitivity(labels, "snapshot", stride, None, regions.names, target) for stride in steps]
    for scale, cores in scaled:
        labels = cores.core_label(places)
        results += [_sensitivity(labels, "core", stride, scale, regions.names, target) for stride in steps]
    return results


def labels_from_events(
    first_labels: ArrayLike,
    events: ArrayLike,
    frames: ArrayLike,
    *,
    first_frames: ArrayLike | None = None,
) -> NDArray[np.int8]:
    """Return the label of each ion at each of some frames, from a list of all its events.

    Parameters
    ----------
    first_labels
        (ions,) the first label that each ion had, −1 for none.
    events
        (E, 4) frame, ion, from, to; ascending in the frame. The new label holds from that frame on.
    frames
        (F,) ascending numbers of the frames.
    first_frames
        (ions,) the frame from which on an ion has its first label; without them it always has it.

    Returns
    -------
    ndarray of int8
        (F, ions); −1 where an ion has no label yet.

    Raises
    ------
    ValueError
        An array has the wrong shape or other values than whole numbers, frames or events do not ascend, or an
        event leaves a region where its ion is not.
    """
    first = _whole("first_labels", first_labels, ndim=1, lowest=-1, highest=_LARGEST_LABEL)
    wanted = _whole("frames", frames, ndim=1)
    if (np.diff(wanted) <= 0).any():
        raise ValueError("frames must ascend")
    table = _checked_events(events)
    _check_continuity(table, first)
    labels = np.full((len(wanted), len(first)), -2, dtype=np.int8)
    labels[:1] = first
    rows = np.searchsorted(wanted, table[:, 0])
    seen = rows < len(wanted)
    # where several events of an ion fall between two frames, the last assignment, the latest event, stands
    labels[rows[seen], table[seen, 1]] = table[seen, 3]
    latest = np.maximum.accumulate(np.where(labels > -2, np.arange(len(wanted))[:, None], 0), axis=0)
    labels = np.take_along_axis(labels, latest, axis=0)
    if first_frames is not None:
        since = _whole("first_frames", first_frames, ndim=1, lowest=-1)
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
    """Count again, from a list of all events, what is seen by looking at every stride-th frame only.

    Under ``snapshot`` this is what :func:`count_transitions` finds in the labels at that stride, if each ion
    always has a label. Under ``core`` the events keep the state of each ion, which is followed at every frame
    all the same, and the count is that of its changes between looks. It is not the count for ions whose
    positions are known at the looks only, which may be in a buffer at the very look.

    Parameters
    ----------
    first_labels, events
        As :func:`labels_from_events` takes them; all events of the ions, counted at a finer stride.
    rule
        The rule that the events were found by.
    start, stop
        Numbers of the first frame that is looked at and of the frame behind the last.
    stride
        In the frames of the events.
    names
        Names of the regions, one per label.

    Returns
    -------
    Transitions
        Its events have the number of the look where the new label is seen for the first time.

    Raises
    ------
    ValueError
        As :func:`labels_from_events` and :func:`count_transitions`, or ``stop`` is not above ``start``.
    """
    first, end, step = _frame("start", start), _frame("stop", stop), _stride("stride", stride)
    if end <= first:
        raise ValueError(f"stop is {end}, it must be above start, {first}")
    checks.one_of("rule", rule, RULES)
    table = _checked_events(events)
    looks = _looks_with_news(table[:, 0], first, end, step)
    found = count_transitions(labels_from_events(first_labels, table, looks), rule, names=names)
    numbered = found.events.copy()
    numbered[:, 0] = looks[numbered[:, 0]]
    return Transitions(found.matrix, numbered, rule, step, names)


def _looks_with_news(frames: NDArray[np.int64], start: int, stop: int, stride: int) -> NDArray[np.int64]:
    """Return the first look, and those that are the first after an event; nothing changes at the others."""
    after = -(-np.maximum(frames - start, 0) // stride) * stride + start
    return np.unique(np.append(after[after < stop], start))


def _sensitivity(
    labels: NDArray[np.int8],
    rule: Rule,
    stride: int,
    scale: float | None,
    names: tuple[str, ...],
    target: Target,
) -> Sensitivity:
    sides = count_transitions(labels, rule, stride=stride, names=names).exchange(target)
    return Sensitivity(rule, stride, scale, sides["left"], sides["right"])


def _stride(name: str, stride: float) -> int:
    step = _frame(name, stride)
    if step < 1:
        raise ValueError(f"{name} is {stride}, it must be at least 1 frame")
    return step


def _frame(name: str, number: float) -> int:
    frame = checks.count(name, number)
    if frame > _LARGEST:
        raise ValueError(f"{name} is {number}, it must be at most {_LARGEST}")
    return frame


def _scaled(regions: RegionSet, scale: float) -> RegionSet:
    try:
        return regions.scaled_cores(scale)
    except ValueError as error:
        raise ValueError(f"core_scales: {error}") from error


def _whole(
    name: str, values: ArrayLike, *, ndim: int, lowest: int = 0, highest: int = _LARGEST
) -> NDArray[np.int64]:
    array = checks.finite_array(name, values, ndim=ndim, minimum=0)
    if (array < lowest).any() or (array > highest).any() or (array != np.floor(array)).any():
        raise ValueError(f"{name} must be whole numbers from {lowest} to {highest}")
    return array.astype(np.int64)


def _checked_events(events: ArrayLike) -> NDArray[np.int64]:
    """Return the events (E, 4), ascending in the frame and between labels that can be."""
    table = _whole("events", events, ndim=2)
    if table.shape[1] != 4:
        raise ValueError(f"events has {table.shape[1]} columns, it must have 4: frame, ion, from, to")
    if (table[:, 2:] > _LARGEST_LABEL).any():
        raise ValueError(f"events go from or to region {table[:, 2:].max()}, it must be at most {_LARGEST_LABEL}")
    if (np.diff(table[:, 0]) < 0).any():
        raise ValueError("events must ascend in the frame")
    return table


def _check_continuity(events: NDArray[np.int64], first_labels: NDArray[np.int64]) -> None:
    """Refuse an event that leaves a region where its ion is not, as far as that is known."""
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
