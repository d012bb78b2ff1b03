"""Events and their exposure, restricted to the looks at which a condition holds.

A rate is a number of events over the time in which they could happen, or over that time × the ions that could
make them. Where events count only under a condition (Kozdra et al., PCCP 27, 24918 (2025), section 3.4, count
entries at 600 K only while the ceramic holds at least 42 excess Li), events and exposure must be taken under the
same condition. An interval counts if the condition holds at the look *before* it. The look after it already
includes the event: a condition that an entry itself fulfils would count the entry but not the waiting time before
it.

Events are not independent where ions recross, remember or move together. Their dispersion
(:mod:`~aiida_cse.physics.statistics.dispersion`) is taken over the same intervals, from the ion of each event and
the time that each ion waited.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.dispersion import dispersion

__all__ = ["Exposure", "IonHistories", "count_exposed"]


@dataclass(frozen=True)
class Exposure:
    """Events and their exposure.

    Attributes
    ----------
    events
        Events in the intervals that count.
    time
        Total length of these intervals, in the unit of the interval.
    ion_time
        The same weighted with the number of ions that could make an event, ions × that unit.
    dispersion, time_dispersion
        Number of events that carry the information of one, for the rate per ion and time and for the rate per
        time; 1 for independent events.
    """

    events: int
    time: float
    ion_time: float
    dispersion: float = 1.0
    time_dispersion: float = 1.0


@dataclass(frozen=True)
class IonHistories:
    """Labels of I ions over the looks.

    Attributes
    ----------
    first_labels
        (I,) label at the first look.
    moves
        (M, 4) look, ion from 0, label before and label after; ascending in the look, from which the new label
        holds. The events are the moves into the region.
    region, donors
        Labels of the region, and labels from which an ion can enter it.
    """

    first_labels: NDArray[np.int64]
    moves: NDArray[np.int64]
    region: tuple[int, ...]
    donors: tuple[int, ...]

    def entries(self, counts: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return the events (I,) of each ion in the intervals that count (looks − 1,)."""
        entering = np.isin(self.moves[:, 3], self.region) & counts[self.moves[:, 0] - 1]
        return np.bincount(self.moves[entering, 1], minlength=len(self.first_labels))

    def intervals(self, labels: tuple[int, ...], counts: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Return at the first look of how many intervals that count each ion had one of the labels, (I,)."""
        remaining = np.append(counts[::-1].cumsum()[::-1], 0)
        spent = np.where(np.isin(self.first_labels, labels), remaining[0], 0)
        changes = np.isin(self.moves[:, 3], labels).astype(np.int64) - np.isin(self.moves[:, 2], labels)
        np.add.at(spent, self.moves[:, 1], changes * remaining[self.moves[:, 0]])
        return spent


def count_exposed(
    event_looks: ArrayLike,
    donors: ArrayLike,
    interval: float,
    *,
    condition: ArrayLike | None = None,
    histories: IonHistories | None = None,
) -> Exposure:
    """Count events and their exposure over the intervals whose first look fulfils the condition.

    Parameters
    ----------
    event_looks
        (E,) number of the look, from 0, that ends the interval of each event.
    donors
        (looks,) number of ions that could make an event, at each look; an interval has those of its first look.
    interval
        Time between two looks.
    condition
        (looks,) whether an interval that begins at this look counts; by default all do.
    histories
        Labels of the ions, whose moves into the region are the events; without them the dispersions are 1.

    Returns
    -------
    Exposure
        Zero everywhere with fewer than two looks, which observe nothing.

    Raises
    ------
    ValueError
        There is no look, the arrays differ in length, ``interval`` is not above zero, or an event has a look that
        ends no interval.
    """
    ions = arguments.array("donors", donors, ndim=1, length=1, least=0)
    seen = arguments.array("event_looks", event_looks, ndim=1, least=1, most=len(ions) - 1, whole=True)
    holds = np.ones(len(ions), dtype=np.bool_) if condition is None else np.asarray(condition)
    if holds.shape != (len(ions),) or holds.dtype != np.bool_:
        raise ValueError(
            f"condition has shape {holds.shape} and type {holds.dtype}: must have ({len(ions)},) and bool"
        )
    counts = holds[:-1]
    length = arguments.number("interval", interval, above=0)
    if not counts.any():
        return Exposure(0, 0.0, 0.0)
    entries, waiting = np.bincount(seen.astype(np.int64) - 1, minlength=len(counts))[counts], ions[:-1][counts]
    per_ion_time = per_time = 1.0
    if histories is not None:
        by_ion = histories.entries(counts)
        as_donor = histories.intervals(histories.donors, counts)
        outside = counts.sum() - histories.intervals(histories.region, counts)
        per_ion_time = dispersion(by_ion, entries, ion_exposure=as_donor, time_exposure=waiting)
        per_time = dispersion(by_ion, entries, ion_exposure=outside)
    return Exposure(
        events=int(entries.sum()),
        time=float(counts.sum()) * length,
        ion_time=float(waiting.sum()) * length,
        dispersion=per_ion_time,
        time_dispersion=per_time,
    )
