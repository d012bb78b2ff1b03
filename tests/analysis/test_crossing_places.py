"""Places of a crossing from an analysed run."""

from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.crossing.places import places_of

Z = np.arange(-29.9, 30.0, 0.2)
BARRIER = {"boundaries_li_A": [-25.5, -16.5, 16.4, 25.4], "top_li_left_z_A": None, "top_li_right_z_A": 15.9}


def energies() -> np.ndarray:
    """Return sites of the slab at ±14.1 and ±11.1 Å, and nothing seen beyond 15.5 Å."""
    depth = np.abs(Z)
    return np.where(depth > 15.5, np.nan, 500 * np.abs((depth - 14.1 + 1.5) % 3 - 1.5))


@pytest.mark.parametrize(
    ("side", "changes", "plan"),
    [
        ("left", {}, {"well": [16.5, 25.5], "span": [14.1, 25.5]}),
        ("right", {}, {"well": [16.4, 25.4], "span": [14.1, 25.4]}),
        (
            "right",
            {"barrier_li_right_interval_K": [3000, 3400]},
            {"well": [16.4, 25.4], "surface": 15.9, "span": [14.1, 25.4]},
        ),
        ("left", {"boundaries_li_A": None}, {}),
        ("left", {"boundaries_li_A": ["?", 1, float("nan"), 4]}, {}),
        ("left", {"boundaries_li_A": [4, 3, 2, 1]}, {}),
    ],
    ids=["no top", "a top of few visits", "a top of many visits", "no layer", "no numbers", "descending"],
)
def test_layer_top_and_site_of_a_run_lay_the_windows(
    side: Any, changes: dict[str, Any], plan: dict[str, Any]
) -> None:
    found, words = places_of(BARRIER | changes, Z, energies(), "li", side)
    assert found == {name: pytest.approx(value, abs=0.05) for name, value in plan.items()}
    assert list(words) == list(plan)


def test_windows_do_not_reach_for_a_site_that_is_deep() -> None:
    deep = np.where(np.abs(Z) > 13, np.nan, energies())
    assert places_of(BARRIER, Z, deep, "li", "left")[0]["span"] == [14.0, 25.5]


def test_a_run_whose_ions_were_never_near_the_boundary_has_no_span() -> None:
    found, _ = places_of(BARRIER, Z, np.full(len(Z), np.nan), "li", "left")
    assert found == {"well": [16.5, 25.5]}
    assert places_of(BARRIER, [], [], "li", "left")[0] == found
