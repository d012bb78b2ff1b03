"""The quench: inputs of each part, the comparison, and exit codes of failed parts."""

from typing import Any

import pytest
from aiida import orm
from aiida.plugins import CalculationFactory, WorkflowFactory

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.workchains.common.builders import Codes
from tests.nodes import interface, reduction_node, run_node
from tests.workchains.conftest import Make

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


def newest() -> Any:
    """Return the newest WorkChain."""
    query = orm.QueryBuilder().append(orm.WorkChainNode, tag="p")
    return query.order_by({"p": {"id": "desc"}}).first(flat=True)


@pytest.fixture
def quench(make: Make, codes: Codes, recipe: dict[str, Any], request: pytest.FixtureRequest) -> Any:
    chain: Any = WorkflowFactory("cse.quench")
    overrides = {
        "hot_temperature": 700,
        "cooling": {"plan": {"step_K": 60, "rate_K_per_ns": 1e5, "hold_ps": 1, "last_ps": 2, "stages_per_job": 3}},
        **getattr(request, "param", {}),
    }
    system = CseSystemData(interface())
    return make(chain.get_builder_from_protocol(codes, recipe, system, 600, protocol="demo", overrides=overrides))


def produced(temperature: float, status: int = 0, *, equilibrated: bool = True) -> orm.WorkChainNode:
    """Return a production with the outputs that a quench uses."""
    if 0 < status < 500:
        return run_node("cse.production", exit_status=status, exit_message="segment 3")
    reasons = ["Li: ✓ EC 0.60 (≥ 0.5)", f"Li: {'✓' if equilibrated else '✗'} drift"]
    reasons.append("Li: – net flux: no events, nothing to test")
    verdict = {"equilibrated": equilibrated, "ec": 0.6, "reasons": reasons}
    made = {
        "system": CseSystemData(interface()),
        "reduction": reduction_node().clone(),
        "equilibration": orm.Dict(verdict),
        "stages": orm.Dict({"stages": []}),
    }
    return run_node("cse.production", made, exit_status=status, exit_message=f"at {temperature:g} K")


def test_the_parts_continue_from_each_other(quench: Any) -> None:
    quench.run_hot()
    hot = newest()
    assert hot.process_type == "aiida.workflows:cse.production"
    assert (hot.inputs.temperature, hot.inputs.seed) == (700, quench.inputs.seed)
    assert hot.inputs.system.uuid == quench.inputs.system.uuid

    quench.ctx.hot = produced(700)
    assert quench.inspect_hot() is None
    quench.cool()
    cooling = newest()
    assert cooling.process_type == "aiida.workflows:cse.cooling"
    assert cooling.inputs.system.uuid == quench.ctx.hot.outputs.system.uuid
    stages = cooling.inputs.schedule["stages"]
    assert [stage["name"] for stage in stages] == ["cool_01", "hold_01", "cool_02", "hold_02"]
    assert [stage["temperature"] for stage in stages] == [[700, 650], 650, [650, 600], 600]
    assert "plan" not in cooling.inputs

    end = CseSystemData(interface())
    quench.ctx.cooling = run_node("cse.cooling", {"system": end, "stages": orm.Dict({"stages": []})})
    assert quench.inspect_cooling() is None
    quench.run_cold()
    cold = newest()
    assert cold.process_type == "aiida.workflows:cse.production"
    assert (cold.inputs.temperature, cold.inputs.system.uuid) == (600, end.uuid)

    quench.ctx.cold = produced(600)
    assert quench.inspect_cold() is None
    assert quench.compare() is None
    found = quench.outputs["comparison"]
    assert (found["temperature_hot_K"], found["temperature_cold_K"]) == (700, 600)
    assert found["n_li_ceramic_difference"] == 0
    assert set(quench.outputs) == {"hot", "cooling", "cold", "comparison"}
    assert set(quench.outputs["hot"]) == {"system", "reduction", "equilibration", "stages"}
    assert set(quench.outputs["cooling"]) == {"system", "stages"}


def test_the_cooling_starts_from_the_system_with_its_velocities(make: Make, codes: Codes, quench: Any) -> None:
    quench.ctx.hot = produced(700)
    quench.cool()
    inputs = newest().inputs
    process: Any = make(
        WorkflowFactory("cse.cooling"),
        system=inputs.system,
        schedule=inputs.schedule,
        seed=inputs.seed,
        base={"lammps": {"code": codes["lammps"], "metadata": {"options": {"resources": {"num_machines": 1}}}}},
    )
    process.start()
    process.plan_jobs()
    plans = [JobPlan.model_validate(plan) for plan in process.ctx.plans]
    assert [len(plan.stages) for plan in plans] == [3, 1]
    assert {stage.velocities for plan in plans for stage in plan.stages} == {None}
    process.run_job()
    assert newest().inputs.lammps.system.uuid == inputs.system.uuid
    process.ctx.final = CseSystemData(interface()).store()
    process.attach_system()
    assert process.outputs["system"] is process.ctx.final


@pytest.mark.parametrize(
    ("part", "status"), [("hot", 371), ("cooling", 372), ("cold", 373)], ids=["hot", "cooling", "cold"]
)
def test_a_failed_part_is_named(quench: Any, part: str, status: int) -> None:
    run = run_node("cse.production", exit_status=343, exit_message="segment 3")
    quench.ctx[part] = run
    answer = getattr(quench, f"inspect_{part}")()
    assert answer.status == status
    assert answer.message.endswith(f"<{run.pk}> failed with [343] segment 3")


def test_a_system_without_a_slab_is_refused_at_once(make: Make, codes: Codes, recipe: dict[str, Any]) -> None:
    data, types = interface().data, interface().info.types
    ceramic = CseSystemData(System.create(data, "# none\n", phase="ceramic", types=types))
    chain: Any = WorkflowFactory("cse.quench")
    builder = chain.get_builder_from_protocol(codes, recipe, ceramic, 400, protocol="demo")
    with pytest.raises(ValueError, match=r"hot: system and sampling: a system of phase 'ceramic' without a slab"):
        make(builder)


@pytest.mark.parametrize("quench", [{"require_equilibrated": True}], indirect=True)
@pytest.mark.parametrize("status", [0, 500])
def test_a_hot_run_off_equilibrium_is_not_cooled(quench: Any, status: int) -> None:
    """Both a fixed length and a spent budget count."""
    quench.ctx.hot = produced(700, status, equilibrated=False)
    answer = quench.inspect_hot()
    assert answer.status == 511
    assert "has not equilibrated and was not cooled: Li: ✗ drift. Its results" in answer.message
    assert "reduction" in quench.outputs["hot"], "its results remain available"


def test_a_hot_run_off_equilibrium_is_cooled_on_request(quench: Any) -> None:
    quench.ctx.hot = produced(700, 500, equilibrated=False)
    assert quench.inspect_hot() is None


def test_a_cold_run_need_not_equilibrate(quench: Any) -> None:
    """At the cold temperature, ions do not exchange."""
    quench.ctx.cold = produced(600, 500, equilibrated=False)
    assert quench.inspect_cold() is None


def test_runs_that_cannot_be_compared_end_the_quench(quench: Any) -> None:
    quench.ctx.hot, quench.ctx.cold = produced(700), produced(600)
    quench.inputs.cold.analysis.settings = orm.Dict({"start_ns": 100})
    answer = quench.compare()
    assert answer.status == 374
    assert answer.message.startswith(
        "The hot and the cold run are complete, but the runs cannot be compared: start_ns"
    )


def test_the_comparison_names_what_it_cannot_compare(aiida_profile: object) -> None:
    inputs = {"hot": reduction_node(), "cold": reduction_node(), "settings": orm.Dict({})}
    settings = {"hot_settings": orm.Dict({}), "cold_settings": orm.Dict({})}
    temperatures = {"hot_temperature": orm.Float(400), "cold_temperature": orm.Float(700)}
    _, node = CalculationFactory("cse.compare").run_get_node(**inputs, **settings, **temperatures)
    assert node.exit_status == 338
    assert "cold temperature = 700 K: it must be below that of the hot run" in node.exit_message


def test_queries_filter_comparisons(quench: Any) -> None:
    quench.ctx.hot, quench.ctx.cold = produced(700), produced(600)
    quench.compare()
    found = quench.outputs["comparison"]
    query = orm.QueryBuilder().append(
        orm.Dict,
        filters={"id": found.pk, "attributes.temperature_cold_K": {"<": 650}},
        project="attributes.n_li_layer_cold",
    )
    assert query.all(flat=True) == [found["n_li_layer_cold"]]
