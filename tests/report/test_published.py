"""The published study beside a study: its own numbers agree with it, and what cannot be compared says why."""

from __future__ import annotations

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from aiida_cse.building.recipe import load_recipe
from aiida_cse.report.estimators import MEASURES
from aiida_cse.report.findings import Findings, Origin, RunFindings
from aiida_cse.report.published import (
    ComparedNumber,
    compare,
    comparison_table,
    here_cell,
    other_system,
    published,
)
from aiida_cse.report.results import Entry, ObservableResult

#: the published numbers as results: 7 in and 7 out at 700 K, 2 in under the condition at 600 K
HOT: dict[str, dict[str, Any]] = {
    "equilibration": {"equilibrated": True},
    "populations": {"n_li_excess": 42.3, "n_li_excess_error": 2.0, "n_li_excess_interval": [38.0, 46.6]},
    "transitions": {
        "boundaries_li_A": [-32.0, -23.0, 23.0, 32.0],
        "stride_ps": 1000.0,
        "by_rule": {
            "snapshot": {
                "observed_ns": 380.0,
                "s_in_li_ceramic": 7,
                "s_out_li_ceramic": 7,
                "exposure_li_ceramic_ion_ns": 15 * 380.0,
            }
        },
    },
    "barrier": {
        "barrier_li_left_K": 8020.0,
        "barrier_li_left_error_K": 100.0,
        "barrier_li_left_interval_K": [7820.0, 8220.0],
        "barrier_li_left_lower_bound_K": 7850.0,
        "barrier_li_K": 7706.0,
        "barrier_li_error_K": 100.0,
        "frequency_li_per_s": 1.5e12,
        "frequency_li_log_error": 0.05,
    },
}
WARM: dict[str, dict[str, Any]] = {
    "equilibration": {"equilibrated": False},
    "populations": {"n_li_excess": 30.0, "n_li_excess_error": 1.0},
    "transitions": {
        "stride_ps": 1000.0,
        "by_rule": {"snapshot": {"s_in_li_ceramic_conditioned": 2, "exposure_conditioned_ns": 300.0}},
    },
    "anion_barrier": {
        "barrier_tfsi_K": 2100.0,
        "barrier_tfsi_error_K": None,
        "barrier_tfsi_lower_bound_K": 1800.0,
    },
}


def run(temperature: float, scalars: dict[str, dict[str, Any]], **settings: float) -> RunFindings:
    system = SimpleNamespace(ions={}, natoms=1)
    results: Any = SimpleNamespace(settings={"level": 0.95, **settings}, system=system, observables={})
    return RunFindings(f"T{temperature:04.0f}_r1", temperature, scalars, {}, lambda: results)


def study(**changes: Any) -> Findings:
    gamma = {
        "gamma": 2.763,
        "gamma_interval": [0.53, 27.0],
        "gamma_temperatures_K": [700.0, 600.0],
        "gamma_energy_K": 6580.0,
        "gamma_entropy_kB": -1.6,
        "gamma_rate_0400K_per_s": 8.4e3,
    }
    entries = {key: Entry(value=value, unit="", meaning="") for key, value in gamma.items()}
    runs = (run(700, HOT), run(600, WARM, minimum_excess=42))
    recipe = load_recipe("llzo-peo-litfsi").model_dump(mode="json")
    found = Findings(
        Origin("study", "a reproduction"),
        {one.label: one for one in runs},
        kinetics=ObservableResult(description="", entries=entries),
        recipe=recipe,
    )
    return replace(found, **changes)


def of(compared: list[ComparedNumber], quantity: str, temperature: float | None = None) -> ComparedNumber:
    return next(
        one
        for one in compared
        if one.published.quantity == quantity and one.published.temperature_K in (temperature, None)
    )


@pytest.fixture(scope="module")
def compared() -> list[ComparedNumber]:
    return compare(study())


def test_every_published_number_has_a_source_and_a_known_measure() -> None:
    for number in published().numbers:
        assert number.source
        assert number.why or number.estimator
        assert not number.measure or number.measure in MEASURES
        assert number.measure or number.why
        assert number.value is not None or (number.low is not None and number.high is not None)


def test_figures_3_to_13_and_table_1_are_all_there() -> None:
    shown = " ".join(number.figure for number in published().numbers).replace("Figs. 12 and 13", "Fig. 12 Fig. 13")
    assert [n for n in range(3, 14) if f"Fig. {n}" not in shown] == []
    assert "Table 1" in shown


@pytest.mark.parametrize(
    ("quantity", "temperature"),
    [
        ("S_t of Li⁺, LLZO", 700),
        ("entries while N(Li excess) ≥ 42", 600),
        ("entries per ion in a 1st layer", 700),
        ("κ", 700),
        ("γ, Γ(700 K) / Γ(600 K)", None),
        ("ΔE", None),
        ("ΔS", None),
        ("Γ(400 K)", None),
    ],
)
def test_the_published_counts_agree_with_the_published_numbers(
    compared: list[ComparedNumber], quantity: str, temperature: float | None
) -> None:
    sigma = of(compared, quantity, temperature).sigma
    assert sigma is not None
    assert abs(sigma) < 0.2


def test_the_difference_in_standard_errors_has_those_of_both(compared: list[ComparedNumber]) -> None:
    changed = {**HOT["transitions"], "by_rule": {"snapshot": {**HOT["transitions"]["by_rule"]["snapshot"]}}}
    changed["by_rule"]["snapshot"] |= {"s_in_li_ceramic": 70, "s_out_li_ceramic": 70}
    found = study(runs={"hot": run(700, {**HOT, "transitions": changed})})
    one = of(compare(found), "S_t of Li⁺, LLZO", 700)
    assert one.here.error == pytest.approx(1 / math.sqrt(70), rel=0.06)
    assert one.sigma == pytest.approx(math.log(10) / math.sqrt(1 / 7 + 1 / 70), rel=0.06)


def test_a_number_without_a_published_error_is_inside_or_outside(compared: list[ComparedNumber]) -> None:
    inside = of(compared, "ΔF of Li⁺, LEFT", 700)
    assert (inside.sigma, inside.within, inside.difference) == (None, True, 20.0)
    assert inside.reasons == ("published without counts or error",)
    high = {**HOT, "barrier": {**HOT["barrier"], "barrier_li_left_interval_K": [8060.0, 8300.0]}}
    outside = of(compare(study(runs={"hot": run(700, high)})), "ΔF of Li⁺, LEFT", 700)
    assert outside.within is False


def test_a_run_off_equilibrium_gives_bounds_and_no_judgement(compared: list[ComparedNumber]) -> None:
    bound = of(compared, "ΔF of TFSI⁻, bulk to 1st layer", 600)
    assert (bound.here.value, bound.here.lower_bound, bound.within) == (None, 1800.0, None)
    assert "a bound only: not equilibrated, or too few visits" in bound.reasons
    excess = of(compared, "N(Li excess)", 600)
    assert (excess.sigma, excess.within) == (None, None)
    assert "not equilibrated here: the result depends on the start" in excess.reasons


@pytest.mark.parametrize(
    ("quantity", "temperature", "reason"),
    [
        ("N(Li excess)", 500, "not run at 500 K"),
        ("Δz at 400 K", None, "not run at 400 K"),
        ("Δz at 600 K", None, "no result shifts"),
        ("k of the minimum, LEFT", 700, "results of this version have no curvature_li_left_K_per_A2"),
        ("gap without Li⁺", 700, "a range read from the curve; no threshold of the density is printed"),
        ("Li⁺, variance in LLZO over bulk, x", 700, "no result displacement_variance"),
    ],
)
def test_what_cannot_be_compared_says_why(
    compared: list[ComparedNumber], quantity: str, temperature: float | None, reason: str
) -> None:
    assert reason in of(compared, quantity, temperature).reasons


@pytest.mark.parametrize(
    ("quantity", "changes", "counts", "reason"),
    [
        ("S_t of Li⁺, LLZO", {"stride_ps": 500.0}, {}, "every 500 ps here, published every 1000 ps"),
        ("EC of Li⁺, LLZO", {"stride_ps": 500.0}, {}, "every 500 ps here, published every 1000 ps"),
        (
            "EC of Li⁺, LLZO",
            {},
            {"observed_ns": 1900.0, "s_in_li_ceramic": 35, "s_out_li_ceramic": 35},
            "EC grows with the number of transitions: 1.9e+03 ns here, published 380 ns",
        ),
        (
            "EC of Li⁺, LLZO",
            {},
            {"s_in_li_ceramic": 0, "s_out_li_ceramic": 0},
            "a lower bound of 0 excludes nothing",
        ),
    ],
)
def test_another_sampling_is_named_and_not_judged(
    quantity: str, changes: dict[str, float], counts: dict[str, float], reason: str
) -> None:
    counted = {**HOT["transitions"]["by_rule"]["snapshot"], **counts}
    transitions = {**HOT["transitions"], **changes, "by_rule": {"snapshot": counted}}
    one = of(compare(study(runs={"hot": run(700, {**HOT, "transitions": transitions})})), quantity, 700)
    assert reason in one.reasons
    assert (one.sigma, one.within) == (None, None)


def test_ec_of_equal_length_is_judged_by_its_lower_bound(compared: list[ComparedNumber]) -> None:
    assert of(compared, "EC of Li⁺, LLZO", 700).within is True


def test_bursts_of_the_verdict_widen_the_interval_of_counts(compared: list[ComparedNumber]) -> None:
    verdict = {"equilibrated": True, "burst_index_li_ceramic": 4.0}
    found = compare(study(runs={"hot": run(700, {**HOT, "equilibration": verdict})}))
    alone, bursts = (of(one, "S_t of Li⁺, LLZO", 700).here for one in (compared, found))
    assert None not in (alone.error, bursts.error)
    assert (bursts.error or 0) > 1.5 * (alone.error or 0)
    alone, bursts = (of(one, "EC of Li⁺, LLZO", 700).here for one in (compared, found))
    assert (bursts.lower_bound or 0) < (alone.lower_bound or 0)


def test_an_interval_without_an_upper_end_is_shown_with_infinity() -> None:
    found = study()
    assert found.kinetics is not None
    entries = {**found.kinetics.entries, "gamma_interval": Entry(value=[0.53, None], unit="", meaning="")}
    one = of(
        compare(replace(found, kinetics=ObservableResult(description="", entries=entries))),
        "γ, Γ(700 K) / Γ(600 K)",
    )
    assert (one.here.error, one.sigma, one.within) == (None, None, True)
    assert here_cell(one) == "2.76 (0.530 to ∞)"


def test_the_error_of_a_joint_result_has_the_level_of_its_interval() -> None:
    found = study()
    assert found.kinetics is not None
    entries = {**found.kinetics.entries, "level": Entry(value=0.68, unit="", meaning="")}
    narrow = compare(replace(found, kinetics=ObservableResult(description="", entries=entries)))
    errors = [of(one, "γ, Γ(700 K) / Γ(600 K)").here.error or 0 for one in (compare(found), narrow)]
    assert errors[1] == pytest.approx(errors[0] * 1.96 / 0.9945, rel=1e-3)


def test_another_recipe_is_named_and_nothing_is_judged() -> None:
    recipe = load_recipe("llzo-peo-litfsi-demo").model_dump(mode="json")
    found = study(recipe=recipe)
    assert other_system(found).startswith("another recipe, llzo-peo-litfsi-demo: differs in ceramic.repeat")
    assert {(one.sigma, one.within) for one in compare(found)} == {(None, None)}
    seeds = {**load_recipe("llzo-peo-litfsi").model_dump(mode="json"), "seeds": recipe["seeds"]}
    assert other_system(study(recipe=seeds)) == ""
    assert other_system(study(recipe={})) == "another system: 1 atoms, published 13284"


def test_the_table_has_a_row_for_each_number_and_run(compared: list[ComparedNumber]) -> None:
    table = comparison_table(compared)
    assert len(table.rows) == len(published().numbers)
    assert {len(row) for row in table.rows} == {len(table.columns)}
    hot = run(700, HOT)
    both = study(runs={"T0700_r1": hot, "T0700_r2": replace(hot, label="T0700_r2")})
    labels = [one.run for one in compare(both) if one.published.quantity == "ΔF of Li⁺, LEFT"]
    assert labels == ["T0700_r1", "T0700_r2"]
