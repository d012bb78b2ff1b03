"""Continuation of studies and productions without repeating runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.plugins import CalculationFactory, WorkflowFactory

from aiida_cse.analysis.kinetics import PARTS
from aiida_cse.calculations.functions.records import collect_looks
from aiida_cse.cli.site.environment import ensure_code, ensure_computer
from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains import continue_from
from aiida_cse.workchains.common.availability import use_codes
from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.common.starts import planned_runs
from aiida_cse.workchains.continue_from import (
    get_builder_from,
    get_builder_from_production,
    get_builder_from_study,
)
from aiida_cse.workchains.crossing import CrossingWorkChain
from aiida_cse.workchains.study import is_complete, previous_of
from tests.nodes import finish, interface, job_node, reduction_node, returns, run_node, state, system_node
from tests.workchains.conftest import Make
from tests.workchains.runs import PLAN, results

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

SAMPLING = {"block_ps": 0.2, "snapshot_ps": 0.06, "bins": 110, "core_scales": [], "lags_ps": [1000.0]}
OVERRIDES = {"temperatures": [700], "production": {"plan": PLAN, "sampling": SAMPLING}}


@pytest.fixture
def study(make: Make, codes: Codes, recipe: dict[str, Any]) -> Any:
    """A study at 700 K before it runs."""
    chain: Any = WorkflowFactory("cse.study")
    return make(chain.get_builder_from_protocol(codes, recipe, "demo", overrides=OVERRIDES))


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """The folder of the last job of the run, with its checkpoint."""
    (tmp_path / "restart.3000").touch()
    return tmp_path


@pytest.fixture
def ended(study: Any, localhost: orm.Computer, scratch: Path) -> orm.WorkChainNode:
    """The study after a run of 6 ps."""
    relaxed = CseSystemData(interface()).store()
    last = CseSystemData(interface())
    made = {"system": last, "results": results("production", step=3000, source="none")}
    job_node("cse.lammps", localhost, {"system": relaxed}, outputs=made, exit_status=0, folder=str(scratch))
    settings = orm.Dict(study.inputs.production.analysis.settings.get_dict())
    reduction = reduction_node(state(301))
    found = {part: CalculationFactory(f"cse.{part}")(reduction, orm.Float(700), settings) for part in PARTS}
    looks = collect_looks(look_001={name: found[name] for name in ("equilibration", "transitions")})
    run = found | {"interface": relaxed, "system": last, "reduction": reduction, "looks": looks}
    phases = {name: CseSystemData(interface()).store() for name in ("ceramic", "electrolyte")}
    node: orm.WorkChainNode = study.node
    returns(node, phases | {f"runs.T0700_r1.{name}": value for name, value in run.items()})
    finish(node, 0)
    return node


def test_more_temperatures_and_replicas_add_only_new_runs(ended: orm.WorkChainNode, make: Make) -> None:
    for label, continued in (("", f"continues {ended.uuid}"), ("mine", "mine+1"), ("mine+9", "mine+10")):
        ended.label = label
        builder = get_builder_from_study(ended, temperatures=[600, 700], replicas=2)
        assert builder.metadata.label == continued
        assert builder.metadata.description == f"continues {ended.uuid}"
    study: Any = make(builder)
    assert study.run_ceramic() == study.run_electrolyte() == {}
    assert study.inspect_ceramic() is study.inspect_electrolyte() is None
    assert study.outputs["ceramic"].uuid == ended.outputs.ceramic.uuid
    assert sorted(study.run_interfaces()) == ["interface_T0600_r1", "interface_T0600_r2", "interface_T0700_r2"]
    for label in ("T0600_r1", "T0600_r2", "T0700_r2"):
        study.ctx[f"interface_{label}"] = failed = orm.WorkChainNode().store()
        finish(failed, 341, "at stage relax")
    assert study.run_productions() == {}, "the earlier run is complete"
    study.attach_runs()
    assert set(study.outputs["runs"]["T0700_r1"]) == set(ended.outputs.runs.T0700_r1)
    study.kinetics()
    assert [one["run"] for one in study.outputs["kinetics"]["observations"]] == ["T0700_r1"], "old runs count"
    answer = study.inspect_runs()
    assert answer.status == 352
    assert answer.message.startswith("3 of 4 runs failed")


def test_crossings_that_have_a_rate_are_not_repeated(ended: orm.WorkChainNode, make: Make) -> None:
    measured = {"crossing": orm.Dict({"ion": "Li"}), "crossing_profile": orm.ArrayData({"z_A": np.zeros(3)})}
    returns(ended, {f"crossings.T0500_left.{name}": node for name, node in measured.items()})
    builder = get_builder_from_study(ended, temperatures=[600])
    asked = CrossingWorkChain.get_protocol_inputs("demo")["plan"]
    lists = {"temperatures": [500], "sides": ["left", "right"]}
    builder.crossing = {**lists, "plan": asked, "base": dict(builder.production.base)}
    study: Any = make(builder)
    study.ctx.runs = []
    assert study.attach_runs() == {}
    assert set(study.attach_crossings()) == set(study.outputs["crossings"]) == {"T0500_left"}
    assert study.failed_crossings() == ["T0500_right: no run has an analysed production with a last system"]


def crossing_of(
    system: CseSystemData, outputs: dict[str, orm.Data], exit_status: int | None = 0
) -> orm.WorkChainNode:
    """Return a crossing of a system at 400 K on the left."""
    inputs = {"systems.one": system, "temperature": orm.Float(400), "side": orm.Str("left")}
    return run_node("cse.crossing", outputs, inputs=inputs, exit_status=exit_status)


def test_crossings_join_the_kinetics_of_a_study(ended: orm.WorkChainNode, make: Make) -> None:
    system = ended.outputs.runs.T0700_r1.system
    interval = {"rate_in_per_s": 5.0, "rate_in_interval_per_s": [1.0, 25.0]}
    rate = orm.Dict({"ion": "Li", "temperature_K": 400.0, "side": "left", "level": 0.95, **interval})
    curve = orm.ArrayData({"z_A": np.zeros(3)})
    crossing = crossing_of(system, {"crossing": rate, "crossing_profile": curve})
    notes: list[str] = []
    builder = get_builder_from_study(ended, crossings=[crossing], notes=notes)
    assert notes == [f"T0400_left: the rate of <{crossing.pk}> goes into the kinetics"]
    study: Any = make(builder)
    study.ctx.runs = planned_runs(builder)
    study.ctx.refused = {}
    assert study.attach_runs() == {}, "nothing is run again"
    study.kinetics()
    assert set(study.outputs["crossings"]["T0400_left"]) == {"crossing", "crossing_profile"}
    assert [one["run"] for one in study.outputs["kinetics"]["crossings"]] == ["T0400_left"]
    assert study.inspect_runs() is None

    returns(ended, {"crossings.T0400_left.crossing": rate})
    notes.clear()
    get_builder_from_study(ended, crossings=[crossing], notes=notes)
    assert notes == [
        f"T0400_left: the rate of <{crossing.pk}> goes into the kinetics in place of that of the study"
    ]


def test_other_crossings_are_refused(ended: orm.WorkChainNode) -> None:
    system = ended.outputs.runs.T0700_r1.system
    good, again = (crossing_of(system, {"crossing": orm.Dict({"ion": "Li"})}) for _ in range(2))
    foreign = crossing_of(system_node(), {"crossing": orm.Dict({"ion": "Li"})})
    whole = system.get_system()
    softer = CseSystemData(replace(whole, forcefield=f"{whole.forcefield}\npair_modify shift yes\n"))
    other = crossing_of(softer, {"crossing": orm.Dict({"ion": "Li"})})
    failed, running = (crossing_of(system, {}, exit_status=status) for status in (377, None))
    for crossings, message in (
        ([good, again], f"crossing {again.pk}: is the second one of T0400_left; give one of the two"),
        ([foreign], f"crossing {foreign.pk}: its system"),
        ([other], f"crossing {other.pk}: its system {softer.pk} has another force field than <{system.pk}>"),
        ([failed], f"crossing {failed.pk}: has no rate; give a crossing that has ended with one"),
        ([running], f"crossing {running.pk}: has not ended; its rate is known when it has; if it was stopped"),
        ([ended], f"crossing: node {ended.pk} is a WorkChainNode; it must be the process of a crossing"),
    ):
        with pytest.raises(ValueError, match=re.escape(message)):
            get_builder_from_study(ended, crossings=crossings)


def test_more_starts_add_only_new_runs(ended: orm.WorkChainNode) -> None:
    builder = get_builder_from_study(ended, starts=["as-built", "filled"])
    assert builder.starts.get_list() == ["as-built", "filled"]
    assert [label for label, _, _ in planned_runs(builder)] == ["T0700_r1", "T0700_r1_filled"]


def test_a_run_is_complete_by_length_or_verdict(ended: orm.WorkChainNode, scratch: Path) -> None:
    run = get_builder_from_study(ended, replicas=2).done["runs"]["T0700_r1"]
    inputs = ended.inputs.production
    plan, settings = inputs.plan.get_dict(), inputs.analysis.settings.get_dict()
    stop = {"rule": "equilibrated", "first_look_ns": 0.002}
    assert is_complete(run, plan, 700, settings)
    assert not is_complete(run, plan | {"length_ps": 8}, 700, settings)
    verdict = bool(run["equilibration"]["equilibrated"])
    assert is_complete(run, plan | {"length_ps": 8, "stop": stop}, 700, settings) is verdict
    assert not is_complete(run, plan, 700, settings | {"minimum_coefficient": 0.51}), (
        "the verdict is repeated under the new criteria"
    )
    assert not is_complete({"interface": run["interface"]}, plan, 700, settings)
    assert is_complete(run, plan | {"length_ps": 8, "lengths": [[700, 6]]}, 700, settings), (
        "that of its temperature"
    )
    assert set(previous_of(run)) == {"folder", "reduction", "looks"}
    assert run["folder"].get_remote_path() == str(scratch)
    assert previous_of({"interface": run["interface"]}) == {}


def test_continuations_without_additions_are_refused(ended: orm.WorkChainNode, study: Any) -> None:
    for words, arguments in (
        ("nothing is added to the study", {}),
        ("length_ns = 0.001: is shorter than before; give at least 0.006", {"length_ns": 0.001}),
        ("replicas = 0: give a whole number from 1 to 99", {"replicas": 0}),
        ("temperatures = \\[700, -1\\]", {"temperatures": [-1]}),
    ):
        with pytest.raises(ValueError, match=words):
            get_builder_from_study(ended, **arguments)
    with pytest.raises(ValueError, match="must be the process of a study"):
        get_builder_from_study(orm.WorkChainNode().store(), replicas=2)


def test_a_running_study_is_not_continued(study: Any) -> None:
    with pytest.raises(ValueError, match=f"study {study.node.pk}: has not ended; it can be continued when it has"):
        get_builder_from_study(study.node, replicas=2)


def test_a_run_without_its_checkpoint_does_not_become_longer(ended: orm.WorkChainNode, scratch: Path) -> None:
    (scratch / "restart.3000").unlink()
    (scratch / "parent").symlink_to(scratch)
    last = ended.outputs.runs.T0700_r1.system.pk
    with pytest.raises(ValueError, match=r"it has no checkpoint on localhost; restore its files") as caught:
        get_builder_from_study(ended, length_ns=0.01)
    assert str(caught.value).startswith(f"runs.T0700_r1.folder = {scratch}: ")
    assert str(caught.value).endswith(f"launch production --system {last} --temperature 700")
    assert get_builder_from_study(ended, length_ns=0.006), "a complete run needs no checkpoint"
    assert get_builder_from_study(ended, replicas=2)


def test_codes_are_needed_only_for_what_still_runs(
    ended: orm.WorkChainNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A joined interface needs no code of the program that joined it."""
    finished: list[tuple[str, ...]] = []
    monkeypatch.setattr(continue_from, "refuse_unusable_codes", lambda _, parts: finished.append(parts))
    get_builder_from_study(ended, length_ns=0.01)
    get_builder_from_study(ended, replicas=2)
    assert finished == [("ceramic", "electrolyte", "interface"), ("ceramic", "electrolyte")]


def test_other_codes_and_options_replace_those_of_every_job(
    ended: orm.WorkChainNode, installed_code: Callable[..., orm.InstalledCode], environment_bin: Path
) -> None:
    other = installed_code("lmp-other", environment_bin / "lmp", "cse.lammps", with_mpi=True)
    options = {"resources": {"num_machines": 1, "num_mpiprocs_per_machine": 3}, "account": "abc"}
    builder = get_builder_from_study(ended, replicas=2, codes={"lammps": other}, options=options)
    run, joining, reduce = builder.production.base.lammps, builder.interface.lammps, builder.production.reduce
    assert {run.code.uuid, joining.code.uuid, builder.ceramic.base.lammps.code.uuid} == {other.uuid}
    assert reduce.code.uuid == ended.inputs.production.reduce.code.uuid
    assert run.metadata.options.resources["num_mpiprocs_per_machine"] == 3
    assert run.metadata.options.withmpi is True
    for job in (joining, reduce):
        assert job.metadata.options.resources["num_mpiprocs_per_machine"] == 1
        assert job.metadata.options.account == "abc"
    assert reduce.metadata.options.withmpi is False
    with pytest.raises(ValueError, match=r"codes.cse = lmp-other@localhost: a code of cse.lammps is one for"):
        get_builder_from_study(ended, replicas=2, codes={"cse": other})


def test_a_job_that_moves_leaves_the_options_of_its_computer(
    ended: orm.WorkChainNode, environment_bin: Path, tmp_path: Path
) -> None:
    cluster = ensure_computer(tmp_path, label="moved-to").entity
    moved = ensure_code(cluster, "lmp", environment_bin / "lmp", "cse.lammps", with_mpi=None).entity
    cse = ensure_code(cluster, "cse", environment_bin / "aiida-cse", "cse.build", with_mpi=False).entity
    stored = {"account": "abc", "max_wallclock_seconds": 7200, "queue_name": "long"}
    builder = get_builder_from_study(ended, replicas=2, options=stored)
    assert builder.production.base.lammps.metadata.options.account == "abc"
    use_codes(builder, {"lammps": moved, "cse": cse}, {"queue_name": "short"})
    left = builder.production.base.lammps.metadata.options
    assert (left.queue_name, left.max_wallclock_seconds) == ("short", 7200)
    assert ("account" in left, left.resources["num_machines"]) == (False, 1)
    with pytest.raises(ValueError, match=r"it is on localhost, the code lmp@moved-to on moved-to; give codes on"):
        get_builder_from_study(ended, length_ns=0.01, codes={"lammps": moved, "cse": cse})


# -- a single production ------------------------------------------------------------------------------------


@pytest.fixture
def production(ended: orm.WorkChainNode, make: Make, codes: Codes, recipe: dict[str, Any]) -> orm.WorkChainNode:
    """The run of the study as a terminated production."""
    run = dict(ended.outputs.runs.T0700_r1.items())
    chain: Any = WorkflowFactory("cse.production")
    overrides = OVERRIDES["production"]
    builder = chain.get_builder_from_protocol(codes, recipe, run["interface"], 700.0, "demo", overrides)
    process: Any = make(builder)
    node: orm.WorkChainNode = process.node
    returns(node, {name: value for name, value in run.items() if name != "interface"})
    finish(node, 0)
    return node


def test_a_production_continues_from_its_last_checkpoint(production: orm.WorkChainNode, scratch: Path) -> None:
    builder = get_builder_from(production, temperatures=None, replicas=None, length_ns=0.01)
    assert builder.plan["length_ps"] == 10
    assert builder.previous["folder"].get_remote_path() == str(scratch)
    assert builder.previous["reduction"].uuid == production.outputs.reduction.uuid
    assert builder.metadata.label == f"continues {production.uuid}"


def test_a_production_continues_before_folders_that_are_gone(
    ended: orm.WorkChainNode, production: orm.WorkChainNode, localhost: orm.Computer, scratch: Path
) -> None:
    """The reduction and the looks are those of the kept segments; the user is told what is left out."""
    relaxed, first = ended.outputs.runs.T0700_r1.interface, ended.outputs.runs.T0700_r1.system.creator
    given = {"system": relaxed, "parent_folder": first.outputs.remote_folder}
    made = {"system": CseSystemData(interface()), "results": results("production", step=6000, source="parent/r")}
    last = job_node("cse.lammps", localhost, given, outputs=made, exit_status=0, folder="/scratch/gone")
    kept = {"reduction": reduction_node(state(301))}
    reduce_first = {"folders__segment_0001": first.outputs.remote_folder}
    job_node("cse.reduce", localhost, reduce_first, outputs=kept, exit_status=0)
    both = {"reduction": reduction_node(state(61))}
    reduce_last = {"previous": kept["reduction"], "folders__segment_0002": last.outputs.remote_folder}
    job_node("cse.reduce", localhost, reduce_last, outputs=both, exit_status=0)
    looks = [
        {"look": number, "end_ns": 0.006 * number, "equilibrated": False, "criteria": {}} for number in (1, 2)
    ]
    run = {"folder": last.outputs.remote_folder, "system": made["system"], "looks": orm.List(looks), **both}
    code = production.inputs.base.lammps.code
    plan = orm.Dict(PLAN | {"length_ps": 20})
    earlier = continue_from._to_last_checkpoint(run, code, plan, orm.Float(700))
    assert earlier is not None
    assert earlier["folder"].get_remote_path() == str(scratch)
    assert earlier["reduction"].uuid == kept["reduction"].uuid
    assert [look["look"] for look in earlier["looks"].get_list()] == [1]
    scratch.joinpath("restart.3000").unlink()
    assert continue_from._to_last_checkpoint(run, code, plan, orm.Float(700)) is None


def test_a_length_is_compared_with_that_of_the_temperature(
    ended: orm.WorkChainNode, make: Make, codes: Codes, recipe: dict[str, Any]
) -> None:
    """A run at another temperature may be longer than the continued one."""
    run = dict(ended.outputs.runs.T0700_r1.items())
    chain: Any = WorkflowFactory("cse.production")
    changes = OVERRIDES["production"] | {"plan": PLAN | {"length_ps": 12, "lengths": [[700, 6]]}}
    process: Any = make(chain.get_builder_from_protocol(codes, recipe, run["interface"], 700.0, "demo", changes))
    returns(process.node, {name: value for name, value in run.items() if name != "interface"})
    finish(process.node, 0)
    plan = get_builder_from_production(process.node, length_ns=0.01).plan
    assert (plan["length_ps"], plan["lengths"]) == (10, [])
    with pytest.raises(ValueError, match=r"length_ns = 0.005: is shorter than before; give at least 0.006"):
        get_builder_from_production(process.node, length_ns=0.005)


def test_temperatures_of_a_production_are_refused(production: orm.WorkChainNode, study: Any) -> None:
    with pytest.raises(
        ValueError, match=r"is a single run; give a length \(temperatures, replicas, starts and crossings need"
    ):
        get_builder_from(production, temperatures=[600], replicas=None, length_ns=0.01)
    with pytest.raises(ValueError, match=r"length_ns = 0.001: is shorter than before; give at least 0.006"):
        get_builder_from_production(production, length_ns=0.001)
    with pytest.raises(ValueError, match="must be the process of a production"):
        get_builder_from_production(study.node, length_ns=1)


def test_a_failed_production_without_a_complete_segment_starts_again(production: orm.WorkChainNode) -> None:
    chain = orm.WorkChainNode(process_type=production.process_type)
    for link in production.base.links.get_incoming(link_type=LinkType.INPUT_WORK).all():
        if not link.link_label.startswith("previous"):
            chain.base.links.add_incoming(link.node, LinkType.INPUT_WORK, link.link_label)
    finish(chain.store(), 343, "a segment failed")
    builder = get_builder_from_production(chain, length_ns=None)
    assert not builder.previous
    assert builder.plan.uuid == production.inputs.plan.uuid
    with pytest.raises(ValueError, match="is complete; give a longer length"):
        get_builder_from_production(production, length_ns=None)
