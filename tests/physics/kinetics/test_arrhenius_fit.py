"""Joint kinetics: the published counts, known laws, exact limits, and the choice of runs."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from scipy import stats

from aiida_cse.physics.kinetics.arrhenius_fit import Kinetics, joint_kinetics
from aiida_cse.physics.kinetics.observations import Observation
from aiida_cse.physics.statistics.poisson import poisson_interval, rate_ratio_interval
from tests.physics.fuzzing import modest, returned_or_named, spoiled

#: 15 ions in the two first layers, in ion·s per ns
IONS = 15e-9
HOT = Observation(700, 7, 380 * IONS, barrier=7706, barrier_error=100, label="700 K")
OFF = {"equilibrated": False, "conditioned": True, "admitted": True}
COLD = Observation(600, 2, 300 * IONS, lowering=333, label="600 K", **OFF)
#: the law that most tests are about
arrhenius = partial(joint_kinetics, laws=("arrhenius",))


def paper(**options: Any) -> Kinetics:
    return arrhenius([HOT, COLD], (700, 600, 400), lowerings=(0, 333, 0.45 * 1850), **options)


def test_the_two_temperature_estimate_is_the_published_one() -> None:
    found = paper(frequency=1.5e12).two_temperatures
    assert found is not None
    assert found.gamma == pytest.approx(2.76, abs=0.005)
    assert found.gamma_interval == pytest.approx((0.53, 27), rel=0.02)
    # (4200 ln γ + 2310) K and 6 ln γ − 7.7, where 2310 stands for 0.18 Å × 1850 K/Å × 7
    assert found.energy == pytest.approx(4200 * np.log(found.gamma) + 7 * 333)
    assert found.entropy == pytest.approx((found.energy - 7706) / 700)
    # 0.8e6 γ^−4.5 s⁻¹, one digit: within 15 %
    assert found.rates[400] == pytest.approx(0.8e6 * found.gamma**-4.5, rel=0.15)
    assert found.rates[700] == pytest.approx(7 / (380 * IONS))
    assert found.rates[600] == pytest.approx(2 / (300 * IONS))


def test_two_temperatures_have_independent_jeffreys_posteriors() -> None:
    # with as many parameters as temperatures the fit is exact, and Jeffreys' prior that of each count alone
    found = arrhenius([HOT, COLD], (700, 600), lowerings=(0, 333), samples=400_000, minimum_energy=0)
    for run, estimate in zip((HOT, COLD), found.rates, strict=True):
        expected = stats.gamma(run.events + 0.5, scale=1 / run.exposure).ppf((0.025, 0.5, 0.975))
        # ΔE ≥ 0 cuts off the few draws in which the colder run is the faster one
        assert (estimate.rate.low, estimate.rate.median, estimate.rate.high) == pytest.approx(expected, rel=0.1)


def test_bounds_at_one_temperature_are_garwoods() -> None:
    found = arrhenius([HOT], (700, 400, 900))
    low, high = (end / HOT.exposure for end in poisson_interval(7))
    at, colder, hotter = found.rates
    assert (at.lower_bound, at.upper_bound) == pytest.approx((low, high))
    assert (colder.lower_bound, colder.upper_bound) == pytest.approx((0, high))
    assert (hotter.lower_bound, hotter.upper_bound) == pytest.approx((low, np.inf))
    assert at.rate.low < 7 / HOT.exposure < at.rate.high
    assert np.isnan(colder.rate.median)
    assert np.isnan(found.energy.median)
    assert found.two_temperatures is None
    assert (at.extrapolated, colder.extrapolated, hotter.extrapolated) == (False, True, True)


def test_many_events_give_back_their_law() -> None:
    energy, prefactor = 6000.0, 2e10
    temperatures = (500.0, 600.0, 700.0)
    rng = np.random.default_rng(3)
    runs = []
    for temperature in temperatures:
        rate = prefactor * np.exp(-energy / temperature)
        barrier = energy - 1.5 * temperature
        runs.append(
            Observation(temperature, int(rng.poisson(2000)), 2000 / rate, barrier=barrier, barrier_error=50)
        )
    found = arrhenius(runs, (400.0,), frequency=1e11)
    assert found.energy.low < energy < found.energy.high
    assert found.energy.high - found.energy.low < 400
    assert found.entropy.low < 1.5 < found.entropy.high
    kappa = prefactor / 1e11 / np.exp(1.5)
    assert found.kappa.low < kappa < found.kappa.high
    rate = found.rates[0]
    assert rate.rate.low < prefactor * np.exp(-energy / 400) < rate.rate.high
    assert rate.lower_bound < rate.rate.low < rate.rate.high < rate.upper_bound
    assert found.p_value > 0.01


def test_a_barrier_determines_the_entropy_and_not_the_rate() -> None:
    # visits of the top are those of ions that cross: no second source of what the entries say
    cold = replace(COLD, barrier=5000.0, barrier_error=100)
    with_both, without = (arrhenius([run, cold], (400,)) for run in (HOT, replace(HOT, barrier=7000.0)))
    assert with_both.rates == without.rates
    assert with_both.energy == without.energy
    assert without.entropy.median - with_both.entropy.median == pytest.approx(706 / 700)


def test_replicas_share_the_error_of_the_barrier() -> None:
    runs = [
        replace(HOT, events=4000, label=label, barrier=7706 + shift) for label, shift in (("a", 50), ("b", -50))
    ]
    cold = replace(COLD, events=2000)
    one, two = (arrhenius([*some, cold]).entropy for some in (runs[:1], runs))
    assert two.high - two.low < one.high - one.low


def test_runs_that_contradict_the_law_have_a_small_p_value() -> None:
    runs = [Observation(T, n, 1e-6, label=str(T)) for T, n in ((700, 20), (600, 200), (500, 20))]
    assert arrhenius(runs).p_value < 1e-6


def test_replicas_equal_one_long_run_and_narrow_the_interval() -> None:
    halves = [replace(HOT, events=3, exposure=190 * IONS, label="a"), replace(HOT, events=4, exposure=190 * IONS)]
    whole = arrhenius([HOT, COLD], (400,), lowerings=(832,), samples=100_000)
    parts = arrhenius(
        [*(replace(half, barrier=None, barrier_error=None) for half in halves), COLD],
        (400,),
        lowerings=(832,),
        samples=100_000,
    )
    assert np.log(parts.rates[0].rate.median) == pytest.approx(np.log(whole.rates[0].rate.median), abs=0.1)


def test_a_run_without_an_entry_contributes_its_exposure_only() -> None:
    silent = Observation(500, 0, 200 * IONS, equilibrated=False, label="500 K")
    known = replace(silent, conditioned=True, admitted=True)
    without = arrhenius([HOT, COLD, silent], (400,))
    with_exposure = arrhenius([HOT, COLD, known], (400,))
    assert without.excluded == {"500 K": "no entry, and no condition that says when one would have counted"}
    assert with_exposure.used == ("700 K", "600 K", "500 K")
    # nothing seen at 500 K: a slower rate at 400 K than without that run
    assert with_exposure.rates[0].rate.high < without.rates[0].rate.high


def test_runs_off_equilibrium_are_left_out_or_give_a_second_result() -> None:
    off = Observation(500, 5, 200 * IONS, equilibrated=False, label="500 K")
    found = arrhenius([HOT, COLD, off], (400,))
    assert found.excluded == {"500 K": "not equilibrated"}
    assert found.including is None
    both = arrhenius([HOT, COLD, off], (400,), include_off_equilibrium=True)
    assert both.used == found.used
    assert both.rates == found.rates
    assert both.including is not None
    assert both.including.used == ("700 K", "600 K", "500 K")
    assert both.including.rates[0].rate.median > found.rates[0].rate.median


def test_without_a_usable_run_nothing_is_claimed() -> None:
    idle = Observation(700, 0, 0.0, label="idle")
    found = arrhenius([idle], (400,))
    assert found.used == ()
    assert found.excluded == {"idle": "no time in which an entry would have counted"}
    assert found.rates[0].upper_bound == np.inf
    assert np.isnan(found.rates[0].rate.median)


def test_no_entry_anywhere_gives_upper_bounds_only() -> None:
    runs = [Observation(T, 0, 1e-6, conditioned=True, label=str(T)) for T in (700, 600)]
    found = arrhenius(runs, (600, 400))
    for rate in found.rates:
        assert np.isnan(rate.rate.median)
        assert rate.lower_bound == pytest.approx(0, abs=1e5)
        # Garwood's 4.38 events of no event, half of the error of 2.5 % being that of the extrapolation
        assert rate.upper_bound <= 4.39 / 1e-6


@pytest.mark.parametrize("target", [750.0, 700.0, 650.0, 600.0, 550.0, 500.0, 400.0])
@pytest.mark.parametrize("counts", [(7, 0), (7, 2), (40, 9), (0, 3)])
def test_bounds_enclose_the_posterior_everywhere(counts: tuple[int, int], target: float) -> None:
    hot, cold = (
        Observation(temperature, events, 7e-9, conditioned=True, label=str(temperature))
        for temperature, events in zip((700, 500), counts, strict=True)
    )
    (found,) = arrhenius([hot, cold], (target,)).rates
    assert found.lower_bound <= found.rate.median <= found.upper_bound
    if counts[0] > counts[1]:
        assert found.lower_bound <= found.rate.low
        assert found.upper_bound >= found.rate.high


def test_energies_that_the_temperatures_do_not_bound_are_unknown() -> None:
    found = arrhenius([Observation(700, 7, 1e-6, label="a"), Observation(699, 9, 1e-6, label="b")], (400,))
    assert np.isnan(found.energy.median)
    assert found.rates[0].upper_bound < 3e7


def test_gamma_interval_uses_the_pooled_replicas() -> None:
    replica = replace(HOT, events=5, label="700 K again")
    found = arrhenius([HOT, replica, COLD]).two_temperatures
    assert found is not None
    expected = rate_ratio_interval(12, 760 * IONS, 2, 300 * IONS, 0.95)
    assert found.gamma_interval == pytest.approx(expected)


def test_same_seed_same_result() -> None:
    assert paper() == paper()
    assert paper().rates != paper(seed=1).rates


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"temperature": 0}, "temperature = 0"),
        ({"events": -1}, "events = -1"),
        ({"events": 1.5}, "events = 1.5"),
        ({"exposure": -1.0}, "exposure = -1"),
        ({"exposure": 0.0}, "exposure = 0: must be above zero for events = 7"),
        ({"lowering": float("nan")}, "lowering = nan"),
        ({"barrier": 7000.0, "barrier_error": None}, "barrier and barrier_error"),
        ({"barrier_error": 0.0}, "barrier_error = 0"),
        ({"equilibrated": float("nan")}, "equilibrated = nan"),
    ],
)
def test_bad_observations_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(HOT, **change)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"observations": []}, "observations is empty"),
        ({"observations": [HOT, HOT]}, "label '700 K' is there more than once"),
        ({"lowerings": (0.0, 1.0)}, "lowerings has 2 values, temperatures has 1"),
        ({"temperatures": (-1.0,)}, "temperatures.* = -1"),
        ({"samples": 10}, "samples = 10"),
        ({"minimum_energy": 1e308}, "minimum_energy = 1e"),
        ({"observations": [3]}, "observations.0. is a int: must be an Observation"),
        ({"frequency": 0.0}, "frequency = 0"),
        ({"minimum_energy": -5.0}, "minimum_energy = -5"),
    ],
)
def test_bad_arguments_are_named(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        joint_kinetics(**{"observations": [HOT, COLD], "temperatures": (400.0,), **arguments})


@modest
@given(spoiled(temperature=700.0, events=7, exposure=1e-6, lowering=0.0, barrier=7000.0, barrier_error=100.0))
def test_an_observation_names_any_wrong_field(case: tuple[str, dict[str, Any]]) -> None:
    returned_or_named(lambda: Observation(**case[1]), case[0])


@modest
@given(
    spoiled(
        temperatures=(400.0,),
        lowerings=(0.0,),
        frequency=1e12,
        frequency_log_error=0.1,
        level=0.95,
        minimum_energy=0.0,
        samples=1000,
        seed=0,
    )
)
def test_joint_kinetics_names_any_wrong_argument(case: tuple[str, dict[str, Any]]) -> None:
    returned_or_named(lambda: joint_kinetics([HOT, COLD], **case[1]), case[0])
