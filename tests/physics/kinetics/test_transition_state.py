"""Rates against the published figures and their limits, and the coverage of the interval of κ."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.physics.kinetics.transition_state import (
    expected_transitions,
    joule_from_kelvin,
    kelvin_from_joule,
    thermal_flux,
    transition_rate,
    transmission_coefficient,
    vibrational_frequency,
)
from aiida_cse.physics.statistics.poisson import poisson_interval
from tests.physics.fuzzing import modest, returned_or_named, spoiled

LITHIUM = 1.15e-26


def test_the_frequency_is_the_published_one() -> None:
    # k has two digits, the published 1.5e12 s⁻¹ too
    assert vibrational_frequency(5.1e-21, LITHIUM) == pytest.approx(1.5e12, rel=0.02)
    both = vibrational_frequency([4.9e-21, 5.2e-21], LITHIUM)
    assert both == pytest.approx([1.47e12, 1.51e12], rel=0.01)


def test_the_tst_barrier_of_a_parabolic_well_gives_the_published_rate() -> None:
    # ∫ exp(−k z² / T) dz = √(π T / k): the rate of eqs 7 and 8
    spring = float(kelvin_from_joule(5.1e-21))
    barrier = 7700 + 700 * np.log(np.sqrt(np.pi * 700 / spring))
    rate = transition_rate(barrier, thermal_flux(700, LITHIUM), 700)
    assert rate == pytest.approx(transition_rate(7700, vibrational_frequency(5.1e-21, LITHIUM), 700))


def test_rate_and_transmission_coefficient_are_the_published_ones() -> None:
    # ΔF is rounded to 100 K, which at 700 K is exp(±50 / 700): 7 % of the rate and of the number expected
    rate = transition_rate(7700, 1.5e12, 700)
    assert rate == pytest.approx(2.5e7, rel=0.07)
    expected = expected_transitions(rate, 15, 380e-9)
    assert expected == pytest.approx(140, rel=0.07)
    # 7 observed: published as 0.05, one digit
    kappa = transmission_coefficient(7, expected)
    assert round(kappa.value, 2) == 0.05
    assert (kappa.low, kappa.high) == (pytest.approx(0.020, abs=1e-3), pytest.approx(0.101, abs=2e-3))


def test_the_published_coefficient_implies_its_effective_mass() -> None:
    # κ = 0.05 equals a mass 1 / κ² = 400 times as large
    heavy = vibrational_frequency(5.1e-21, 400 * LITHIUM)
    assert heavy == pytest.approx(0.05 * vibrational_frequency(5.1e-21, LITHIUM))


def test_the_probability_of_a_jump_at_400_kelvin_is_the_published_one() -> None:
    # Γ(400 K) = 6e3 s⁻¹ at γ = 3, 15 ions, 380 ns: about 3 %
    assert expected_transitions(6e3, 15, 380e-9) == pytest.approx(0.034, abs=5e-4)


def test_energies_convert_there_and_back() -> None:
    assert joule_from_kelvin(1.0) == 1.380649e-23
    values = np.array([[1.0, -3.0], [0.0, 369.0]])
    assert np.allclose(kelvin_from_joule(joule_from_kelvin(values)), values)
    assert kelvin_from_joule(5.1e-21) == pytest.approx(369.4, abs=0.05)


def test_arrays_broadcast_and_scalars_stay_scalars() -> None:
    rate = transition_rate(np.array([[7500.0], [8000.0]]), 1.5e12, [600.0, 650.0, 700.0])
    assert rate.shape == (2, 3)
    assert rate[1, 2] == transition_rate(8000.0, 1.5e12, 700.0)
    assert isinstance(transition_rate(8000.0, 1.5e12, 700.0), float)


@modest
@given(st.floats(-1e4, 1e5), st.floats(1e9, 1e15), st.floats(50, 5000), st.floats(0, 2))
def test_rates_are_finite_and_rise_with_temperature(
    barrier: float, frequency: float, temperature: float, kappa: float
) -> None:
    cold, hot = transition_rate(barrier, frequency, [temperature, 1.1 * temperature], kappa)
    assert min(cold, hot) >= 0
    assert np.isfinite([cold, hot]).all()
    assert hot >= cold if barrier >= 0 else hot <= cold


@modest
@given(st.integers(0, 1000), st.floats(0.1, 1e4), st.floats(0.1, 0.999))
def test_without_error_the_interval_is_garwoods(observed: int, expected: float, level: float) -> None:
    kappa = transmission_coefficient(observed, expected, level)
    low, high = poisson_interval(observed, level)
    assert (kappa.low, kappa.high) == (low / expected, high / expected)
    nearly = transmission_coefficient(observed, expected, level, log_error=1e-9)
    assert (nearly.low, nearly.high) == (pytest.approx(kappa.low), pytest.approx(kappa.high))


@pytest.mark.parametrize(("observed", "log_error"), [(1, 0.5), (7, 0.3), (7, 2.0), (1000, 1.0)])
def test_the_interval_includes_the_error_of_the_expected_number(observed: int, log_error: float) -> None:
    rng = np.random.default_rng(11)
    scale = np.exp(log_error * rng.standard_normal(400_000)) * 50
    low = np.quantile(rng.gamma(observed, size=len(scale)) / scale, 0.025)
    high = np.quantile(rng.gamma(observed + 1, size=len(scale)) / scale, 0.975)
    kappa = transmission_coefficient(observed, 50, log_error=log_error)
    # a quantile of 400,000 draws scatters by less than 2 %
    assert (kappa.low, kappa.high) == (pytest.approx(low, rel=0.03), pytest.approx(high, rel=0.03))


@pytest.mark.parametrize(
    ("kappa", "log_error"),
    [
        (0.05, 0.3),
        pytest.param(0.2, 0.6, marks=pytest.mark.long),
        pytest.param(0.5, 0.1, marks=pytest.mark.long),
    ],
)
def test_the_interval_of_kappa_covers_at_its_level(kappa: float, log_error: float) -> None:
    rng = np.random.default_rng(29)
    covered = 0
    for truth in 60 * np.exp(log_error * rng.standard_normal(400)):
        found = transmission_coefficient(int(rng.poisson(kappa * truth)), 60, log_error=log_error)
        covered += found.low <= kappa <= found.high
    # at least 95 %, less three standard errors of 400 experiments
    assert covered / 400 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 400)


def test_no_transition_leaves_an_upper_bound() -> None:
    kappa = transmission_coefficient(0, 142, log_error=0.3)
    assert (kappa.value, kappa.low) == (0.0, 0.0)
    assert kappa.high > 3.689 / 142


@modest
@given(st.integers(0, 10_000), st.floats(1e-6, 1e6), st.floats(0.01, 0.9999), st.floats(0, 5), st.floats(0.1, 3))
def test_the_interval_holds_the_value_and_widens(
    observed: int, expected: float, level: float, log_error: float, more: float
) -> None:
    kappa = transmission_coefficient(observed, expected, level, log_error=log_error)
    assert 0 <= kappa.low <= kappa.value <= kappa.high < np.inf
    wider = transmission_coefficient(observed, expected, max(level, 0.7), log_error=log_error + more)
    narrow = transmission_coefficient(observed, expected, max(level, 0.7), log_error=log_error)
    assert wider.low <= narrow.low * (1 + 1e-9)
    assert wider.high >= narrow.high * (1 - 1e-9)


GOOD_CALLS = {
    joule_from_kelvin: {"values": 1.0},
    kelvin_from_joule: {"values": 1.0},
    vibrational_frequency: {"k_J_per_A2": 5.1e-21, "mass_kg": LITHIUM},
    transition_rate: {"barrier": 7700.0, "frequency": 1.5e12, "temperature": 700.0, "kappa": 0.05},
    expected_transitions: {"rate": 2.5e7, "ions": 15.0, "time": 380e-9},
}


@pytest.mark.parametrize("function", GOOD_CALLS, ids=lambda function: function.__name__)
@pytest.mark.filterwarnings("error")
@modest
@given(st.data())
def test_anything_gives_finite_numbers_or_is_named(function: Callable[..., object], data: st.DataObject) -> None:
    name, arguments = data.draw(spoiled(**GOOD_CALLS[function]))
    result = returned_or_named(lambda: function(**arguments), name)
    assert result is None or np.isfinite(result).all()


@pytest.mark.filterwarnings("error")
@modest
@given(spoiled(observed=7, expected=142.0, level=0.95, log_error=0.3))
def test_anything_gives_an_ordered_interval_or_is_named(call: tuple[str, dict[str, Any]]) -> None:
    name, arguments = call
    kappa = returned_or_named(lambda: transmission_coefficient(**arguments), name)
    assert kappa is None or kappa.low <= kappa.value <= kappa.high


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: vibrational_frequency(-1.0, LITHIUM), "k_J_per_A2 = -1: must be above 0"),
        (lambda: vibrational_frequency(1.0, [LITHIUM, 0.0]), r"mass_kg\[1\] = 0: must be above 0"),
        (lambda: transition_rate(np.nan, 1e12, 700), "barrier = nan: must be finite"),
        (lambda: transition_rate(7700, 0.0, 700), "frequency = 0: must be above 0"),
        (lambda: transition_rate(7700, 1e12, -5), "temperature = -5: must be above 0"),
        (lambda: transition_rate(7700, 1e12, 700, -0.1), "kappa = -0.1: must be at least 0"),
        (lambda: transition_rate(-1e7, 1e12, 700), "rate from barrier.* .*inf: too large for a number"),
        (
            lambda: transition_rate(np.zeros(2), 1e12, np.ones(3)),
            r"shapes do not broadcast together: barrier \(2,\), .*temperature \(3,\)",
        ),
        (lambda: expected_transitions(1.0, -1.0, 1.0), "ions = -1: must be at least 0"),
        (lambda: transmission_coefficient(1.5, 10), "observed = 1.5: must be a whole number"),
        (lambda: transmission_coefficient(1, 0.0), "expected = 0.0: must be a finite number above 0"),
        (lambda: transmission_coefficient(1, 1.0, log_error=-1.0), "log_error = -1.0"),
        (lambda: transmission_coefficient(1, 1.0, 1.0), "level = 1.0"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        call()
