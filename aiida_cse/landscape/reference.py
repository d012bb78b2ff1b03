"""Reference rate of a landscape by reactive-flux trajectories, independent of LAMMPS and of the analysis.

Ions are shot from the top of the barrier, forward and backward in time, with the equilibrium flux, and followed
until a frame finds them in a core. An entry is a path from the outer core to the inner core. A path that crosses
the top n times inwards is sampled n times, so each sample counts 1/n:

Γ = Σ_sides ⟨1/n⟩ √(k_B T / 2πm) exp(−F_top/T) / ∫_layers exp(−F/T) dz

This is the reactive flux of Chandler, J. Chem. Phys. 68, 2959 (1978), with the paths of van Erp, Moroni and
Bolhuis, J. Chem. Phys. 118, 7762 (2003). Entries follow the rule that counts them in a trajectory: at frames,
under the core rule. No shot waits for an ion to reach the top, so the method works at any temperature.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aiida_cse.landscape.model import CATION, Landscape
from aiida_cse.reduction.kernels.compiled import compiled

__all__ = ["EntryRate", "displacement_variances", "entry_rate"]

Floats = NDArray[np.float64]

#: fs; not longer than the timestep of any run that is compared
TIMESTEP = 2.0
#: Å; the force is interpolated linearly, which is exact for parabolas
SPACING = 0.01


@dataclass(frozen=True)
class EntryRate:
    """Entries per ion in the first layers, s⁻¹, and the standard error from the finite number of shots.

    ``sides`` are the same of the left and of the right barrier alone, per ion in the layers of both sides.
    """

    rate: float
    error: float
    sides: tuple[tuple[float, float], tuple[float, float]]


def entry_rate(landscape: Landscape, temperature: float, frame_fs: float, *, shots: int, seed: int) -> EntryRate:
    """Return the rate at which cations enter the slab at a temperature (K), as seen in frames ``frame_fs`` apart.

    ``shots`` are taken per side. Only the electrolyte must be in equilibrium, because all entries come from there.
    """
    rng = np.random.default_rng(seed)
    squared = landscape.thermal_speed_squared(temperature)
    regions = {region.name: region for region in landscape.regions(CATION).regions}
    cores = (regions["ceramic"].core[1], regions["layer_right"].core[0])
    frame = max(1, round(frame_fs / TIMESTEP))
    kept = float(np.exp(-TIMESTEP / landscape.damping_fs))
    noise = float(np.sqrt(squared * (1 - kept**2)))
    distance = np.arange(0.0, landscape.box_half_length + SPACING, SPACING)
    weights = landscape.weights(CATION, temperature)
    flux = np.sqrt(squared / (2 * np.pi)) / (weights["layer_left"] + weights["layer_right"])
    terms, variances = [], []
    for side, barrier in (
        (landscape.cation.left, landscape.barrier_left),
        (landscape.cation.right, landscape.barrier_right),
    ):
        accelerations = -side.evaluate(distance)[1] * landscape.thermal_speed_squared(1.0)
        # the flux weights the speeds of ions that cross the top
        speeds = np.sqrt(squared) * rng.rayleigh(size=shots)
        # steps until the next frame; the previous frame precedes it by one interval
        waits = rng.integers(0, frame, size=shots)
        share = np.asarray(_shoot(accelerations, landscape.top, *cores, speeds, waits, frame, kept, noise, rng))
        scale = flux * np.exp(-barrier / temperature) * 1e15
        terms.append(scale * share.mean())
        variances.append(scale**2 * share.var(ddof=1) / shots)
    left, right = ((float(term), float(np.sqrt(one))) for term, one in zip(terms, variances, strict=True))
    return EntryRate(float(sum(terms)), float(np.sqrt(sum(variances))), (left, right))


def _follow_one(
    accelerations: Floats,
    top: float,
    inner: float,
    outer: float,
    speed: float,
    wait: int,
    frame: int,
    kept: float,
    noise: float,
    rng: Any,
) -> tuple[int, int]:
    """Return the core that an ion from the top reaches, −1 (inside) or 1 (outside), and how often it recrosses.

    Counted are the further crossings of the top in the initial direction.
    """
    place, velocity, half = top, speed, TIMESTEP / 2
    direction = 1 if speed > 0 else -1
    crossings, step = 0, 0
    force = 0.0
    while True:
        step += 1
        velocity += half * force
        before = place
        place += half * velocity
        velocity = kept * velocity + noise * rng.standard_normal()
        place = abs(place + half * velocity)
        at = min(place / SPACING, len(accelerations) - 2.0)
        low = int(at)
        force = accelerations[low] + (at - low) * (accelerations[low + 1] - accelerations[low])
        velocity += half * force
        if step > 1 and (place - top) * direction > 0 and (before - top) * direction <= 0:
            crossings += 1
        if (step - wait) % frame == 0:
            if place < inner:
                return -1, crossings
            if place >= outer:
                return 1, crossings


_follow = compiled(_follow_one)


def _shoot_all(
    accelerations: Floats,
    top: float,
    inner: float,
    outer: float,
    speeds: Floats,
    waits: NDArray[np.int64],
    frame: int,
    kept: float,
    noise: float,
    rng: Any,
) -> Floats:
    shares = np.zeros(len(speeds))
    for shot in range(len(speeds)):
        wait = waits[shot]
        end, forward = _follow(accelerations, top, inner, outer, -speeds[shot], wait, frame, kept, noise, rng)
        if end != -1:
            continue
        start, backward = _follow(
            accelerations, top, inner, outer, speeds[shot], frame - wait, frame, kept, noise, rng
        )
        if start == 1:
            shares[shot] = 1.0 / (1 + forward + backward)
    return shares


_shoot = compiled(_shoot_all)


# -- displacements -------------------------------------------------------------------------------------------


def displacement_variances(
    landscape: Landscape, temperature: float, lag_fs: float, edges: Floats, *, ions: int, seed: int
) -> Floats:
    """Return variances along z of cations that start in each layer in equilibrium, and errors, (layers, 2) Å².

    ``edges`` (layers + 1) are the bounds of the layers, Å from the mid-plane; ``ions`` are followed per layer.
    """
    rng = np.random.default_rng(seed)
    end = landscape.box_half_length
    z = np.arange(-end, end, SPACING)
    weights = np.exp(-landscape.cation.evaluate(z)[0] / temperature)
    accelerations = -landscape.cation.evaluate(np.append(z, end))[1] * landscape.thermal_speed_squared(1.0)
    squared = landscape.thermal_speed_squared(temperature)
    kept = float(np.exp(-TIMESTEP / landscape.damping_fs))
    found = []
    for low, high in pairwise(edges.tolist()):
        chosen = np.where((z >= low) & (z < high), weights, 0.0)
        places = rng.choice(z, ions, p=chosen / chosen.sum()) + SPACING * rng.random(ions)
        moved = np.asarray(
            _move(
                accelerations,
                end,
                places,
                np.sqrt(squared) * rng.standard_normal(ions),
                round(lag_fs / TIMESTEP),
                kept,
                float(np.sqrt(squared * (1 - kept**2))),
                rng,
            )
        )
        away = (moved - moved.mean()) ** 2
        found.append((away.mean(), away.std() / np.sqrt(ions)))
    return np.array(found)


def _move_all(
    accelerations: Floats,
    end: float,
    places: Floats,
    velocities: Floats,
    steps: int,
    kept: float,
    noise: float,
    rng: Any,
) -> Floats:
    """Return the displacements of ions after ``steps`` in a periodic box (BAOAB)."""
    moved = np.zeros(len(places))
    half, length = TIMESTEP / 2, 2 * end
    for ion in range(len(places)):
        start, place, velocity = places[ion], places[ion], velocities[ion]
        at = (place + end) / SPACING
        low = min(int(at), len(accelerations) - 2)
        force = accelerations[low] + (at - low) * (accelerations[low + 1] - accelerations[low])
        for _ in range(steps):
            velocity += half * force
            place += half * velocity
            velocity = kept * velocity + noise * rng.standard_normal()
            place += half * velocity
            if place >= end:
                place, start = place - length, start - length
            elif place < -end:
                place, start = place + length, start + length
            at = (place + end) / SPACING
            low = min(int(at), len(accelerations) - 2)
            force = accelerations[low] + (at - low) * (accelerations[low + 1] - accelerations[low])
            velocity += half * force
        moved[ion] = place - start
    return moved


_move = compiled(_move_all)
