"""Calculation functions of the observables and of kinetics: one node each, or an exit code with the reason."""

from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.plugins import CalculationFactory

from aiida_cse.analysis.kinetics import PARTS, KineticsSettings, kinetics
from aiida_cse.analysis.production import ReducedProduction
from aiida_cse.analysis.registry import Observable, observables
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.calculations.functions import analysis
from aiida_cse.calculations.functions.analysis import CANNOT_ANALYSE
from aiida_cse.calculations.functions.kinetics import CANNOT_EXTRAPOLATE
from aiida_cse.calculations.functions.starts import CANNOT_JUDGE
from tests.nodes import reduction_node, state

pytestmark = [
    pytest.mark.usefixtures("aiida_profile"),
    pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning"),
]

OBSERVABLES = list(observables().values())


def settings(**changes: object) -> orm.Dict:
    return orm.Dict(AnalysisSettings.model_validate(changes).model_dump())


@pytest.mark.parametrize("observable", OBSERVABLES, ids=lambda one: one.name)
def test_the_node_of_an_observable_holds_what_the_library_computes(observable: Observable) -> None:
    function = CalculationFactory(observable.calculation)
    assert getattr(analysis, function.__name__) is function
    found, node = function.run_get_node(reduction_node(), orm.Float(700), settings(rule="core"))
    assert node.is_finished_ok
    assert node.process_type == f"aiida.calculations:{observable.calculation}"
    assert node.process_label == function.__name__
    assert type(found) is getattr(orm, observable.kind)
    expected = observable.compute(ReducedProduction(state(), 700.0, AnalysisSettings(rule="core")))
    arrays = set(found.get_arraynames()) if isinstance(found, orm.ArrayData) else set()
    attributes = {key for key in found.base.attributes.all if not key.startswith("array|")}
    assert arrays | attributes >= set(expected)
    assert found.base.attributes.get("temperature_K") == 700


@pytest.mark.parametrize("observable", OBSERVABLES, ids=lambda one: one.name)
def test_an_empty_time_range_cannot_be_analysed(observable: Observable) -> None:
    function = CalculationFactory(observable.calculation)
    _, node = function.run_get_node(reduction_node(), orm.Float(700), settings(start_ns=100))
    assert node.exit_status == CANNOT_ANALYSE == 336
    assert node.exit_message.startswith(
        "the reduction cannot be analysed: start_ns = 100: it leaves nothing to analyse; it"
    )


def test_results_can_be_filtered_by_their_attributes() -> None:
    function = CalculationFactory("cse.equilibration")
    found, _ = function.run_get_node(reduction_node(), orm.Float(700), settings())
    query = orm.QueryBuilder().append(
        orm.Dict,
        filters={"id": found.pk, "attributes.equilibrated": False, "attributes.temperature_K": 700},
        project="attributes.ec",
    )
    assert query.all(flat=True) == [found["ec"]]


# -- kinetics ------------------------------------------------------------------------------------------------


def run_results(temperature: float) -> dict[str, orm.Data]:
    """Return the nodes of a production that kinetics needs."""
    inputs = (reduction_node(), orm.Float(temperature), settings(rule="core"))
    return {part: CalculationFactory(f"cse.{part}")(*inputs) for part in PARTS}


def test_kinetics_take_the_results_of_several_productions() -> None:
    runs = {"T0700_r1": run_results(700), "T0600_r1": run_results(600)}
    found, node = CalculationFactory("cse.kinetics").run_get_node(
        settings=orm.Dict({"temperatures": [400], "include_off_equilibrium": True}), **runs
    )
    assert node.is_finished_ok
    contents = {label: {part: result.get_dict() for part, result in run.items()} for label, run in runs.items()}
    expected = kinetics(contents, KineticsSettings(include_off_equilibrium=True))
    # a node keeps a digit or two less of a float
    assert found.get_dict().keys() == expected.keys()
    assert found["observations"] == [pytest.approx(record) for record in expected["observations"]]
    assert found["including"]["rate_0400K_per_s"] == pytest.approx(expected["including"]["rate_0400K_per_s"])
    assert found["excluded"].keys() == runs.keys()
    assert found["including"]["events"] > 0
    incoming = {link.link_label for link in node.base.links.get_incoming()}
    assert incoming == {"settings", *(f"{label}__{part}" for label in runs for part in PARTS)}


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"settings": {"slop": 1}}, "slop"),
        ({"settings": {}, "runs": {}}, "runs = {}: there are no runs"),
        ({"settings": {}, "runs": {"a": {"barrier": {}}}}, "runs.a: it has no transitions and no equilibration"),
    ],
)
def test_runs_that_cannot_be_extrapolated_end_with_a_reason(inputs: dict[str, Any], message: str) -> None:
    runs = {
        label: {part: orm.Dict(content) for part, content in run.items()}
        for label, run in inputs.get("runs", {"a": {"barrier": {}}}).items()
    }
    _, node = CalculationFactory("cse.kinetics").run_get_node(settings=orm.Dict(inputs["settings"]), **runs)
    assert node.exit_status == CANNOT_EXTRAPOLATE == 337
    assert message in node.exit_message


# -- two starts ----------------------------------------------------------------------------------------------


def started(excess: int, temperature: float = 700.0) -> dict[str, orm.Data]:
    """Return the nodes of a run whose slab began with ``excess`` ions too many and now has 40."""
    numbers = 20 + np.random.default_rng(excess + 99).integers(-1, 2, (60, 2))
    numbers[0] = 20 + excess
    depth = orm.ArrayData(
        {"times_ns": np.arange(60.0), "n_li_depth": numbers, "covariance_li_depth": np.eye(2) / 9}
    )
    found = {"temperature_K": temperature, "ions": ["Li"], "end_ns": 59.0, "judged_from_ns": 20.0}
    depth.base.attributes.set_many({**found, "depth_edges_li_A": [-4.0, 0.0, 4.0]})
    return {"depth_populations": depth, "equilibration": orm.Dict({"equilibrated": True})}


def test_starts_are_judged_by_the_nodes_of_their_runs() -> None:
    function = CalculationFactory("cse.starts")
    found, node = function.run_get_node(filled=started(9), emptied=started(-9))
    assert node.is_finished_ok
    assert found["kind"] == "equilibrated from both sides"
    assert set(found["runs"]) == {"emptied", "filled"}
    close, _ = function.run_get_node(
        settings=orm.Dict({"minimum_gap": 99}), filled=started(9), emptied=started(-9)
    )
    assert close["kind"] == "equilibrated as far as one start can tell"
    _, failed = function.run_get_node(filled=started(9), emptied=started(-9, temperature=600))
    assert failed.exit_status == CANNOT_JUDGE == 348
    assert "is of Li at 6" in failed.exit_message or "is of Li at 7" in failed.exit_message
    _, failed = function.run_get_node(filled=started(9), emptied={"depth_populations": orm.Dict({"ions": ["Li"]})})
    assert failed.exit_status == CANNOT_JUDGE
    assert "runs.emptied.depth_populations: temperature_K is missing" in failed.exit_message
