"""The diffusive estimate on a landscape of known rate: right at high friction, too high where ions fly over."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_cse.physics.crossing.diffusion import diffusion_coefficient, diffusive_rate
from aiida_cse.physics.crossing.umbrella import UmbrellaProfile
from benchmarks.crossing.landscapes import SPEED_SQUARED, Landscape

WELL, EDGES = (-7.0, -2.5), np.arange(-7.1, 2.6, 0.1)


def exact(world: Landscape) -> tuple[UmbrellaProfile, float]:
    """Return the exact F and D of a landscape."""
    ladders = np.tile(world.relative(EDGES, WELL), (4, 1))
    profile = UmbrellaProfile(EDGES, world.temperature, ladders, 0.95, 1.0, 100, ())
    return profile, SPEED_SQUARED * world.temperature / world.friction


@pytest.mark.parametrize(
    ("friction", "ratio", "tolerance"),
    [(1000.0, 1.0, 0.03), (250.0, 1.0, 0.05), (60.0, 1.06, 0.03), (3.0, 5.8, 0.3)],
)
def test_the_rate_is_exact_at_high_friction(friction: float, ratio: float, tolerance: float) -> None:
    world = Landscape(friction=friction)
    profile, coefficient = exact(world)
    found = diffusive_rate(profile, coefficient, world.surface, WELL[0])
    assert found is not None
    assert found / world.exact_rate(WELL) == pytest.approx(ratio, abs=tolerance)


def test_the_other_side_gives_the_same() -> None:
    world = Landscape(friction=250.0)
    profile, coefficient = exact(world)
    mirrored = UmbrellaProfile(-EDGES[::-1], profile.temperature, profile.ladders[:, ::-1], 0.95, 1.0, 100, ())
    same = diffusive_rate(mirrored, coefficient, -world.surface, -WELL[0])
    assert same == pytest.approx(diffusive_rate(profile, coefficient, world.surface, WELL[0]))


def test_a_window_on_the_top_gives_the_coefficient() -> None:
    world, rng = Landscape(friction=250.0), np.random.default_rng(5)
    spring, every = world.temperature / 0.01, 5
    series = [world.window(rng, world.surface, spring, 20_000, every) for _ in range(4)]
    found = diffusion_coefficient(series, every * 0.002)
    assert found == pytest.approx(SPEED_SQUARED * world.temperature / world.friction, rel=0.15)
    with pytest.raises(ValueError, match="there is no window"):
        diffusion_coefficient([], 0.01)
