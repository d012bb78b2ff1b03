"""Transmission from short trajectories, and rates on landscapes whose rates are known."""

import math

import numpy as np
import pytest

from aiida_cse.physics.crossing.reactive_flux import (
    Transmission,
    balance,
    crossing_rate,
    transmission,
    transmission_in_time,
)
from aiida_cse.physics.crossing.umbrella import UmbrellaProfile
from aiida_cse.physics.kinetics.transition_state import thermal_flux
from benchmarks.crossing.__main__ import CASES, WELL, Case, Exact, Outcome, Row, experiment
from benchmarks.crossing.landscapes import MASS_KG, Landscape


def test_kappa_weights_the_starts_with_their_velocities() -> None:
    velocities, structures = np.tile([1.0, 2.0, 3.0], 8), np.repeat(np.arange(8), 3)
    found = transmission(velocities, np.tile([0, 1, 1], 8), structures)
    assert found.value == pytest.approx(5 / 6)
    assert (found.starts, found.reactive, found.structures) == (24, 16, 8)
    # all structures agree: what remains is the error of independent starts, with three more failures
    assert found.log_error == pytest.approx(math.sqrt(11 / (16 * 24)))
    every = transmission(velocities, np.ones(24), structures)
    assert every.value == every.high == 1
    assert 0.8 < every.low < 0.86


def test_structures_that_differ_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    structures, velocities = np.repeat(np.arange(8), 200), np.abs(rng.normal(size=1600))
    same = rng.random(1600) < 0.3
    apart = rng.random(1600) < np.repeat([0.05, 0.1, 0.2, 0.3, 0.3, 0.4, 0.5, 0.55], 200)
    narrow, wide = (transmission(velocities, one, structures) for one in (same, apart))
    assert wide.log_error / narrow.log_error > 3
    assert wide.low < 0.3 < wide.high


def test_few_reactive_starts_give_exact_bounds() -> None:
    velocities, structures = np.ones(400), np.repeat(np.arange(8), 50)
    reactive = np.zeros(400)
    none = transmission(velocities, reactive, structures)
    assert (none.value, none.low) == (0, 0)
    assert none.high == pytest.approx(3.69 / 400, rel=0.01)
    reactive[[3, 77]] = 1
    two = transmission(velocities, reactive, structures)
    assert math.isnan(two.log_error)
    assert (two.low, two.value, two.high) == pytest.approx((0.242 / 400, 2 / 400, 7.22 / 400), rel=0.01)


def test_free_flight_has_no_recrossing() -> None:
    velocities = np.random.default_rng(1).normal(size=500)
    beyond = np.repeat((velocities > 0)[:, None], 4, axis=1)
    assert transmission_in_time(velocities, beyond) == pytest.approx(np.ones(4), abs=0.1)


@pytest.mark.parametrize("friction", [3.0, 250.0])
def test_kappa_is_that_of_kramers_equation(friction: float) -> None:
    world = Landscape(friction=friction)
    rng = np.random.default_rng(2)
    shots = [world.shots(rng, 200) for _ in range(8)]
    found = transmission(
        np.concatenate([one.velocities for one in shots]),
        np.concatenate([one.reactive for one in shots]),
        np.repeat(np.arange(8), 200),
    )
    assert found.low < Exact.of(world).kappa < found.high


@pytest.mark.parametrize("case", [CASES[5]], ids=lambda case: case.name)
def test_the_rate_from_windows_and_short_trajectories_is_the_exact_one(case: Case) -> None:
    exact = Exact.of(case.landscape)
    found = [experiment(case, seed, exact) for seed in (0, 1)]
    assert any(one.rate for one in found)
    assert any(one.kappa for one in found)
    assert all(abs(one.error) < 0.5 for one in found)


def test_the_exact_kappa_of_the_gallery_is_0_74() -> None:
    assert Exact.of(Landscape(friction=10.0)).kappa == pytest.approx(0.738, abs=0.002)


def test_an_exact_rate_with_a_hidden_coordinate_is_between_those_of_its_barriers() -> None:
    world = Landscape(hidden=300.0)
    shifted = [Landscape(height=world.height + shift).exact_rate(WELL) for shift in (0.0, -300.0)]
    assert shifted[0] < world.exact_rate(WELL) < shifted[1]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_row_has_the_barrier_of_its_limit(case: Case) -> None:
    barrier = case.landscape.barrier(WELL)
    if case.landscape.temperature == 700:
        assert (round(barrier, 2), case.gain) == (11, 20)
    else:
        assert barrier >= 16
        assert case.gain == 1000


def test_limits_are_bare_from_100_seeds_on() -> None:
    exact = Exact(1e7, 0.5, np.zeros(1))
    good, bad = Outcome(True, True, 0.95, 0.1, 10**6), Outcome(False, False, 0.85, 0.1, 10**6)
    assert Row(CASES[0], exact, [good] * 88 + [bad] * 12).failures() == []
    missed = Row(CASES[0], exact, [good] * 40 + [bad] * 60).failures()
    assert [what.split()[0] for what in missed] == ["Γ", "κ", "F"]
    assert Row(CASES[0], exact, [good] * 10 + [bad] * 3).failures() == []
    dear = Outcome(True, True, 0.95, 1.0, 10**9)
    assert Row(CASES[0], exact, [dear] * 100).failures() == ["gain 0.00333 (needs ≥ 20)"]


def test_errors_of_ladders_and_structures_add_up() -> None:
    ladders = np.array([[0.0, 5000.0], [0.0, 5100.0], [0.0, 4900.0], [0.0, 5000.0]])
    profile = UmbrellaProfile(np.array([-1.0, 0.0, 1.0]), 500.0, ladders, 0.95, 1.0, 100, ())
    kappa = Transmission(0.5, 0.2, 8, 0.3, 0.8, 100, 50)
    found = crossing_rate(profile, 0.5, kappa, MASS_KG)
    error = float(np.std(ladders[:, 1], ddof=1)) / 2 / 500
    assert found.log_error == pytest.approx(math.hypot(error, 0.2))
    assert found.value == pytest.approx(0.5 * found.transition_state)
    assert found.transition_state == pytest.approx(float(thermal_flux(500.0, MASS_KG)) * math.exp(-10))
    assert found.low * found.high == pytest.approx(found.value**2)
    bounded = crossing_rate(profile, 0.5, Transmission(0.5, math.nan, 2, 0.1, 0.8, 4, 2), MASS_KG)
    # Student's t of three degrees of freedom
    assert (bounded.low, bounded.high) == pytest.approx(
        (0, 0.8 * found.transition_state * math.exp(3.182 * error)), 1e-3
    )
    alone = UmbrellaProfile(np.array([-1.0, 0.0, 1.0]), 500.0, ladders[:1], 0.95, 1.0, 100, ())
    unknown = crossing_rate(alone, 0.5, Transmission(0.5, math.nan, 2, 0.1, 0.8, 4, 2), MASS_KG)
    assert (unknown.low, unknown.high) == (0, math.inf)


@pytest.mark.parametrize(("shared", "opposed"), [(0.4, 0.0), (0.0, 0.4)], ids=["both ways", "one way"])
def test_detailed_balance_is_rejected_as_often_as_its_level(shared: float, opposed: float) -> None:
    rng, structures = np.random.default_rng(4), np.repeat(np.arange(24), 60)
    found = []
    for _ in range(200):
        velocities = rng.normal(size=len(structures))
        logs = (
            shared * rng.normal(size=24)[structures]
            + opposed * np.sign(velocities) * rng.normal(size=24)[structures]
        )
        found.append(balance(velocities, rng.random(len(structures)) < 0.3 * np.exp(logs), structures))
    assert 0.01 < np.mean(np.array(found) < 0.05) < 0.1
    reactive = (velocities > 0) & (rng.random(len(structures)) < 0.5)
    assert math.isnan(balance(velocities, reactive, structures)), "nothing comes back"
    reactive |= rng.random(len(structures)) < 0.1
    assert balance(velocities, reactive, structures) < 1e-4


@pytest.mark.parametrize(
    ("velocities", "reactive", "structures", "message"),
    [
        ([1.0, -1.0], [0, 1], [0, 0], "velocities"),
        ([1.0, 1.0], [0, 2], [0, 0], "reactive"),
        ([1.0, 1.0], [0, 1], [0], "have 2, 2, 1, 2 values"),
        ([], [], [], "velocities"),
    ],
)
def test_wrong_starts_are_refused(
    velocities: list[float], reactive: list[int], structures: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        transmission(velocities, reactive, structures)
