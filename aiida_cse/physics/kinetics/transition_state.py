"""Hopping rates from transition-state theory, and the transmission coefficient of observed transitions.

Equations are those of Kozdra et al., PCCP 27, 24918 (2025), section 3.4. Barriers are F / k_B in kelvin. The well
is F(z) = k (z − z₀)² *without* a factor ½. The transmission coefficient κ is the ratio of observed to expected
transitions. Scalar arguments return a numpy scalar; arrays are broadcast.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import constants, optimize, special

from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.dispersion import widening
from aiida_cse.physics.statistics.poisson import poisson_interval

__all__ = [
    "TransmissionCoefficient",
    "expected_transitions",
    "joule_from_kelvin",
    "kelvin_from_joule",
    "thermal_flux",
    "transition_rate",
    "transmission_coefficient",
    "vibrational_frequency",
]

Floats = NDArray[np.float64]

#: Å² in one m²
_SQUARE_ANGSTROM: Final = 1e20
#: largest standard error of a logarithm: the interval then spans 80 powers of ten
_LARGEST_LOG_ERROR: Final = 50.0
#: nodes and weights of the trapezoidal rule for an average over a standard normal variable; its error falls faster
#: than any power of the spacing, and Gauss–Hermite nodes are too far apart for the distribution of large counts
_DEVIATES: Final = np.linspace(-8.5, 8.5, 1701)
_WEIGHTS: Final = special.softmax(-(_DEVIATES**2) / 2)


@dataclass(frozen=True)
class TransmissionCoefficient:
    """κ, observed over expected transitions, and its two-sided interval."""

    value: float
    low: float
    high: float


def joule_from_kelvin(values: ArrayLike) -> Floats:
    """Convert K to J by multiplication with k_B, in any shape; K/Å² becomes J/Å².

    Raises
    ------
    ValueError
        A value is not finite.
    """
    return arguments.representable("values in J", arguments.array("values", values) * constants.k)


def kelvin_from_joule(values: ArrayLike) -> Floats:
    """Convert J to K by division by k_B, in any shape; J/Å² becomes K/Å².

    Raises
    ------
    ValueError
        A value is not finite, or too large for a number in K.
    """
    with np.errstate(over="ignore"):
        kelvin = arguments.array("values", values) / constants.k
    return arguments.representable("values in K", kelvin)


def vibrational_frequency(k_J_per_A2: ArrayLike, mass_kg: ArrayLike) -> Floats:  # noqa: N803 - J is a unit
    """Return ν = √(k / (2 π² m)), s⁻¹: eq 8.

    Parameters
    ----------
    k_J_per_A2
        k of F(z) = k (z − z₀)², J/Å², without the factor ½ of a spring constant.
    mass_kg
        m, kg.

    Raises
    ------
    ValueError
        An argument is not above zero, the two do not broadcast, or ν is too large for a number.
    """
    k, m = arguments.elementwise(positive={"k_J_per_A2": k_J_per_A2, "mass_kg": mass_kg})
    with np.errstate(over="ignore"):
        frequency = np.sqrt(k * _SQUARE_ANGSTROM / m / (2 * np.pi**2))
    return arguments.representable("frequency from k_J_per_A2 and mass_kg", frequency)


def thermal_flux(temperature: ArrayLike, mass_kg: ArrayLike) -> Floats:
    """Return √(k_B T / (2 π m)), Å/s: the mean speed of the ions that pass a plane one way, times their share.

    Γ = thermal_flux × exp(−ΔF / T) per Å is the rate of transition-state theory, with the TST barrier ΔF = F(top)
    + T ln ∫ exp(−F / T) dz/Å over the well (Hänggi, Talkner and Borkovec, Rev. Mod. Phys. 62, 251 (1990), section
    III). In a parabolic well it is that of eqs 7 and 8.

    Parameters
    ----------
    temperature
        K.
    mass_kg
        m, kg.

    Raises
    ------
    ValueError
        An argument is not above zero, or the two do not broadcast.
    """
    kelvin, mass = arguments.elementwise(positive={"temperature": temperature, "mass_kg": mass_kg})
    with np.errstate(over="ignore"):
        flux = np.sqrt(constants.k * kelvin / mass / (2 * np.pi) * _SQUARE_ANGSTROM)
    return arguments.representable("flux from temperature and mass_kg", flux)


def transition_rate(
    barrier: ArrayLike, frequency: ArrayLike, temperature: ArrayLike, kappa: ArrayLike = 1.0
) -> Floats:
    """Return Γ = κ ν exp(−ΔF / T), s⁻¹ per ion in the well: eq 7.

    Parameters
    ----------
    barrier
        ΔF / k_B, K.
    frequency
        ν, s⁻¹; with a TST barrier :func:`thermal_flux` per Å.
    temperature
        K.
    kappa
        Transmission coefficient; 1 is transition-state theory.

    Raises
    ------
    ValueError
        ``frequency`` or ``temperature`` is not above zero, ``kappa`` is negative, a value is not finite, the
        arguments do not broadcast, or the barrier is so far below zero that Γ is too large for a number.
    """
    height, attempts, kelvin, passing = arguments.elementwise(
        finite={"barrier": barrier},
        positive={"frequency": frequency, "temperature": temperature},
        nonnegative={"kappa": kappa},
    )
    with np.errstate(over="ignore", invalid="ignore"):
        rate = passing * attempts * np.exp(-height / kelvin)
    return arguments.representable("rate from barrier, frequency, temperature and kappa", rate)


def expected_transitions(rate: ArrayLike, ions: ArrayLike, time: ArrayLike) -> Floats:
    """Return the mean number of transitions, rate × ions × time.

    Parameters
    ----------
    rate
        Per ion, s⁻¹.
    ions
        Mean number of ions that can cross: the sum over the two first layers.
    time
        s.

    Raises
    ------
    ValueError
        An argument is negative or not finite, the three do not broadcast, or the product overflows.
    """
    gamma, number, span = arguments.elementwise(nonnegative={"rate": rate, "ions": ions, "time": time})
    with np.errstate(over="ignore", invalid="ignore"):
        mean = gamma * number * span
    return arguments.representable("transitions from rate, ions and time", mean)


def transmission_coefficient(
    observed: float, expected: float, level: float = 0.95, *, log_error: float = 0.0, dispersion: float = 1.0
) -> TransmissionCoefficient:
    """Return κ = observed / expected transitions and its interval.

    If the expected number is exact, the interval is Garwood's interval divided by it. Its lower and upper bounds
    are quantiles of Gamma(k) and Gamma(k + 1), where k is the observed count. With ``log_error``, each Gamma
    variate is divided by a log-normal expected number with this standard error, for example σ(ΔF) / T for a normal
    error of the barrier. Events in bursts are counted in units of φ and the interval is widened, as in
    :mod:`~aiida_cse.physics.statistics.poisson`.

    Parameters
    ----------
    observed
        Number of observed transitions.
    expected
        Number of transitions by transition-state theory, κ = 1.
    level
        Confidence level of the interval.
    log_error
        Standard error of ln ``expected``.
    dispersion
        φ, number of observed transitions that carry the information of one.

    Raises
    ------
    ValueError
        ``observed`` is no whole number of at least zero, ``expected`` is not above zero, ``log_error`` is
        negative or above 50, ``level`` is not between 0 and 1, or ``dispersion`` is below 1.
    """
    events, mean = arguments.count("observed", observed), arguments.number("expected", expected, above=0)
    value = arguments.number("observed / expected", events / mean, least=0)
    tail = (1 - arguments.probability("level", level)) / 2
    arguments.number("log_error", log_error, least=0, most=_LARGEST_LOG_ERROR)
    if log_error == 0:
        low, high = poisson_interval(events, level, dispersion=dispersion)
        return TransmissionCoefficient(value, low / mean, high / mean)
    index = arguments.number("dispersion", dispersion, least=1)
    worth, reach, low = events / index, widening(index, tail), 0.0

    def below(counts: Floats) -> Floats:
        return np.asarray(special.gammainc(worth, counts), dtype=np.float64)

    def above(counts: Floats) -> Floats:
        return np.asarray(special.gammaincc(worth + 1, counts), dtype=np.float64)

    high = _mixed_bound(above, tail, float(np.log(special.gammainccinv(worth + 1, tail))), log_error)
    if events:
        low = _mixed_bound(below, tail, float(np.log(special.gammaincinv(worth, tail))), log_error)
        low, high = (worth * (end / worth) ** reach for end in (low, high))
    else:
        high *= reach
    return TransmissionCoefficient(value, low * index / mean, high * index / mean)


def _mixed_bound(tail_of: Callable[[Floats], Floats], tail: float, start: float, log_error: float) -> float:
    """Solve mean_Z[tail_of(x exp(log_error Z))] = tail for x, with Z standard normal.

    ``start`` is ln x at log_error = 0. The solution lies within log_error × max|Z| of it.
    """

    def excess(log_bound: float) -> float:
        with np.errstate(over="ignore"):
            return float(_WEIGHTS @ tail_of(np.exp(log_bound + log_error * _DEVIATES))) - tail

    reach = -log_error * _DEVIATES[0] + 1e-6
    return float(np.exp(optimize.brentq(excess, start - reach, start + reach)))
