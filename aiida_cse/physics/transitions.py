"""Transitions between regions, counted by ion identity under a named rule.

``snapshot``
    The published rule: an ion that is in another region than at the snapshot before has made a transition.
``core``
    Buchete and Hummer (J. Phys. Chem. B 112, 6057, 2008), Schütte et al. (J. Chem. Phys. 134, 204105, 2011):
    a transition counts only when the ion enters another core; in the buffer it keeps its state.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics import checks
from aiida_cse.physics.regions import REGION_NAMES

__all__ = ["RULES", "Exchange", "Rule", "Transitions", "count_transitions", "exchange", "transition_matrix"]

Rule = Literal["snapshot", "core"]
RULES: tuple[Rule, ...] = ("snapshot", "core")


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
    """What :func:`count_transitions` found.

    Attributes
    ----------
    matrix
        (R, R) int64, transitions from region i to region j.
    events
        (E, 4) int64, sorted by frame and ion: frame, ion, from, to. The frame is the one where the ion is in
        its new region for the first time under the rule.
    rule, stride
        How they were counted; ``stride`` in frames.
    names
        Names of the regions.
    """

    matrix: NDArray[np.int64]
    events: NDArray[np.int64]
    rule: Rule
    stride: int
    names: tuple[str, ...]

    def exchange(self, target: str) -> dict[str, Exchange]:
        """Entries and exits per side; see :func:`exchange`."""
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
        (frames, ions) integers. Under ``snapshot`` the region of each ion, −1 for none: a change to or from
        none is no transition. Under ``core`` its core, −1 in a buffer.
    rule
        ``snapshot`` or ``core``.
    stride
        Use every stride-th frame, from the first on.
    names
        Names of the regions, one per label.

    Raises
    ------
    ValueError
        The rule is not known, the stride is below 1, or a label is out of range.
    """
    if rule not in RULES:
        raise ValueError(f"rule is {rule!r}, it must be one of {', '.join(RULES)}")
    if stride < 1:
        raise ValueError(f"stride is {stride}, it must be at least 1 frame")
    table = _label_table(labels, len(names))[::stride]
    before = table[:-1] if rule == "snapshot" else _remembered(table)[:-1]
    after = table[1:]
    frames, ions = np.nonzero((before != after) & (before >= 0) & (after >= 0))
    events = np.column_stack([(frames + 1) * stride, ions, before[frames, ions], after[frames, ions]]).astype(
        np.int64
    )
    return Transitions(transition_matrix(events, len(names)), events, rule, stride, names)


def transition_matrix(events: ArrayLike, regions: int = len(REGION_NAMES)) -> NDArray[np.int64]:
    """Return the (regions, regions) matrix of an (E, 4) list of events: frame, ion, from, to."""
    table = np.asarray(events, dtype=np.int64).reshape(-1, 4)
    matrix = np.zeros((regions, regions), dtype=np.int64)
    np.add.at(matrix, (table[:, 2], table[:, 3]), 1)
    return matrix


def exchange(matrix: ArrayLike, target: str, names: tuple[str, ...] = REGION_NAMES) -> dict[str, Exchange]:
    """Return entries and exits per side, under the keys ``left`` and ``right``.

    Parameters
    ----------
    matrix
        (R, R) transitions from i to j.
    target
        ``ceramic``: the side is where the ion came from or went to. ``layer``: each side's first layer
        against every other region.

    Raises
    ------
    ValueError
        ``target`` is neither.
    """
    table = np.asarray(matrix)
    index = {name: label for label, name in enumerate(names)}
    if target == "ceramic":
        ceramic = index["ceramic"]
        sides = {"left": range(ceramic), "right": range(ceramic + 1, len(names))}
        return {
            side: Exchange(int(table[list(others), ceramic].sum()), int(table[ceramic, list(others)].sum()))
            for side, others in sides.items()
        }
    if target == "layer":
        layers = {side: index[f"layer_{side}"] for side in ("left", "right")}
        return {
            side: Exchange(
                int(table[:, label].sum() - table[label, label]),
                int(table[label].sum() - table[label, label]),
            )
            for side, label in layers.items()
        }
    raise ValueError(f"target is {target!r}, it must be 'ceramic' or 'layer'")


def _label_table(labels: ArrayLike, regions: int) -> NDArray[np.int64]:
    values = checks.finite_array("labels", labels, ndim=2)
    if (values < -1).any() or (values >= regions).any() or (values != np.floor(values)).any():
        raise ValueError(f"labels must be whole numbers from -1 to {regions - 1}")
    return values.astype(np.int64)


def _remembered(table: NDArray[np.int64]) -> NDArray[np.int64]:
    """Fill each −1 with the last label that its ion had before."""
    rows = np.where(table >= 0, np.arange(len(table))[:, None], 0)
    filled: NDArray[np.int64] = np.take_along_axis(table, np.maximum.accumulate(rows, axis=0), axis=0)
    return filled
