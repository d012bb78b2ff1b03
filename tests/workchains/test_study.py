"""The study: its phases, runs and kinetics, and its exit codes."""

import re
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.plugins import CalculationFactory, WorkflowFactory

from aiida_cse.analysis.kinetics import PARTS
from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.study import runs_failed
from tests.nodes import finish, interface, reduction_node, run_node, system_node
from tests.workchains.conftest import Make
from tests.workchains.runs import PLAN, newest

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


@pytest.fixture
def study(make: Make, codes: Codes, recipe: dict[str, Any]) -> Any:
    chain: Any = WorkflowFactory("cse.study")
    overrides = {"temperatures": [650, 700], "replicas": 2, "production": {"plan": PLAN}}
    return make(chain.get_builder_from_protocol(codes, recipe, "demo", overrides=overrides))


def part(name: str, output: str, **more: orm.Data) -> orm.WorkChainNode:
    """Return a part of a study that finished with a system."""
    system = CseSystemData(interface())
    return run_node(name, {output: system, "stages": orm.Dict({"stages": []})} | more)


@pytest.mark.parametrize("phase_name", ["ceramic", "electrolyte"])
def test_a_failed_phase_ends_the_study(study: Any, phase_name: str) -> None:
    run = run_node(f"cse.{phase_name}", exit_status=341, exit_message="at stage ramp")
    study.ctx[phase_name] = run
    answer = getattr(study, f"inspect_{phase_name}")()
    assert answer.status == 350
    said, _, command = answer.message.partition(". Complete it with: ")
    assert said == f"The {phase_name} <{run.pk}> failed with [341] at stage ramp"
    assert command == f"aiida-cse extend {study.node.pk}", "stored without a folder of this machine"


def test_a_study_runs_every_temperature_and_replica(study: Any) -> None:
    study.ctx.ceramic = part("cse.ceramic", "ceramic")
    study.ctx.electrolyte = part("cse.electrolyte", "electrolyte")
    assert study.inspect_ceramic() is None
    assert study.inspect_electrolyte() is None
    study.run_interfaces()
    labels = ["T0650_r1", "T0650_r2", "T0700_r1", "T0700_r2"]
    assert [label for label, _, _ in study.ctx.runs] == labels
    made = orm.QueryBuilder().append(orm.WorkChainNode, tag="p").order_by({"p": {"id": "desc"}}).limit(4)
    interfaces = list(reversed(made.all(flat=True)))
    assert [(run.inputs.temperature.value, run.inputs.seed.value) for run in interfaces] == [
        *((650, 20253), (650, 20254), (700, 20253), (700, 20254)),
    ]
    assert {run.inputs.ceramic.uuid for run in interfaces} == {study.ctx.ceramic.outputs.ceramic.uuid}

    failed = run_node("cse.interface", exit_status=341, exit_message="at stage relax")
    found = {
        "equilibration": orm.Dict({"ec": 0.7, "ec_lower_bound": 0.3, "equilibrated": True}),
        "density_profiles": orm.ArrayData({"z_A": np.zeros(3)}),
    }
    ended = run_node("cse.production", exit_status=343, exit_message="segment 3")
    for label in labels:
        study.ctx[f"interface_{label}"] = failed if label == "T0650_r2" else part("cse.interface", "interface")
    study.run_productions()
    assert newest(orm.WorkChainNode).inputs.seed == 20254
    for label in ("T0650_r1", "T0700_r1", "T0700_r2"):
        study.ctx[f"production_{label}"] = (
            ended
            if label == "T0700_r2"
            else part("cse.production", "system", **{k: v.clone() for k, v in found.items()})
        )
    study.attach_runs()
    study.kinetics()
    answer = study.inspect_runs()
    assert answer.status == 352
    assert answer.message.startswith(
        "2 of 4 runs failed, the others are complete: "
        f"T0650_r2 <{failed.pk}> [341] at stage relax; T0700_r2 <{ended.pk}> [343] segment 3. Complete it with: "
    )
    runs = study.outputs["runs"]
    assert set(runs) == {"T0650_r1", "T0700_r1", "T0700_r2"}
    assert set(runs["T0650_r1"]) == {"interface", "system", "equilibration", "density_profiles"}
    assert set(runs["T0700_r2"]) == {"interface"}, "earlier results remain available"
    assert runs["T0650_r1"]["equilibration"].label == "equilibration T0650_r1 llzo-peo-litfsi-demo"
    assert runs["T0700_r2"]["interface"].label == "interface T0700_r2 llzo-peo-litfsi-demo"
    assert study.outputs["stages"]["ceramic"].label == "stages ceramic llzo-peo-litfsi-demo"
    assert "kinetics" not in study.outputs, "no run has been analysed"
    assert set(study.outputs["stages"]) == {
        *("ceramic", "electrolyte"),
        *(f"interface_{label}" for label in labels if label != "T0650_r2"),
        *("production_T0650_r1", "production_T0700_r1"),
    }


def test_where_every_run_failed_there_are_no_others() -> None:
    assert [runs_failed(1, 1), runs_failed(3, 3)] == ["The run failed", "All 3 runs failed"]
    assert runs_failed(1, 3) == "1 of 3 runs failed, the others are complete"


def test_every_start_is_a_run_of_its_own(make: Make, codes: Codes, recipe: dict[str, Any]) -> None:
    chain: Any = WorkflowFactory("cse.study")
    overrides = {
        "temperatures": [700],
        "starts": ["as-built", "filled", "emptied"],
        "start_excess": {"emptied": -9},
    }
    study: Any = make(chain.get_builder_from_protocol(codes, recipe, "demo", overrides=overrides))
    study.ctx.ceramic = part("cse.ceramic", "ceramic")
    study.ctx.electrolyte = part("cse.electrolyte", "electrolyte")
    assert study.inspect_ceramic() is study.inspect_electrolyte() is None
    # the phases of this test have no salt, which an interface with an excess refuses
    submitted: dict[str, Any] = {}
    study._submit = lambda name, _, inputs: submitted.setdefault(name, inputs) and {}
    study.run_interfaces()
    assert list(submitted) == ["interface_T0700_r1", "interface_T0700_r1_filled", "interface_T0700_r1_emptied"]
    assert [inputs.initial_excess.value for inputs in submitted.values()] == [0, 7, -9]
    assert ["recipe" in inputs for inputs in submitted.values()] == [False, True, False], "only sites need it"
    assert {inputs.seed.value for inputs in submitted.values()} == {20253}
    said = [log.message.partition(": ")[2] for log in orm.Log.collection.get_logs_for(study.node)]
    assert "starts: as-built +0 ions, filled +7 ions, emptied -9 ions" in said
    assert "✓ starts 12.1 σ of N apart before relaxation (needs ≥ 8)" in said
    assert "filled: all 7 cations of the salt begin in the slab, none in the electrolyte" in said


def test_runs_that_have_not_equilibrated_are_no_failure(study: Any) -> None:
    study.ctx.runs = [("T0650_r1", 650, 1), ("T0700_r1", 700, 1)]
    study.ctx.refused = {}
    study.ctx.interface_T0650_r1 = study.ctx.interface_T0700_r1 = part("cse.interface", "interface")
    study.ctx.production_T0650_r1 = spent = part("cse.production", "system", **analysed_run(650))
    finish(spent, 500, "Not equilibrated within 20 ns: EC 0.10")
    study.ctx.production_T0700_r1 = part("cse.production", "system", **analysed_run(700))
    study.attach_runs()
    study.kinetics()
    answer = study.inspect_runs()
    assert answer.status == 510
    assert answer.message == (
        "1 of 2 runs have not equilibrated within their length; all results are complete: "
        f"T0650_r1 <{spent.pk}> [500] Not equilibrated within 20 ns: EC 0.10"
    )
    assert set(study.outputs["runs"]["T0650_r1"]) == set(study.outputs["runs"]["T0700_r1"])
    assert set(study.outputs["kinetics"]["excluded"]) == {"T0650_r1", "T0700_r1"}


def test_an_invalid_interface_stops_no_other_run(study: Any) -> None:
    study.ctx.runs = [("T0650_r1", 650, 1), ("T0700_r1", 700, 1)]
    thin = run_node("cse.interface", {"interface": system_node(), "stages": orm.Dict({"stages": []})})
    study.ctx.interface_T0650_r1, study.ctx.interface_T0700_r1 = thin, part("cse.interface", "interface")
    assert list(study.run_productions()) == ["production_T0700_r1"]
    study.ctx.production_T0700_r1 = part("cse.production", "system")
    study.attach_runs()
    study.kinetics()
    answer = study.inspect_runs()
    assert answer.status == 352
    assert answer.message.startswith("1 of 2 runs failed, the others are complete: T0650_r1: ")
    assert "the system must have exactly one species with negative molecules" in answer.message
    assert set(study.outputs["runs"]["T0650_r1"]) == {"interface"}


def analysed_run(temperature: float) -> dict[str, orm.Data]:
    inputs = (reduction_node(), orm.Float(temperature), orm.Dict(AnalysisSettings(rule="core").model_dump()))
    return {part: CalculationFactory(f"cse.{part}")(*inputs) for part in PARTS}


def test_kinetics_uses_the_analysed_runs(study: Any) -> None:
    study.ctx.runs = [("T0650_r1", 650, 1), ("T0700_r1", 700, 1)]
    study.ctx.refused = {}
    study.ctx.interface_T0650_r1 = study.ctx.interface_T0700_r1 = part("cse.interface", "interface")
    study.ctx.production_T0650_r1 = run_node("cse.production", exit_status=343, exit_message="segment 3")
    study.ctx.production_T0700_r1 = part("cse.production", "system", **analysed_run(700))
    study.attach_runs()
    study.kinetics()
    found = study.outputs["kinetics"]
    assert found["excluded"] == {"T0700_r1": "not equilibrated"}
    assert study.inspect_runs().status == 352
    reported = [log.message for log in orm.QueryBuilder().append(orm.Log).all(flat=True)]
    assert any("Γ(400 K) is not known: no run constrains it" in message for message in reported)
    assert any("T0700_r1 is not used: not equilibrated" in message for message in reported)


@pytest.mark.parametrize(("given", "source"), [(None, "profiles"), ([], "settings")])
def test_a_study_attaches_the_shifts_of_its_layers(study: Any, given: Any, source: str) -> None:
    study.inputs.kinetics = orm.Dict({"shifts": given})
    study.ctx.runs = [("T0650_r1", 650, 1), ("T0700_r1", 700, 1)]
    for label, temperature in (("T0650_r1", 650), ("T0700_r1", 700)):
        study.ctx[f"interface_{label}"] = part("cse.interface", "interface")
        results = {"reduction": reduction_node().clone(), **analysed_run(temperature)}
        study.ctx[f"production_{label}"] = part("cse.production", "system", **results)
    study.attach_runs()
    study.kinetics()
    found = study.outputs["shifts"]
    assert (found["reference_temperature_K"], found["pairs_0650K"]) == (700, 1)
    assert study.outputs["kinetics"]["shifts_from"] == source
    incoming = study.outputs["kinetics"].creator.base.links.get_incoming().all_link_labels()
    assert ("shifts" in incoming) == (source == "profiles"), "the shifts are linked only if they are used"


def test_runs_of_different_starts_are_compared_at_each_temperature(study: Any) -> None:
    study.inputs.starts = orm.List(["as-built", "filled"])
    study.ctx.runs = [("T0650_r1", 650, 1), ("T0700_r1", 700, 1), ("T0700_r1_filled", 700, 1)]
    study.ctx.refused = {}
    for label, temperature, _ in study.ctx.runs:
        study.ctx[f"interface_{label}"] = part("cse.interface", "interface")
        results = {"reduction": reduction_node(), **analysed_run(temperature)}
        study.ctx[f"production_{label}"] = part("cse.production", "system", **results)
    study._submit = lambda *_: {}
    study.run_productions()
    gap = study.outputs["starting_gaps"]["T0700"]
    assert (gap["apart"], gap["gap_standard_deviations"]) == (False, 0), "both are the same interface"
    study.attach_runs()
    assert set(study.outputs["starting_gaps"]) == set(study.outputs["starts"]) == {"T0700"}
    found = study.outputs["starts"]["T0700"]
    assert found["runs"] == ["T0700_r1", "T0700_r1_filled"]
    assert {layer["status"] for layer in found["layers"]} == {"not tested"}, "both are the same run"
    said = [log.message.partition(": ")[2] for log in orm.Log.collection.get_logs_for(study.node)]
    assert "T0650: the starts cannot be compared, because only one has been analysed" in said
    assert "700 K, 2 starts: not equilibrated" in said
    assert "✗ T0700: starts 0.0 σ of N apart when production begins (needs ≥ 8)" in said


def test_failed_kinetics_stop_nothing(study: Any) -> None:
    study.inputs.kinetics = orm.Dict({"shifts": [[700, 0.0]]})
    study.ctx.runs = [("T0700_r1", 700, 1)]
    study.ctx.refused = {}
    study.ctx.interface_T0700_r1 = part("cse.interface", "interface")
    study.ctx.production_T0700_r1 = part("cse.production", "system", **analysed_run(700))
    study.attach_runs()
    study.kinetics()
    assert "kinetics" not in study.outputs
    assert study.inspect_runs() is None


def test_crossings_begin_with_the_ends_of_the_nearest_runs(
    make: Make, codes: Codes, recipe: dict[str, Any]
) -> None:
    chain: Any = WorkflowFactory("cse.study")
    asked = {"temperatures": [500], "plan": {"well": [24.5, 27.5], "span": [22.5, 27.5]}}
    overrides = {"production": {"plan": PLAN}, "crossing": asked}
    study: Any = make(chain.get_builder_from_protocol(codes, recipe, "demo", overrides=overrides))
    study.ctx.runs = [("T0650_r1", 650, 1), ("T0700_r1", 700, 1)]
    study.ctx.refused = {}
    for label, temperature, _ in study.ctx.runs:
        study.ctx[f"interface_{label}"] = part("cse.interface", "interface")
        found = analysed_run(temperature) | {"free_energy_profiles": orm.ArrayData({"bins": np.zeros(3)})}
        study.ctx[f"production_{label}"] = part("cse.production", "system", **found)
    started = study.attach_runs()
    assert list(started) == ["crossing_T0500_left", "crossing_T0500_right"]
    right = started["crossing_T0500_right"].inputs
    given = right.plan
    plan = orm.Dict(given.get_dict() | {"well": None, "span": None})
    placed = study._placed(plan, right.systems, "right", "T0500_right")
    low, high = study.outputs["runs"]["T0650_r1"]["barrier"]["boundaries_li_A"][2:]
    assert placed["well"] == [pytest.approx(low, abs=1e-3), pytest.approx(high, abs=1e-3)]
    assert study._placed(given, right.systems, "right", "T0500_right") is given, "given places stay"
    assert right.seed != started["crossing_T0500_left"].inputs.seed
    assert (right.temperature, right.side, right.plan["ladders"]) == (500, "right", 4)
    assert right.systems.T0650_r1.uuid == study.outputs["runs"]["T0650_r1"]["system"].uuid
    assert len(right.systems) == 1, "those of 700 K are farther from 500 K"

    rate = {"ion": "Li", "temperature_K": 500.0, "side": "left", "level": 0.95, "layer_density_per_nm2": 0.5}
    rate |= {"rate_in_per_s": 1e6, "rate_in_interval_per_s": [5e5, 2e6]}
    measured = {"crossing": orm.Dict(rate), "crossing_profile": orm.ArrayData({"z_A": np.zeros(3)})}
    study.ctx.crossing_T0500_left = run_node("cse.crossing", measured, exit_status=512)
    study.ctx.crossing_T0500_right = failed = run_node("cse.crossing", exit_status=377, exit_message="no top")
    study.kinetics()
    assert [one["run"] for one in study.outputs["kinetics"]["crossings"]] == ["T0500_left"]
    assert set(study.outputs["crossings"]["T0500_left"]) == set(measured)
    assert study.outputs["crossings"]["T0500_left"]["crossing"].label == "crossing T0500_left llzo-peo-litfsi-demo"
    answer = study.inspect_runs()
    assert answer.status == 353
    assert answer.message == (
        f"1 of 2 crossings failed, the runs are complete: T0500_right <{failed.pk}> [377] no top. "
        f"Complete it with: aiida-cse extend {study.node.pk}"
    )


@pytest.mark.parametrize(
    ("crossing", "words"),
    [
        ({"plan": {"ladders": 6}}, "crossing.temperatures = []: without any there is no crossing"),
        ({"temperatures": 500}, "crossing.temperatures = 500: give a list"),
        ({"temperatures": [500], "sides": ["top"]}, "crossing.sides = ['top']: 'top' is no side"),
        ({"temperatures": [500], "plan": {"ladders": 2}}, "crossing.plan.ladders = 2"),
        ({"temperature": [500]}, "'temperature' is no known key"),
    ],
    ids=["no temperature", "number", "side", "plan", "key"],
)
def test_wrong_crossings_of_a_study_are_refused(
    codes: Codes, recipe: dict[str, Any], crossing: dict[str, Any], words: str
) -> None:
    chain: Any = WorkflowFactory("cse.study")
    with pytest.raises(ValueError, match=re.escape(words)):
        chain.get_builder_from_protocol(codes, recipe, "demo", overrides={"crossing": crossing})


def test_the_demo_uses_the_core_rule(study: Any) -> None:
    settings = AnalysisSettings.model_validate(study.inputs.production.analysis.settings.get_dict())
    assert (settings.rule, settings.start_ns) == ("core", 0)
