"""Known results of the runs in a landscape: reference rates, and the exchange that follows from them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from aiida_cse.landscape.model import CATION, Ions, Landscape
from aiida_cse.landscape.reference import displacement_variances, entry_rate
from aiida_cse.landscape.settings import ValidationSettings
from aiida_cse.reduction.layers import displacement_layers

__all__ = ["ExpectedExchange", "ExpectedRun", "expected_exchange", "expected_runs"]


#: ions per layer whose displacements are followed
_FOLLOWED = 20_000
#: relaxation times below which the decay is negligible
_SHORT = 1e-6


@dataclass(frozen=True)
class ExpectedExchange:
    """ExpectedExchange of a number of ions with the slab in a time window.

    Attributes
    ----------
    entries, exits
        Mean numbers in the window of the analysis, given the initial positions.
    inside, inside_error
        Number of cations in the slab, averaged over the window, and the standard deviation of this average for
        independent ions that change sides with the correlation time ``relaxation_ns``.
    equilibrium
        Number of cations in the slab in equilibrium.
    relaxation_ns
        Relaxation time of the exchange.
    """

    entries: float
    exits: float
    inside: float
    inside_error: float
    equilibrium: float
    relaxation_ns: float


@dataclass(frozen=True, kw_only=True)
class ExpectedRun(ExpectedExchange):
    """Known results of a run at one temperature.

    Attributes
    ----------
    temperature
        K.
    barrier
        Common barrier of both sides, K.
    rate, rate_error
        Entries per ion in the layers, s⁻¹, and their standard error in the reference.
    kappa
        The rate divided by that of transition-state theory.
    sides
        Entries on the left and on the right per ion in the layers of both sides, s⁻¹, each with its error.
    tst
        F(top) + T ln ∫ exp(−F/T) dz/Å over the first layer, of the left and of the right side, K.
    kappa_tst
        The rate divided by that of transition-state theory with the mean of exp(−tst/T) of both sides.
    variances
        Variances of the displacements of the cation along z in its layers over the shortest lag, Å², each with
        its error; empty without displacements, and of a run shorter than its relaxation time, which is off
        equilibrium.
    """

    temperature: float
    barrier: float
    rate: float
    rate_error: float
    kappa: float
    sides: list[list[float]]
    variances: list[list[float]]
    tst: list[float]
    kappa_tst: float


def expected_runs(
    landscape: Landscape,
    settings: ValidationSettings,
    *,
    frame_fs: float,
    start_ns: float,
    end_ns: float,
    seed: int,
    lag_ps: float | None = None,
) -> list[dict[str, Any]]:
    """Return an :class:`ExpectedRun` per temperature, as a dictionary.

    Entries and exits refer to the window from ``start_ns`` to ``end_ns``, with frames ``frame_fs`` apart;
    displacements to the shortest lag, None for none.
    """
    _, edges = displacement_layers(landscape.regions(CATION), landscape.half_thickness)
    runs = []
    for number, temperature in enumerate(settings.temperatures(landscape)):
        found = entry_rate(landscape, temperature, frame_fs, shots=settings.shots, seed=seed + number)
        barrier = landscape.joined_barrier(temperature)
        theory = landscape.theoretical_rate(temperature)
        exchange = expected_exchange(landscape, settings.ions, temperature, found.rate, (start_ns, end_ns))
        tst = landscape.tst_barriers(temperature)
        # √(k_B T / 2πm) × the mean of exp(−tst/T) over both sides, per fs
        flux = np.sqrt(landscape.thermal_speed_squared(temperature) / (2 * np.pi))
        rate_tst = float(flux * np.exp(-np.array(tst) / temperature).mean())
        variances: list[list[float]] = []
        if lag_ps is not None and exchange.relaxation_ns < end_ns:
            rows = displacement_variances(
                landscape, temperature, lag_ps * 1000, np.array(edges), ions=_FOLLOWED, seed=seed + number
            )
            variances = [[float(value) for value in row] for row in rows]
        runs.append(
            asdict(
                ExpectedRun(
                    temperature=temperature,
                    barrier=barrier,
                    rate=found.rate,
                    rate_error=found.error,
                    kappa=found.rate / theory,
                    sides=[list(side) for side in found.sides],
                    tst=tst,
                    kappa_tst=found.rate * 1e-15 / rate_tst,
                    variances=variances,
                    **asdict(exchange),
                )
            )
        )
    return runs


def expected_exchange(
    landscape: Landscape, ions: Ions, temperature: float, rate: float, window_ns: tuple[float, float]
) -> ExpectedExchange:
    """Return the exchange in a time window of ions that enter at a rate (s⁻¹, per ion in the layers)."""
    shares = landscape.shares(CATION, temperature)
    inside, layer = shares["ceramic"], shares["layer_left"] + shares["layer_right"]
    # rates of an ion anywhere in the electrolyte and, by detailed balance, of one in the slab, both per ns
    enter, leave = rate * 1e-9 * layer / (1 - inside), rate * 1e-9 * layer / inside
    start, end = window_ns
    span = (enter + leave) * (end - start)
    # means of exp(−x) over the window, and of the autocorrelation of an average over it
    decay = float(-np.expm1(-span)) / span if span > _SHORT else 1.0
    averaged = 2 / span * (1 - decay) if span > _SHORT else 1.0
    decayed = float(np.exp(-(enter + leave) * start)) * decay
    mean = inside + (ions.inside - inside) * decayed
    return ExpectedExchange(
        entries=ions.cations * enter * (1 - mean) * (end - start),
        exits=ions.cations * leave * mean * (end - start),
        inside=ions.cations * mean,
        inside_error=float(np.sqrt(ions.cations * inside * (1 - inside) * averaged)),
        equilibrium=ions.cations * inside,
        relaxation_ns=1 / (enter + leave),
    )
