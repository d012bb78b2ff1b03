"""Events and the exposure that they were counted in, over exactly the looks where a condition held.

A rate is a number of events over the time in which they could happen, or over the ions that could make them times
that time. Where events count only under a condition (Kozdra et al., PCCP 27, 24918 (2025), section 3.4, count
entries at 600 K only while the ceramic holds at least 42 excess Li), both must be taken under the same condition.
What decides is the look *before* an interval: the look after it already knows the event, and a condition that an
entry itself brings about would count this entry but not the wait for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from aiida_cse.physics.statistics import arguments as checks

__all__ = ["Exposure", "count_exposed"]


@dataclass(frozen=True)
class Exposure:
    """Events and what they were exposed to.

    Attributes
    ----------
    events
        Events in the intervals that count.
    time
        Length of these intervals together, in the unit of the interval.
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
    """Count events and their exposure over the intervals whose first look meets the condition.

    Parameters
    ----------
    event_looks
        (E,) number of the look, from 0, at which each event was seen: it happened in the interval that ends there.
    donors
        (looks,) number of ions that could make an event, at each look; an interval has those of its first look.
    interval
        Time between two looks.
    condition
        (looks,) whether an interval that begins at this look counts; by default all of them do.

    Returns
    -------
    Exposure
        Zero everywhere where there are fewer than two looks: nothing was observed then.

    Raises
    ------
    ValueError
        There is no look, the arrays differ in length, ``interval`` is not above zero, or an event was seen at a
        look that ends no interval.
    """
    ions = checks.counts_array("donors", donors, ndim=1)
    seen = _event_looks(event_looks, len(ions))
    counts = _condition(condition, len(ions))[:-1]
    length = checks.positive("interval", interval)
    return Exposure(
        events=int(counts[seen - 1].sum()),
        time=float(counts.sum()) * length,
        ion_time=float(ions[:-1][counts].sum()) * length,
    )


def _event_looks(event_looks: ArrayLike, looks: int) -> NDArray[np.int64]:
    numbers = checks.finite_array("event_looks", event_looks, ndim=1, minimum=0)
    wrong = (numbers < 1) | (numbers > looks - 1) | (numbers != np.floor(numbers))
    if wrong.any():
        where = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"event_looks[{where}] is {numbers[where]:g}, it must be a whole number from 1 to {looks - 1}, "
            "a look that ends an interval"
        )
    return numbers.astype(np.int64)


def _condition(condition: ArrayLike | None, looks: int) -> NDArray[np.bool_]:
    if condition is None:
        return np.ones(looks, dtype=np.bool_)
    holds = np.asarray(condition)
    if holds.shape != (looks,) or holds.dtype != np.bool_:
        raise ValueError(
            f"condition has shape {holds.shape} and type {holds.dtype}, it must have ({looks},) and bool: "
            "one truth per look, as donors"
        )
    return holds
