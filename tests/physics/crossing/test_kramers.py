"""The exact rate of a crossing has the limits of high and of low friction."""

import numpy as np
import pytest
from numpy.typing import NDArray

from aiida_cse.physics.crossing.kramers import escape_rate

#: K, Å² ps⁻² and Å
TEMPERATURE, SPEED_SQUARED = 500.0, 60.0
ENDS, WELL = (-5.0, 5.0), (-5.0, 0.0)


def free_energy(z: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return F of two wells, the right one lower, with a top of 4000 K at 0."""
    return 4000 * (1 - (z / 4) ** 2) ** 2 - 60 * z


def rate(friction: float, **changes: float) -> float:
    return escape_rate(
        free_energy,
        ENDS,
        0.0,
        WELL,
        temperature=TEMPERATURE,
        friction=friction,
        speed_squared=SPEED_SQUARED,
        spacing=0.05,
        **changes,
    )


def test_high_friction_gives_the_diffusive_rate() -> None:
    z = np.linspace(*ENDS, 20001)
    weight = np.exp(-free_energy(z) / TEMPERATURE)
    left = z < 0
    # D / (∫ exp(F/T) dz ∫ exp(-F/T) dz), over the top and the well
    top = (z > -4) & (z < 4)
    step = z[1] - z[0]
    friction = 1000.0
    expected = SPEED_SQUARED / friction / ((1 / weight)[top].sum() * weight[left].sum() * step**2) * 1e12
    assert rate(friction) == pytest.approx(expected, rel=0.02)


def test_the_rate_stays_below_that_of_transition_state_theory_and_has_converged() -> None:
    z = np.linspace(-5, 0, 20001)
    number = float(np.exp(-free_energy(z) / TEMPERATURE).mean() * 5)
    theory = np.sqrt(SPEED_SQUARED / (2 * np.pi)) * np.exp(-4000 / TEMPERATURE) / number * 1e12
    found = rate(10.0)
    # Kramers, Physica 7, 284 (1940), with ω² = 16 · 1000 / 16 · kT/m / T on the top
    omega = np.sqrt(1000 * SPEED_SQUARED / TEMPERATURE)
    kramers = np.sqrt(1 + (10 / (2 * omega)) ** 2) - 10 / (2 * omega)
    assert found / theory == pytest.approx(kramers, rel=0.1)
    assert found < theory
    assert rate(10.0, order=60) == pytest.approx(found, rel=1e-3)


def test_a_well_without_a_place_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no place in it"):
        escape_rate(free_energy, ENDS, 0.0, (6.0, 7.0), temperature=500, friction=10, speed_squared=60)
