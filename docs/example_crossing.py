"""Simulate the crossing of the gallery: one ion in a landscape of known free energy, without LAMMPS.

:func:`crossing_findings` runs umbrella windows in four ladders and short trajectories from the top by Langevin
dynamics, and evaluates them by the functions that evaluate those of LAMMPS. It takes less than a minute.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.analysis.crossing.density import density_entries
from aiida_cse.analysis.crossing.documents import CROSSING, CROSSING_PROFILE, TRANSMISSION
from aiida_cse.analysis.crossing.profile import profile_of
from aiida_cse.physics.crossing.reactive_flux import transmission, transmission_in_time
from aiida_cse.physics.crossing.umbrella import UmbrellaWindow, umbrella_profile
from aiida_cse.physics.profiles.density import free_energy_profile
from aiida_cse.report.findings import Findings, Origin
from aiida_cse.report.results import describe_result
from benchmarks.crossing.landscapes import SPEED_SQUARED, STEP, Landscape

__all__ = ["LANDSCAPE", "crossing_findings"]

Floats = NDArray[np.float64]

#: a barrier of 10 k_BT at 700 K, and a friction (ps⁻¹) at which about half of the ions on the top cross
LANDSCAPE = Landscape(friction=10.0)
#: Å; the top is at 0 in the landscape, and here from the mid-plane of a slab
PLACE = -12.0
WELL, EDGES, CENTRES = (-7.0, -2.5), np.arange(-7.1, 2.2, 0.2), np.arange(-6.5, 2.01, 0.5)
#: k_B T over the spring constant, Å²
VARIANCE = 0.16
LADDERS, STRUCTURES = 4, 8
#: ions that no spring holds, and samples of each
FREE_IONS, FREE_SAMPLES = 6, 2000
#: samples of a window, and the steps between them
SAMPLES, EVERY = 400, 40
#: starts in a structure, times of their traces and the steps between these, and Å at which a side is reached
STARTS, TIMES, BETWEEN, COMMIT = 150, 100, 10, 2.0


def crossing_findings(seed: int = 1) -> Findings:
    """Return the findings of a simulated crossing; the seed is that of all random numbers."""
    rng = np.random.default_rng(seed)
    found = _windows(rng)
    rate, in_time = _shots(rng)
    shared = {key: found[key] for key in ("temperature_K", "ion", "side", "level", "surface_z_A")}
    shared |= _density(rng, found)
    return Findings(
        Origin("crossing", "simulated crossing"),
        runs={},
        crossing=describe_result(CROSSING, shared | rate),
        crossing_profile=describe_result(CROSSING_PROFILE, found),
        transmission=describe_result(TRANSMISSION, in_time),
    )


def _windows(rng: np.random.Generator) -> dict[str, Any]:
    """Return F(z) with the keys of the results of a crossing."""
    kelvin = LANDSCAPE.temperature
    spring = kelvin / VARIANCE
    windows = [
        UmbrellaWindow(float(place), spring, LANDSCAPE.window(rng, float(place), spring, SAMPLES, EVERY), ladder)
        for ladder in range(LADDERS)
        for place in CENTRES
    ]
    found = umbrella_profile(windows, EDGES, kelvin, WELL)
    low, high = found.interval()
    barrier, error = found.at(LANDSCAPE.surface)
    sampled_ps = EVERY * STEP
    return {
        "z_A": found.centres + PLACE,
        "free_energy_K": found.free_energy,
        "low_K": low,
        "high_K": high,
        "ladders_K": found.ladders,
        "window_z_A": CENTRES + PLACE,
        "window_ps": np.full(len(CENTRES), LADDERS * SAMPLES * sampled_ps),
        "temperature_K": kelvin,
        "ion": "Li",
        "side": "left",
        "level": found.level,
        "well_range_A": [edge + PLACE for edge in WELL],
        "surface_z_A": LANDSCAPE.surface + PLACE,
        "tst_barrier_K": barrier,
        "tst_barrier_error_K": error,
        "rounds": 1,
        "samples": found.samples,
        "correlation_ps": found.correlation * sampled_ps,
        "thin": [[ladder, one + PLACE, other + PLACE] for ladder, one, other in found.thin],
    }


def _density(rng: np.random.Generator, found: dict[str, Any]) -> dict[str, Any]:
    """Return F of the density of ions that no spring holds, beside F of the windows."""
    series = [LANDSCAPE.window(rng, -4.5, 0.0, FREE_SAMPLES, EVERY) for _ in range(FREE_IONS)]
    counts = np.array([np.histogram(one, EDGES)[0] for one in series])
    free = free_energy_profile(counts.sum(axis=0), LANDSCAPE.temperature, 1.0, block_counts=counts)
    density = {"z_A": found["z_A"], "li_K": free.free_energy, "li_error_K": free.standard_error}
    profile = profile_of(found | {"samples": 0})
    return density_entries(profile, tuple(found["well_range_A"]), "Li", density)


def _shots(rng: np.random.Generator) -> tuple[dict[str, Any], dict[str, Floats]]:
    """Return κ both ways, and κ(t), with the keys of the results of a crossing."""
    speeds = rng.normal(0.0, np.sqrt(SPEED_SQUARED * LANDSCAPE.temperature), STRUCTURES * STARTS)
    structures = np.repeat(np.arange(STRUCTURES), STARTS)
    _, came, met = _trajectories(rng, -speeds)
    beyond, went, _ = _trajectories(rng, speeds)
    signs = np.sign(speeds)
    reactive = (came == -signs) & ~met & (went == signs)
    rate: dict[str, Any] = {"starts": [], "reactive": [], "undecided": float(np.mean(went == 0))}
    for way, sign in (("in", 1), ("out", -1)):
        own = signs == sign
        kappa = transmission(np.abs(speeds[own]), reactive[own], structures[own])
        rate |= {f"kappa_{way}": kappa.value, f"kappa_{way}_interval": [kappa.low, kappa.high]}
        rate["starts"].append(kappa.starts)
        rate["reactive"].append(kappa.reactive)
    in_time = {
        "time_ps": STEP * BETWEEN * np.arange(TIMES),
        "kappa_in": transmission_in_time(speeds, beyond),
        "kappa_out": transmission_in_time(-speeds, ~beyond),
    }
    return rate, in_time


def _trajectories(
    rng: np.random.Generator, speeds: Floats
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.bool_]]:
    """Follow starts on the surface by BAOAB; after its commitment an ion stays on its side.

    Returns
    -------
    beyond
        (N, T) whether the ion is beyond the surface at each time.
    side
        (N,) −1 or 1 of the side to which it committed, 0 without.
    met
        (N,) whether it met the surface again before.
    """
    variance = SPEED_SQUARED * LANDSCAPE.temperature
    damping = np.exp(-LANDSCAPE.friction * STEP)
    noise = np.sqrt(variance * (1 - damping**2))
    top, width = LANDSCAPE.surface, LANDSCAPE.width
    z, v = np.full(len(speeds), top), speeds.copy()
    side, met = np.zeros(len(z), dtype=np.int64), np.zeros(len(z), dtype=np.bool_)
    beyond = np.zeros((len(z), TIMES), dtype=np.bool_)
    beyond[:, 0] = speeds > 0

    def acceleration() -> Floats:
        found: Floats = SPEED_SQUARED * LANDSCAPE.height * np.exp(-((z / width) ** 2)) * 2 * z / width**2
        return found

    for step in range(1, BETWEEN * (TIMES - 1) + 1):
        v += acceleration() * STEP / 2
        z += v * STEP / 2
        v = damping * v + noise * rng.normal(size=len(z))
        z += v * STEP / 2
        v += acceleration() * STEP / 2
        met |= (side == 0) & ((z - top) * speeds <= 0)
        side = np.where((side == 0) & (np.abs(z - top) >= COMMIT), np.sign(z - top).astype(np.int64), side)
        if step % BETWEEN == 0:
            beyond[:, step // BETWEEN] = np.where(side == 0, z > top, side > 0)
    return beyond, side, met
