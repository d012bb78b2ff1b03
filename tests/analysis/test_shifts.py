"""Δz of runs at several temperatures, and the effect of its error on the rates."""

from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.kinetics import KineticsSettings, kinetics
from aiida_cse.analysis.shifts import UsedShifts, shift_sentences, shifts, widest
from tests.analysis.test_comparison import production
from tests.analysis.test_kinetics import RUNS, results


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    return shifts(
        {
            "T0400_r1": production(1, 400.0, closer=0.45, length=109.2),
            "T0700_r1": production(2, 700.0),
            "T0600_r1": production(3, 600.0, closer=0.2, length=109.6),
            "T0600_r2": production(4, 600.0, closer=0.2, length=109.5),
        }
    )


def test_known_shifts_are_found_at_each_temperature(found: dict[str, Any]) -> None:
    assert (found["reference_temperature_K"], found["ion"]) == (700, "li")
    assert [temperature for temperature, _, _ in found["shifts"]] == [700, 600, 400]
    assert found["shifts"][0] == [700, 0, 0]
    for (_, value, error), true in zip(found["shifts"][1:], (0.2, 0.45), strict=True):
        assert value == pytest.approx(true, abs=4 * error)
        assert 0 < error < 0.1
    assert (found["pairs_0600K"], found["pairs_0400K"]) == (2, 1)
    assert found["dz_free_energy_0400K_A"] == pytest.approx(
        0.45, abs=4 * found["dz_free_energy_0400K_error_A"] + 0.05
    )
    assert found["df_0400K_left_error_K"] > 0
    first, second = list(shift_sentences(found))[:2]
    assert first.startswith("Δz(600 K) = 0.")
    assert second.endswith("Å against 700 K")


def test_one_temperature_has_no_shift() -> None:
    with pytest.raises(ValueError, match=r"runs = 700 K: Δz needs runs at two or more temperatures"):
        shifts({"a": production(1, 700.0), "b": production(2, 700.0)})


def test_shifts_without_an_error_are_not_used() -> None:
    """Runs of two blocks: their Δz is there, but nobody knows how good it is."""
    short = {label: production(n, t, block_ps=20.0) for n, (label, t) in enumerate((("a", 700.0), ("b", 600.0)))}
    found = shifts(short)
    assert found["dz_0600K_A"] is not None
    assert found["dz_0600K_error_A"] is None
    assert found["shifts"] == []


MEASURED = {"shifts": [[700, 0, 0], [600, 0.18, 0.05], [400, 0.45, 0.1]]}
ASKED = KineticsSettings(temperatures=[400], admit="conditioned", laws=["arrhenius"])


def test_shifts_from_the_profiles_lower_the_barriers() -> None:
    found = kinetics(RUNS, ASKED, MEASURED)
    given = kinetics(RUNS, ASKED.model_copy(update={"shifts": [(700, 0), (600, 0.18), (400, 0.45)]}))
    assert (found["shifts_from"], given["shifts_from"]) == ("profiles", "settings")
    assert found["shifts"] == MEASURED["shifts"]
    assert found["rate_0400K_per_s"] == given["rate_0400K_per_s"]
    assert found["observations"] == given["observations"]
    low, high = found["rate_0400K_interval_per_s"]
    exact_low, exact_high = given["rate_0400K_interval_per_s"]
    assert low < exact_low
    assert high >= exact_high
    assert found["rate_0400K_upper_bound_per_s"] >= given["rate_0400K_upper_bound_per_s"]
    assert found.keys() == given.keys()


def test_given_shifts_replace_those_of_the_profiles() -> None:
    given = ASKED.model_copy(update={"shifts": [(700, 0), (400, 0.3)]})
    assert kinetics(RUNS, given, MEASURED) == kinetics(RUNS, given)
    none = kinetics(RUNS, ASKED.model_copy(update={"shifts": []}), MEASURED)
    assert [one["lowering_K"] for one in none["observations"]] == [0, 0]


def test_without_a_slope_nothing_is_lowered() -> None:
    runs = {"a": results(700, 7, 5700, slope_li_K_per_A=None)}
    found = kinetics(runs, ASKED, MEASURED)
    assert (found["shifts"], found["slope_K_per_A"]) == ([], None)


def test_results_off_equilibrium_are_widened_too() -> None:
    runs = {**RUNS, "T0500_r1": results(500, 1, 3000, equilibrated=False)}
    asked = ASKED.model_copy(update={"include_off_equilibrium": True})
    including = kinetics(runs, asked, MEASURED)["including"]
    exact = kinetics(runs, asked.model_copy(update={"shifts": [(700, 0), (600, 0.18), (400, 0.45)]}))["including"]
    assert including["rate_0400K_interval_per_s"][0] < exact["rate_0400K_interval_per_s"][0]


def test_uncertain_shifts_have_three_variants() -> None:
    used = UsedShifts([(700, 0.0, 0.0), (600, 0.2, 0.1)], "profiles")
    middle, less, more = used.variants(0.95)
    assert middle == [(700, 0), (600, 0.2)]
    assert less[1][1] == pytest.approx(0.2 - 0.196, abs=1e-4)
    assert more[1][1] == pytest.approx(0.2 + 0.196, abs=1e-4)
    assert len(UsedShifts([(700, 0.0, 0.0), (600, 0.2, 0.0)], "settings").variants(0.95)) == 1


def test_the_widest_interval_has_the_outermost_ends() -> None:
    one = {"a": 1.0, "a_interval": [0.5, 2.0], "a_upper_bound": 3.0, "a_lower_bound": 0.4, "b_interval": None}
    two = {"a": 9.0, "a_interval": [0.6, None], "a_upper_bound": None, "a_lower_bound": 0.2, "b_interval": [1, 2]}
    assert widest([one, two]) == {
        "a": 1.0, "a_interval": [0.5, None], "a_upper_bound": None, "a_lower_bound": 0.2, "b_interval": None,
    }  # fmt: skip
    assert widest([one]) == one
    assert np.isclose(widest([one, one])["a"], 1.0)
