"""F(z) of a crossing from the umbrella windows of its ladders."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.registry import finite_or_none
from aiida_cse.lammps.files.system import SystemInfo
from aiida_cse.lammps.protocol.crossing import KELVIN_TO_KCAL, CrossingPlan, Passage
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.physics.crossing.layout import added_centres, find_surface, next_times
from aiida_cse.physics.crossing.umbrella import FEWEST_LADDERS, UmbrellaProfile, UmbrellaWindow, umbrella_profile

__all__ = [
    "LEVEL",
    "LadderRuns",
    "Round",
    "Series",
    "bin_edges",
    "checked_profile",
    "crossing_profile",
    "joined_windows",
    "profile_of",
    "window_series",
]

Floats = NDArray[np.float64]
Columns = Mapping[str, NDArray[Any]]

#: level of the intervals of a crossing
LEVEL: Final = 0.95
#: Å; width of the bins of F
_BIN: Final = 0.2
#: share of a round's time that is distributed evenly
_EVEN: Final = 0.25
#: decimal places (Å) by which centres of windows are told apart
_DIGITS: Final = 6


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
    series = [one for number, ladder in enumerate(ladders) for one in window_series(ladder, number, plan)]
    windows = joined_windows(series)
    well = passage.z(passage.well)
    found = umbrella_profile(windows, bin_edges(passage), temperature, well, LEVEL)
    low, high = found.interval()
    centres = sorted({one.centre for one in series}, key=lambda z: passage.inward * z)
    rounds = max(one.number for one in series) + 1
    reasons: list[str] = []
    surface = barrier = error = math.nan
    try:
        place = passage.sign * plan.surface if plan.surface else find_surface(found, *passage.z(passage.top))
        barrier, error = found.at(place)
        if not math.isfinite(barrier):
            raise ValueError(f"a ladder has no sample at {place:.2f} Å")
        surface = place
    except ValueError as problem:
        reasons.append(f"no dividing surface: {problem}; give one with surface, or another span")
    times = dict.fromkeys(centres, plan.window_ps)
    if math.isfinite(surface):
        total = plan.round_times(len(centres))
        times = next_times(windows, found, well, surface, total, _EVEN * plan.window_ps)
    needed = _needed_range(passage, surface, plan.spacing_A)
    added = [round(place, _DIGITS) for place in added_centres(centres, found, *needed, plan.spacing_A)]
    following = sorted([*centres, *added], key=lambda z: passage.inward * z)
    return {
        "z_A": found.centres,
        "free_energy_K": found.free_energy,
        "error_K": found.standard_error,
        "low_K": low,
        "high_K": high,
        "ladders_K": found.ladders,
        "window_z_A": np.array(centres),
        "window_ps": np.array([_time(series, centre, plan) for centre in centres]),
        "window_ions": np.array([_ions(series, centre) for centre in centres]),
        "next_z_A": np.array(following),
        "next_ps": np.array([times.get(centre, plan.window_ps) for centre in following]),
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


def _needed_range(passage: Passage, surface: float, spacing: float) -> tuple[float, float]:
    """Return the range of z in which windows must overlap: from the end of the well to beyond the surface, Å."""
    outer, inner = passage.sign * passage.well[1], passage.sign * passage.top[0]
    low, high = sorted((outer, surface + passage.inward * spacing if math.isfinite(surface) else inner))
    return low, high


def checked_profile(found: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return stored results of :func:`crossing_profile`, which may be of any program.

    Raises
    ------
    ValueError
        A result is missing or has another form; the message names it.
    """
    arrays: dict[str, Any] = {
        key: found.get(key) for key in ("z_A", "ladders_K", "window_z_A", "window_ps", "window_ions")
    }
    for key, value in arrays.items():
        ndim = 2 if key == "ladders_K" else 1
        if not isinstance(value, np.ndarray) or value.ndim != ndim or value.dtype.kind not in "iuf":
            raise ValueError(f"profile.{key}: must be an array of numbers with {ndim} dimension{'s' * (ndim > 1)}")
    z, ladders, *windows = arrays.values()
    if len(z) < 2 or not (np.diff(z) > 0).all() or not len(ladders) or ladders.shape[1] != len(z):
        raise ValueError("profile.z_A, ladders_K: must be ascending bins, two or more, and F of each ladder there")
    if not len(windows[0]) or len({len(one) for one in windows}) > 1:
        raise ValueError("profile.window_z_A, window_ps, window_ions: must have a value for each window")
    well: Any = found.get("well_range_A")
    thin, surface = found.get("thin"), found.get("surface_z_A")
    numbers: dict[str, Any] = {
        key: found.get(key) for key in ("temperature_K", "level", "correlation_ps", "samples", "rounds")
    }
    numbers |= {"surface_z_A": 0.0 if surface is None else surface}
    for key, value in numbers.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"profile.{key} = {str(value)[:80]}: must be a number")
    if not (numbers["temperature_K"] > 0 and 0 < numbers["level"] < 1):
        raise ValueError("profile.temperature_K, level: must be above zero, and between 0 and 1")
    if not _are_numbers(well, 2) or not well[0] < well[1]:
        raise ValueError(f"profile.well_range_A = {str(well)[:80]}: must be two ascending places")
    if not isinstance(thin, list) or not all(_are_numbers(one, 3) for one in thin):
        raise ValueError(f"profile.thin = {str(thin)[:80]}: must be a list of a ladder and two places each")
    return found


def _are_numbers(value: Any, number: int) -> bool:
    """Return whether a value is a list of so many finite numbers."""
    listed = isinstance(value, list | tuple) and len(value) == number
    return listed and all(isinstance(one, int | float) and math.isfinite(one) for one in value)


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


def bin_edges(passage: Passage) -> Floats:
    """Return the edges (B + 1,) of the bins of F, which the bounds of the well are among."""
    low, high = passage.z(passage.span)
    origin = passage.z(passage.well)[0]
    first, last = math.floor((low - origin) / _BIN), math.ceil((high - origin) / _BIN)
    return np.asarray(origin + _BIN * np.arange(first, last + 1), dtype=np.float64)


def window_series(ladder: LadderRuns, number: int, plan: CrossingPlan) -> Iterator[Series]:
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
                centre=round(bias.centre, _DIGITS),
                spring=bias.spring / KELVIN_TO_KCAL,
                z=np.asarray(z[rows], dtype=np.float64),
                inside=float(counted.mean()) if len(counted) and np.isfinite(counted).all() else math.nan,
            )


def joined_windows(series: Sequence[Series]) -> list[UmbrellaWindow]:
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
