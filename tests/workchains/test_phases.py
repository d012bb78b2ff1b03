"""Ceramic, electrolyte and interface: building, the jobs of a schedule, and joining."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.engine import ProcessState, run_get_node
from aiida.plugins import WorkflowFactory

from aiida_cse.building.interface.assembly import assemble
from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.protocol.stage import JobPlan
from aiida_cse.workchains.common.builders import Codes, one_process, single_metadata
from tests.nodes import interface, job_node, run_node, system_node
from tests.systems import crystal_and_molecules, slab_and_molecules
from tests.workchains.conftest import Make
from tests.workchains.runs import finished, newest

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

Phase = Callable[..., Any]

STAGES = [
    {"name": "minimize", "kind": "minimize"},
    {"name": "heat", "kind": "nvt", "duration_ps": 1, "temperature": "target", "velocities": "target"},
    {"name": "relax", "kind": "npt", "duration_ps": 2, "temperature": "target", "pressure": 1, "barostat": "z"},
]


@pytest.fixture
def phase(make: Make, codes: Codes, recipe: dict[str, Any]) -> Phase:
    """Return a function that makes the process of a phase with three stages in two jobs."""

    def run(name: str, overrides: dict[str, Any] | None = None, **more: Any) -> Any:
        chain: Any = WorkflowFactory(name)
        overrides = {"schedule": {"stages": STAGES, "stages_per_job": 2}} | (overrides or {})
        return make(chain.get_builder_from_protocol(codes, recipe, protocol="demo", overrides=overrides, **more))

    return run


@pytest.fixture
def ceramic(phase: Phase) -> Any:
    return phase("cse.ceramic")


def built(computer: orm.Computer, status: int = 0, message: str | None = None) -> orm.CalcJobNode:
    """Return a building job that made a system, or failed."""
    outputs = {} if status else {"system": CseSystemData(crystal_and_molecules())}
    return job_node("cse.build", computer, outputs=outputs, exit_status=status, exit_message=message)


# -- phases -----------------------------------------------------------------------------------------------


CRYSTAL = Path(__file__).parents[1] / "building" / "crystals" / "t-llzo.cif"


@pytest.mark.parametrize(
    ("miller", "barostat", "warned"),
    [((1, 1, 0), "xy-z", True), ((1, 1, 0), "x-y-z", False), ((0, 0, 1), "xy-z", False)],
)
def test_coupled_unlike_edges_are_reported(
    make: Make,
    codes: Codes,
    recipe: dict[str, Any],
    localhost: orm.Computer,
    miller: tuple[int, int, int],
    barostat: str,
    warned: bool,
) -> None:
    shape = {"structure": {"cif": CRYSTAL.read_text()}, "miller": list(miller), "shift": 0.05}
    other = recipe | {"ceramic": recipe["ceramic"] | shape | {"repeat": [1, 1, 1]}}
    overrides = {"schedule": {"stages": [*STAGES[:2], STAGES[2] | {"barostat": barostat}]}}
    chain: Any = WorkflowFactory("cse.ceramic")
    crystal: Any = make(chain.get_builder_from_protocol(codes, other, protocol="demo", overrides=overrides))
    crystal.ctx.built = built(localhost)
    assert crystal.inspect_build() is None
    reports = [log.message for log in orm.Log.collection.get_logs_for(crystal.node)]
    assert any("stage relax couples them" in report for report in reports) is warned


def test_a_phase_runs_its_jobs_in_order(ceramic: Any, localhost: orm.Computer) -> None:
    ceramic.ctx.built = built(localhost)
    assert ceramic.inspect_build() is None
    assert ceramic.outputs["slab"] is ceramic.ctx.system
    ceramic.plan_jobs()
    plans = [JobPlan.model_validate(plan) for plan in ceramic.ctx.plans]
    assert [[stage.name for stage in plan.stages] for plan in plans] == [["minimize", "heat"], ["relax"]]
    assert {stage.temperature for plan in plans for stage in plan.stages} == {None, 800}
    assert {plan.seed for plan in plans} == {20253}

    ceramic.run_job()
    first = newest(orm.WorkChainNode)
    assert first.process_type == "aiida.workflows:cse.base"
    assert first.inputs.lammps.system.uuid == ceramic.ctx.system.uuid
    assert JobPlan.model_validate(first.inputs.lammps.plan.get_dict()) == plans[0]
    assert "parent_folder" not in first.inputs.lammps
    assert "settings" not in first.inputs.lammps, "only the last job keeps its system"

    ceramic.ctx.jobs = [finished(localhost, 1, "minimize", "heat", step=501)]
    assert ceramic.inspect_job() is None
    assert ceramic.has_jobs()
    ceramic.run_job()
    second = newest(orm.WorkChainNode)
    assert second.inputs.lammps.parent_folder.get_remote_path() == "/scratch/1"
    assert second.inputs.lammps.settings.get_dict() == {"keep_system": True}
    assert second.inputs.lammps.plan["first_step"] == 501

    change = {"job": "job_0002", "change": "relaxation", "exact": False}
    last = finished(localhost, 2, "relax", step=1501, system=True, changes=[change])
    ceramic.ctx.jobs = [*ceramic.ctx.jobs, last]
    assert ceramic.inspect_job() is None
    assert not ceramic.has_jobs()
    assert isinstance(ceramic.ctx.final, CseSystemData)
    ceramic.attach_stages()
    stages = ceramic.outputs["stages"]
    assert [stage["name"] for stage in stages["stages"]] == ["minimize", "heat", "relax"]
    assert (stages["jobs"], stages["steps"], stages["wall_seconds"]) == (2, 1501, 6.0)
    assert ceramic.outputs["changes"].get_list() == [{"run": "job_002"} | change]


@pytest.mark.parametrize("name", ["cse.ceramic", "cse.electrolyte"])
def test_a_failed_builder_ends_the_phase(phase: Phase, localhost: orm.Computer, name: str) -> None:
    process = phase(name, **({"ceramic": system_node()} if name == "cse.electrolyte" else {}))
    process.ctx.built = built(localhost, 330, "The component could not be built: 'ceramic.repeat' is too small")
    answer = process.inspect_build()
    assert answer.status == 340
    assert answer.message.endswith("The component could not be built: 'ceramic.repeat' is too small")


def test_an_interrupted_builder_is_repeated_within_the_budget(phase: Phase, localhost: orm.Computer) -> None:
    process = phase("cse.ceramic", overrides={"base": {"max_failures": 1}})
    process.ctx.built = built(localhost, 140, "The node failed.")
    assert process.inspect_build() is None
    process.plan_jobs()
    assert process.has_jobs()
    process.run_job()
    assert newest(orm.CalcJobNode).process_type == "aiida.calculations:cse.build"
    process.ctx.built = built(localhost, 331, "The builder ended without a complete system: it said: Killed")
    assert process.inspect_job().message.endswith("without a complete system: it said: Killed (repetition 1)")
    process.ctx.built = built(localhost)
    assert process.inspect_job() is None
    assert process.has_jobs()
    process.run_job()
    assert newest(orm.WorkChainNode).inputs.lammps.system.uuid == process.ctx.system.uuid


def test_a_failed_stage_ends_the_phase(ceramic: Any, localhost: orm.Computer) -> None:
    ceramic.ctx.system = built(localhost).outputs.system
    ceramic.plan_jobs()
    run = run_node("cse.base", exit_status=410, exit_message="Atoms were lost")
    ceramic.ctx.jobs = [run]
    answer = ceramic.inspect_job()
    assert answer.status == 341
    assert answer.message == (
        f"The run <{run.pk}> failed in stage minimize … heat (2 stages) with [410] Atoms were lost"
    )


def test_a_crystal_of_other_atoms_is_not_cut(ceramic: Any, localhost: orm.Computer) -> None:
    ceramic.ctx.system = built(localhost).outputs.system
    whole = crystal_and_molecules()
    part = whole.evolved(whole.data.select(whole.data.molecules == 1))
    ceramic.ctx.final = CseSystemData(part).store()
    answer = ceramic.cut()
    assert answer.status == 340
    assert "the slab cannot be cut: the equilibrated crystal has 64 atoms" in answer.message


def test_the_electrolyte_is_built_on_its_ceramic(phase: Phase, localhost: orm.Computer) -> None:
    below = system_node()
    process = phase("cse.electrolyte", ceramic=below)
    process.build()
    job = newest(orm.CalcJobNode)
    assert job.inputs.component == "electrolyte"
    assert job.inputs.ceramic.uuid == below.uuid
    process.ctx.built = built(localhost)
    assert process.inspect_build() is None
    process.ctx.final = system_node()
    process.attach_electrolyte()
    assert process.outputs["electrolyte"] is process.ctx.final


def test_phases_that_do_not_fit_are_not_joined(phase: Phase) -> None:
    process = phase(
        "cse.interface",
        ceramic=system_node(),
        electrolyte=CseSystemData(interface()),
        temperature=700,
        overrides={"assembler": "built-in"},
    )
    assert process.assemble() is None
    answer = process.inspect_assembly()
    assert answer.status == 340
    assert "slab and electrolyte cannot be joined" in answer.message


@pytest.mark.parametrize("with_mpi", [True, False])
def test_with_mpi_of_a_code_is_respected(
    make: Make,
    codes: Codes,
    recipe: dict[str, Any],
    installed_code: Callable[..., orm.InstalledCode],
    environment_bin: Path,
    with_mpi: bool,
) -> None:
    lammps = installed_code(f"lmp_{with_mpi}", environment_bin / "lmp", "cse.lammps", with_mpi=with_mpi)
    told: Codes = {**codes, "lammps": lammps}
    process: Any = make(joined_by("lammps", told, recipe, slab_and_molecules()[1]))
    assert process.inputs.lammps.metadata.options.withmpi is with_mpi
    assert process.inputs.base.lammps.metadata.options.withmpi is with_mpi
    process.assemble()
    assert newest(orm.CalcJobNode).get_option("withmpi") is with_mpi


def test_slots_are_requested_where_a_scheduler_counts_them(codes: Codes) -> None:
    for given in ({"parallel_env": "mpi", "tot_num_mpiprocs": 16}, {"tot_num_mpiprocs": 16}):  # of SGE and of LSF
        single = {**given, "tot_num_mpiprocs": 1}
        assert one_process({"resources": given})["resources"] == single
    options = {"resources": {"parallel_env": "mpi", "tot_num_mpiprocs": 16}}
    assert one_process({})["resources"] == {"num_machines": 1, "num_mpiprocs_per_machine": 1}
    with pytest.raises(ValueError, match="parallel_env"):
        single_metadata(codes["lammps"], {}, options, "lammps")


#: the jobs that join the phases by the name of the assembler, which is also the role of their code
JOINING = {"moltemplate": "cse.moltemplate", "lammps": "cse.read_data"}


@pytest.fixture
def all_codes(codes: Codes, installed_code: Callable[..., orm.InstalledCode], environment_bin: Path) -> Codes:
    """The codes of a study, including Moltemplate."""
    code = installed_code("moltemplate", environment_bin / "moltemplate.sh", "cse.moltemplate")
    return {**codes, "moltemplate": code}


def joined_by(
    assembler: str,
    codes: Codes,
    recipe: dict[str, Any],
    electrolyte: System,
    overrides: dict[str, Any] | None = None,
) -> Any:
    """Return the builder of an interface of the small slab and this electrolyte, joined by a program."""
    chain: Any = WorkflowFactory("cse.interface")
    phases = {"ceramic": CseSystemData(slab_and_molecules()[0]), "electrolyte": CseSystemData(electrolyte)}
    overrides = {"assembler": assembler} | (overrides or {})
    return chain.get_builder_from_protocol(
        codes, recipe, protocol="demo", overrides=overrides, temperature=300.0, **phases
    )


@pytest.mark.parametrize("assembler", JOINING)
def test_an_assembler_is_a_job_of_the_interface(
    make: Make, all_codes: Codes, recipe: dict[str, Any], localhost: orm.Computer, assembler: str
) -> None:
    process = make(joined_by(assembler, all_codes, recipe, slab_and_molecules()[1]))
    process.assemble()
    job = newest(orm.CalcJobNode)
    assert job.process_type == f"aiida.calculations:{JOINING[assembler]}"
    assert job.inputs.code.uuid == all_codes[assembler].uuid  # type: ignore[literal-required]
    assert (job.inputs.gap.value, job.inputs.ceramic.uuid) == (2.5, process.inputs.ceramic.uuid)
    assert job.get_option("resources") == {"num_machines": 1, "num_mpiprocs_per_machine": 1}

    system = CseSystemData(crystal_and_molecules())
    process.ctx.joining = [job_node(JOINING[assembler], localhost, outputs={"system": system}, exit_status=0)]
    assert process.is_apart() is True
    assert process.inspect_assembly() is None
    assert process.is_apart() is False
    assert process.outputs["assembled"] is process.ctx.system


@pytest.mark.parametrize("of_its_crystal", [True, False])
def test_an_initial_excess_is_set_after_joining(
    make: Make, codes: Codes, recipe: dict[str, Any], of_its_crystal: bool
) -> None:
    """The small slab has no recipe, so that its voids are used; sites of another crystal are refused."""
    chosen = {"seeds": recipe["seeds"]} if of_its_crystal else recipe
    process = make(joined_by("built-in", codes, chosen, slab_and_molecules()[1], {"initial_excess": 2}))
    process.assemble()
    answer = process.inspect_assembly()
    if not of_its_crystal:
        assert answer.status == 340
        assert "the ions cannot be placed: recipe.ceramic: its crystal is not that of the slab" in answer.message
        return
    assert answer is None
    assembled = process.outputs["assembled"]
    assert process.ctx.system is assembled
    assert (assembled.info.initial_excess, assembled.info.seeds["initial_excess"]) == (2, 20253)
    assert assembled.creator.process_type == "aiida.calculations:cse.transfer_cations"
    assert assembled.creator.inputs.interface.info.initial_excess == 0


def test_more_ions_than_there_are_are_refused_before_joining(
    make: Make, codes: Codes, recipe: dict[str, Any]
) -> None:
    for excess, words in ((6, "the salt has 5 Li; give at most 5"), (-1, "the slab has 0 Li, .* give at least 0")):
        builder = joined_by("built-in", codes, recipe, slab_and_molecules()[1], {"initial_excess": excess})
        with pytest.raises(ValueError, match=f"initial_excess = {excess}: {words}"):
            make(builder)


def test_a_failed_joining_job_is_repeated_within_the_budget(
    make: Make, codes: Codes, recipe: dict[str, Any], localhost: orm.Computer
) -> None:
    process = make(joined_by("lammps", codes, recipe, slab_and_molecules()[1], {"base": {"max_failures": 1}}))
    lost = job_node("cse.read_data", localhost, exit_status=140, exit_message="The node failed.")
    process.ctx.joining = [lost]
    assert process.inspect_assembly() is None
    assert process.is_apart()
    process.ctx.joining = [
        lost,
        job_node("cse.read_data", localhost, exit_status=380, exit_message="no data file"),
    ]
    assert process.inspect_assembly().message.endswith("> failed with [380] no data file")


def test_a_killed_joining_job_is_not_repeated(
    make: Make, codes: Codes, recipe: dict[str, Any], localhost: orm.Computer
) -> None:
    process = make(joined_by("lammps", codes, recipe, slab_and_molecules()[1]))
    killed = job_node("cse.read_data", localhost)
    killed.set_process_state(ProcessState.KILLED)
    process.ctx.joining = [killed]
    assert process.inspect_assembly().message.endswith(f"job <{killed.pk}> failed with [killed] killed")


def test_a_refused_result_of_joining_is_not_repeated(
    make: Make, codes: Codes, recipe: dict[str, Any], localhost: orm.Computer
) -> None:
    process = make(joined_by("lammps", codes, recipe, slab_and_molecules()[1]))
    for status, message in ((381, "other masses"), (380, "lmp: error while loading shared libraries: libx.so")):
        job = job_node("cse.read_data", localhost, exit_status=status, exit_message=message)
        process.ctx.joining = [job]
        answer = process.inspect_assembly()
        assert answer.message == (
            f"The starting system could not be built: job <{job.pk}> failed with [{status}] {message}"
        )


def test_moltemplate_runs_without_mpi_and_lammps_by_its_code(all_codes: Codes, recipe: dict[str, Any]) -> None:
    """A LAMMPS of a site that needs MPI does not start without it."""
    above = slab_and_molecules()[1]
    made = joined_by("moltemplate", all_codes, recipe, above).moltemplate
    assert made.metadata.options["withmpi"] is False
    assert "withmpi" not in joined_by("lammps", all_codes, recipe, above).lammps.metadata.options


@pytest.mark.parametrize("assembler", JOINING)
def test_phases_that_do_not_fit_start_no_job(
    make: Make, all_codes: Codes, recipe: dict[str, Any], assembler: str
) -> None:
    answer = make(joined_by(assembler, all_codes, recipe, interface())).assemble()
    assert answer.status == 340
    assert "slab and electrolyte cannot be joined: ceramic and electrolyte have different type" in answer.message


def test_moltemplate_without_its_code_is_refused(make: Make, codes: Codes, recipe: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"assembler = 'moltemplate': .* missing; give codes\.moltemplate"):
        make(joined_by("moltemplate", codes, recipe, slab_and_molecules()[1]))


def test_an_assembler_set_by_hand_needs_its_code(make: Make, codes: Codes, recipe: dict[str, Any]) -> None:
    builder = joined_by("built-in", codes, recipe, slab_and_molecules()[1])
    builder.assembler = "lammps"
    with pytest.raises(ValueError, match=r"assembler = 'lammps': its code is missing; .* or lammps\.code"):
        make(builder)
    builder.lammps.code = codes["lammps"]
    make(builder)


def test_the_options_of_runs_reach_the_joining_job(codes: Codes, recipe: dict[str, Any]) -> None:
    """This includes the options of the protocol, but with one process and without a stash."""
    study = WorkflowFactory("cse.study").get_builder_from_protocol(
        codes,
        recipe,
        "demo",
        overrides={"interface": {"base": {"options": {"account": "abc", "priority": "low"}}}},
        options={
            "resources": {"num_machines": 2, "num_mpiprocs_per_machine": 64},
            "max_wallclock_seconds": 3600,
            "priority": "high",
            "stash": {"target_base": "/archive"},
        },
    )
    assert study.interface.lammps.code.uuid == codes["lammps"].uuid
    assert study.interface.lammps._inputs(prune=True)["metadata"]["options"] == {
        "resources": {"num_machines": 1, "num_mpiprocs_per_machine": 1},
        "max_wallclock_seconds": 3600,
        "account": "abc",
        "priority": "high",
    }


@pytest.mark.integration
def test_an_interface_joined_by_lammps_is_relaxed(codes: Codes, recipe: dict[str, Any]) -> None:
    settings = {"cutoff": 6.0, "kspace_accuracy": 1e-3}
    schedule = {"settings": settings, "stages": [{"name": "minimize", "kind": "minimize", "max_iterations": 20}]}
    ceramic, electrolyte = slab_and_molecules()
    builder = joined_by("lammps", codes, recipe, electrolyte, {"schedule": schedule})
    _, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    joined, expected = node.outputs.assembled.get_system(), assemble(ceramic, electrolyte, 2.5)
    assert joined.data.unwrapped == pytest.approx(expected.data.unwrapped, abs=1e-12)
    job = node.base.links.get_outgoing(link_label_filter="join").one().node
    assert node.outputs.assembled.creator.uuid == job.uuid
    assert job.process_type == "aiida.calculations:cse.read_data"
    assert node.outputs.interface.info.composition == expected.info.composition


def test_an_unknown_assembler_is_refused(phase: Phase) -> None:
    with pytest.raises(ValueError, match="assembler = 'moltemplat': did you mean 'moltemplate'"):
        phase("cse.interface", overrides={"assembler": "moltemplat"})
