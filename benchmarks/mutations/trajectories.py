"""Trajectories of the drifting landscape without LAMMPS, by a Langevin integrator in numba.

A second implementation of the same model: BAOAB instead of LAMMPS' integrator, motion relative to the slab, whose
position is added to the frames. Nothing acts along x and y on the cations, so that they take the exact step of an
Ornstein–Uhlenbeck process from frame to frame. The files are DCD as LAMMPS writes them, and are reduced by the
package.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.lammps.files.system import System
from aiida_cse.landscape.model import ANION_MASSES, Landscape
from aiida_cse.reduction.kernels.compiled import compiled

__all__ = ["Physics", "simulate"]

Floats = NDArray[np.float64]

#: Å; the force is interpolated linearly
SPACING = 0.01


@dataclass(frozen=True)
class Physics:
    """The motion of a run.

    Attributes
    ----------
    landscape
        Energies, masses, friction, springs, and motion of the slab.
    temperature
        K.
    timestep_fs, frame_ps, length_ps
        Timestep, time between frames, and length of the run.
    """

    landscape: Landscape
    temperature: float
    timestep_fs: float
    frame_ps: float
    length_ps: float


def simulate(physics: Physics, system: System, seed: int, path: Path) -> float:
    """Write the trajectory of a system and return the mean temperature of its mobile atoms, K."""
    rng, one = np.random.default_rng(seed), physics.landscape
    start, types = system.data.unwrapped, system.data.types
    cation = types == 3
    anion = types > 3
    frames = round(physics.length_ps / physics.frame_ps) + 1
    positions = np.empty((frames, len(types), 3), dtype=np.float32)
    positions[:, types < 3] = start[types < 3]
    energies = []
    for which, follow in ((cation, _cations), (anion, _anions)):
        places, kinetic = follow(physics, start[which], frames, rng)
        positions[:, which] = places
        energies.append(kinetic)
    drift = one.drift * np.arange(frames) * physics.frame_ps / 1000
    positions[:, :, 2] += drift[:, None].astype(np.float32)
    _write(
        path,
        positions,
        system.data.lengths,
        round(physics.frame_ps * 1000 / physics.timestep_fs),
        physics.timestep_fs,
    )
    numbers = [cation.sum(), anion.sum()]
    return float(np.average(energies, weights=numbers))


def _grid(landscape: Landscape, anion: bool) -> Floats:
    """Return accelerations × mass over the box, K/Å, at :data:`SPACING`."""
    end = landscape.box_half_length
    z = np.arange(-end, end + SPACING, SPACING)
    curve = landscape.anion if anion else landscape.cation
    return np.asarray(-curve.evaluate(z)[1])


def _cations(physics: Physics, start: Floats, frames: int, rng: Any) -> tuple[Floats, float]:
    """Return places (frames, ions, 3) of the cations, without the drift, and their temperature along z, K."""
    one, ions = physics.landscape, len(start)
    squared = one.thermal_speed_squared(physics.temperature)
    found = np.empty((frames, ions, 3))
    found[0] = start
    for axis in (0, 1):
        found[1:, :, axis] = start[:, axis] + np.cumsum(_free(physics, frames - 1, ions, squared, rng), axis=0)
    steps = round(physics.frame_ps * 1000 / physics.timestep_fs)
    kept = float(np.exp(-physics.timestep_fs / one.damping_fs))
    force = _grid(one, anion=False) * one.thermal_speed_squared(1.0)
    z = np.empty((frames, ions))
    kinetic = _follow_cations(
        force,
        one.box_half_length,
        start[:, 2] - one.origin,
        np.sqrt(squared) * rng.standard_normal(ions),
        steps,
        physics.timestep_fs,
        kept,
        float(np.sqrt(squared * (1 - kept**2))),
        rng,
        z,
    )
    found[:, :, 2] = z + one.origin
    return found, physics.temperature * kinetic / squared


def _free(physics: Physics, frames: int, ions: int, squared: float, rng: Any) -> Floats:
    """Return the displacements (frames, ions) of a free Langevin motion between frames, Å.

    Both noises of an exact step are normal with known covariance (Gillespie, Phys. Rev. E 54, 2084, 1996).
    """
    memory, step = physics.landscape.damping_fs, physics.frame_ps * 1000
    kept = np.exp(-step / memory)
    speed = squared * (1 - kept**2)
    place = squared * memory**2 * (2 * step / memory - 3 + 4 * kept - kept**2)
    both = squared * memory * (1 - kept) ** 2
    velocity = np.sqrt(squared) * rng.standard_normal(ions)
    found = np.empty((frames, ions))
    for frame in range(frames):
        first, second = rng.standard_normal((2, ions))
        found[frame] = velocity * memory * (1 - kept) + np.sqrt(place) * first
        rest = np.sqrt(speed - both**2 / place)
        velocity = kept * velocity + both / np.sqrt(place) * first + rest * second
    return found


def _anions(physics: Physics, start: Floats, frames: int, rng: Any) -> tuple[Floats, float]:
    """Return places (frames, sites, 3) of the sites, three to an anion, and their temperature, K."""
    one = physics.landscape
    kelvin = one.thermal_speed_squared(1.0) * one.mass
    masses = np.array(ANION_MASSES)
    kept = float(np.exp(-physics.timestep_fs / one.damping_fs))
    spread = np.sqrt(physics.temperature / (2 * one.spring)) if one.spring else 0.0
    places = start.reshape(-1, 3, 3) - np.array([0.0, 0.0, one.origin])
    places[:, 1:] += spread * rng.standard_normal(places[:, 1:].shape)
    thermal = np.sqrt(kelvin * physics.temperature / masses)
    found = np.empty((frames, *places.shape))
    kinetic = _follow_anions(
        _grid(one, anion=True) * kelvin,
        2 * one.spring * kelvin,
        one.box_half_length,
        places,
        thermal[:, None] * rng.standard_normal(places.shape),
        masses,
        round(physics.frame_ps * 1000 / physics.timestep_fs),
        physics.timestep_fs,
        kept,
        thermal * np.sqrt(1 - kept**2),
        rng,
        found,
    )
    found[..., 2] += one.origin
    return found.reshape(frames, -1, 3), kinetic / kelvin


@compiled
def _follow_cations(
    force: Floats,
    end: float,
    places: Floats,
    velocities: Floats,
    steps: int,
    timestep: float,
    kept: float,
    noise: float,
    rng: Any,
    to: Floats,
) -> Any:
    """Write z (frames, ions) of ions by BAOAB and return their mean squared velocity."""
    half, length, last = timestep / 2, 2 * end, len(force) - 2
    total = 0.0
    for ion in range(len(places)):
        place, velocity = places[ion], velocities[ion]
        to[0, ion] = place
        at = ((place + end) % length) / SPACING
        low = min(int(at), last)
        pull = force[low] + (at - low) * (force[low + 1] - force[low])
        for frame in range(1, to.shape[0]):
            for _ in range(steps):
                velocity += half * pull
                place += half * velocity
                velocity = kept * velocity + noise * rng.standard_normal()
                place += half * velocity
                at = ((place + end) % length) / SPACING
                low = min(int(at), last)
                pull = force[low] + (at - low) * (force[low + 1] - force[low])
                velocity += half * pull
            to[frame, ion] = place
            total += velocity * velocity
    return total / (len(places) * (to.shape[0] - 1))


@compiled
def _pull_sites(place: Floats, force: Floats, spring: float, end: float, pull: Floats) -> None:
    """Write the forces (3 sites, 3) on a molecule: of its two springs, and of the landscape on its first site."""
    for axis in range(3):
        one = spring * (place[1, axis] - place[0, axis])
        other = spring * (place[2, axis] - place[0, axis])
        pull[0, axis], pull[1, axis], pull[2, axis] = one + other, -one, -other
    at = ((place[0, 2] + end) % (2 * end)) / SPACING
    low = min(int(at), len(force) - 2)
    pull[0, 2] += force[low] + (at - low) * (force[low + 1] - force[low])


@compiled
def _follow_anions(
    force: Floats,
    spring: float,
    end: float,
    places: Floats,
    velocities: Floats,
    masses: Floats,
    steps: int,
    timestep: float,
    kept: float,
    noise: Floats,
    rng: Any,
    to: Floats,
) -> Any:
    """Write places (frames, ions, 3 sites, 3) of molecules by BAOAB and return the mean of mass × velocity²."""
    half = timestep / 2
    total = 0.0
    pull = np.zeros((3, 3))
    for ion in range(places.shape[0]):
        place, velocity = places[ion].copy(), velocities[ion].copy()
        to[0, ion] = place
        _pull_sites(place, force, spring, end, pull)
        for frame in range(1, to.shape[0]):
            for _ in range(steps):
                for site in range(3):
                    for axis in range(3):
                        speed = velocity[site, axis] + half * pull[site, axis] / masses[site]
                        place[site, axis] += half * speed
                        speed = kept * speed + noise[site] * rng.standard_normal()
                        place[site, axis] += half * speed
                        velocity[site, axis] = speed
                _pull_sites(place, force, spring, end, pull)
                for site in range(3):
                    for axis in range(3):
                        velocity[site, axis] += half * pull[site, axis] / masses[site]
            to[frame, ion] = place
            for site in range(3):
                total += masses[site] * (velocity[site] ** 2).sum()
    return total / (9 * places.shape[0] * (to.shape[0] - 1))


def _write(path: Path, positions: NDArray[np.float32], lengths: Floats, steps: int, timestep: float) -> None:
    """Write a DCD file of the layout of LAMMPS, with a frame every so many steps."""
    frames, atoms, _ = positions.shape
    numbers = [0] * 20
    numbers[:4] = frames, 0, steps, (frames - 1) * steps
    numbers[9] = struct.unpack("<i", struct.pack("<f", timestep))[0]
    numbers[10], numbers[19] = 1, 24
    title = struct.pack("<i", 2) + b"Written by LAMMPS".ljust(80, b"\0") + b"REMARKS".ljust(80)
    header = (b"CORD" + struct.pack("<20i", *numbers), title, struct.pack("<i", atoms))
    frame = np.dtype([("a", "<i4"), ("cell", "<f8", 6), ("b", "<i4")] + [
        entry for axis in "xyz" for entry in ((f"{axis}0", "<i4"), (axis, "<f4", atoms), (f"{axis}1", "<i4"))
    ])  # fmt: skip
    table = np.zeros(frames, dtype=frame)
    table["a"] = table["b"] = 48
    table["cell"] = [lengths[0], 0, lengths[1], 0, 0, lengths[2]]
    for index, axis in enumerate("xyz"):
        table[f"{axis}0"] = table[f"{axis}1"] = 4 * atoms
        table[axis] = positions[:, :, index]
    with path.open("wb") as file:
        for record in header:
            marker = struct.pack("<i", len(record))
            file.write(marker + record + marker)
        table.tofile(file)
