"""Checks of what LAMMPS and the reduction made: temperature, displacements, wells, charge, and layers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.analysis.shifts import shifts
from aiida_cse.landscape.identities import Results
from aiida_cse.landscape.model import ANION, ANION_MASSES, CATION, Ions, Landscape
from aiida_cse.landscape.system import EDGE, FRAMEWORK, FRAMEWORK_AT, landscape_types
from aiida_cse.reduction.state import State

__all__ = ["charge_known", "displacements_known", "places_known", "shifts_known", "temperature_known"]

Floats = NDArray[np.float64]
#: quantity, unit, known value, value found, and its interval
Found = tuple[str, str, float, float | None, tuple[float, float] | None]

#: displacements of one ion that follow each other share the velocity between them
_SHARED = 1.3
#: relative error of a variance from the timestep and from rounding to the grid
_FLOOR = 2e-3
#: least independent displacements, whose variance is then normal
_FEWEST = 200
#: Å; tolerance of the positions of wells and tops, a third of the distance between those of both sides
_WELL, _TOP = 0.3, 0.75
#: blocks are not much longer than the exchange with the slab
_CORRELATED = 2.0
#: Å by which layers are moved
_MOVED = 0.4


def _normal(level: float, number: int = 1) -> float:
    """Return the two-sided quantile at which ``number`` comparisons together have a level."""
    return float(stats.norm.isf((1 - level) / 2 / max(number, 1)))


def temperature_known(
    stages: Results, temperature: float, ions: Ions, landscape: Landscape, plan: Mapping[str, Any], level: float
) -> Iterator[Found]:
    """Compare the temperature of the thermostat, from the velocities of all mobile atoms, with the one asked for.

    The rows of the last segment count at least: they are independent, being further apart than the memory of the
    velocities.
    """
    found = stages["stages"][-1]["temperature_K"]
    atoms = ions.cations + ions.anions * (len(ANION_MASSES) if landscape.molecular else 1)
    rows = min(plan["segment_ps"], plan["length_ps"]) / 2 / max(plan["thermo_ps"], 0.5)
    reach = _normal(level) * temperature * math.sqrt(2 / (3 * atoms * max(rows, 1)))
    yield "T of the thermostat", "K", temperature, found, (found - reach, found + reach)


def displacements_known(
    found: Results, temperature: float, landscape: Landscape, variances: list[list[float]], level: float
) -> Iterator[Found]:
    """Compare variances of displacements with the known ones along x and y, and the reference along z.

    They are those of the Ornstein–Uhlenbeck process: Var(Δx) = 2 D (t − τ (1 − exp(−t/τ))) with D = k_B T τ / m in
    every layer, as nothing acts along x and y. An anion moves with its whole mass. Of all layers, lags and both
    axes the largest deviation is given.
    """
    mass = {CATION: landscape.mass, ANION: sum(ANION_MASSES) if landscape.molecular else ANION_MASSES[0]}
    first = found["lags_ps"][0]
    for ion, weight in mass.items():
        key, memory = ion.lower(), landscape.damping_fs
        squared = landscape.thermal_speed_squared(temperature) * landscape.mass / weight
        lags = np.array(found["lags_ps"]) * 1000
        known = 2 * squared * memory * (lags + memory * np.expm1(-lags / memory))
        values = np.asarray(found[f"{key}_variance_A2"])[..., :2]
        number = np.asarray(found[f"{key}_samples"]) * first / np.array(found["lags_ps"])
        few = number < _FEWEST
        relative = _normal(level, 2 * int((~few).sum())) * _SHARED * np.sqrt(2 / np.where(few, 1, number)) + _FLOOR
        there = number[:, 0] > 0
        mean = float(np.average(values[there, 0].mean(axis=1), weights=number[there, 0]))
        reach = (_normal(level) * _SHARED * math.sqrt(1 / number[:, 0].sum()) + _FLOOR) * float(known[0])
        yield f"Var(Δx, Δy) of {ion}, all layers", "Å²", float(known[0]), mean, (mean - reach, mean + reach)
        away = np.abs(values / known[:, None] - 1) / relative[..., None]
        away[few] = -1.0
        row, lag, axis = (int(one) for one in np.unravel_index(np.nanargmax(away), away.shape))
        value, reach = float(values[row, lag, axis]), float(relative[row, lag] * known[lag])
        name = f"Var(Δ{'xy'[axis]}) of {ion}, {found[f'{key}_layers'][row]}, {found['lags_ps'][lag]:g} ps"
        yield name, "Å²", float(known[lag]), value, (value - reach, value + reach)
    if not variances:
        return
    key = CATION.lower()
    values, number = np.asarray(found[f"{key}_variance_A2"])[:, 0, 2], np.asarray(found[f"{key}_samples"])[:, 0]
    known, error = np.array(variances).T
    errors = np.hypot(error, _SHARED * known * np.sqrt(3 / np.maximum(number, 1)))
    reach_z = np.where(number < _FEWEST, np.inf, _normal(level, len(values)) * errors + _FLOOR * known)
    if not np.isfinite(reach_z).any():
        return
    row = int(np.nanargmax(np.abs(values - known) / reach_z))
    value, reach = float(values[row]), float(reach_z[row])
    name = f"Var(Δz) of {CATION}, {found[f'{key}_layers'][row]}"
    yield name, "Å²", float(known[row]), value, (value - reach, value + reach)


def places_known(barrier: Results, landscape: Landscape) -> Iterator[Found]:
    """Compare wells and tops with their places on each side."""
    for side, sign, well in (("left", -1, landscape.well_left), ("right", 1, landscape.well_right)):
        for name, place, reach in (("well", landscape.half_thickness + well, _WELL), ("top", landscape.top, _TOP)):
            found = barrier[f"{name}_{CATION.lower()}_{side}_z_A"]
            if found is not None:
                yield f"{name} of {CATION}, {side}", "Å", sign * place, found, (found - reach, found + reach)


# -- charge ------------------------------------------------------------------------------------------------------


def charge_known(
    found: Results, temperature: float, landscape: Landscape, ions: Ions, scatter: float, level: float
) -> Iterator[Found]:
    """Compare the charge integral (eq 6) of each half with that of the known densities, where it deviates most.

    ``scatter`` is the standard deviation of the number of cations in the slab, averaged over the run.
    """
    z = np.asarray(found["z_A"])
    width = float(z[1] - z[0])
    charge = known_charge(z, temperature, landscape, ions)
    from_left = np.cumsum(charge) - charge / 2
    slow = abs(landscape_types(landscape, ions)[2].charge) * scatter / EDGE**2
    for side, integral in (("left", from_left), ("right", from_left - charge.sum())):
        value, error = (np.asarray(found[f"{side}_{what}"]) for what in ("e_per_A2", "error_e_per_A2"))
        # where the framework is, its two planes may fall into either of two bins
        there = np.isfinite(value) & np.isfinite(error) & (np.abs(np.abs(z) - FRAMEWORK_AT) > width)
        if not there.any():
            yield f"E_eff, {side}", "e/Å²", 0.0, None, None
            continue
        reach = _normal(level, int(there.sum())) * np.hypot(_CORRELATED * error[there], slow) + 1e-9
        worst = int(np.argmax(np.abs(value - integral)[there] / reach))
        at = np.flatnonzero(there)[worst]
        ends = (float(value[at] - reach[worst]), float(value[at] + reach[worst]))
        yield f"E_eff at {z[at]:.1f} Å, {side}", "e/Å²", float(integral[at]), float(value[at]), ends


def known_charge(z: Floats, temperature: float, landscape: Landscape, ions: Ions) -> Floats:
    """Return the charge per area (e/Å²) of the bins around ``z`` (bins,) in equilibrium."""
    width = float(z[1] - z[0])
    edges = np.append(z - width / 2, z[-1] + width / 2)
    types = landscape_types(landscape, ions)
    charge = np.zeros(len(z))
    framework = types[:2] if landscape.molecular else types[:1]
    for entry, places in zip(framework, [(-1.0,), (1.0,)] if landscape.molecular else [(-1.0, 1.0)], strict=True):
        for place in places:
            charge[int(np.argmin(np.abs(z - place * FRAMEWORK_AT)))] += entry.charge * FRAMEWORK
    cation = landscape.weight(CATION, edges, temperature)
    charge += types[len(framework)].charge * ions.cations * cation / cation.sum()
    sites = types[len(framework) + 1 :]
    for number, entry in enumerate(sites):
        weights = (
            landscape.smeared_weight(edges, temperature, landscape.site_spreads(temperature)["site"])
            if number
            else landscape.anion.weight(edges, temperature, points=8)
        )
        charge += entry.charge * ions.anions * weights / weights.sum()
    found: Floats = charge / EDGE**2
    return found


# -- layers that are moved ---------------------------------------------------------------------------------------


def shifts_known(state: State, criteria: Mapping[str, Any]) -> Iterator[Found]:
    """Move the layers of a state towards the slab by a known distance and look for this Δz.

    The histograms outside the slab are shifted by whole bins on both sides. Both curves of a pair come from the
    same run, so that Δz is found to a fraction of a bin.
    """
    moved = _with_moved_layers(state)
    names = AnalysisSettings.model_fields
    settings = AnalysisSettings.model_validate({key: value for key, value in criteria.items() if key in names})
    pair = {
        "hot": ReducedProduction(state, None, settings),
        "cold": ReducedProduction(moved, None, settings),
    }
    found = shifts(pair)
    width = state.config.box[2] / state.config.bins
    for kind, reach in (("dz_free_energy", width), ("dz", 4 * width)):
        key = f"{kind}_{round(moved.temperature or 0):04d}K_A"
        value, words = found[key], "free energy" if "free" in kind else "charge"
        yield (
            f"Δz of moved layers, {words}",
            "Å",
            _MOVED,
            value,
            None if value is None else (value - reach, value + reach),
        )


def _with_moved_layers(state: State) -> State:
    """Return the state at a temperature 10 K lower, with all outside the slab nearer to it by a known distance."""

    def moved(histogram: NDArray[np.int64]) -> NDArray[np.int64]:
        bins = histogram.shape[-1]
        steps = round(_MOVED / state.config.box[2] * bins)
        outer = round((0.5 - state.config.half_thickness / state.config.box[2]) * bins)
        left, middle, right = np.split(histogram, [outer, bins - outer], axis=-1)
        pad = ((0, 0), (0, 0), (steps, 0))
        left = np.pad(left, pad, mode="edge")[..., : -steps or None]
        right = np.pad(right, [*pad[:2], (0, steps)], mode="edge")[..., steps:]
        return np.concatenate([left, middle, right], axis=-1)

    temperature = (state.temperature or 0.0) - 10.0
    return replace(
        state,
        config=state.config.model_copy(update={"temperature": temperature}),
        point_histograms=moved(state.point_histograms),
        streams={name: moved(stream) for name, stream in state.streams.items()},
    )
