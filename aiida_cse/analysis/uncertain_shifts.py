"""Δz as kinetics takes it: with an error, which widens every interval that rests on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from scipy import stats

__all__ = ["UsedShifts", "widest"]

Results = dict[str, Any]


@dataclass(frozen=True)
class UsedShifts:
    """Temperature (K), Δz and its standard error (Å) each, and where they are from."""

    shifts: Sequence[tuple[float, float, float]]
    source: Literal["settings", "profiles"]

    def variants(self, level: float) -> list[list[tuple[float, float]]]:
        """Return Δz as it is, and where it has errors also with all of it a quantile smaller and larger.

        The errors have the run at the highest temperature in common; moving all of Δz to one side is the cautious
        reading, and beyond the coldest run the error grows as Δz does.
        """
        reach = float(stats.norm.ppf((1 + level) / 2))
        uncertain = any(error > 0 for _, _, error in self.shifts)
        return [
            [(temperature, value + factor * reach * error) for temperature, value, error in self.shifts]
            for factor in ((0.0, -1.0, 1.0) if uncertain else (0.0,))
        ]


def widest(found: Sequence[Mapping[str, Any]]) -> Results:
    """Return the first of several results with the widest of all their intervals and bounds.

    An end that is None is infinite, and a lower bound of 0 says nothing; an interval that the first does not have
    is not taken from the others.
    """
    results = dict(found[0])
    for key, value in results.items():
        others = [one[key] for one in found]
        if "_interval" in key and value is not None:
            known = [ends for ends in others if ends is not None]
            results[key] = [_outermost([ends[0] for ends in known], min), _outermost([e[1] for e in known], max)]
        elif "_lower_bound" in key:
            results[key] = _outermost(others, min)
        elif "_upper_bound" in key:
            results[key] = _outermost(others, max)
    return results


def _outermost(ends: Sequence[float | None], choose: Any) -> float | None:
    known = [end for end in ends if end is not None]
    return choose(known) if len(known) == len(ends) else None
