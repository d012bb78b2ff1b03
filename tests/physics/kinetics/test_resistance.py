"""Interfacial resistance: published counts, linear response on a landscape, and coverage."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import constants

from aiida_cse.physics.kinetics.resistance import counted_resistance, interfacial_resistance
from benchmarks.statistics.coverage import measure
from benchmarks.statistics.resistance import Landscape

FACE = 38.91**2 / 100


def test_the_published_counts_are_six_milliohm() -> None:
    found = counted_resistance(7, 7, 380e-9, 2 * FACE, 700.0)
    assert found.value == pytest.approx(6.2e-3, rel=0.01)
    assert found.low < found.lower_bound < found.value < found.high
    # 0.8e6 γ^-4.5 per ion and second, 15 ions
    rates = 15 * 0.8e6 * np.array([2.0, 3.0, 6.0]) ** -4.5
    assert interfacial_resistance(rates, 2 * FACE, 400.0) == pytest.approx([0.12, 0.76, 17], rel=0.03)


def test_exchange_current_and_resistance_are_one_number() -> None:
    found = counted_resistance(3, 4, 1e-7, FACE, 500.0, charge=2)
    assert found.exchange_current * found.value == pytest.approx(constants.k * 500 / (2 * constants.e))
    assert found.rate == pytest.approx(3.5e7)


def test_without_a_crossing_there_is_a_lower_bound() -> None:
    found = counted_resistance(0, 0, 4e-7, FACE, 400.0)
    assert (found.value, found.high) == (math.inf, math.inf)
    # 3.00 events at 95 %, both directions, and pairs that count as one
    assert 0 < found.low < found.lower_bound < interfacial_resistance(3.0 / 2 / 4e-7, FACE, 400.0)


def current(world: Landscape, force: float) -> tuple[float, float]:
    """Return the steady current (per time) on a ring under a force (k_B T per place), and the driving force.

    The driving force is what is lost between the cores: the difference of ln p + F and the work of the force.
    """
    number = len(world.free_energy)
    right = np.arange(1, number + 1) % number
    weight = np.exp(-world.free_energy)
    flow = np.minimum(weight, weight[right]) / weight.sum()
    share = weight / weight.sum()
    up, down = flow / share * np.exp(force / 2), flow / share[right] * np.exp(-force / 2)
    generator: NDArray[np.float64] = np.zeros((number, number))
    places = np.arange(number)
    generator[places, right] += up
    generator[right, places] += down
    generator -= np.diag(generator.sum(axis=1))
    system = np.vstack([generator.T, np.ones(number)])
    steady = np.linalg.lstsq(system, np.append(np.zeros(number), 1.0), rcond=None)[0]
    flux = steady[places] * up - steady[right] * down
    np.testing.assert_allclose(flux, flux[0], rtol=1e-6)
    begin, end = world.left[1], world.right[0]
    potential = np.log(steady / share)
    return float(flux[0]), float(potential[begin] - potential[end] + force * (end - begin))


@pytest.mark.parametrize("seed", range(5))
def test_a_small_force_gives_the_resistance_of_the_committed_crossings(seed: int) -> None:
    world = Landscape(seed)
    flux, drive = current(world, 1e-4)
    # one elementary charge: U = drive k_B T / e, I = e flux
    per_time = 1e12
    voltage, amperes = drive * constants.k * 600 / constants.e, constants.e * flux * per_time
    ohm_cm2 = voltage / amperes * FACE * 1e-14
    assert ohm_cm2 == pytest.approx(float(interfacial_resistance(world.rate * per_time, FACE, 600.0)), rel=1e-3)


def test_intervals_hold_the_resistance() -> None:
    rows = list(measure(["R of a face: ions at equilibrium, 7", "R of a face: committed on a rough"], 300))
    assert len(rows) == 3
    assert all(row.holds for row in rows), rows


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entries": 1.5}, "entries = 1.5: must be a whole number"),
        ({"observed_s": 0.0}, "observed_s"),
        ({"area_nm2": -1.0}, "area_nm2"),
        ({"temperature": 0.0}, "temperature"),
        ({"charge": 0}, "charge"),
        ({"inside": 1.5}, "inside"),
        ({"dispersion": 0.5}, "dispersion"),
    ],
)
def test_wrong_arguments_are_refused(changes: dict[str, float], message: str) -> None:
    given = {"entries": 1, "exits": 1, "observed_s": 1e-7, "area_nm2": FACE, "temperature": 700.0} | changes
    with pytest.raises(ValueError, match=message):
        counted_resistance(**given)
