"""Events and their exposure, restricted to the looks at which a condition holds.

A rate is a number of events over the time in which they could happen, or over that time × the ions that could
make them. Where events count only under a condition (Kozdra et al., PCCP 27, 24918 (2025), section 3.4, count
entries at 600 K only while the ceramic holds at least 42 excess Li), events and exposure must be taken under the
same condition. An interval counts if the condition holds at the look *before* it. The look after it already
includes the event: a condition that an entry itself fulfils would count the entry but not the waiting time before
it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from aiida_cse.physics.statistics import arguments

__all__ = ["Exposure", "count_exposed"]


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
    """

    events: int
    time: float
    ion_time: float


def count_exposed(
    event_looks: ArrayLike,
    donors: ArrayLike,
    interval: float,
    *,
    condition: ArrayLike | None = None,
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
    return Exposure(
        events=int(counts[seen.astype(np.int64) - 1].sum()),
        time=float(counts.sum()) * length,
        ion_time=float(ions[:-1][counts].sum()) * length,
    )
