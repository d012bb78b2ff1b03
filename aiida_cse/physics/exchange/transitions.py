"""Transitions between regions, counted by ion identity under a named rule.

``snapshot``
    The published rule: an ion that is in another region than at the snapshot before has made a transition.
``core``
    Buchete and Hummer (J. Phys. Chem. B 112, 6057, 2008), Schütte et al. (J. Chem. Phys. 134, 204105, 2011): a
    transition counts only when the ion enters another core; in the buffer it keeps its state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.exchange.regions import REGION_NAMES
from aiida_cse.physics.statistics import arguments

__all__ = [
    "NEEDED_REGIONS",
    "RULES",
    "Exchange",
    "Rule",
    "Transitions",
    "count_transitions",
    "exchange",
    "transition_matrix",
]

Rule = Literal["snapshot", "core"]
RULES: tuple[Rule, ...] = ("snapshot", "core")
#: targets of an exchange, and the regions that each needs
NEEDED_REGIONS: Final = {"ceramic": ("ceramic",), "layer": ("layer_left", "layer_right")}
#: most regions: labels are stored as bytes
_MOST_REGIONS: Final = 128


@dataclass(frozen=True)
class Exchange:
    """Entries to and exits from a region."""

    entries: int
    exits: int

    @property
    def total(self) -> int:
        """S_t, entries and exits together."""
        return self.entries + self.exits

    def __add__(self, other: Exchange) -> Exchange:
        return Exchange(self.entries + other.entries, self.exits + other.exits)


@dataclass(frozen=True)
class Transitions:
    """Result of :func:`count_transitions`.

    Attributes
    ----------
    matrix
        (R, R) int64, transitions from region i to region j.
    events
        (E, 4) int64, sorted by frame and ion: frame, ion, from, to. The frame is the first one in the new region
        under the rule.
    rule, stride
        Of the count; ``stride`` in frames.
    names
        Names of the regions.
    """

    matrix: NDArray[np.int64]
    events: NDArray[np.int64]
    rule: Rule
    stride: int
    names: tuple[str, ...]

    def exchange(self, target: str) -> dict[str, Exchange]:
        """Return entries and exits per side; see :func:`exchange`."""
        return exchange(self.matrix, target, self.names)


def count_transitions(
    labels: ArrayLike,
    rule: Rule = "snapshot",
    *,
    stride: int = 1,
    names: tuple[str, ...] = REGION_NAMES,
) -> Transitions:
    """Count the transitions in a table of labels.

    Parameters
    ----------
    labels
        (frames, ions) integers. Under ``snapshot`` the region of each ion, −1 for none; a change to or from none
        is no transition. Under ``core`` its core, −1 in a buffer.
    rule
        ``snapshot`` or ``core``.
    stride
        Use every stride-th frame, from the first on.
    names
        Names of the regions, one per label.

    Raises
    ------
    ValueError
        The rule is unknown, the stride is no whole number of at least 1, a label is out of range, or two regions
        have the same name.
    """
    arguments.one_of("rule", rule, RULES)
    step = arguments.count("stride", stride, least=1)
    regions = arguments.distinct_names("names", names)
    whole = arguments.array("labels", labels, ndim=2, length=1, least=-1, most=len(regions) - 1, whole=True)
    table = whole.astype(np.int64)[::step]
    before, after = table[:-1], table[1:]
    if rule == "core":
        # in a buffer (−1) an ion keeps its previous label
        rows = np.where(before >= 0, np.arange(len(before))[:, None], 0)
        before = np.take_along_axis(before, np.maximum.accumulate(rows, axis=0), axis=0)
    frames, ions = np.nonzero((before != after) & (before >= 0) & (after >= 0))
    events = np.column_stack([(frames + 1) * step, ions, before[frames, ions], after[frames, ions]]).astype(
        np.int64
    )
    return Transitions(_matrix(events, len(regions)), events, rule, step, regions)


def transition_matrix(events: ArrayLike, regions: int = len(REGION_NAMES)) -> NDArray[np.int64]:
    """Return the (regions, regions) matrix of an (E, 4) list of events: frame, ion, from, to.

    Raises
    ------
    ValueError
        ``regions`` is not from 1 to 128, ``events`` is no (E, 4) whole numbers of at least zero, or one has a
        region that does not exist.
    """
    number = arguments.count("regions", regions, 1, _MOST_REGIONS)
    values = arguments.array("events", events, least=0, most=arguments.LARGEST_COUNT, whole=True)
    table = arguments.array("events", values if values.size else np.zeros((0, 4)), ndim=2)
    if table.shape[1] != 4:
        raise ValueError(f"events has {table.shape[1]} columns: must have 4, frame, ion, from, to")
    if (table[:, 2:] >= number).any():
        raise ValueError(f"events go from or to region {table[:, 2:].max():g}: must be below regions = {number}")
    return _matrix(table.astype(np.int64), number)


def exchange(matrix: ArrayLike, target: str, names: tuple[str, ...] = REGION_NAMES) -> dict[str, Exchange]:
    """Return entries and exits per side, under the keys ``left`` and ``right``.

    Parameters
    ----------
    matrix
        (R, R) transitions from i to j.
    target
        ``ceramic``: the side is that of the region the ion came from or went to. ``layer``: the first layer of
        each side against all other regions.

    Raises
    ------
    ValueError
        ``target`` is neither, ``names`` lacks a region that it needs, or ``matrix`` is no table of counts with a
        row and a column for each name.
    """
    arguments.one_of("target", target, NEEDED_REGIONS)
    index = {name: label for label, name in enumerate(arguments.distinct_names("names", names))}
    if missing := [name for name in NEEDED_REGIONS[target] if name not in index]:
        raise ValueError(f"names = {names!r}: for target {target!r} must hold {', '.join(missing)}")
    table = arguments.array("matrix", matrix, ndim=2, least=0, most=arguments.LARGEST_COUNT, whole=True)
    if table.shape != (len(names), len(names)):
        raise ValueError(f"matrix has the shape {table.shape}, names has {len(names)} regions")
    if target == "ceramic":
        ceramic = index["ceramic"]
        sides = {"left": range(ceramic), "right": range(ceramic + 1, len(names))}
        return {
            side: Exchange(int(table[list(others), ceramic].sum()), int(table[ceramic, list(others)].sum()))
            for side, others in sides.items()
        }
    layers = {side: index[f"layer_{side}"] for side in ("left", "right")}
    return {
        side: Exchange(
            int(table[:, label].sum() - table[label, label]),
            int(table[label].sum() - table[label, label]),
        )
        for side, label in layers.items()
    }


def _matrix(events: NDArray[np.int64], regions: int) -> NDArray[np.int64]:
    matrix = np.zeros((regions, regions), dtype=np.int64)
    np.add.at(matrix, (events[:, 2], events[:, 3]), 1)
    return matrix
