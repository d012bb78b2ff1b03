"""The rate of a crossing, from its F(z) and the short trajectories on top."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import constants, stats

from aiida_cse.analysis.crossing.density import density_entries, density_warning
from aiida_cse.analysis.crossing.profile import (
    LEVEL,
    LadderRuns,
    bin_edges,
    checked_profile,
    joined_windows,
    profile_of,
    window_series,
)
from aiida_cse.analysis.registry import finite_or_none, finite_range_or_none
from aiida_cse.lammps.files.system import SystemInfo
from aiida_cse.lammps.protocol.crossing import CrossingPlan, Passage
from aiida_cse.physics.crossing.diffusion import diffusion_coefficient, diffusive_rate
from aiida_cse.physics.crossing.reactive_flux import (
    CrossingRate,
    Transmission,
    balance,
    crossing_rate,
    transmission,
    transmission_in_time,
)
from aiida_cse.physics.crossing.umbrella import LEAST_CORRELATION_TIMES, UmbrellaProfile, umbrella_profile
from aiida_cse.physics.kinetics.resistance import interfacial_resistance
from aiida_cse.physics.kinetics.transition_state import joule_from_kelvin, vibrational_frequency

__all__ = ["Starts", "crossing"]

Floats = NDArray[np.float64]

#: κ below which the diffusive estimate is a check
_DIFFUSIVE: Final = 0.3
#: bins on each side of the minimum through which the parabola of the well goes
_WELL_BINS: Final = 4
#: arrays of the short trajectories of a job
_SHOTS: Final = frozenset(
    {
        "stage",
        "start",
        "z_start",
        "velocity",
        "backward",
        "backward_steps",
        "forward",
        "forward_steps",
        "followed",
        "trace",
    }
)
#: share of the trajectories that may end undecided
_MOST_UNDECIDED: Final = 0.05
#: k_BT; ladders that differ by more (standard deviation) have hardly seen the same surroundings of the ion
_WIDEST: Final = 2.0
_ONE_SYSTEM: Final = (
    "all ladders begin with one system: what relaxes more slowly than the windows is the same in all of them; "
    "give several systems"
)


@dataclass(frozen=True)
class Starts:
    """Short trajectories from the surface of all ladders.

    Attributes
    ----------
    structures
        (N,) number of the structure.
    places, velocities
        (N,) z of the start, Å, and velocity into the slab, Å/fs.
    reactive
        (N,) whether it came from one side and committed to the other, in the direction of its velocity.
    undecided
        (N,) whether it may be reactive, but committed to no side in time, backward or forward.
    followed
        (N,) whether it was followed forward, however it began: a fair sample for κ(t).
    beyond
        (N, T) whether the ion is on the slab's side of its start.
    every_ps
        Time between these, ps.
    steps
        Steps of all of them.
    """

    structures: NDArray[np.int64]
    places: Floats
    velocities: Floats
    reactive: NDArray[np.bool_]
    undecided: NDArray[np.bool_]
    followed: NDArray[np.bool_]
    beyond: NDArray[np.bool_]
    every_ps: float
    steps: int


def crossing(
    ladders: Sequence[LadderRuns],
    found: Mapping[str, Any],
    plan: CrossingPlan,
    passage: Passage,
    layer_ions: Sequence[int],
    failed: Sequence[str] = (),
    off_equilibrium: str = "",
    density: Mapping[str, Any] | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the rate of a crossing, as :data:`CROSSING`, and κ(t), as :data:`TRANSMISSION`.

    Parameters
    ----------
    ladders
        The ladders with their windows and short trajectories.
    found
        F, from :func:`crossing_profile`.
    plan, passage
        What was run, and where.
    layer_ions
        Number of ions in the first layer of each system.
    failed
        Names of the ladders that failed.
    off_equilibrium
        Why the systems are not those of equilibrium; empty if they are, as far as is known.
    density
        Results ``free_energy_profiles`` of a run from which the systems are, at the same temperature.

    Raises
    ------
    ValueError
        There is no dividing surface, or no trajectory towards one of the sides.
    """
    surface = checked_profile(found)["surface_z_A"]
    if surface is None:
        raise ValueError("; ".join(map(str, found.get("reasons") or ())) or "there is no dividing surface")
    profile, kelvin = profile_of(found), float(found["temperature_K"])
    starts = _starts(ladders, plan, passage, surface)
    info = ladders[0].info
    weights = _weights(starts, profile, surface)
    kappa, reverse = (_kappa(starts, weights, profile.level, sign) for sign in (1, -1))
    mass = _mass(info)
    into, out = (crossing_rate(profile, surface, one, mass) for one in (kappa, reverse))
    barrier, error = profile.at(surface)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(profile.ladders) - 1))
    undecided = float(starts.undecided.sum() / max(int((starts.reactive | starts.undecided).sum()), 1))
    well = tuple(found["well_range_A"])
    lengths = [(high - low) / 10 for low, high in info.box]
    area, ions = lengths[0] * lengths[1], float(np.mean(layer_ions))
    beside = density_entries(profile, (well[0], well[1]), found["ion"], density)
    results: dict[str, Any] = {
        **{key: found[key] for key in ("temperature_K", "ion", "side", "level", "well_range_A", "surface_z_A")},
        "ladders": len(profile.ladders),
        "tst_barrier_K": barrier,
        "tst_barrier_error_K": finite_or_none(error),
        "tst_barrier_interval_K": finite_range_or_none([barrier - reach * error, barrier + reach * error]),
        "hysteresis_K": _hysteresis(ladders, plan, passage, kelvin, surface),
        "rate_tst_per_s": into.transition_state,
        "kappa_in": kappa.value,
        "kappa_in_interval": [kappa.low, kappa.high],
        "kappa_out": reverse.value,
        "kappa_out_interval": [reverse.low, reverse.high],
        "balance_p_value": finite_or_none(balance(starts.velocities, starts.reactive, starts.structures, weights)),
        "starts": [kappa.starts, reverse.starts],
        "reactive": [kappa.reactive, reverse.reactive],
        "undecided": undecided,
        **_rate_entries("in", into.value, (into.low, into.high)),
        "rate_in_log_error": finite_or_none(into.log_error),
        **_rate_entries("out", out.value, (out.low, out.high)),
        **_parabola(profile, (well[0], well[1]), surface, mass, reach),
        **_diffusion(ladders, profile, plan, passage, surface, kappa.value),
        **beside,
        "layer_ions": ions,
        "layer_ions_counted": sum(layer_ions),
        "area_nm2": area,
        "layer_density_per_nm2": ions / area if ions else None,
        "off_equilibrium": off_equilibrium or None,
        **_of_area(into, layer_ions, area, kelvin, profile.level),
        **_conditions(found),
        "steps": starts.steps,
        "failed_ladders": list(failed),
        "reasons": [
            *([off_equilibrium] if off_equilibrium else []),
            *_warnings(found, kappa, reverse, undecided, plan),
            *density_warning(beside, len(profile.ladders), kelvin),
            *([_ONE_SYSTEM] * (len(layer_ions) == 1)),
            *(["no ion in the first layer of the systems: no rate per area and no resistance"] * (not ions)),
        ],
    }
    return results, _in_time(starts)


def _in_time(starts: Starts) -> dict[str, Floats]:
    """Return κ(t) both ways, empty without a followed trajectory of either sign."""
    speeds, beyond = starts.velocities[starts.followed], starts.beyond[starts.followed]
    if not ((speeds > 0).any() and (speeds < 0).any()):
        return {"time_ps": np.zeros(0), "kappa_in": np.zeros(0), "kappa_out": np.zeros(0)}
    return {
        "time_ps": np.asarray(starts.every_ps * np.arange(beyond.shape[1]), dtype=np.float64),
        "kappa_in": transmission_in_time(speeds, beyond),
        "kappa_out": transmission_in_time(-speeds, ~beyond),
    }


def _rate_entries(way: str, value: float, ends: tuple[float, float]) -> dict[str, Any]:
    known = finite_range_or_none(ends) if 0 < ends[0] < ends[1] else None
    return {
        f"rate_{way}_per_s": finite_or_none(value),
        f"rate_{way}_interval_per_s": known,
        f"rate_{way}_upper_bound_per_s": None if known else finite_or_none(ends[1]),
    }


def _mass(info: SystemInfo) -> float:
    """Return the mass of the cation, kg."""
    species = info.ion_species()[0]
    return next(one.mass for one in info.types if one.species == species) * constants.atomic_mass


def _starts(ladders: Sequence[LadderRuns], plan: CrossingPlan, passage: Passage, surface: float) -> Starts:
    """Return the short trajectories of all ladders, each start once."""
    parts: list[dict[str, NDArray[Any]]] = []
    for number, ladder in enumerate(ladders):
        for run in ladder.rounds:
            if run.shots is None:
                continue
            own = {key: np.asarray(value) for key, value in run.shots.items()}
            if missing := _SHOTS - set(own):
                raise ValueError(f"{ladder.name}: the short trajectories have no {', '.join(sorted(missing))}")
            for key in _SHOTS - {"trace", "z_start", "velocity"}:
                if not np.isfinite(own[key]).all():
                    raise ValueError(
                        f"{ladder.name}: {key} of the short trajectories has values that are no numbers"
                    )
            structures = number * len(run.plan.stages) + own["stage"]
            parts.append({**{key: own[key] for key in _SHOTS}, "structure": structures})
    if not sum(len(part["start"]) for part in parts):
        raise ValueError("there are no short trajectories")
    longest = max(part["trace"].shape[1] for part in parts)
    for part in parts:
        part["trace"] = np.pad(
            part["trace"], ((0, 0), (0, longest - part["trace"].shape[1])), constant_values=np.nan
        )
    joined = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    velocity, place, forward = joined["velocity"], joined["z_start"], joined["forward"]
    usable = np.isfinite(velocity) & (velocity != 0) & np.isfinite(place)
    if not usable.any():
        raise ValueError("no short trajectory has a velocity")
    beyond = passage.inward * (joined["trace"] - place[:, None]) > 0
    # after its commitment an ion stays on that side
    beyond = np.where(np.isnan(joined["trace"]), (passage.inward * forward > 0)[:, None], beyond)
    # at the start it is on the surface, and right after it where its velocity takes it
    beyond[:, :1] = (passage.inward * velocity > 0)[:, None]
    found: dict[str, NDArray[Any]] = {
        "structures": joined["structure"].astype(np.int64),
        "places": place,
        "velocities": passage.inward * velocity,
        "reactive": (joined["backward"] == 1) & (forward == np.sign(velocity)),
        "undecided": (joined["backward"] == 0) | ((joined["backward"] == 1) & (forward == 0)),
        "followed": joined["followed"] == 1,
        "beyond": beyond,
    }
    steps = joined["backward_steps"].sum() + joined["forward_steps"].sum()
    kept = {key: value[usable] for key, value in found.items()}
    return Starts(**kept, every_ps=plan.trace_fs / 1000, steps=int(steps))


def _weights(starts: Starts, profile: UmbrellaProfile, surface: float) -> Floats:
    """Return (N,) the density on the dividing surface over that at each start, which lies a little beside it."""
    top, _ = profile.at(surface)
    ends = profile.centres[[0, -1]]
    energies = np.array([profile.at(float(np.clip(place, *ends)))[0] for place in starts.places])
    energies = np.where(np.isfinite(energies), energies, top)
    return np.asarray(np.exp((energies - top) / profile.temperature), dtype=np.float64)


def _kappa(starts: Starts, weights: Floats, level: float, direction: int) -> Transmission:
    """Return κ of the starts into the slab (1) or out of it (−1)."""
    own = direction * starts.velocities > 0
    if not own.any():
        raise ValueError(f"no short trajectory begins {'into' if direction > 0 else 'out of'} the slab")
    speeds = np.abs(starts.velocities[own])
    return transmission(speeds, starts.reactive[own], starts.structures[own], level, weights[own])


def _hysteresis(
    ladders: Sequence[LadderRuns], plan: CrossingPlan, passage: Passage, temperature: float, surface: float
) -> float | None:
    """Return F on the surface from the rounds that go back minus that from the others; None with one round."""
    series = [one for number, ladder in enumerate(ladders) for one in window_series(ladder, number, plan)]
    heights = []
    for back in (0, 1):
        windows = joined_windows([one for one in series if one.number % 2 == back])
        try:
            alone = umbrella_profile(windows, bin_edges(passage), temperature, passage.z(passage.well), LEVEL)
            heights.append(alone.at(surface)[0])
        except ValueError:
            return None
    return finite_or_none(heights[1] - heights[0])


def _parabola(
    profile: UmbrellaProfile, well: tuple[float, float], surface: float, mass: float, reach: float
) -> dict[str, Any]:
    """Return ΔF, k and ν of the minimum of the well, and the rate that they give."""
    keys = (
        "barrier_K",
        "barrier_interval_K",
        "curvature_K_per_A2",
        "frequency_per_s",
        "rate_harmonic_per_s",
    )
    results: dict[str, Any] = dict.fromkeys(keys)
    inside = (profile.centres >= well[0]) & (profile.centres <= well[1]) & np.isfinite(profile.free_energy)
    known = np.flatnonzero(inside)
    if not len(known):
        return results
    lowest = int(known[np.argmin(profile.free_energy[known])])
    height = profile.at(surface)[0] - float(profile.free_energy[lowest])
    nearest = int(np.argmin(np.abs(profile.centres - surface)))
    differences = profile.ladders[:, nearest] - profile.ladders[:, lowest]
    error = float(differences.std(ddof=1)) / math.sqrt(len(differences))
    results |= {
        "barrier_K": height,
        "barrier_interval_K": finite_range_or_none([height - reach * error, height + reach * error]),
    }
    beside = known[np.abs(known - lowest) <= _WELL_BINS]
    if len(beside) > _WELL_BINS:
        curvature = float(np.polyfit(profile.centres[beside], profile.free_energy[beside], 2)[0])
        if curvature > 0:
            frequency = float(vibrational_frequency(joule_from_kelvin(curvature), mass))
            results |= {
                "curvature_K_per_A2": curvature,
                "frequency_per_s": frequency,
                "rate_harmonic_per_s": frequency * math.exp(-height / profile.temperature),
            }
    return results


def _diffusion(
    ladders: Sequence[LadderRuns],
    profile: UmbrellaProfile,
    plan: CrossingPlan,
    passage: Passage,
    surface: float,
    kappa: float,
) -> dict[str, Any]:
    """Return D = σ² / τ of the windows nearest to the surface, and for small κ the rate D / ∫ exp(F / T) dz."""
    series = [one for number, ladder in enumerate(ladders) for one in window_series(ladder, number, plan)]
    if not series:
        raise ValueError("the ladders have no windows")
    nearest = min((one.centre for one in series), key=lambda centre: abs(centre - surface))
    coefficient = diffusion_coefficient([one.z for one in series if one.centre == nearest], plan.sample_ps)
    outer = passage.sign * passage.well[1]
    rate = diffusive_rate(profile, coefficient, surface, outer) if kappa < _DIFFUSIVE else None
    return {"diffusion_A2_per_ps": coefficient, "rate_diffusive_per_s": rate}


def _of_area(
    rate: CrossingRate, layer_ions: Sequence[int], area: float, temperature: float, level: float
) -> dict[str, Any]:
    """Return crossings per area and the resistance of the face; null without ions in the layer.

    The number of ions in the layer is taken to scatter as that of independent ions (Poisson). The intervals of its
    logarithm and of ln Γ add in quadrature. Where κ has bounds only, the upper bounds of both give a lower one of
    the resistance.
    """
    keys = (
        "crossings_per_nm2_per_s",
        "crossings_interval_per_nm2_per_s",
        "resistance_ohm_cm2",
        "resistance_interval_ohm_cm2",
        "resistance_lower_bound_ohm_cm2",
    )
    results: dict[str, Any] = dict.fromkeys(keys)
    ions = float(np.mean(layer_ions))
    if not ions > 0:
        return results
    scatter = float(stats.norm.ppf((1 + level) / 2)) / math.sqrt(sum(layer_ions))

    def resistance(per_ion: float) -> float:
        return float(interfacial_resistance(per_ion * ions, area, temperature))

    if rate.value > 0:
        results["crossings_per_nm2_per_s"] = rate.value * ions / area
        results["resistance_ohm_cm2"] = finite_or_none(resistance(rate.value))
    if 0 < rate.low < rate.value < rate.high < math.inf:
        log = math.log(rate.value)
        low, high = (
            float(np.exp(log + sign * math.hypot(log - math.log(end), scatter)))
            for sign, end in ((-1, rate.low), (1, rate.high))
        )
        results["crossings_interval_per_nm2_per_s"] = finite_range_or_none([low * ions / area, high * ions / area])
        results["resistance_interval_ohm_cm2"] = finite_range_or_none([resistance(high), resistance(low)])
    elif 0 < rate.high < math.inf:
        bound = resistance(rate.high * math.exp(scatter))
        results["resistance_lower_bound_ohm_cm2"] = finite_or_none(bound)
    return results


def _conditions(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what F is conditional on, and how much was sampled."""
    ions = np.asarray(found["window_ions"], dtype=np.float64)
    known = bool(len(ions) and np.isfinite(ions).all())
    return {
        "ceramic_ions": float(ions.mean()) if known else None,
        "ceramic_ions_range": [float(ions.min()), float(ions.max())] if known else None,
        "windows": len(found["window_z_A"]),
        "windows_ns": float(np.sum(found["window_ps"])) / 1000,
        **{key: found[key] for key in ("correlation_ps", "samples", "rounds", "thin")},
    }


def _warnings(
    found: Mapping[str, Any], kappa: Transmission, reverse: Transmission, undecided: float, plan: CrossingPlan
) -> list[str]:
    """Return what a reader of the rate must know."""
    said = []
    if undecided > _MOST_UNDECIDED:
        said.append(f"{undecided:.0%} of the trajectories committed to no side within most_ps = {plan.most_ps:g}")
    for one, words in ((kappa, "into"), (reverse, "out of")):
        if not math.isfinite(one.log_error):
            said.append(
                f"κ {words} the slab has bounds only: {one.reactive} of {one.starts} starts in {one.structures} "
                "structures are reactive; an interval takes 5, from more than one of at least 4 structures"
            )
    shortest = float(np.min(found["window_ps"])) / max(len(found["ladders_K"]), 1)
    if found["correlation_ps"] * LEAST_CORRELATION_TIMES > shortest:
        said.append(
            f"the slowest correlation time seen, {found['correlation_ps']:.2g} ps, is not short against the "
            f"{shortest:.3g} ps of a window in a ladder: F may be off by more than its interval"
        )
    error = found.get("tst_barrier_error_K")
    spread = 0.0 if error is None else error * math.sqrt(len(found["ladders_K"])) / found["temperature_K"]
    if spread > _WIDEST:
        said.append(
            f"the ladders differ by {spread:.2g} k_BT on the surface (standard deviation): windows are too short "
            "for the surroundings of the ion to follow it; take a longer window_ps"
        )
    if found["thin"]:
        number = len(found["thin"])
        pairs = "1 pair of windows overlaps" if number == 1 else f"{number} pairs of windows overlap"
        said.append(f"{pairs} too little: lower spacing_A")
    return said
