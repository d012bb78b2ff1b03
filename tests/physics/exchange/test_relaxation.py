"""The deviation that remains from the start, against chains whose relaxation is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from aiida_cse.physics.exchange.relaxation import member_frames, remaining_deviation

IONS, RATE = 3000, 0.005


def members(frames: int, *, filled: float = 0.0, ions: int = IONS, seed: int = 5) -> NDArray[np.bool_]:
    """Return ions that enter and leave at the same rate, a share of which is inside at first."""
    rng = np.random.default_rng(seed)
    hops = rng.random((frames, ions)) < RATE
    hops[0] = np.arange(ions) < filled * ions
    return np.asarray(np.cumsum(hops, axis=0) % 2 == 1)


def test_the_deviation_is_that_of_the_relaxation() -> None:
    """Of 3,000 ions that start outside, 1,500 ± 27 are inside in the end."""
    found = remaining_deviation(members(201)[::4])
    memory = (1 - 2 * RATE) ** 200
    assert found.relaxation_times == pytest.approx(-np.log(memory), rel=0.1)
    assert found.equilibrium == pytest.approx(IONS / 2, rel=0.06)
    assert found.median == pytest.approx(IONS / 2 * memory / np.sqrt(IONS / 4), rel=0.25)
    assert found.upper_bound > found.median


def test_nothing_remains_after_many_relaxation_times_or_from_equilibrium() -> None:
    assert remaining_deviation(members(1501)[::25]).upper_bound < 0.1
    assert remaining_deviation(members(301, filled=0.5)[::6]).upper_bound < 1


def test_few_ions_give_a_wide_bound() -> None:
    few = remaining_deviation(members(101, filled=0.5, ions=20)[::2])
    many = remaining_deviation(members(601, filled=0.5, ions=20)[::12])
    assert few.upper_bound > 1 > many.upper_bound


def test_recrossings_are_no_relaxation() -> None:
    """Ions of which one in ten trembles between two looks, but is back each time, remember all."""
    table = np.zeros((49, 60), dtype=int)
    table[:, :30] = 1
    table[1::2, :3] = 0
    assert remaining_deviation(table).relaxation_times < 0.5
    assert remaining_deviation(table).upper_bound > 1


def test_the_bound_covers_at_its_level() -> None:
    """In at least 97 % of 200 runs that began empty; the level is 99 %."""
    truth = 10 * (1 - 2 * RATE) ** 150 / np.sqrt(5)
    bounds = [remaining_deviation(members(151, ions=20, seed=seed)[::3]).upper_bound for seed in range(200)]
    assert np.mean(np.array(bounds) >= truth) >= 0.97


@given(st.integers(0, 10_000), st.integers(1, 5000))
def test_member_frames_are_equally_spaced_to_the_last(begin: int, length: int) -> None:
    frames = member_frames(begin, begin + length)
    assert frames[-1] == begin + length - 1
    assert begin <= frames[0]
    assert len(frames) == length if length < 97 else 49 <= len(frames) <= 97
    assert len(set(np.diff(frames))) <= 1
