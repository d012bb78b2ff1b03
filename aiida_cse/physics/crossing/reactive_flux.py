"""Transmission coefficient from short trajectories that begin on top, and the rate of a crossing.

The rate of ions from a well over a dividing surface z* is that of transition-state theory times κ, the share
of the flux through the surface that comes from the well and goes to the other side (Bennett 1977; Chandler, J.
Chem. Phys. 68, 2959, 1978; Frenkel and Smit, Understanding Molecular Simulation, chapter 16).

*Effective positive flux* (Anderson, J. Chem. Phys. 58, 4684, 1973; van Erp, J. Chem. Phys. 125, 174106, 2006):
of a trajectory through the surface only its first crossing counts. A start on the surface with a velocity v
towards the other side is reactive if, followed backward in time, it reaches the well before it meets the
surface again, and forward it commits to the other side. Most starts are settled by their first recrossing,
within a fraction of a ps, and none counts with a negative sign, so that the error at small κ is a fifth of
that of Bennett and Chandler's estimate.

    κ = Σ v χ / Σ v    over starts with Maxwell velocities, v > 0; χ is 1 for a reactive start

Bennett and Chandler's κ(t) = ⟨v θ(z(t) − z*)⟩ / ⟨v θ(v)⟩ stands beside: its plateau is κ.

Starts from one structure share what is slow there. The error is therefore that of leaving out structures.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from aiida_cse.physics.crossing.umbrella import UmbrellaProfile
from aiida_cse.physics.kinetics.transition_state import thermal_flux
from aiida_cse.physics.statistics import arguments
from aiida_cse.physics.statistics.poisson import poisson_interval
from aiida_cse.physics.statistics.resampling import jackknife_error

__all__ = ["CrossingRate", "Transmission", "balance", "crossing_rate", "transmission", "transmission_in_time"]

Floats = NDArray[np.float64]

#: fewest structures for an error between them
_FEWEST_STRUCTURES: Final = 4
#: fewest reactive starts for an interval; fewer give bounds
_FEWEST_REACTIVE: Final = 5


@dataclass(frozen=True)
class Transmission:
    """κ of one direction.

    Attributes
    ----------
    value
        κ.
    log_error
        Standard error of ln κ between structures; NaN without an interval.
    structures
        Number of structures, one more than the degrees of freedom of the error.
    low, high
        Ends of the interval; without one, its exact bounds from the number of reactive starts.
    starts, reactive
        Number of starts, and of the reactive ones.
    """

    value: float
    log_error: float
    structures: int
    low: float
    high: float
    starts: int
    reactive: int


@dataclass(frozen=True)
class CrossingRate:
    """Rate of crossings per ion in the well.

    Attributes
    ----------
    value
        Γ, s⁻¹.
    log_error
        Standard error of ln Γ; NaN without an interval.
    low, high
        Ends of its interval; without one, 0 and an upper bound, infinite if F has no error.
    transition_state
        The rate with κ = 1.
    """

    value: float
    log_error: float
    low: float
    high: float
    transition_state: float


def transmission(
    velocities: ArrayLike,
    reactive: ArrayLike,
    structures: ArrayLike,
    level: float = 0.95,
    weights: ArrayLike | None = None,
) -> Transmission:
    """Return κ from the starts with velocities towards the other side.

    Parameters
    ----------
    velocities
        (N,) component of the velocity across the surface, above zero; in any unit.
    reactive
        (N,) whether the trajectory came from the well without meeting the surface again, and committed to the
        other side.
    structures
        (N,) number of the structure that each start was made from.
    level
        Level of the interval.
    weights
        (N,) density on the surface z* over that on the start's own surface, where starts lie a little beside z*:
        the flux of both is the same, and κ refers to z*. 1 without.

    Raises
    ------
    ValueError
        There is no start, a velocity is not above zero, or the arrays differ in length.
    """
    speeds = arguments.array("velocities", velocities, ndim=1, length=1, above=0)
    crosses = arguments.array("reactive", reactive, ndim=1, length=1, least=0, most=1, whole=True)
    origins = arguments.array("structures", structures, ndim=1, length=1, whole=True)
    worth = np.ones(len(speeds)) if weights is None else arguments.array("weights", weights, ndim=1, above=0)
    if len({len(speeds), len(crosses), len(origins), len(worth)}) > 1:
        raise ValueError(
            f"velocities, reactive, structures, weights have {len(speeds)}, {len(crosses)}, {len(origins)}, "
            f"{len(worth)} values"
        )
    confidence = arguments.probability("level", level)
    _, groups = np.unique(origins, return_inverse=True)
    passed, crossed = np.bincount(groups, speeds), np.bincount(groups, speeds * crosses / worth)
    value, number, count = float(crossed.sum() / passed.sum()), len(passed), int(crosses.sum())
    if count < _FEWEST_REACTIVE or number < _FEWEST_STRUCTURES:
        # weights of the reactive starts scatter little beside their number
        scale = value / count if count else float(speeds.max() / passed.sum())
        low, high = (end * scale for end in poisson_interval(count, confidence))
        return Transmission(value, math.nan, number, low, min(high, 1.0), len(speeds), count)
    without = (crossed.sum() - crossed) / (passed.sum() - passed)
    if (without <= 0).any():
        low, high = (end * value / count for end in poisson_interval(count, confidence, dispersion=float(count)))
        return Transmission(value, math.nan, number, low, min(high, 1.0), len(speeds), count)
    log_error = max(float(jackknife_error(np.log(without))), _least_error(count, len(speeds)))
    reach = float(stats.t.ppf((1 + confidence) / 2, number - 1)) * log_error
    low, high = value * math.exp(-reach), min(value * math.exp(reach), 1.0)
    return Transmission(value, log_error, number, low, high, len(speeds), count)


def _least_error(reactive: int, starts: int) -> float:
    """Return the error of ln κ that independent starts have, of which three more failed.

    Three is the bound on the failures where there is none, at 95 %.
    """
    return math.sqrt((starts - reactive + 3) / (reactive * starts))


def balance(
    velocities: ArrayLike, reactive: ArrayLike, structures: ArrayLike, weights: ArrayLike | None = None
) -> float:
    """Return the p-value of κ being the same in both directions, as detailed balance has it; NaN if not known.

    Starts of both signs come from the same structures and share what is slow there, so their κ are not
    independent: what lies off the surface helps one way and hinders the other. The error of ln(κ₊ / κ₋) is
    therefore that of leaving a structure out of both, and the ratio over it is taken as Student's t with one
    degree of freedom less than there are structures. As the error of κ, it is not less than that of independent
    starts. On models of 32 structures 4.5 to 5.8 % of the p-values are below 5 %; of 8 structures 1.8 to 5.1 %.

    Parameters
    ----------
    velocities
        (N,) component of the velocity across the surface, of both signs; in any unit.
    reactive, structures, weights
        (N,) as for :func:`transmission`.

    Raises
    ------
    ValueError
        There is no start, or the arrays differ in length.
    """
    speeds = arguments.array("velocities", velocities, ndim=1, length=1)
    crosses = arguments.array("reactive", reactive, ndim=1, length=1, least=0, most=1, whole=True)
    origins = arguments.array("structures", structures, ndim=1, length=1, whole=True)
    worth = np.ones(len(speeds)) if weights is None else arguments.array("weights", weights, ndim=1, above=0)
    lengths = [len(speeds), len(crosses), len(origins), len(worth)]
    if len(set(lengths)) > 1:
        raise ValueError(f"velocities, reactive, structures, weights have {', '.join(map(str, lengths))} values")
    _, groups = np.unique(origins, return_inverse=True)
    number, difference, least = int(groups.max()) + 1, np.zeros(int(groups.max()) + 2), 0.0
    for sign in (1, -1):
        forward = np.maximum(sign * speeds, 0.0)
        passed, crossed = np.bincount(groups, forward), np.bincount(groups, forward * crosses / worth)
        count, starts = int(crosses[forward > 0].sum()), int((forward > 0).sum())
        # the last entry leaves no structure out
        remaining, through = (np.append(one.sum() - one, one.sum()) for one in (passed, crossed))
        if count < _FEWEST_REACTIVE or number < _FEWEST_STRUCTURES or not (through > 0).all():
            return math.nan
        difference += sign * np.log(through / remaining)
        least = math.hypot(least, _least_error(count, starts))
    error = max(float(jackknife_error(difference[:-1])), least)
    return float(2 * stats.t.sf(abs(difference[-1]) / error, number - 1))


def transmission_in_time(velocities: ArrayLike, beyond: ArrayLike) -> Floats:
    """Return Bennett and Chandler's κ(t), (T,).

    Parameters
    ----------
    velocities
        (N,) component of the velocity across the surface at the start, of both signs.
    beyond
        (N, T) whether the ion is beyond the surface at each time.

    Raises
    ------
    ValueError
        No velocity is above zero, or the arrays differ in length.
    """
    speeds = arguments.array("velocities", velocities, ndim=1, length=1)
    there = arguments.array("beyond", beyond, ndim=2, length=1, least=0, most=1, whole=True)
    if len(there) != len(speeds):
        raise ValueError(f"beyond has {len(there)} starts, velocities has {len(speeds)}")
    if not (speeds > 0).any():
        raise ValueError("velocities: none is above zero")
    # the mean velocity is zero; without it a surplus of one sign would remain for ever
    found: Floats = (speeds - speeds.mean()) @ there / np.maximum(speeds, 0).sum()
    return found


def crossing_rate(profile: UmbrellaProfile, surface: float, kappa: Transmission, mass_kg: float) -> CrossingRate:
    """Return Γ = κ √(k_B T / 2 π m) exp(−F(z*) / T) per ion in the well of the profile.

    The error of ln Γ is that of ladders and structures together, with the degrees of freedom of Welch (Biometrika
    34, 28, 1947). Where κ has bounds only, Γ is at most the upper end of κ times that of exp(−F(z*) / T): each
    fails with a probability of (1 − level) / 2, so that by Bonferroni's inequality (Miller, Simultaneous
    Statistical Inference, 2nd ed., Springer 1981, chapter 1) the product holds with at least ``level``.

    Parameters
    ----------
    profile
        F relative to the number of ions in the well.
    surface
        z*, Å: the dividing surface, fixed before the trajectories.
    kappa
        Transmission coefficient through it, out of the well.
    mass_kg
        Mass of the ion.

    Raises
    ------
    ValueError
        The surface is outside of the profile, or F is not known there.
    """
    barrier, error = profile.at(surface)
    if not math.isfinite(barrier):
        raise ValueError(f"surface = {surface:g} Å: a ladder has no sample there")
    kelvin = profile.temperature
    theory = float(thermal_flux(kelvin, mass_kg)) * math.exp(-barrier / kelvin)
    parts = np.array([error / kelvin, kappa.log_error])
    freedom = np.array([len(profile.ladders) - 1, kappa.structures - 1])
    log_error = float(np.hypot(*parts))
    value = theory * kappa.value
    if not math.isfinite(log_error):
        one_sided = float(stats.t.ppf((1 + profile.level) / 2, freedom[0])) * parts[0]
        most = theory * math.exp(one_sided) * kappa.high if math.isfinite(one_sided) else math.inf
        return CrossingRate(value, math.nan, 0.0, most, theory)
    degrees = log_error**4 / float((parts**4 / freedom).sum()) if log_error > 0 else 1.0
    reach = float(stats.t.ppf((1 + profile.level) / 2, degrees)) * log_error
    return CrossingRate(value, log_error, value * math.exp(-reach), value * math.exp(reach), theory)
