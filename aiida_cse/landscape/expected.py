"""What the runs in a landscape are to find: rates from the reference, and from them the exchange."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from aiida_cse.landscape.model import CATION, Ions, Landscape
from aiida_cse.landscape.reference import entry_rate
from aiida_cse.landscape.settings import ValidationSettings

__all__ = ["Exchange", "ExpectedRun", "expected_exchange", "expected_runs"]


#: relaxation times below which there is no decay at all
_SHORT = 1e-6


@dataclass(frozen=True)
class Exchange:
    """What a number of ions exchange with the slab in a window of time.

    Attributes
    ----------
    entries, exits
        Their mean numbers in the window of the analysis, from where the ions start.
    inside, inside_error
        Number of cations in the slab, averaged over that time, and how much this average scatters: ions that do
        not see each other are in the slab or not, and forget it in ``relaxation_ns``.
    equilibrium
        That number in equilibrium.
    relaxation_ns
        Time in which the exchange equilibrates.
    """

    entries: float
    exits: float
    inside: float
    inside_error: float
    equilibrium: float
    relaxation_ns: float


@dataclass(frozen=True, kw_only=True)
class ExpectedRun(Exchange):
    """What is known of a run at one temperature.

    Attributes
    ----------
    temperature
        K.
    barrier
        Of both sides together, K.
    rate, rate_error
        Entries per ion in the layers, s⁻¹, and the standard error of the reference.
    kappa
        This rate over that of transition-state theory.
    """

    temperature: float
    barrier: float
    rate: float
    rate_error: float
    kappa: float


def expected_runs(
    landscape: Landscape,
    settings: ValidationSettings,
    *,
    frame_fs: float,
    start_ns: float,
    end_ns: float,
    seed: int,
) -> list[dict[str, Any]]:
    """Return an :class:`ExpectedRun` per temperature, as a dictionary.

    Entries and exits are those of the time between ``start_ns`` and ``end_ns``, frames being ``frame_fs`` apart.
    """
    runs = []
    for number, temperature in enumerate(settings.temperatures(landscape)):
        found = entry_rate(landscape, temperature, frame_fs, shots=settings.shots, seed=seed + number)
        barrier = landscape.joined_barrier(temperature)
        theory = landscape.frequency * float(np.exp(-barrier / temperature))
        exchange = expected_exchange(landscape, settings.ions, temperature, found.rate, (start_ns, end_ns))
        runs.append(
            asdict(
                ExpectedRun(
                    temperature=temperature,
                    barrier=barrier,
                    rate=found.rate,
                    rate_error=found.error,
                    kappa=found.rate / theory,
                    **asdict(exchange),
                )
            )
        )
    return runs


def expected_exchange(
    landscape: Landscape, ions: Ions, temperature: float, rate: float, window_ns: tuple[float, float]
) -> Exchange:
    """Return what ions that enter at a rate (s⁻¹, per ion in the layers) exchange in a window of time."""
    shares = landscape.shares(CATION, temperature)
    inside, layer = shares["ceramic"], shares["layer_left"] + shares["layer_right"]
    # of an ion anywhere in the electrolyte, and, by detailed balance, of one in the slab; both per ns
    enter, leave = rate * 1e-9 * layer / (1 - inside), rate * 1e-9 * layer / inside
    start, end = window_ns
    span = (enter + leave) * (end - start)
    decayed = float(np.exp(-(enter + leave) * start)) * _mean_decay(span)
    mean = inside + (ions.inside - inside) * decayed
    return Exchange(
        entries=ions.cations * enter * (1 - mean) * (end - start),
        exits=ions.cations * leave * mean * (end - start),
        inside=ions.cations * mean,
        inside_error=float(np.sqrt(ions.cations * inside * (1 - inside) * _averaged(span))),
        equilibrium=ions.cations * inside,
        relaxation_ns=1 / (enter + leave),
    )


def _mean_decay(span: float) -> float:
    """Return the mean of exp(−x) for x from 0 to ``span``."""
    return float(-np.expm1(-span)) / span if span > _SHORT else 1.0


def _averaged(span: float) -> float:
    """Return by what a variance falls in an average over ``span`` relaxation times."""
    return 2 / span * (1 - _mean_decay(span)) if span > _SHORT else 1.0
