"""Energy, entropy and the extrapolated rate: the published figures, and equations 9 and 10."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.physics.kinetics.extrapolation import decompose_barrier, extrapolate_rate
from aiida_cse.physics.kinetics.transition_state import transition_rate
from tests.physics.fuzzing import modest, returned_or_named, spoiled

GAMMAS = np.array([1.0, 2.0, 3.0, 6.0])


def test_the_energy_is_the_published_one() -> None:
    # δ = 330 K, the published 2310 K; 0.18 Å × 1850 K/Å = 333 K is rounded to it
    energy = decompose_barrier(7700, GAMMAS, 700, 600, 330).energy
    assert energy == pytest.approx(4200 * np.log(GAMMAS) + 2310)
    assert decompose_barrier(7700, 3, 700, 600, 330).energy == pytest.approx(6924, abs=0.5)


def test_the_entropy_is_the_published_one() -> None:
    # the published 6 ln γ − 7.7, −1.1 at γ = 3, and a change of sign towards γ = 6, each with one decimal
    entropy = decompose_barrier(7700, GAMMAS, 700, 600, 330).entropy
    assert entropy == pytest.approx(6 * np.log(GAMMAS) - 7.7, abs=1e-9)
    assert np.round(entropy[2:], 1).tolist() == [-1.1, 3.1]


@pytest.mark.parametrize(("gamma", "published"), [(1, 0.8e6), (2, 4e4), (3, 6e3), (6, 3e2)])
def test_the_rate_at_400_kelvin_is_the_published_one(gamma: float, published: float) -> None:
    # Δz = 0.45 Å at 400 K, slope 1850 K/Å; the published rates 0.8e6 γ^−4.5 have one digit: within 15 %
    parts = decompose_barrier(7700, gamma, 700, 600, 330)
    rate = extrapolate_rate(400, parts.energy, parts.entropy, 1.5e12, 0.05, lowering=0.45 * 1850)
    assert rate == pytest.approx(published, rel=0.15)
    assert rate == pytest.approx(8.45e5 * gamma**-4.5, rel=1e-3)


def test_at_the_temperature_of_the_decomposition_the_rate_is_that_of_the_barrier() -> None:
    parts = decompose_barrier(7700, GAMMAS, 700, 600, 330)
    rate = extrapolate_rate(700, parts.energy, parts.entropy, 1.5e12, 0.05)
    assert rate == pytest.approx(np.full(4, transition_rate(7700, 1.5e12, 700, 0.05)))


@modest
@given(st.floats(-1e4, 1e5), st.floats(1e-3, 1e3), st.floats(100, 1000), st.floats(1, 500), st.floats(-1e3, 1e3))
def test_the_components_solve_equations_9_and_10(
    barrier: float, gamma: float, t_cold: float, difference: float, delta: float
) -> None:
    t_hot = t_cold + difference
    parts = decompose_barrier(barrier, gamma, t_hot, t_cold, delta)
    log_ratio = -parts.energy / t_hot + (parts.energy - delta) / t_cold
    assert log_ratio == pytest.approx(np.log(gamma), abs=1e-8 * (1 + abs(parts.energy) / t_cold))
    assert parts.energy - t_hot * parts.entropy == pytest.approx(barrier, abs=1e-9 * (1 + abs(parts.energy)))


@pytest.mark.filterwarnings("error")
@modest
@given(spoiled(barrier=7700.0, gamma=3.0, t_hot=700.0, t_cold=600.0, delta=330.0))
def test_any_component_is_finite_or_the_argument_named(call: tuple[str, dict[str, Any]]) -> None:
    name, arguments = call
    parts = returned_or_named(lambda: decompose_barrier(**arguments), name)
    assert parts is None or (np.isfinite(parts.energy).all() and np.isfinite(parts.entropy).all())


@pytest.mark.filterwarnings("error")
@modest
@given(spoiled(temperature=400.0, energy=6924.0, entropy=-1.1, frequency=1.5e12, kappa=0.05, lowering=832.0))
def test_any_rate_is_finite_or_the_argument_named(call: tuple[str, dict[str, Any]]) -> None:
    name, arguments = call
    rate = returned_or_named(lambda: extrapolate_rate(**arguments), name)
    assert rate is None or np.isfinite(rate).all()


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: decompose_barrier(7700, 0.0, 700, 600), "gamma = 0: must be above 0"),
        (lambda: decompose_barrier(7700, -3.0, 700, 600), "gamma = -3: must be above 0"),
        (lambda: decompose_barrier(7700, 3, 600, 600), "t_hot = 600: must be above t_cold = 600"),
        (lambda: decompose_barrier(7700, 3, [700, 500], 600), "must be above t_cold"),
        (lambda: decompose_barrier(7700, 3, 700, 0.0), "t_cold = 0: must be above 0"),
        (lambda: decompose_barrier(np.inf, 3, 700, 600), "barrier = inf: must be finite"),
        (lambda: decompose_barrier(7700, 3, 700, 600, np.nan), "delta = nan: must be finite"),
        (lambda: decompose_barrier([1, 2], [1, 2, 3], 700, 600), r"shapes do not broadcast.*gamma \(3,\)"),
        (lambda: extrapolate_rate(0.0, 1, 1, 1), "temperature = 0: must be above 0"),
        (lambda: extrapolate_rate(400, 1, 800, 1), "rate from temperature, energy, entropy.*too large"),
        (lambda: extrapolate_rate(400, 1, 1, 1, lowering=np.nan), "lowering = nan"),
    ],
)
def test_bad_input_is_named(call: Callable[[], object], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        call()
