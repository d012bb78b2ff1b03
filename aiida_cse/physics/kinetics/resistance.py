"""Resistance of an interface to the passage of ions, from the crossings that are counted without a current.

At equilibrium as many ions cross a face of the slab inward as outward, k per time each. A small voltage U between
its two sides multiplies the two rates by exp(± z e U / 2 k_B T), so that the net current is z² e² k U / k_B T: the
exchange current and the charge-transfer resistance of the Butler–Volmer equation at small U (Bard and Faulkner,
Electrochemical Methods, 2nd ed., section 3.4.3). Per area A of the face,

    R = k_B T A / (z² e² k),    i₀ = z e k / A = k_B T / (z e R).

For diffusion on any landscape the same follows without an assumption on the barrier if k counts *committed*
crossings, from one milestone to the other: k is then the reactive flux of transition-path theory (E and
Vanden-Eijnden, J. Stat. Phys. 123, 503, 2006), which is the conductance between the milestones by linear response.
Crossings of a line instead, or looks that miss returns, give another k.

e is the charge of a proton also where a model gives its ion another charge, as 0.7 e: the current that is measured
transports whole ions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import constants

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.poisson import poisson_interval, poisson_upper

__all__ = ["FaceResistance", "counted_resistance", "interfacial_resistance"]

Floats = NDArray[np.float64]

#: cm² in one nm²
_CM2_PER_NM2: Final = 1e-14


@dataclass(frozen=True)
class FaceResistance:
    """Resistance of a face of the slab, Ω cm².

    Attributes
    ----------
    rate
        k, crossings in one direction, s⁻¹.
    value
        R; infinite without a crossing.
    low, high
        Ends of its two-sided interval.
    lower_bound
        Its one-sided lower bound.
    exchange_current
        i₀, A cm⁻².
    """

    rate: float
    value: float
    low: float
    high: float
    lower_bound: float
    exchange_current: float


def interfacial_resistance(
    rates: ArrayLike, area_nm2: ArrayLike, temperature: ArrayLike, charge: int = 1
) -> Floats:
    """Return R = k_B T A / (z² e² k), Ω cm²; infinite where the rate is zero.

    Parameters
    ----------
    rates
        k, committed crossings of the area in one direction at equilibrium, s⁻¹.
    area_nm2
        Area through which these ions cross, nm².
    temperature
        K.
    charge
        z, charges of an ion.

    Raises
    ------
    ValueError
        A rate is negative, an area or a temperature is not above zero, or z is zero.
    """
    crossings = arguments.array("rates", rates, least=0)
    area = arguments.array("area_nm2", area_nm2, above=0) * _CM2_PER_NM2
    kelvin = arguments.array("temperature", temperature, above=0)
    charges = arguments.count("charge", abs(charge), least=1) * constants.e
    with np.errstate(divide="ignore"):
        return np.asarray(constants.k * kelvin * area / (charges**2 * crossings), dtype=np.float64)


def counted_resistance(
    entries: int,
    exits: int,
    observed_s: float,
    area_nm2: float,
    temperature: float,
    level: float = 0.95,
    *,
    dispersion: float = 1.0,
    inside: float = 0.0,
    charge: int = 1,
) -> FaceResistance:
    """Return the resistance of a face from the entries and exits counted at equilibrium.

    k is the mean of both directions. An ion that has entered must exit before it enters again. Of ions with
    exponential times of mean p t inside and (1 − p) t outside, 2 (p² + (1 − p)²) crossings carry the information
    of one: all are independent for p = 1/2, and an ion that returns at once makes two that count as one (variance
    of an alternating renewal process: Cox, Renewal Theory, 1962, chapter 7). This is the least dispersion.

    Parameters
    ----------
    entries, exits
        Committed crossings in both directions.
    observed_s
        Time in which they were counted, s.
    area_nm2
        Area of the face, nm².
    temperature
        K.
    level
        Confidence level of the interval and of the bound.
    dispersion
        φ of entries and exits together, see :mod:`~aiida_cse.physics.statistics.dispersion`.
    inside
        p, share of the ions on one side of the face, from 0 to 1; by default all that enter return at once.
    charge
        z, charges of an ion.

    Raises
    ------
    ValueError
        A count is no whole number of at least zero, ``observed_s`` is not above zero, or as for
        :func:`interfacial_resistance`.
    """
    events = arguments.count("entries", entries) + arguments.count("exits", exits)
    time = arguments.number("observed_s", observed_s, above=0)
    share = arguments.number("inside", inside, least=0, most=1)
    index = max(arguments.number("dispersion", dispersion, least=1), 2 * (share**2 + (1 - share) ** 2))
    fewest, most = poisson_interval(events, level, dispersion=index)
    # the counts that correspond to R, to the ends of its interval and to its lower bound
    counts = np.array([events, most, fewest, poisson_upper(events, level, dispersion=index)])
    rates = counts / 2 / time
    value, low, high, bound = interfacial_resistance(rates, area_nm2, temperature, charge).tolist()
    rate = float(rates[0])
    current = abs(charge) * constants.e * rate / (area_nm2 * _CM2_PER_NM2)
    return FaceResistance(rate, value, low, high, bound, current)
