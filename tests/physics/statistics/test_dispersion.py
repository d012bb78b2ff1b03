"""Whether events come one by one or in bursts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiida_cse.physics.statistics.dispersion import burst_index, dispersion_test


def test_known_dispersion() -> None:
    """Four counts of mean 2 with squared deviations 4, 0, 0, 4: statistic 4, three degrees of freedom."""
    index, p_value = dispersion_test([0, 2, 2, 4])
    assert index == pytest.approx(4 / 3)
    assert p_value == pytest.approx(0.2615, abs=1e-4)
    assert dispersion_test([5]) == (1.0, 1.0)
    assert dispersion_test([0, 0, 0]) == (1.0, 1.0)


def test_independent_events_are_one_each() -> None:
    rng = np.random.default_rng(4)
    found = [burst_index(rng.poisson(1.0, (30, 1))) for _ in range(1000)]
    assert 0.92 <= np.mean(np.array(found) == 1.0) <= 0.98


def test_bursts_are_told_by_their_size() -> None:
    rng = np.random.default_rng(4)
    visits = rng.poisson(1.0, 4000)
    assert burst_index(np.column_stack([5 * visits, visits])) == pytest.approx(5, rel=0.1)
    assert burst_index([[7, 7]] + 59 * [[0, 0]]) == pytest.approx(7)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), min_size=1, max_size=40))
def test_burst_index_properties(counts: list[tuple[int, int]]) -> None:
    index = burst_index(counts)
    assert 1 <= index <= max(1, *np.sum(counts, axis=0).tolist()) + 1e-9
    assert index == pytest.approx(burst_index(counts[::-1]))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ([], "counts has 1 axes, it must have 2"),
        ([[1, -1]], r"counts\[0, 1\] is -1, a count must not be negative"),
        ([[1, 0.5]], r"counts\[0, 1\] is 0.5, a count must be a whole number"),
        ([[1, float("nan")]], r"counts\[0, 1\] is nan, it must be finite"),
        ([["a", "b"]], "counts must be numbers"),
    ],
)
def test_bad_counts_are_named(counts: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        burst_index(counts)  # type: ignore[arg-type]


@given(st.one_of(st.floats(max_value=0), st.floats(min_value=1), st.just(float("nan"))))
def test_bad_significance_is_named(significance: float) -> None:
    with pytest.raises(ValueError, match=r"^significance is "):
        burst_index([[1, 1]], significance)
