"""The rows of a view: numbers as they are in the results, marks, intervals, and reasons for what is missing."""

from __future__ import annotations

import ast
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aiida_cse.analysis.comparison import COMPARISON, compare
from aiida_cse.analysis.crossing.documents import CROSSING
from aiida_cse.analysis.kinetics import KineticsSettings, kinetics
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import Quantity, analyse_separately, observables
from aiida_cse.report import view as module
from aiida_cse.report.findings import Findings, Origin, RunFindings, TimeShare
from aiida_cse.report.results import Entry, ObservableResult, Results, collect_results, describe_result
from aiida_cse.report.rows import Row, View
from aiida_cse.report.sources import findings_of_results
from aiida_cse.report.view import view_of
from aiida_cse.report.words import duration, number_words, with_error
from tests.nodes import state


@pytest.fixture(scope="module")
def findings() -> Findings:
    production = ReducedProduction(state(), 700.0)
    found, missing = analyse_separately(production)
    return findings_of_results(collect_results(production, found, missing, label="run"))


@pytest.fixture(scope="module")
def view(findings: Findings) -> View:
    return view_of(findings)


def rows(view: View, title: str) -> list[Row]:
    return [row for section in view.sections if section.title == title for row in section.rows]


def run(observables: dict[str, dict[str, Any]], label: str = "run", **known: Any) -> Findings:
    one = RunFindings(label, 700.0, observables, known.pop("missing", {}), lambda: pytest.fail("reads arrays"))
    return Findings(Origin("folders", "folder"), {label: one}, **known)


def test_numbers_shown_are_those_of_the_results(findings: Findings, view: View) -> None:
    shown = [row for section in view.sections for row in section.rows if row.source]
    assert len(shown) > 30
    for row in shown:
        _, label, observable, key = row.source.split(".")
        stored = findings.runs[label].scalars[observable]
        assert row.quantity is not None
        if row.quantity.value is not None:
            assert row.quantity.value == stored[key]
        if row.quantity.interval is not None:
            assert list(row.quantity.interval) in list(stored.values())


def test_each_number_has_an_interval_or_a_reason(view: View) -> None:
    counted = ("into", "out of", "charge reversals", "EC of", "slowest")
    for section in view.sections:
        for row in section.rows:
            if row.quantity is not None and not row.name.startswith("Li ") and not row.name.startswith("TFSI "):
                bound = row.value_words.startswith(("≤", "≥"))
                assert bound or row.interval_words or any(word in row.name for word in counted), row


def test_an_observable_without_a_result_is_a_row_with_its_reason() -> None:
    found = view_of(run({}, missing={"barrier": "there is no time", "equilibration": "it failed"}))
    assert [(row.mark, row.text) for row in rows(found, "Verdict")] == [("–", "not known: it failed")]
    (row,) = rows(found, "Barriers")
    assert (row.mark, row.value_words, row.interval_words) == ("–", "–", "there is no time")


def test_keys_that_an_earlier_version_lacks_are_named_as_such() -> None:
    found = {row.name: row for row in rows(view_of(run({"barrier": {"barrier_li_K": 5000.0}})), "Barriers")}
    assert found["TST barrier of Li"].interval_words == "results of its version do not have it"
    assert found["barrier of Li"].value_words == "5,000"


def test_statements_of_earlier_versions_get_the_marks_of_today() -> None:
    old = {
        "Li: equilibration coefficient 0.1 (5 in, 0 out) is below 0.5": "✗ Li: EC 0.1 (needs ≥ 0.5): 5 in, 0 out",
        "Li: its lower 97.5 % bound 0.935 reaches 0.25": "✓ Li: lower 97.5 % bound of EC 0.935 (≥ 0.25)",
        "Li: net flux +0 ± 0 ions per block over 7 blocks is compatible with zero (p = 1, required 0.05)": (
            "– Li: net flux: no events, nothing to test"
        ),
        "Li: net flux +1 ± 0.56 ions is compatible with zero (p = 0.1, required 0.001)": (
            "✓ Li: net flux +1 ± 0.56 ions, p = 0.1 (≥ 0.001)"
        ),
        "Li: ✗ EC 0.143 (needs ≥ 0.5): 3 in, 1 out": "✗ Li: EC 0.143 (needs ≥ 0.5): 3 in, 1 out",
    }
    found = view_of(run({"equilibration": {"equilibrated": False, "reasons": list(old)}}))
    assert [f"{row.mark} {row.text}" for row in rows(found, "Verdict")[1:]] == list(old.values())


def test_rates_are_shown_with_their_laws_and_weights() -> None:
    estimates = {
        "rate_0400K_per_s": 2e4,
        "rate_0400K_interval_per_s": [5.0, None],
        "rate_0400K_extrapolated": True,
    }
    by_law = {
        name: {**estimates, "weight": weight} for name, weight in (("arrhenius", 0.75), ("vogel-fulcher", 0.25))
    }
    averaged = {"averaged_rate_0400K_per_s": 2e4, "averaged_rate_0400K_interval_per_s": [9.0, 3e5]}
    found = {"used": ["a"], "laws": ["arrhenius"], "by_law": by_law, "excluded": {}, **averaged, **estimates}
    result = ObservableResult.model_validate(
        {
            "description": "",
            "entries": {key: {"value": one, "unit": "", "meaning": ""} for key, one in found.items()},
        }
    )
    shown = rows(view_of(run({}, kinetics=result)), "Rate of entries per ion in a 1st layer")
    assert [row.interval_words.partition("; ")[2] for row in shown] == [
        "extrapolated under Arrhenius",
        "weight 0.75",
        "weight 0.25, refuted",
        "",
    ]
    assert shown[0].interval_words.startswith("5.00 to no upper end")


def test_a_rate_without_constraint_says_so() -> None:
    found = kinetics({"a": _off_equilibrium()}, KineticsSettings())
    result = ObservableResult.model_validate(
        {
            "description": "",
            "entries": {key: {"value": one, "unit": "", "meaning": ""} for key, one in found.items()},
        }
    )
    shown = view_of(run({}, kinetics=result))
    (row,) = rows(shown, "Rate of entries per ion in a 1st layer")
    assert (row.value_words, row.interval_words) == ("–", "no run constrains it")
    assert [row.mark for row in rows(shown, "Runs in the fit")] == ["✗"]


def _off_equilibrium() -> dict[str, Any]:
    production = ReducedProduction(state(), 700.0)
    return {name: observables()[name].compute(production) for name in ("transitions", "equilibration", "barrier")}


def test_a_cold_run_is_shown_against_the_hot_one() -> None:
    hot, cold = (ReducedProduction(state(), kelvin) for kelvin in (700.0, 400.0))
    found = compare(hot, cold)
    shown = view_of(run({}, comparison=describe_result(COMPARISON, found)))
    numbers = {row.name: row for row in rows(shown, "Cold against hot") if row.quantity is not None}
    for name, key in (("ΔN(Li, ceramic)", "n_li_ceramic_difference"), ("Δz from the charge integrals", "dz_A")):
        quantity = numbers[name].quantity
        assert quantity is not None
        assert (quantity.value, numbers[name].source) == (found[key], f"comparison.{key}")
    assert all(row.interval_words for row in numbers.values() if row.mark)
    reasons = [row.text for row in rows(shown, "Cold against hot") if row.quantity is None]
    assert reasons == found["reasons"]


def test_time_of_cached_jobs_is_not_divided() -> None:
    found = run({}, load_time=lambda: TimeShare(jobs=3, cached=3, seconds=0.0, program_seconds=0.0))
    (row,) = rows(view_of(found), "Time")
    assert (row.name, row.text) == ("from the cache", "the results of 3 of 3 LAMMPS jobs; these did not run again")


@pytest.mark.parametrize(
    ("value", "spread", "words"),
    [
        (0.0, None, "0"),
        (592, None, "592"),
        (12345, None, "12,345"),
        (304211583125769997665169645240320, None, "3.04e+32"),
        (-(10**12), None, "-1.00e+12"),
        (10**400, None, "a number of more than 300 digits"),
        (4035.43, 48.4, "4,035"),
        (40.234, 1.3, "40.2"),
        (0.14285, None, "0.143"),
        (1.386e10, 1.1e9, "1.39e+10"),
        (2.3e-5, None, "2.30e-05"),
        (6.1e-144, None, "<1e-30"),
        (-0.0042, 0.0007, "-0.00420"),
        (7.96e-4, 0.0018, "0.0008"),
        (-9.3e-4, 1.5e-4, "-0.00093"),
        (math.pi, math.nan, "3.14"),
    ],
)
def test_numbers_have_the_digits_that_their_errors_allow(value: float, spread: float | None, words: str) -> None:
    assert number_words(value, spread) == words


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (0.18, 0.0213, "0.180 ± 0.021"),
        (-1234.5, 46.0, "−1,234 ± 46"),
        (7.96e-4, 0.0018, "0.0008 ± 0.0018"),
        (4.9e-21, 2.0e-22, "4.90e−21 ± 2.0e−22"),
        (0.5, 0.0, "0.500 (error not known)"),
        (0.5, math.nan, "0.500 (error not known)"),
    ],
)
def test_an_error_has_two_digits(value: float, error: float, words: str) -> None:
    assert with_error(value, error) == words


def test_bounds_and_open_intervals_are_words() -> None:
    bound = Row("Γ", quantity=Quantity("Γ", "rate", None, upper=2.5e11))
    assert (bound.value_words, bound.interval_words) == ("≤ 2.50e+11", "")
    between = Row("Γ", quantity=Quantity("Γ", "rate", None, lower=1.0, upper=2.5))
    assert (between.value_words, between.interval_words) == ("≥ 1.00", "≤ 2.50")
    nothing = Row("Γ", quantity=Quantity("Γ", "rate", None, lower=0.0, reason="no exposure"))
    assert (nothing.value_words, nothing.interval_words) == ("–", "no exposure")
    low = Row("ΔF", quantity=Quantity("ΔF", "barrier", None, lower=-554.0, reason="off equilibrium"))
    assert (low.value_words, low.interval_words) == ("≥ -554", "off equilibrium")
    half = Row("Γ", quantity=Quantity("Γ", "rate", 2.0, interval=(1.0, None)))
    assert half.interval_words == "1.00 to no upper end"
    assert duration(0.4) == "0 s"


def test_digits_end_with_those_of_the_error_unless_a_power_of_ten_is_known() -> None:
    shift = Row("ΔF", quantity=Quantity("ΔF", "f", -4.9, error=43.2))
    assert (shift.value_words, shift.interval_words) == ("-5", "± 43")
    excess = Row("N", quantity=Quantity("N", "n", 0.992, interval=(-11.02, 13.04)))
    assert (excess.value_words, excess.interval_words) == ("1.0", "-11 to 13")
    rate = Row("Γ", quantity=Quantity("Γ", "rate", 2.02e6, interval=(7796.0, 1.12e8)))
    assert rate.value_words == "2.02e+06"


def test_values_that_are_not_finite_are_not_known() -> None:
    found = Quantity.of({"a": np.nan, "a_interval": [np.nan, 1.0]}, "a", "a{}", reason="it has no samples")
    assert (found.value, found.interval, found.reason) == (None, (None, 1.0), "it has no samples")


def test_the_view_needs_no_aiida_and_no_terminal() -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not {name for name in names if name.split(".")[0] in ("aiida", "rich", "click")}


@pytest.mark.parametrize("ill", [{"equilibrated": "no"}, {"equilibrated": None}, {}])
def test_a_verdict_that_is_neither_true_nor_false_is_not_known(ill: dict[str, Any]) -> None:
    found = run({"equilibration": {"kind": "equilibrated", **ill}})
    assert found.runs["run"].equilibrated is None
    verdict = rows(view_of(found), "Verdict")[0]
    assert verdict.mark == "–"
    assert "neither true nor false" in verdict.text


def test_a_file_that_is_missing_is_named_with_its_run() -> None:
    def absent() -> Results:
        raise FileNotFoundError("no object 0e68")

    one = RunFindings("T0700_r1", 700.0, {}, {}, absent)
    with pytest.raises(ValueError, match=r"^runs.T0700_r1: cannot be read: no object 0e68$"):
        _ = one.results


def test_an_ill_formed_result_says_so_and_the_others_are_shown() -> None:
    whole = {"n_li_bulk": 3.0, "n_li_bulk_interval": [2.0, 4.0]}
    good = run({"populations": whole, "equilibration": {"equilibrated": True, "criteria": ["level"]}})
    ill = run(
        {
            "populations": {"n_li_bulk": 3.0, "n_li_bulk_blocks": [[], {}]},
            "equilibration": {"equilibrated": True, "time_ns": "long"},
        },
        stages={"ceramic": [3]},
        kinetics=ObservableResult(description="", entries={"energy_K": Entry(value=[1], unit="K", meaning="")}),
        validation={"checks": {"checks": [{}]}},
    )
    assert any(row.quantity and row.quantity.value == 3.0 for row in rows(view_of(good), "Populations"))
    for title in ("Verdict", "Known and found", "Stages"):
        (row,) = rows(view_of(ill), title)
        assert row.mark == "–"
        assert "not of the form of results of aiida-cse: " in row.text
    shown = view_of(replace(ill, validation={}))
    (row,) = (row for row in rows(shown, "Populations") if row.quantity and row.quantity.name == "populations")
    assert "unhashable" in row.interval_words


def test_a_study_shows_the_main_numbers_of_each_crossing() -> None:
    rate = {"ion": "Li", "side": "left", "temperature_K": 400.0, "level": 0.95, "surface_z_A": -13.0}
    rate |= {"tst_barrier_K": 6e3, "kappa_in": 0.01, "rate_in_per_s": 1e5, "rate_in_interval_per_s": None}
    rate |= {"rate_in_upper_bound_per_s": 2e5, "reasons": ["κ into the slab has bounds only"]}
    crossings = {"T0400_left": describe_result(CROSSING, rate)}
    found = rows(view_of(Findings(Origin("study", "mine"), {}, crossings=crossings)), "Crossing T0400_left")
    shown = {row.quantity.key: row.quantity for row in found if row.quantity is not None}
    assert list(shown)[:3] == ["tst_barrier_K", "kappa_in", "rate_in_per_s"]
    bounded = shown["rate_in_per_s"]
    assert (bounded.value, bounded.upper, bounded.reason) == (1e5, 2e5, "κ has bounds only")
    assert [row.text for row in found if row.name == "reason"] == rate["reasons"]
