"""The variance of displacements against numpy, its error against repetitions, and invalid moments."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from aiida_cse.physics.profiles.displacements import displacement_variance
from tests.physics.fuzzing import modest, returned_or_named, spoiled


def moments(displacements: np.ndarray) -> tuple[int, np.ndarray, np.ndarray]:
    return len(displacements), displacements.sum(axis=0), (displacements**2).sum(axis=0)


@modest
@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 30), st.just(3)), elements=st.floats(-50, 50)))
def test_variance_and_drift(displacements: np.ndarray) -> None:
    found = displacement_variance(*moments(displacements))
    assert found.variance == pytest.approx(displacements.var(axis=0), abs=1e-9)
    assert found.mean == pytest.approx(displacements.mean(axis=0), abs=1e-12)
    assert found.samples == len(displacements)
    assert np.isnan(found.standard_error).all()


def test_a_drift_does_not_add_to_the_variance() -> None:
    # 3 Å of drift along z, diffusion of 2, 2 and 1 Å
    rng = np.random.default_rng(4)
    steps = rng.normal([0.0, 0.0, 3.0], [2.0, 2.0, 1.0], size=(20_000, 3))
    found = displacement_variance(*moments(steps))
    assert found.variance == pytest.approx([4.0, 4.0, 1.0], rel=0.04)
    assert found.mean == pytest.approx([0.0, 0.0, 3.0], abs=0.05)


def test_blocks_add_up_and_empty_ones_do_not_count() -> None:
    rng = np.random.default_rng(6)
    steps = rng.normal(size=(5, 40, 3))
    steps[2] = 0
    counts = np.array([40, 40, 0, 40, 40])
    found = displacement_variance(counts, steps.sum(axis=1), (steps**2).sum(axis=1), blocks=True)
    filled = np.delete(steps, 2, axis=0)
    assert found.variance == pytest.approx(filled.reshape(-1, 3).var(axis=0))
    left_out = np.array([np.delete(filled, b, axis=0).reshape(-1, 3).var(axis=0) for b in range(4)])
    expected = np.sqrt(3 / 4 * ((left_out - left_out.mean(axis=0)) ** 2).sum(axis=0))
    assert found.standard_error == pytest.approx(expected)
    assert found.samples == 160


def test_layers_and_lags_are_independent() -> None:
    """A layer without an ion, one with an ion in one block only, and one with ions in both."""
    counts = np.array([[0, 2, 2], [0, 0, 3]])
    sums = np.zeros((2, 3, 3))
    squares = counts[..., None] * np.ones(3)
    found = displacement_variance(counts, sums, squares, blocks=True)
    assert np.isnan(found.variance[0]).all()
    assert np.isnan(found.mean[0]).all()
    assert found.variance[1:].tolist() == [[1.0] * 3] * 2
    assert np.isnan(found.standard_error[:2]).all()
    assert found.standard_error[2].tolist() == [0.0] * 3
    assert found.samples.tolist() == [0, 2, 5]


def test_the_error_is_the_scatter_over_repetitions() -> None:
    """Displacements over overlapping lags, as time origins give them, of walks that are long against the lag."""
    rng = np.random.default_rng(8)
    lag, blocks, length, walks = 5, 20, 100, 200
    positions = np.cumsum(rng.normal(size=(walks, blocks * length + lag, 3)), axis=1)
    displacements = (positions[:, lag:] - positions[:, :-lag]).reshape(walks, blocks, length, 3)
    counts = np.full((blocks, walks), length)
    found = displacement_variance(
        counts,
        displacements.sum(axis=2).swapaxes(0, 1),
        (displacements**2).sum(axis=2).swapaxes(0, 1),
        blocks=True,
    )
    # ⟨Δr⟩ is known from few independent samples only, which makes the variance a little too small
    assert found.variance.mean() == pytest.approx(lag, rel=0.01)
    scatter = found.variance.std(axis=0, ddof=1).mean()
    assert np.sqrt((found.standard_error**2).mean()) == pytest.approx(scatter, rel=0.12)


@pytest.mark.filterwarnings("error")
@modest
@given(
    spoiled(
        counts=[2, 0],
        sums=[[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]],
        squares=[[1.0, 0.0, 2.0], [0.0, 0.0, 0.0]],
    ),
    st.booleans(),
)
def test_any_moments_give_a_variance_or_are_named(call: tuple[str, dict[str, Any]], blocks: bool) -> None:
    name, arguments = call
    found = returned_or_named(lambda: displacement_variance(**arguments, blocks=blocks), name)
    if found is not None:
        assert (np.isnan(found.variance) | (found.variance >= 0)).all()
        assert (np.isfinite(found.variance) == (found.samples > 0)[..., None]).all()


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ((-1, [0.0] * 3, [0.0] * 3), "counts = -1: must be at least 0"),
        (([1, 0.5], np.zeros((2, 3)), np.zeros((2, 3))), r"counts\[1\] = 0.5: must be a whole number"),
        (([1, 1], np.zeros((2, 3)), np.zeros((2, 2))), r"squares has the shape \(2, 2\): must be \(2, 3\)"),
        (([1, 1], np.zeros(3), np.zeros((2, 3))), r"sums has the shape \(3,\): must be \(2, 3\)"),
        ((0, [1.0, 0.0, 0.0], [0.0] * 3), "sums is not zero where counts is"),
        ((2, [2.0, 0.0, 0.0], [1.0, 0.0, 0.0]), r"squares\[0\] = 1: must be at least 2"),
        ((2, [0.0] * 3, [-1.0, 0.0, 0.0]), r"squares\[0\] = -1: must be at least 0"),
        ((2, [np.nan, 0.0, 0.0], [1.0] * 3), r"sums\[0\] = nan: must be finite"),
    ],
)
def test_bad_input_is_named(arguments: tuple[Any, Any, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        displacement_variance(*arguments)


def test_a_single_count_has_no_blocks() -> None:
    with pytest.raises(ValueError, match="counts has no axis"):
        displacement_variance(1, [0.0] * 3, [0.0] * 3, blocks=True)
