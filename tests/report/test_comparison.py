"""Findings beside each other: which runs, what differs in their settings, and how differences are judged."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import Quantity, analyse_separately
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.building.recipe import read_recipe
from aiida_cse.cli.display.comparison import comparison_json, print_comparison_of
from aiida_cse.report.compared.results import Cell, _difference, compare_findings
from aiida_cse.report.compared.settings import ABSENT, recipe_differences, setting_differences
from aiida_cse.report.figures.registry import NotDrawableError
from aiida_cse.report.figures.superposed import draw_free_energies
from aiida_cse.report.findings import Findings, Origin, RunFindings
from aiida_cse.report.results import Results, collect_results
from aiida_cse.workchains.production import ProductionWorkChain
from tests.nodes import long_state


def difference(one: Quantity, other: Quantity, reason: str = "", level: float = 0.95) -> Any:
    return _difference(Cell("a", one, level), Cell("b", other, level), reason)


def number(value: float | None, unit: str = "K", **known: Any) -> Quantity:
    return Quantity("number", "number", value, unit, **known)


# -- differences ---------------------------------------------------------------------------------------------


def test_errors_of_two_numbers_are_added_in_quadrature() -> None:
    found = difference(number(10.0, error=3.0), number(20.0, error=4.0))
    assert (found.value, found.sigma, found.scale) == (10.0, pytest.approx(2.0), "linear")


def test_an_interval_counts_with_the_side_that_faces_the_other_number() -> None:
    low, high = number(10.0, interval=(9.9, 10 + 1.96)), number(20.0, interval=(20 - 1.96, 99.0))
    assert difference(low, high).sigma == pytest.approx(10 / math.sqrt(2), rel=1e-3)
    assert difference(high, low).sigma == pytest.approx(-10 / math.sqrt(2), rel=1e-3)
    # an interval of another level has another normal quantile
    assert difference(low, high, level=0.6827).sigma == pytest.approx(10 / 1.96 / math.sqrt(2), rel=1e-3)


def test_rates_are_compared_by_their_logarithms() -> None:
    one, other = number(1e9, "s⁻¹", interval=(0.5e9, 2e9)), number(4e9, "s⁻¹", interval=(2e9, 8e9))
    found = difference(one, other)
    assert (found.scale, found.value) == ("log", 4.0)
    assert found.sigma == pytest.approx(math.log(4) / (math.sqrt(2) * math.log(2) / 1.95996), rel=1e-4)
    assert difference(number(0.0, "s⁻¹", interval=(0, 1e9)), other).reason == "a rate of zero has no logarithm"


@pytest.mark.parametrize(
    ("one", "other", "reason"),
    [
        (number(None, lower=5.0), number(None, lower=9.0), "two bounds"),
        (number(None, lower=5.0), number(3.0, error=1.0), "a bound, which the other is beyond"),
        (number(None, upper=5.0), number(3.0, error=1.0), "a bound, which the other meets"),
        (number(None), number(3.0, error=1.0), "not known in one of them"),
        (number(None), number(None, upper=1.0), "not known in both"),
        (number(1.0), number(3.0, error=1.0), "one has no error"),
        (number(1.0), number(3.0), "neither has an error"),
        (number(1.0, interval=(0.0, None)), number(3.0, error=1.0), "one has no error"),
        (
            number(1.0, note="lag 1 ps", error=1.0),
            number(3.0, note="lag 2 ps", error=1.0),
            "lag 1 ps, and lag 2 ps",
        ),
    ],
)
def test_a_difference_that_cannot_be_judged_says_why(one: Quantity, other: Quantity, reason: str) -> None:
    found = difference(one, other)
    assert (found.sigma, found.reason) == (None, reason)


def test_a_given_reason_leaves_the_difference_but_no_judgement() -> None:
    found = difference(number(1.0, error=1.0), number(3.0, error=1.0), "the same run")
    assert (found.value, found.sigma, found.reason) == (2.0, None, "the same run")


# -- settings ------------------------------------------------------------------------------------------------


def findings(name: str, runs: tuple[RunFindings, ...] = (), **known: Any) -> Findings:
    return Findings(Origin("study", name, pk=len(name)), {run.label: run for run in runs}, **known)


def test_recipes_differ_in_values_and_defaults_count_as_given() -> None:
    first = read_recipe("llzo-peo-litfsi-demo")
    second = first | {"polymer": first["polymer"] | {"chains": 11}, "forcefield": dict(first["forcefield"])}
    second["forcefield"].pop("mixing", None)
    found = recipe_differences([findings("a", recipe=first), findings("b", recipe=second)])
    assert [(".".join(one.place), one.values) for one in found] == [("polymer.chains", (10, 11))]


def test_settings_differ_with_published_values_marked_and_unknown_inputs_named() -> None:
    plan = {
        name: {"production.plan": ProductionWorkChain.get_protocol_inputs(name)["plan"], "replicas": count}
        for name, count in (("paper", 1), ("fast", 1))
    }
    one = findings("a", load_settings=lambda: plan["paper"] | {"interface.gap": 2.5})
    found, others = setting_differences([one, findings("b", load_settings=lambda: plan["fast"])])
    assert others == ["interface.gap"]
    by_place = {".".join(each.place): each for each in found}
    length = by_place["production.plan.length_ps"]
    assert (length.values, length.published, length.unit) == ((580000, 20000), ("published", ""), "ps")
    assert "production.plan.timestep_fs" not in by_place


def test_a_stage_that_one_lacks_is_one_difference() -> None:
    stages = [
        {"name": "a", "kind": "minimize"},
        {"name": "b", "kind": "nvt", "duration_ps": 1, "temperature": 300},
    ]
    one, other = ({"interface.schedule": {"stages": made}} for made in (stages[:1], stages))
    found, _ = setting_differences(
        [findings("x", load_settings=lambda: one), findings("y", load_settings=lambda: other)]
    )
    (lacking,) = found
    assert lacking.place == ("interface", "schedule", "stages", "b")
    assert lacking.values == (ABSENT, {"timestep_fs": 2.0, "kind": "nvt", "duration_ps": 1, "temperature": 300})


# -- runs ----------------------------------------------------------------------------------------------------


def analysed(label: str, seed: int, kelvin: float = 700.0, **settings: Any) -> Results:
    production = ReducedProduction(long_state(120, seed), kelvin, AnalysisSettings(**{"start_ns": 0} | settings))
    return collect_results(production, *analyse_separately(production), label=label)


@pytest.fixture(scope="module")
def results() -> tuple[Results, Results]:
    return analysed("a", 3), analysed("b", 4)


def run(results: Results, label: str, kelvin: float = 700.0, **known: Any) -> RunFindings:
    return RunFindings(label, kelvin, results.scalars(), results.missing, lambda: results, **known)


def test_runs_with_one_label_stand_beside_each_other_and_the_others_in_order(results: Any) -> None:
    a, b = results
    first = findings("one", (run(a, "T0700_r1"), run(a, "T0700_r2"), run(a, "T0500_r1", 500.0)))
    second = findings("two!", (run(b, "T0700_r3", 700.2), run(b, "T0700_r2"), run(b, "T0700_r9", 699.6)))
    slots = compare_findings([first, second]).slots
    labels = {
        kelvin: [tuple(one and one.label for one in slot) for slot in found] for kelvin, found in slots.items()
    }
    assert labels == {
        700.2: [("T0700_r1", "T0700_r3"), ("T0700_r2", "T0700_r2")],
        699.6: [(None, "T0700_r9")],
        500.0: [("T0500_r1", None)],
    }
    with pytest.raises(ValueError, match="needs at least two"):
        compare_findings([first])


def test_independent_runs_have_differences_in_standard_errors(results: Any) -> None:
    a, b = results
    comparison = compare_findings([findings("one", (run(a, "r"),)), findings("two!", (run(b, "r"),))])
    assert comparison.dependence == []
    row = next(one for one in comparison.rows if one.key == "populations.n_li_excess")
    assert row.temperature == 700
    judged = [cell.difference for cell in row.cells if cell is not None and cell.difference is not None]
    assert len(judged) == 1
    assert np.isfinite(judged[0].sigma)


@pytest.mark.parametrize(
    ("known", "words"),
    [
        ({"uuids": {"barrier": "x"}}, "the same run"),
        ({"load_trajectory": lambda: frozenset({"x", "y"})}, "the same trajectory, analysed twice"),
    ],
)
def test_runs_that_are_not_independent_are_named_and_not_judged(results: Any, known: Any, words: str) -> None:
    comparison = compare_findings(
        [findings("one", (run(results[0], "r", **known),)), findings("two!", (run(results[1], "r", **known),))]
    )
    assert comparison.dependence == [f"1 and 2: {words}, r"]
    differences = [cell.difference for row in comparison.rows for cell in row.cells if cell and cell.difference]
    assert {one.sigma for one in differences} == {None}
    assert {one.reason for one in differences} == {words}


def test_identical_numbers_are_no_independent_test(results: Any) -> None:
    sources = [findings("one", (run(results[0], "r"),)), findings("two!", (run(results[0], "r"),))]
    (sentence,) = compare_findings(sources).dependence
    assert sentence.startswith("1 and 2: identical numbers")


def test_sources_from_one_slab_are_named_in_the_order_of_the_phases(results: Any) -> None:
    first = findings(
        "one", (run(results[0], "r"),), load_ancestors=lambda: {"i": "interface <5>", "s": "slab <1>"}
    )
    second = findings(
        "two!", (run(results[1], "r"),), load_ancestors=lambda: {"s": "slab <9>", "i": "interface <5>"}
    )
    assert compare_findings([first, second]).dependence == [
        "1 and 2 come from the same slab <1> = <9>, interface <5>"
    ]


def test_transitions_counted_by_another_rule_are_not_judged(results: Any) -> None:
    other = analysed("b", 4, rule="core")
    rows = compare_findings([findings("one", (run(results[0], "r"),)), findings("two!", (run(other, "r"),))]).rows
    reasons = {
        row.key.partition(".")[0]: row.cells[1].difference.reason
        for row in rows
        if row.cells[1] is not None and row.cells[1].difference is not None and row.unit == "events"
    }
    assert reasons["equilibration"].startswith("counted otherwise: rule snapshot every 1,000 ps, and rule core")


def test_results_of_any_form_are_compared_without_a_crash(results: Any) -> None:
    strange = [None, math.nan, 10**400, "x", [], {"a": 1}, True]
    for value in strange:
        scalars = {name: dict.fromkeys(found, value) for name, found in results[0].scalars().items()}
        odd = RunFindings("r", 700.0, scalars, {}, lambda: results[0])
        settings = {"production.plan": {"length_ps": value}, "replicas": value}
        sources = [
            findings("one", (odd,), load_settings=lambda settings=settings: settings, recipe={"name": value}),
            findings("two!", (run(results[1], "r"),), load_settings=lambda: {"production.plan": {}}),
        ]
        comparison_json(compare_findings(sources))
        print_comparison_of(compare_findings(sources), Console(file=io.StringIO(), width=80))


# -- figure --------------------------------------------------------------------------------------------------


def test_free_energies_of_all_sources_are_in_one_figure(results: Any) -> None:
    a, b = results
    first, second = findings("one", (run(a, "r"), run(a, "q", 500.0))), findings("two!", (run(b, "r"),))
    drawn = draw_free_energies([first, second], 180.0)
    panels = [axes for axes in drawn.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == ["700 K", "500 K"]
    profile = a.observables["free_energy_profiles"].array("li_K")
    lines = [line for line in panels[0].lines if len(line.get_xdata()) == len(profile)]
    assert any(np.array_equal(np.asarray(line.get_ydata()), profile, equal_nan=True) for line in lines)
    solid = {line.get_linestyle(): line.get_color() for line in lines if line.get_label() != "_bound"}
    assert solid == {"-": "#0072B2", "--": "#D55E00"}
    (legend,) = drawn.legends
    assert [text.get_text() for text in legend.get_texts()] == ["1  study one <3>", "2  study two! <4>"]
    with pytest.raises(NotDrawableError, match="no source has a free energy"):
        draw_free_energies([replace(first, runs={}), replace(second, runs={})], 85.0)


def test_a_long_name_fits_a_narrow_figure(results: Any, tmp_path: Path) -> None:
    sources = [findings("a long label, " * 8, (run(results[0], "r"),)), findings("b", (run(results[1], "r"),))]
    drawn = draw_free_energies(sources, 85.0)
    drawn.savefig(tmp_path / "f.png", dpi=50)
    (legend,) = drawn.legends
    assert legend.get_window_extent().width <= drawn.bbox.width
