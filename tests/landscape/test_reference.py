"""The reference against ions that are simply followed, in equilibrium, by another integrator."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_cse.landscape.model import CATION, Landscape, draw_landscape
from aiida_cse.landscape.reference import entry_rate

FRAME, STEP = 50, 4.0


def followed(landscape: Landscape, temperature: float, ions: int, frames: int, seed: int) -> tuple[int, float]:
    """Return entries and exposure (s) of ions that move as LAMMPS moves them, seen at frames."""
    rng = np.random.default_rng(seed)
    grid = np.linspace(-24, 24, 20_001)
    weights = np.exp(-landscape.cation.evaluate(grid)[0] / temperature)
    z = rng.choice(grid, ions, p=weights / weights.sum())
    squared = landscape.thermal_speed_squared(temperature)
    per_kelvin, friction = landscape.thermal_speed_squared(1.0), 1 / landscape.damping_fs
    v = np.sqrt(squared) * rng.normal(size=ions)
    slopes = -landscape.cation.evaluate(grid)[1] * per_kelvin
    regions = landscape.regions(CATION)
    inside = np.zeros(ions, dtype=int)
    entries, exposure = 0, 0.0
    force = np.interp(z, grid, slopes)
    for step in range(1, frames * FRAME + 1):
        v += STEP / 2 * force
        z = (z + STEP * v + 24) % 48 - 24
        noise = np.sqrt(2 * squared * friction / STEP) * rng.normal(size=ions)
        force = np.interp(z, grid, slopes) - friction * v + noise
        v += STEP / 2 * force
        if step % FRAME == 0:
            label, core = regions.label(z), regions.core_label(z)
            exposure += np.isin(label, (1, 3)).sum() * FRAME * STEP * 1e-15
            now = np.where(core == 2, 1, np.where(core >= 0, -1, inside))
            entries += int(((now == 1) & (inside == -1)).sum())
            inside = now
    return entries, exposure


def test_ions_that_are_followed_enter_at_the_rate_of_the_reference() -> None:
    one = draw_landscape(1)
    temperature = one.barrier / 3
    entries, exposure = followed(one, temperature, ions=1500, frames=400, seed=2)
    known = entry_rate(one, temperature, FRAME * STEP, shots=20_000, seed=3)
    assert known.error < 0.01 * known.rate
    assert entries > 1000
    # five standard errors
    assert entries / exposure == pytest.approx(known.rate, rel=5 / np.sqrt(entries))


def test_kappa_is_near_that_of_kramers() -> None:
    """Sides of one parabola each: κ = √(1 + a²) − a, a = friction / 2ω, once the barrier is high."""
    one = draw_landscape(2).model_copy(update={"depth": 1.0})
    top = one.cation.right.rises[1].curvature
    omega = np.sqrt(2 * top * one.thermal_speed_squared(1.0))
    damping = 1 / one.damping_fs / (2 * omega)
    temperature = one.barrier / 16
    theory = one.frequency * np.exp(-one.joined_barrier(temperature) / temperature)
    found = entry_rate(one, temperature, 200.0, shots=20_000, seed=1).rate / theory
    assert found == pytest.approx(np.sqrt(1 + damping**2) - damping, rel=0.12)


def test_a_seed_gives_one_rate_and_more_shots_a_better_one() -> None:
    one = draw_landscape(3)
    few, same, many = (entry_rate(one, 500, 200.0, shots=shots, seed=1) for shots in (1000, 1000, 16_000))
    assert few == same
    assert many.error == pytest.approx(few.error / 4, rel=0.1)
    assert many.rate == pytest.approx(few.rate, abs=4 * few.error)
