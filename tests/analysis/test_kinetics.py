"""Kinetics from the results of several productions: their input and their results."""

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from aiida_cse.analysis.kinetics import KineticsSettings, conclusions, kinetics
from aiida_cse.physics.kinetics.arrhenius_fit import joint_kinetics
from aiida_cse.physics.kinetics.observations import Observation
from aiida_cse.physics.kinetics.resistance import interfacial_resistance


def results(temperature: float, events: int, ion_ns: float, **changes: Any) -> dict[str, dict[str, Any]]:
    """Return what the analysis of a production stores, as far as kinetics reads it."""
    minimum = changes.pop("minimum_excess", None)
    return {
        "transitions": {
            "temperature_K": temperature,
            "rule": changes.pop("rule", "snapshot"),
            "s_in_li_ceramic_conditioned": events,
            "exposure_conditioned_ion_ns": ion_ns,
            "condition_minimum_excess": minimum,
        },
        "equilibration": {"equilibrated": changes.pop("equilibrated", True), "decided_by": ["Li"]},
        "barrier": {
            "barrier_li_K": 7706.0,
            "barrier_li_error_K": 100.0,
            "slope_li_K_per_A": 1850.0,
            "frequency_li_per_s": 1.5e12,
            "frequency_li_log_error": 0.02,
            **changes,
        },
    }


#: the published counts, 15 ions in the layers
RUNS = {
    "T0600_r1": results(600, 2, 300 * 15, equilibrated=False, minimum_excess=42, barrier_li_error_K=None),
    "T0700_r1": results(700, 7, 380 * 15),
}
ALL_LAWS = KineticsSettings(
    barrier="maximum", temperatures=[400, 700], shifts=[(700, 0), (600, 0.18), (400, 0.45)], admit="conditioned"
)
SETTINGS = ALL_LAWS.model_copy(update={"laws": ["arrhenius"]})


def test_kinetics_are_the_joint_fit_of_the_runs() -> None:
    found = kinetics(RUNS, SETTINGS)
    expected = joint_kinetics(
        [
            Observation(600, 2, 4500e-9, False, True, 333.0, admitted=True, label="T0600_r1"),
            Observation(700, 7, 5700e-9, barrier=7706, barrier_error=100, label="T0700_r1"),
        ],
        (400, 700),
        lowerings=(832.5, 0),
        laws=["arrhenius"],
        frequency=1.5e12,
        frequency_log_error=0.02,
    )
    at_400 = expected.rates[0]
    assert found["rate_0400K_per_s"] == at_400.rate.median
    assert found["rate_0400K_interval_per_s"] == [at_400.rate.low, at_400.rate.high]
    assert found["rate_0400K_upper_bound_per_s"] == at_400.upper_bound
    assert (found["rate_0400K_extrapolated"], found["rate_0700K_extrapolated"]) == (True, False)
    assert found["energy_K"] == expected.energy.median
    assert found["entropy_kB"] == expected.entropy.median
    assert found["kappa"] == expected.kappa.median
    assert found["used"] == ["T0600_r1", "T0700_r1"]
    assert found["observations"][0]["lowering_K"] == pytest.approx(333)
    assert found["including"] is None


def test_rates_are_resistances_with_the_ions_in_the_layers() -> None:
    runs = {label: {**run, "transitions": {**run["transitions"]}} for label, run in RUNS.items()}
    for label, time, ions in (("T0600_r1", 300, 12), ("T0700_r1", 380, 15)):
        layers = {"area_nm2": 30.28, "exposure_conditioned_ns": time, "exposure_conditioned_ion_ns": time * ions}
        runs[label]["transitions"] |= layers
    found = kinetics(runs, SETTINGS)
    few, many = found["layer_density_per_nm2"]
    assert (few, many) == pytest.approx((12 / 30.28, 15 / 30.28))
    for place, kelvin, density in (("0400K", 400.0, few), ("0700K", 700.0, many)):
        found_rates = found[f"rate_{place}_per_s"], found[f"rate_{place}_interval_per_s"]
        value, (low, high) = found[f"resistance_{place}_ohm_cm2"], found[f"resistance_{place}_interval_ohm_cm2"]
        assert value == pytest.approx(float(interfacial_resistance(found_rates[0] * density, 1.0, kelvin)))
        assert low == pytest.approx(float(interfacial_resistance(found_rates[1][1] * many, 1.0, kelvin)))
        assert high == pytest.approx(float(interfacial_resistance(found_rates[1][0] * few, 1.0, kelvin)))
        assert low < value < high
        assert 0 < found[f"resistance_{place}_lower_bound_ohm_cm2"] < value


def test_without_an_area_or_a_run_there_is_no_resistance() -> None:
    found = kinetics(RUNS, SETTINGS)
    alone = kinetics({"T0500_r1": results(500, 0, 3000, equilibrated=False)}, SETTINGS)
    for one in (found, alone):
        assert one["layer_density_per_nm2"] is None
        assert one["resistance_0400K_ohm_cm2"] is None
        assert one["resistance_0400K_interval_ohm_cm2"] is None
        assert one["resistance_0400K_lower_bound_ohm_cm2"] is None


def test_a_run_off_equilibrium_is_excluded_or_given_both_ways() -> None:
    runs = {**RUNS, "T0500_r1": results(500, 1, 3000, equilibrated=False)}
    found = kinetics(runs, SETTINGS)
    assert found["excluded"] == {"T0500_r1": "not equilibrated"}
    both = kinetics(runs, SETTINGS.model_copy(update={"include_off_equilibrium": True}))
    assert both["including"]["used"] == ["T0600_r1", "T0700_r1", "T0500_r1"]
    assert both["rate_0400K_per_s"] == found["rate_0400K_per_s"]
    assert both["including"].keys() <= both.keys()


def test_a_condition_overrides_no_verdict_unless_it_is_asked_for() -> None:
    trivial = {**RUNS, "T0400_r1": results(400, 1, 3000, equilibrated=False, minimum_excess=-1000)}
    strict = kinetics(trivial, SETTINGS.model_copy(update={"admit": "equilibrated"}))
    assert strict["used"] == ["T0700_r1"]
    assert set(strict["excluded"].values()) == {"not equilibrated"}
    assert (strict["admit"], strict["admitted_off_equilibrium"]) == ("equilibrated", [])
    asked = kinetics(RUNS, SETTINGS)
    assert (asked["admit"], asked["admitted_off_equilibrium"]) == ("conditioned", ["T0600_r1"])
    admitted = [one["admitted_off_equilibrium"] for one in asked["observations"]]
    assert admitted == [True, False]
    assert "T0600_r1 is off equilibrium and is used because" in conclusions(asked)[-1]


TST = {"tst_barrier_li_K": 8200.0, "tst_barrier_li_error_K": 80.0, "attempts_li_per_s": 3.6e12}


def test_kappa_and_entropy_follow_from_the_tst_barrier_and_its_prefactor() -> None:
    runs = {"T0700_r1": results(700, 70, 57000, **TST), "T0600_r1": results(600, 20, 45000, **TST)}
    found, published = kinetics(runs), kinetics(runs, KineticsSettings(barrier="maximum"))
    assert (found["barrier_from"], found["barrier_fallback"]) == ("tst", None)
    assert found["frequency_per_s"] == 3.6e12
    assert found["observations"][0]["barrier_K"] == 8200
    # both fits have the same rates; the medians of κ differ by prefactor and barrier
    theory = [3.6e12 * np.exp(-8200 / 700), 1.5e12 * np.exp(-7706 / 700)]
    assert found["kappa"] / published["kappa"] == pytest.approx(theory[1] / theory[0], rel=0.02)
    assert found["entropy_kB"] == pytest.approx(published["entropy_kB"] - (8200 - 7706) / 700, abs=0.02)
    assert found["rate_0400K_per_s"] == published["rate_0400K_per_s"]


def test_results_without_a_tst_barrier_fall_back_to_the_maximum_and_say_so() -> None:
    runs = {"new": results(700, 70, 57000, **TST), "old": results(600, 20, 45000)}
    found = kinetics(runs)
    assert found["barrier_from"] == "maximum"
    assert found["kappa"] == kinetics(runs, KineticsSettings(barrier="maximum"))["kappa"]
    assert "because old has no TST barrier" in conclusions(found)[-1]


def test_the_barrier_of_a_run_off_equilibrium_is_not_used() -> None:
    runs = {"a": results(700, 7, 5700, equilibrated=False, minimum_excess=42, **TST)}
    found = kinetics(runs, KineticsSettings(admit="conditioned"))
    assert found["used"] == ["a"]
    assert found["observations"][0]["barrier_K"] is found["kappa"] is found["entropy_kB"] is None


def test_keys_do_not_depend_on_the_events() -> None:
    nothing = kinetics({"a": results(500, 0, 3000, equilibrated=False)}, SETTINGS)
    assert nothing.keys() == kinetics(RUNS, SETTINGS).keys()
    assert nothing["rate_0400K_per_s"] is None
    assert nothing["rate_0400K_upper_bound_per_s"] is None
    assert nothing["events"] == 0


def test_conclusions_state_rates_bounds_and_excluded_runs() -> None:
    first, second, third, _ = conclusions(kinetics(RUNS, SETTINGS))
    assert first.startswith("Γ(400 K) = 1")
    assert first.endswith("s⁻¹ per ion (4.6 to 1.9e+06)")
    assert second.startswith("Γ(700 K) = 1.3e+06 s⁻¹ per ion (")
    assert third == "γ = Γ(700 K) / Γ(600 K) = 2.8 (0.53 to 27)"
    one, *_ = conclusions(kinetics({"a": results(700, 7, 5700)}))
    assert one == "Γ(400 K) is at most 2.5e+06 s⁻¹ per ion"
    unknown, *_, reason = conclusions(kinetics({"a": results(700, 0, 5700, equilibrated=False)}))
    assert unknown == "Γ(400 K) is not known: no run constrains it"
    assert reason == "a is not used: no entry, and no condition that says when one would have counted"


def test_the_headline_is_the_union_and_each_law_has_its_weight() -> None:
    found = kinetics(RUNS, ALL_LAWS)
    assert found["laws"] == list(found["by_law"]) == ["arrhenius", "vogel-fulcher", "two-channels"]
    assert sum(law["weight"] for law in found["by_law"].values()) == pytest.approx(1)
    ends = [law["rate_0400K_interval_per_s"] for law in found["by_law"].values()]
    assert found["rate_0400K_interval_per_s"] == [min(low for low, _ in ends), max(high for _, high in ends)]
    low, high = found["averaged_rate_0400K_interval_per_s"]
    assert found["rate_0400K_interval_per_s"][0] < low < high < found["rate_0400K_interval_per_s"][1]
    assert found["priors"] == {
        "t0_K": [0, 300],
        "gap_K": [0, 15000],
        "crossing_K": [400, 700],
        "energy_K": [0, 20000],
    }
    alone = kinetics(RUNS, SETTINGS)
    assert alone["rate_0400K_per_s"] == found["by_law"]["arrhenius"]["rate_0400K_per_s"]
    assert (alone["energy_K"], alone["kappa"]) == (found["energy_K"], found["kappa"])


def test_the_laws_of_an_extrapolated_rate_are_printed_in_80_columns() -> None:
    found = kinetics(RUNS, ALL_LAWS)
    lines = conclusions(found)
    assert lines[0].endswith("under any of 3 laws")
    assert [line.split()[0] for line in lines[1:5]] == ["Arrhenius", "Vogel–Fulcher", "two", "averaged"]
    assert max(map(len, lines[:6])) <= 80
    refuted = {**found, "laws": ["vogel-fulcher"]}
    assert conclusions(refuted)[0].endswith("under Vogel–Fulcher")
    assert "refuted" in conclusions(refuted)[1]
    # nodes of earlier versions have one law and no weights
    earlier = {key: value for key, value in found.items() if key not in {"laws", "by_law", "priors"}}
    assert conclusions(earlier)[1].startswith("Γ(700 K) = ")


@pytest.mark.parametrize(
    ("temperature", "shift"), [(700, 0), (650, 0.09), (600, 0.18), (500, 0.315), (300, 0.585), (800, -0.18)]
)
def test_the_shift_is_linear_between_and_beyond_the_given_temperatures(temperature: float, shift: float) -> None:
    assert SETTINGS.shift(temperature) == pytest.approx(shift)


def test_the_shift_is_zero_without_given_shifts() -> None:
    assert KineticsSettings().shift(400) == 0


def test_slope_and_frequency_are_those_of_the_hottest_runs_used() -> None:
    hotter = results(1000, 50, 10, equilibrated=False, slope_li_K_per_A=99.0, frequency_li_per_s=1e11)
    found = kinetics({**RUNS, "T1000_r1": hotter}, SETTINGS)
    assert found["slope_K_per_A"] == 1850
    assert found["frequency_per_s"] == 1.5e12
    assert found["rate_0400K_per_s"] == kinetics(RUNS, SETTINGS)["rate_0400K_per_s"]
    replicas = {**RUNS, "T0700_r2": results(700, 6, 5700, slope_li_K_per_A=None)}
    assert kinetics(replicas, SETTINGS)["slope_K_per_A"] == 1850
    replicas["T0700_r3"] = results(700, 6, 5700, slope_li_K_per_A=1950.0)
    assert kinetics(replicas, SETTINGS)["slope_K_per_A"] == 1900


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ({}, r"runs = {}: there are no runs"),
        ({"a": {"transitions": {}}}, "runs.a: it has no equilibration and no barrier"),
        ({"a": RUNS["T0700_r1"], "b": results(600, 2, 1, rule="core")}, "a: li by snapshot; b: li by core"),
        ({"a": {**RUNS["T0700_r1"], "barrier": {}}}, "runs.a: none of its ions crosses"),
        (
            {"a": results(700, 7, 5700, temperature_K=500)},
            "runs.a = transitions of 700 K, barrier of 500 K: they must be the results of one analysis",
        ),
        ({"a": results(700, 7, 5700, slope_li_K_per_A=None)}, "slope = null: "),
        (
            {"a": {**RUNS["T0700_r1"], "transitions": {"rule": "snapshot", "temperature_K": 700}}},
            "runs.a: the number of li in the initial slab is not known",
        ),
    ],
)
def test_runs_that_do_not_belong_together_are_refused(runs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kinetics(runs, SETTINGS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperatures": []}, "temperatures"),
        ({"temperatures": [400, 400.2]}, "temperatures = 400, 400.2: each temperature may occur once"),
        ({"temperatures": [-1]}, "temperatures"),
        ({"shifts": [[700]]}, "shifts"),
        ({"shifts": [[700, 0.1]]}, "shifts has one temperature"),
        ({"shifts": [[700, 0], [700, 1]]}, "shifts = 700, 700: each temperature may occur once"),
        ({"slope": 0}, "slope"),
        ({"sloppe": 1}, "slope"),
        ({"samples": 5}, "samples"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        KineticsSettings.model_validate(settings)


# -- bursts --------------------------------------------------------------------------------------------------


def dispersed(temperature: float, events: int, ion_ns: float, dispersion: float) -> dict[str, dict[str, Any]]:
    run = results(temperature, events, ion_ns)
    run["transitions"]["dispersion_li_ceramic_conditioned"] = dispersion
    return run


def test_bursts_widen_the_interval_and_the_bound_of_a_run_without_an_entry() -> None:
    runs = {
        "hot": dispersed(700, 80, 5000, 6.0),
        "warm": dispersed(600, 20, 5000, 1.0),
        "cold": results(500, 0, 5000, minimum_excess=1),
    }
    single = {"hot": results(700, 80, 5000), "warm": results(600, 20, 5000), "cold": runs["cold"]}
    found, plain = kinetics(runs), kinetics(single)
    assert [one["dispersion"] for one in found["observations"]] == [6, 1, 1]
    assert [one["dispersion_used"] for one in found["observations"]] == [6, 5, 5]
    cold, known = (one["observations"][2]["rate_upper_bound_per_s"] for one in (found, plain))
    assert cold > 5 * known
    low, high = found["rate_0400K_interval_per_s"]
    plain_low, plain_high = plain["rate_0400K_interval_per_s"]
    assert low < plain_low
    assert plain_high < high
    assert found["events"] == plain["events"] == 100
