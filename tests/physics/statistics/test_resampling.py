"""The jackknife: known answers and invalid input. The bootstrap is tested through the barriers."""

import numpy as np
import pytest

from aiida_cse.physics.statistics.resampling import jackknife_error, leave_one_out


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=(20, 3))
    found = jackknife_error(leave_one_out(values)[1:])
    assert found == pytest.approx(values.std(axis=0, ddof=1) / np.sqrt(20))


def test_one_group_is_its_mean() -> None:
    assert leave_one_out([[1.0, 2.0]]).tolist() == [[1.0, 2.0]]
    assert np.isnan(jackknife_error(np.empty((0, 2)))).all()


@pytest.mark.parametrize("groups", [3.0, [], [np.nan]])
def test_values_without_groups_are_refused(groups: object) -> None:
    with pytest.raises(ValueError, match="groups"):
        leave_one_out(groups)  # type: ignore[arg-type]
