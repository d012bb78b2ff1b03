"""The error of a free-energy barrier that is due to ions which hardly cross it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aiida_cse.physics.statistics import arguments as checks

__all__ = ["SlowExchange"]

#: relaxation times below which there is no averaging at all
_SHORT = 1e-4


@dataclass(frozen=True)
class SlowExchange:
    """How far the ions were exchanged over the barrier while the counts were taken.

    Attributes
    ----------
    events
        Entries and exits together.
    outside, inside
        Mean number of the ions that can cross on the electrolyte's and on the ceramic's side.
    """

    events: float
    outside: float
    inside: float

    def __post_init__(self) -> None:
        checks.nonnegative("events", self.events)
        checks.positive("outside", self.outside)
        checks.positive("inside", self.inside)

    def relative_error(self, blocks: int | None = None) -> float:
        """Return the part of the standard error of ln(top / well) that a scatter over blocks cannot show.

        While hardly any ion crosses, the numbers on both sides stay off their means: for n independent ions the
        variance of the number on one side is outside × inside / n. An excess of δ there raises the well by
        δ / outside, and the top, which both sides feed, by half the difference of the two sides. Over a run of u
        relaxation times, u = ½ events (1 / outside + 1 / inside), the variance of the mean falls by
        a(u) = (2 / u)(1 − (1 − e⁻ᵘ) / u), as for any exponential relaxation (Allen and Tildesley, Computer
        Simulation of Liquids, 2017, section 8.4). Of this, B blocks show (a(u / B) − a(u)) / (B − 1).
        """
        inverse = 1 / self.outside + 1 / self.inside
        relaxations = self.events * inverse / 2
        unseen = _averaging(relaxations)
        if blocks is not None:
            unseen -= (_averaging(relaxations / blocks) - unseen) / (blocks - 1)
        return float(np.sqrt(inverse * max(unseen, 0.0)) / 2)


def _averaging(relaxations: float) -> float:
    if relaxations < _SHORT:
        return 1.0
    return float(2 / relaxations * (1 + np.expm1(-relaxations) / relaxations))
