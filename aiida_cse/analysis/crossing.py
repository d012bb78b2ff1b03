"""Results of a crossing: F(z) from the windows of its ladders, and the rate from the trajectories on top."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import constants, stats

from aiida_cse.analysis.registry import Documented, Quantity, finite_or_none, finite_range_or_none
from aiida_cse.lammps.files.system import SystemInfo
from aiida_cse.lammps.protocol.crossing import KELVIN_TO_KCAL, CrossingPlan, Passage
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.physics.crossing.layout import find_surface, next_times
from aiida_cse.physics.crossing.reactive_flux import (
    Transmission,
    crossing_rate,
    transmission,
    transmission_in_time,
)
from aiida_cse.physics.crossing.umbrella import FEWEST_LADDERS, UmbrellaProfile, UmbrellaWindow, umbrella_profile
from aiida_cse.physics.kinetics.resistance import interfacial_resistance
from aiida_cse.physics.kinetics.transition_state import joule_from_kelvin, vibrational_frequency
from aiida_cse.physics.statistics.timeseries import statistical_inefficiency

__all__ = [
    "CROSSING",
    "CROSSING_PROFILE",
    "TRANSMISSION",
    "LadderRuns",
    "Starts",
    "crossing",
    "crossing_profile",
    "crossing_rows",
    "profile_of",
]

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

LEVEL: Final = 0.95
#: Å; width of the bins of F
_BIN: Final = 0.2
#: κ below which the diffusive estimate is a check
_DIFFUSIVE: Final = 0.3
#: share of a round's time that is distributed evenly
_EVEN: Final = 0.25
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

CROSSING_PROFILE = Documented(
    "crossing_profile",
    "Free energy of an ion along z from umbrella windows, in a passage from its first layer into the slab.",
    {
        "z_A": ("Å", "(B,) centres of the bins, from the mid-plane of the slab"),
        "free_energy_K": ("K", "(B,) −T ln of the density per Å over the number in the well, mean of the ladders"),
        "error_K": ("K", "(B,) its standard error, from the ladders"),
        "low_K": ("K", "(B,) lower end of its interval"),
        "high_K": ("K", "(B,) upper end of its interval"),
        "ladders_K": ("K", "(ladders, B) F of each ladder"),
        "window_z_A": ("Å", "(W,) centres of the windows, from the electrolyte into the slab"),
        "window_ps": ("ps", "(W,) evaluated time of each window, all ladders and rounds together"),
        "window_ions": ("", "(W,) mean number of these ions in the ceramic; NaN if it is not known"),
        "next_ps": ("ps", "(W,) time of each window in the next round, most where the error comes from"),
        "temperature_K": ("K", "Temperature"),
        "ion": ("", "Species of the ion"),
        "side": ("", "left or right"),
        "level": ("", "Level of the intervals"),
        "well_range_A": ("Å", "z of the first layer, whose number of ions F refers to"),
        "surface_z_A": ("Å", "z of the dividing surface; null if F has no top"),
        "tst_barrier_K": ("K", "F on the dividing surface"),
        "tst_barrier_error_K": ("K", "Its standard error"),
        "rounds": ("", "Number of rounds through the windows"),
        "samples": ("", "Independent samples of all windows"),
        "correlation_ps": ("ps", "Slowest correlation time of a window; slower processes are not seen"),
        "thin": ("", "Triples of a ladder and the z (Å) of two neighbouring windows that overlap too little"),
        "reasons": ("", "One sentence for each number that is not known"),
    },
)

TRANSMISSION = Documented(
    "transmission",
    "Transmission in time of Bennett and Chandler, beside κ of a crossing.",
    {
        "time_ps": ("ps", "(T,) time after the start"),
        "kappa_in": ("", "(T,) κ(t) of the way into the slab; its plateau is κ"),
        "kappa_out": ("", "(T,) the same of the way out"),
    },
)

CROSSING = Documented(
    "crossing",
    (
        "Rate at which an ion of the first layer crosses into the slab, from F on the dividing surface and the "
        "transmission of short trajectories that begin there; see [crossing](../science/crossing.md)."
    ),
    {
        "temperature_K": ("K", "Temperature"),
        "ion": ("", "Species of the ion"),
        "side": ("", "left or right"),
        "level": ("", "Level of the intervals"),
        "ladders": ("", "Number of independent ladders"),
        "well_range_A": ("Å", "z of the first layer"),
        "surface_z_A": ("Å", "z of the dividing surface"),
        "barrier_K": ("K", "F on the dividing surface minus F at its minimum in the first layer"),
        "barrier_interval_K": ("K", "Its interval"),
        "tst_barrier_K": (
            "K",
            "TST barrier, F on the surface relative to the number in the first layer",
        ),
        "tst_barrier_error_K": ("K", "Its standard error, from the ladders"),
        "tst_barrier_interval_K": ("K", "Its interval"),
        "hysteresis_K": ("K", "TST barrier of the last round minus that of the first; null with one round"),
        "rate_tst_per_s": ("s⁻¹", "Rate with κ = 1"),
        "kappa_in": ("", "Transmission coefficient into the slab"),
        "kappa_in_interval": ("", "Its interval; exact bounds with fewer than five reactive starts"),
        "kappa_out": ("", "Transmission coefficient out of the slab, the same at equilibrium"),
        "kappa_out_interval": ("", "Its interval"),
        "balance_p_value": ("", "p-value of the two κ being the same: detailed balance"),
        "starts": ("", "Trajectories that began towards the slab, and towards the electrolyte"),
        "reactive": ("", "Those of them that came from one side and committed to the other"),
        "undecided": ("", "Share of the trajectories from one side that committed to neither in time"),
        "rate_in_per_s": ("s⁻¹", "Γ, crossings into the slab per ion of the first layer"),
        "rate_in_interval_per_s": ("s⁻¹", "Its interval, with the errors of F and κ"),
        "rate_in_log_error": ("", "Standard error of ln Γ"),
        "rate_out_per_s": ("s⁻¹", "Crossings out of the slab per ion of the first layer; Γ at equilibrium"),
        "rate_out_interval_per_s": ("s⁻¹", "Its interval"),
        "curvature_K_per_A2": ("K Å⁻²", "k in F = k (z − z₀)² at the minimum of the first layer"),
        "frequency_per_s": ("s⁻¹", "ν of the minimum"),
        "rate_harmonic_per_s": ("s⁻¹", "ν exp(−ΔF / k_B T), the rate of a parabolic well with κ = 1"),
        "diffusion_A2_per_ps": ("Å²/ps", "Diffusion coefficient on the surface, from a window there"),
        "rate_diffusive_per_s": ("s⁻¹", "Rate of diffusion over F, a check where κ is below 0.3; null elsewhere"),
        "layer_ions": ("", "Mean number of ions in the first layer of this side in the systems at the start"),
        "area_nm2": ("nm²", "Area of the face"),
        "layer_density_per_nm2": ("nm⁻²", "Mean number of ions in the first layer of this side per area"),
        "off_equilibrium": ("", "Why the systems are off equilibrium; null if nothing is known against them"),
        "crossings_per_nm2_per_s": (
            "nm⁻² s⁻¹",
            "Crossings into the slab per area; null without ions there",
        ),
        "resistance_ohm_cm2": ("Ω cm²", "Interfacial resistance k_B T A / (e² k); null without ions in the layer"),
        "resistance_interval_ohm_cm2": ("Ω cm²", "Its interval, at this number of ions in the layer"),
        "ceramic_ions": ("", "Mean number of these ions in the ceramic in the windows; F is conditional on it"),
        "ceramic_ions_range": ("", "Its lowest and highest mean of a window"),
        "correlation_ps": ("ps", "Slowest correlation time of a window"),
        "windows": ("", "Number of windows"),
        "windows_ns": ("ns", "Evaluated time of all windows"),
        "samples": ("", "Independent samples of all windows"),
        "rounds": ("", "Number of rounds through the windows"),
        "thin": ("", "Triples of a ladder and the z (Å) of two neighbouring windows that overlap too little"),
        "steps": ("", "Steps of all trajectories that began on top"),
        "failed_ladders": ("", "Ladders whose jobs failed, which are left out"),
        "reasons": ("", "One sentence for each number that is not known, and on what to mind"),
    },
)


@dataclass(frozen=True)
class Round:
    """One run of a ladder: its plan, and over all its jobs the thermo columns and the short trajectories.

    The ``stage`` of a short trajectory is the index into the stages of the plan.
    """

    plan: JobPlan
    thermo: Columns
    shots: Columns | None = None


@dataclass(frozen=True)
class LadderRuns:
    """The jobs of one ladder, and the system from which it began."""

    name: str
    info: SystemInfo
    rounds: Sequence[Round]


@dataclass(frozen=True)
class Series:
    """z of one window of one round, Å, in the order of time, with the number of ions in the ceramic."""

    ladder: int
    number: int
    centre: float
    spring: float
    z: Floats
    inside: float


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
        (N,) whether it came from one side and committed to none.
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


# -- free energy ---------------------------------------------------------------------------------------------


def crossing_profile(
    ladders: Sequence[LadderRuns], plan: CrossingPlan, passage: Passage, temperature: float
) -> dict[str, Any]:
    """Return F(z) of all ladders so far, as :data:`CROSSING_PROFILE`.

    Raises
    ------
    ValueError
        There are fewer than three ladders, or one has no usable window.
    """
    if len(ladders) < FEWEST_LADDERS:
        raise ValueError(f"{len(ladders)} ladders: an error takes {FEWEST_LADDERS}")
    series = [one for number, ladder in enumerate(ladders) for one in _series(ladder, number, plan)]
    windows = _joined(series)
    well = passage.z(passage.well)
    found = umbrella_profile(windows, _edges(passage), temperature, well, LEVEL)
    low, high = found.interval()
    centres = plan.centres(passage)
    rounds = max(one.number for one in series) + 1
    reasons: list[str] = []
    surface = barrier = error = math.nan
    try:
        surface = passage.sign * plan.surface if plan.surface else find_surface(found, *passage.z(passage.top))
        barrier, error = found.at(surface)
    except ValueError as problem:
        reasons.append(f"no dividing surface: {problem}; give one with surface, or another span")
    times = np.full(len(centres), plan.window_ps)
    if math.isfinite(surface):
        shares = next_times(windows, found, well, surface, plan.round_times(len(centres)), _EVEN * plan.window_ps)
        places = np.array(list(shares))
        times = np.array(list(shares.values()))[np.abs(centres[:, None] - places).argmin(axis=1)]
    return {
        "z_A": found.centres,
        "free_energy_K": found.free_energy,
        "error_K": found.standard_error,
        "low_K": low,
        "high_K": high,
        "ladders_K": found.ladders,
        "window_z_A": centres,
        "window_ps": np.array([_time(series, centre, plan) for centre in centres]),
        "window_ions": np.array([_ions(series, centre) for centre in centres]),
        "next_ps": times,
        "temperature_K": temperature,
        "ion": ladders[0].info.ion_species()[0],
        "side": passage.side,
        "level": LEVEL,
        "well_range_A": list(well),
        "surface_z_A": finite_or_none(surface),
        "tst_barrier_K": finite_or_none(barrier),
        "tst_barrier_error_K": finite_or_none(error),
        "rounds": rounds,
        "samples": found.samples,
        "correlation_ps": found.correlation * plan.sample_ps,
        "thin": [list(one) for one in found.thin],
        "reasons": reasons,
    }


def profile_of(found: Mapping[str, Any]) -> UmbrellaProfile:
    """Return the profile whose results :func:`crossing_profile` returned."""
    z = np.asarray(found["z_A"], dtype=np.float64)
    width = float(z[1] - z[0])
    edges = np.append(z - width / 2, z[-1] + width / 2)
    thin = tuple((int(ladder), float(one), float(other)) for ladder, one, other in found["thin"])
    ladders = np.asarray(found["ladders_K"], dtype=np.float64)
    numbers = found["temperature_K"], found["level"], found["correlation_ps"], found["samples"]
    kelvin, level, correlation, samples = numbers
    return UmbrellaProfile(edges, kelvin, ladders, level, correlation, samples, thin)


def _edges(passage: Passage) -> Floats:
    """Return the edges (B + 1,) of the bins of F, which the bounds of the well are among."""
    low, high = passage.z(passage.span)
    origin = passage.z(passage.well)[0]
    first, last = math.floor((low - origin) / _BIN), math.ceil((high - origin) / _BIN)
    return np.asarray(origin + _BIN * np.arange(first, last + 1), dtype=np.float64)


def _series(ladder: LadderRuns, number: int, plan: CrossingPlan) -> Iterator[Series]:
    """Yield the windows of a ladder, without the time in which they relax."""
    for turn, run in enumerate(ladder.rounds):
        if run.shots is not None:
            continue
        missing = {"step", "v_bias_z"} - set(run.thermo)
        if missing:
            raise ValueError(
                f"{ladder.name}, round {turn + 1}: the thermo table has no {', '.join(sorted(missing))}"
            )
        steps, z = run.thermo["step"], run.thermo["v_bias_z"]
        inside: NDArray[Any] = run.thermo.get("v_inside", np.full(len(z), np.nan))
        for span in run.plan.spans:
            bias = span.stage.bias
            if bias is None or not span.stage.name.startswith("window_"):
                continue
            relaxed = span.start + span.stage.interval(plan.relax_ps)
            rows = (steps > relaxed) & (steps <= span.end) & np.isfinite(z)
            if rows.sum() < 2:
                raise ValueError(f"{ladder.name}, {span.stage.name}: {rows.sum()} samples of z; two are needed")
            counted = inside[rows]
            yield Series(
                ladder=number,
                number=turn,
                centre=round(bias.centre, 6),
                spring=bias.spring / KELVIN_TO_KCAL,
                z=np.asarray(z[rows], dtype=np.float64),
                inside=float(counted.mean()) if len(counted) and np.isfinite(counted).all() else math.nan,
            )


def _joined(series: Sequence[Series]) -> list[UmbrellaWindow]:
    """Return one window for each ladder and centre, with the series of all rounds in their order."""
    found: dict[tuple[int, float, float], list[Floats]] = {}
    for one in series:
        found.setdefault((one.ladder, one.centre, one.spring), []).append(one.z)
    return [UmbrellaWindow(key[1], key[2], np.concatenate(parts), key[0]) for key, parts in found.items()]


def _time(series: Sequence[Series], centre: float, plan: CrossingPlan) -> float:
    return plan.sample_ps * sum(len(one.z) for one in series if abs(one.centre - centre) < _BIN / 10)


def _ions(series: Sequence[Series], centre: float) -> float:
    counts = [one.inside for one in series if abs(one.centre - centre) < _BIN / 10]
    return float(np.mean(counts)) if counts else math.nan


# -- rate ----------------------------------------------------------------------------------------------------


def crossing(
    ladders: Sequence[LadderRuns],
    found: Mapping[str, Any],
    plan: CrossingPlan,
    passage: Passage,
    layer_ions: float,
    failed: Sequence[str] = (),
    off_equilibrium: str = "",
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
        Mean number of ions in the first layer.
    failed
        Names of the ladders that failed.
    off_equilibrium
        Why the systems are not those of equilibrium; empty if they are, as far as is known.

    Raises
    ------
    ValueError
        There is no dividing surface, or no trajectory towards one of the sides.
    """
    surface = found["surface_z_A"]
    if surface is None:
        raise ValueError("; ".join(found["reasons"]) or "there is no dividing surface")
    profile, kelvin = profile_of(found), float(found["temperature_K"])
    starts = _starts(ladders, plan, passage, surface)
    info = ladders[0].info
    kappa, reverse = (_kappa(starts, profile, surface, sign) for sign in (1, -1))
    mass = _mass(info)
    into, out = (crossing_rate(profile, surface, one, mass) for one in (kappa, reverse))
    barrier, error = profile.at(surface)
    reach = float(stats.t.ppf((1 + LEVEL) / 2, len(profile.ladders) - 1))
    undecided = float(starts.undecided.sum() / max(int((starts.reactive | starts.undecided).sum()), 1))
    well = tuple(found["well_range_A"])
    lengths = [(high - low) / 10 for low, high in info.box]
    area = lengths[0] * lengths[1]
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
        "balance_p_value": _balance(kappa, reverse),
        "starts": [kappa.starts, reverse.starts],
        "reactive": [kappa.reactive, reverse.reactive],
        "undecided": undecided,
        **_rate_entries("in", into.value, (into.low, into.high)),
        "rate_in_log_error": finite_or_none(into.log_error),
        **_rate_entries("out", out.value, (out.low, out.high)),
        **_parabola(profile, (well[0], well[1]), barrier, mass, reach),
        **_diffusion(ladders, profile, plan, passage, surface, kappa.value),
        "layer_ions": layer_ions,
        "area_nm2": area,
        "layer_density_per_nm2": layer_ions / area if layer_ions else None,
        "off_equilibrium": off_equilibrium or None,
        **_of_area(into.value, (into.low, into.high), layer_ions, area, kelvin),
        **_conditions(found),
        "steps": starts.steps,
        "failed_ladders": list(failed),
        "reasons": [
            *([off_equilibrium] if off_equilibrium else []),
            *_warnings(found, kappa, reverse, undecided, plan),
            *(["no ion in the first layer of the systems: no rate per area and no resistance"] * (not layer_ions)),
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
    return {f"rate_{way}_per_s": finite_or_none(value), f"rate_{way}_interval_per_s": known}


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
    found: dict[str, NDArray[Any]] = {
        "structures": joined["structure"].astype(np.int64),
        "places": place,
        "velocities": passage.inward * velocity,
        "reactive": (joined["backward"] == 1) & (forward == np.sign(velocity)),
        "undecided": (joined["backward"] == 1) & (forward == 0),
        "followed": joined["followed"] == 1,
        "beyond": beyond,
    }
    steps = joined["backward_steps"].sum() + joined["forward_steps"].sum()
    kept = {key: value[usable] for key, value in found.items()}
    return Starts(**kept, every_ps=plan.trace_fs / 1000, steps=int(steps))


def _kappa(starts: Starts, profile: UmbrellaProfile, surface: float, direction: int) -> Transmission:
    """Return κ of the starts into the slab (1) or out of it (−1).

    Each start is on a surface of its own, close to the dividing surface, through which the flux is the same.
    """
    own = direction * starts.velocities > 0
    if not own.any():
        raise ValueError(f"no short trajectory begins {'into' if direction > 0 else 'out of'} the slab")
    top, _ = profile.at(surface)
    ends = profile.centres[[0, -1]]
    energies = np.array([profile.at(float(np.clip(place, *ends)))[0] for place in starts.places[own]])
    energies = np.where(np.isfinite(energies), energies, top)
    weights = np.exp((energies - top) / profile.temperature)
    speeds = np.abs(starts.velocities[own])
    return transmission(speeds, starts.reactive[own], starts.structures[own], profile.level, weights)


def _balance(one: Transmission, other: Transmission) -> float | None:
    """Return the p-value of two κ being the same; None if one has no error."""
    error = math.hypot(one.log_error, other.log_error)
    if not (math.isfinite(error) and error > 0):
        return None
    return float(2 * stats.norm.sf(abs(math.log(one.value / other.value)) / error))


def _hysteresis(
    ladders: Sequence[LadderRuns], plan: CrossingPlan, passage: Passage, temperature: float, surface: float
) -> float | None:
    """Return F on the surface from the last round alone minus that from the first; None with one round."""
    series = [one for number, ladder in enumerate(ladders) for one in _series(ladder, number, plan)]
    last = max(one.number for one in series)
    if last == 0:
        return None
    heights = []
    for turn in (0, last):
        windows = _joined([one for one in series if one.number == turn])
        try:
            alone = umbrella_profile(windows, _edges(passage), temperature, passage.z(passage.well), LEVEL)
            heights.append(alone.at(surface)[0])
        except ValueError:
            return None
    return finite_or_none(heights[1] - heights[0])


def _parabola(
    profile: UmbrellaProfile, well: tuple[float, float], top: float, mass: float, reach: float
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
    height = top - float(profile.free_energy[lowest])
    bins = int(np.argmin(np.abs(profile.centres - profile.centres[lowest])))
    differences = _at_top(profile, top) - profile.ladders[:, bins]
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


def _at_top(profile: UmbrellaProfile, top: float) -> Floats:
    """Return F of each ladder in the bin whose mean is nearest to F on the surface."""
    nearest = int(np.nanargmin(np.abs(profile.free_energy - top)))
    values: Floats = profile.ladders[:, nearest]
    return values


def _diffusion(
    ladders: Sequence[LadderRuns],
    profile: UmbrellaProfile,
    plan: CrossingPlan,
    passage: Passage,
    surface: float,
    kappa: float,
) -> dict[str, Any]:
    """Return D = σ² / τ of the windows nearest to the surface, and for small κ the rate D / ∫ exp(F / T) dz."""
    series = [one for number, ladder in enumerate(ladders) for one in _series(ladder, number, plan)]
    nearest = min((one.centre for one in series), key=lambda centre: abs(centre - surface))
    own = [one.z for one in series if one.centre == nearest]
    times = [max((statistical_inefficiency(z) - 1) / 2, 0.5) * plan.sample_ps for z in own]
    coefficient = float(np.mean([z.var() for z in own]) / np.mean(times))
    outer = passage.z(passage.well)
    low, high = sorted((surface, outer[1] if passage.sign > 0 else outer[0]))
    z, energies = profile.centres, profile.free_energy
    # over the top as far as windows reach; in the well the integrand is negligible
    inside = np.isfinite(energies) & ((z <= high) if passage.sign > 0 else (z >= low))
    resistance = float((np.exp(energies[inside] / profile.temperature) * np.diff(profile.edges)[inside]).sum())
    rate = coefficient * 1e12 / resistance if kappa < _DIFFUSIVE and resistance > 0 else None
    return {"diffusion_A2_per_ps": coefficient, "rate_diffusive_per_s": rate}


def _of_area(
    rate: float, ends: tuple[float, float], ions: float, area: float, temperature: float
) -> dict[str, Any]:
    """Return crossings per area and the resistance of the face; null without ions in the layer."""
    keys = ("crossings_per_nm2_per_s", "resistance_ohm_cm2", "resistance_interval_ohm_cm2")
    if not (ions > 0 and rate > 0):
        return dict.fromkeys(keys)
    low, high = (
        float(interfacial_resistance(end * ions, area, temperature)) if 0 < end < math.inf else math.nan
        for end in ends[::-1]
    )
    value = float(interfacial_resistance(rate * ions, area, temperature))
    return dict(zip(keys, (rate * ions / area, value, finite_range_or_none([low, high])), strict=True))


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
                "structures are reactive; it takes 5 in 4"
            )
    shortest = float(np.min(found["window_ps"])) / max(len(found["ladders_K"]), 1)
    if found["correlation_ps"] * 5 > shortest:
        said.append(
            f"the slowest correlation time seen, {found['correlation_ps']:.2g} ps, is not short against the "
            f"{shortest:.3g} ps of a window in a ladder: F may be off by more than its interval"
        )
    if found["thin"]:
        said.append(f"{len(found['thin'])} pairs of windows overlap too little: lower spacing_A")
    return said


# -- view ----------------------------------------------------------------------------------------------------


def crossing_rows(found: Mapping[str, Any]) -> Iterator[Quantity]:
    """Yield the numbers of a crossing as they are shown."""
    ladders = "fewer than three ladders"
    yield Quantity.of(found, "barrier ΔF", "barrier{}_K", "K", reason=ladders)
    yield Quantity.of(found, "TST barrier", "tst_barrier{}_K", "K", reason=ladders)
    yield Quantity.of(found, "rate with κ = 1", "rate_tst{}_per_s", "s⁻¹")
    starts, reactive = (found.get(key) or [None, None] for key in ("starts", "reactive"))
    for words, key, turn in (("into", "kappa_in{}", 0), ("out of", "kappa_out{}", 1)):
        note = f"{reactive[turn]} of {starts[turn]} starts"
        yield Quantity.of(found, f"κ {words} the slab", key, note=note)
    bounds = "κ has bounds only"
    per_ion = "per ion of the 1st layer"
    yield Quantity.of(found, "Γ into the slab", "rate_in{}_per_s", "s⁻¹", reason=bounds, note=per_ion)
    yield Quantity.of(found, "Γ out of the slab", "rate_out{}_per_s", "s⁻¹", reason=bounds, note=per_ion)
    yield Quantity.of(found, "harmonic estimate of Γ", "rate_harmonic{}_per_s", "s⁻¹", note="κ = 1, a parabola")
    yield Quantity.of(
        found, "diffusive estimate of Γ", "rate_diffusive{}_per_s", "s⁻¹", reason="an estimate where κ < 0.3"
    )
    layer = "no ion in the first layer of the systems"
    yield Quantity.of(found, "interfacial resistance", "resistance{}_ohm_cm2", "Ω cm²", reason=layer)
    yield Quantity.of(
        found, "ions in the ceramic in the windows", "ceramic_ions{}", reason="F is conditional on it"
    )
    yield Quantity.of(found, "slowest correlation time", "correlation{}_ps", "ps", note="of a window")
