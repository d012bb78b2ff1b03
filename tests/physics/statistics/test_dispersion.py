"""Dispersion of counts per ion and over time: known answers, and models that each of the two cannot see."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from aiida_cse.physics.statistics.dispersion import dispersion, pooled_dispersion, widening
from benchmarks.statistics.chains import recrossing
from benchmarks.statistics.correlated import Crowds, attracting, gated, hopping, semi_markov, unequal


def test_even_counts_have_a_dispersion_of_one() -> None:
    assert dispersion([2, 2, 2], [1, 2, 2, 1]) == 1
    assert dispersion([6, 3, 1], [4, 4, 2], ion_exposure=[60, 30, 10], time_exposure=[2, 2, 1]) == 1
    assert dispersion() == dispersion([5]) == dispersion([1, 0], [0, 1]) == 1


def test_events_of_one_ion_are_a_single_burst() -> None:
    """For equal exposures it is the index of dispersion, Σ (x − x̄)² / x̄ / (n − 1)."""
    assert dispersion([7] + 59 * [0]) == pytest.approx(7)
    counts = np.array([9, 0, 0, 3, 0, 4])
    assert dispersion(counts) == pytest.approx(counts.var(ddof=1) / counts.mean())


def test_the_cosines_of_events_in_one_interval_are_known() -> None:
    """Twice the mean square of the cosines in the middle of the interval, times the number of events."""
    counts = np.zeros(50)
    counts[12] = 40
    powers = 2 * 40 * np.cos(np.pi * np.arange(1, 7) * 12.5 / 50) ** 2
    slowest = powers[:2].mean()
    assert dispersion(time_counts=counts) == pytest.approx(max(powers.mean(), slowest))
    counts = np.zeros(50)
    counts[0] = 40
    assert dispersion(time_counts=counts) == 40, "no more than all events"


def test_both_clusters_add_up() -> None:
    """Events of a few ions at a few times: V_ions + V_time − k."""
    ions, times = np.array([12, 12, *[0] * 22]), np.zeros(60)
    times[[10, 25]] = 12
    alone = dispersion(ions), dispersion(time_counts=times)
    assert min(alone) > 2
    assert dispersion(ions, times) == pytest.approx(sum(alone) - 1)


def of_entries(crowds: Crowds) -> list[tuple[float, float, float]]:
    """Return the dispersions of the entries of each experiment: both, per ion alone, over time alone."""
    return [
        (
            dispersion(ions, frames, ion_exposure=outside, time_exposure=waiting),
            dispersion(ions, ion_exposure=outside),
            dispersion(time_counts=frames, time_exposure=waiting),
        )
        for ions, frames, outside, waiting in zip(
            crowds.ion_events[:, :, 0],
            crowds.frame_events[:, :, 0],
            crowds.ion_outside,
            crowds.frame_outside,
            strict=True,
        )
    ]


def test_noise_of_independent_events_is_rarely_a_burst() -> None:
    plain = unequal(np.random.default_rng(1), experiments=200, ions=40, entries=30, spread=0)
    both = np.array(of_entries(plain))[:, 0]
    assert 0.55 < np.mean(both == 1) < 0.85
    assert both.mean() < 1.3


def test_a_common_gate_shows_over_time_and_memory_per_ion() -> None:
    rng = np.random.default_rng(2)
    gate = np.median(of_entries(gated(rng, experiments=60, ions=60, openings=10, entries=60)), axis=0)
    assert gate[0] > 5
    assert gate[1] < 1.5 < 5 < gate[2]
    memory = np.median(of_entries(semi_markov(rng, experiments=60, ions=60, entries=60, sigma=2)), axis=0)
    assert memory[0] > 2.5
    assert memory[2] < 1.5 < 2.5 < memory[1]


def test_the_simulators_have_their_rates_and_conserve_ions() -> None:
    rng = np.random.default_rng(3)
    setup: dict[str, Any] = {"experiments": 400, "ions": 20}
    for crowds in (
        gated(rng, openings=20, entries=30, share_inside=0.3, **setup),
        semi_markov(rng, entries=30, sigma=1.5, share_inside=0.3, **setup),
        attracting(rng, coupling=1.5, relaxation_times=10, **setup),
        unequal(rng, entries=30, spread=1, **setup),
        hopping(rng, recrossing(enter=3.0, leave=2.0, approach=1.0, depart=4.0), time=5.0, **setup),
    ):
        assert crowds.ion_events[:, :, 0].sum() / crowds.ion_outside.sum() == pytest.approx(crowds.rate, rel=0.06)
        np.testing.assert_array_equal(crowds.ion_events.sum(axis=1), crowds.frame_events.sum(axis=1))
        np.testing.assert_allclose(crowds.ion_outside.sum(axis=1), crowds.frame_outside.sum(axis=1))
        ends = crowds.inside[:, :, [0, -1]].astype(int)
        np.testing.assert_array_equal(crowds.ion_events @ [1, -1], ends[:, :, 1] - ends[:, :, 0])
        assert crowds.inside.mean() == pytest.approx(1 - crowds.ion_outside.mean() / crowds.time, abs=0.01)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 9)), min_size=1, max_size=30))
def test_the_dispersion_is_bounded_and_ignores_the_order_of_ions(table: list[tuple[int, float]]) -> None:
    counts, exposure = np.array(table).T
    found = dispersion(counts, ion_exposure=exposure)
    assert 1 <= found <= max(1, counts.sum())
    assert found == pytest.approx(dispersion(counts[::-1], ion_exposure=exposure[::-1]))
    assert 1 <= dispersion(time_counts=counts, time_exposure=exposure) <= max(1, counts.sum())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: dispersion([]), "ion_counts has 0 values: must have at least 1"),
        (lambda: dispersion([1, -1]), r"ion_counts\[1\] = -1: must be at least 0"),
        (lambda: dispersion(time_counts=[1, 0.5]), r"time_counts\[1\] = 0.5: must be a whole number"),
        (lambda: dispersion([1, 1], ion_exposure=[1]), "ion_exposure has 1 values, ion_counts has 2"),
        (lambda: dispersion([1, 1], time_counts=[1]), "ion_counts and time_counts have different sums"),
        (lambda: pooled_dispersion([1, 2], [1, 0.5]), r"dispersions\[1\] = 0.5: must be at least 1"),
        (lambda: pooled_dispersion([1], [1, 2]), "dispersions has 2 values, counts has 1"),
    ],
)
def test_bad_counts_are_named(call: Callable[[], float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_the_dispersion_of_several_runs_is_the_mean_over_their_events() -> None:
    assert pooled_dispersion([30, 10, 0], [2, 6, 1]) == pytest.approx(3)
    assert pooled_dispersion([0, 0], [1, 1]) == 1


def test_an_estimated_dispersion_widens_by_student_over_normal() -> None:
    assert widening(1, 0.025) == 1
    assert widening(3, 0.025) == pytest.approx(stats.t.ppf(0.975, 6) / stats.norm.ppf(0.975))
    assert widening(3, 0.025) == pytest.approx(2.4469 / 1.9600, abs=1e-4)
