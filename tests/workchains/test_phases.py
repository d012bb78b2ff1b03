"""The phases, the analysis, the production and the study: what each step makes of what the one before left."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.datastructures import StashMode
from aiida.plugins import CalculationFactory, WorkflowFactory

from aiida_cse.data.system import CseSystemData
from aiida_cse.lammps.stage import JobPlan
from aiida_cse.trajectory.analysis.kinetics import PARTS
from aiida_cse.trajectory.analysis.settings import AnalysisSettings
from aiida_cse.workchains.builders import Codes
from aiida_cse.workchains.production import checksums_of, sampling_of
from tests.nodes import SAMPLING, interface, job_node, reduction_node, returns, run_node, system_node
from tests.systems import crystal_and_molecules
from tests.workchains.conftest import Make

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

Phase = Callable[..., Any]

STAGES = [
    {"name": "minimize", "kind": "minimize"},
    {"name": "heat", "kind": "nvt", "duration_ps": 1, "temperature": "target", "velocities": "target"},
    {"name": "relax", "kind": "npt", "duration_ps": 2, "temperature": "target", "pressure": 1, "barostat": "z"},
]


def newest(kind: type[orm.ProcessNode]) -> Any:
    """Return the process that was made last."""
    return orm.QueryBuilder().append(kind, tag="p").order_by({"p": {"id": "desc"}}).first(flat=True)


@pytest.fixture
def phase(make: Make, codes: Codes, recipe: dict[str, Any]) -> Phase:
    """Return a function that makes the process of a phase with three stages in two jobs."""

    def run(name: str, **more: Any) -> Any:
        chain: Any = WorkflowFactory(name)
        overrides = {"schedule": {"stages": STAGES, "stages_per_job": 2}}
        return make(chain.get_builder_from_protocol(codes, recipe, protocol="demo", overrides=overrides, **more))

    return run


@pytest.fixture
def ceramic(phase: Phase) -> Any:
    return phase("cse.ceramic")


def built(computer: orm.Computer, status: int = 0, message: str | None = None) -> orm.CalcJobNode:
    """Return a building job that left a system, or failed."""
    outputs = {} if status else {"system": CseSystemData(crystal_and_molecules())}
    return job_node("cse.build", computer, outputs=outputs, exit_status=status, exit_message=message)


DIGEST = "0123456789abcdef" * 4


def results(*names: str, step: int, source: str | None = None) -> orm.Dict:
    stages = [
        {
            "name": name,
            "first_step": 0,
            "step": step,
            "wall_seconds": 2.0,
            "temperature_K": 700.0,
            "density_g_cm3": 2.0,
            "lz_A": 35.2,
        }
        for name in names
    ]
    return orm.Dict(
        {
            "stages": stages,
            "wall_seconds": 2.0 * len(names),
            "step": step,
            "target_step": step,
            "restart_file": source,
            "files": {"trajectory.dcd": {"sha256": DIGEST, "bytes": 1_000_000}},
        }
    )


def finished(
    computer: orm.Computer,
    number: int,
    *names: str,
    step: int,
    system: bool = False,
    after: orm.WorkChainNode | None = None,
    source: str | None = None,
    stash: str | None = None,
    changes: list[dict[str, Any]] | None = None,
) -> orm.WorkChainNode:
    """Return a restart chain of one job that ran these stages, from a checkpoint of the run ``after`` it."""
    made: dict[str, orm.Data] = {"results": results(*names, step=step, source=source)}
    if system:
        made["system"] = CseSystemData(crystal_and_molecules())
    if stash is not None:
        made["remote_stash"] = orm.RemoteStashFolderData(
            computer=computer, target_basepath=stash, stash_mode=StashMode.COPY, source_list=["*"]
        )
    run = run_node("cse.base")
    parent = {} if after is None else {"parent_folder": after.outputs.remote_folder}
    folder = f"/scratch/{number}"
    job = job_node("cse.lammps", computer, parent, outputs=made, exit_status=0, folder=folder, caller=run)
    remote = job.outputs.remote_folder
    made |= {"remote_folder": remote, "folders.job_0001": remote}
    if changes is not None:
        made["changes"] = orm.List(changes)
    returns(run, made)
    return run


# -- phases -----------------------------------------------------------------------------------------------


def test_the_jobs_of_a_phase(ceramic: Any, localhost: orm.Computer) -> None:
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
def test_what_cannot_be_built_ends_the_phase(phase: Phase, localhost: orm.Computer, name: str) -> None:
    process = phase(name, **({"ceramic": system_node()} if name == "cse.electrolyte" else {}))
    process.ctx.built = built(localhost, 330, "The component could not be built: 'ceramic.repeat' is too small")
    answer = process.inspect_build()
    assert answer.status == 340
    assert answer.message.endswith("The component could not be built: 'ceramic.repeat' is too small")


def test_a_stage_that_failed_ends_the_phase(ceramic: Any) -> None:
    ceramic.plan_jobs()
    run = run_node("cse.base", exit_status=410, exit_message="Atoms were lost")
    ceramic.ctx.jobs = [run]
    answer = ceramic.inspect_job()
    assert answer.status == 341
    assert answer.message == (
        f"The run <{run.pk}> failed at stage minimize … heat (2 stages) with [410] Atoms were lost"
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
        "cse.interface", ceramic=system_node(), electrolyte=CseSystemData(interface()), temperature=700
    )
    answer = process.assemble()
    assert answer.status == 340
    assert "slab and electrolyte cannot be joined" in answer.message


# -- production ---------------------------------------------------------------------------------------------


PLAN = {"length_ps": 6, "segment_ps": 2, "frame_ps": 0.02, "settings": {"restart_interval": 500}}


@pytest.fixture
def production(make: Make, codes: Codes, recipe: dict[str, Any]) -> Any:
    chain: Any = WorkflowFactory("cse.production")
    overrides = {"plan": PLAN, "sampling": {"block_ps": 0.2, "snapshot_ps": 0.06, "bins": 110}}
    system = CseSystemData(interface())
    return make(chain.get_builder_from_protocol(codes, recipe, system, 650, protocol="demo", overrides=overrides))


def test_segments_go_on_from_each_other(production: Any, localhost: orm.Computer) -> None:
    production.plan_segments()
    for number in (1, 2, 3):
        assert production.has_segments()
        production.run_segment()
        run = newest(orm.WorkChainNode)
        assert run.inputs.lammps.plan["stop_step"] == 1000 * number
        assert run.inputs.lammps.plan["resume_step"] == 1000 * (number - 1)
        assert run.inputs.lammps.plan["stages"][0]["temperature"] == 650
        assert run.inputs.lammps.system.uuid == production.inputs.system.uuid
        assert ("settings" in run.inputs.lammps) == (number == 3), "only the last one keeps its system"
        if number > 1:
            assert run.inputs.lammps.parent_folder.get_remote_path() == f"/scratch/{number - 1}"
        before = production.ctx.segments[-1] if production.ctx.segments else None
        step = 1000 * number
        done = finished(localhost, number, "production", step=step, system=number == 3, after=before)
        production.ctx.segments = [*production.ctx.segments, done]
        assert production.inspect_segment() is None
    assert not production.has_segments()
    production.attach_segments()
    (stage,) = production.outputs["stages"]["stages"]
    assert (stage["name"], stage["step"], stage["wall_seconds"]) == ("production", 3000, 6.0)
    assert isinstance(production.outputs["system"], CseSystemData)

    production.reduce()
    job = newest(orm.CalcJobNode)
    assert job.process_type == "aiida.calculations:cse.reduce"
    assert {name: folder.get_remote_path() for name, folder in job.inputs.folders.items()} == {
        f"segment_{number:04d}": f"/scratch/{number}" for number in (1, 2, 3)
    }
    assert job.inputs.sampling.get_dict().items() >= SAMPLING.items()
    assert job.inputs.checksums.get_dict() == {f"segment_{number:04d}": DIGEST for number in (1, 2, 3)}
    assert production.outputs["stages"]["bytes"] == 3_000_000


def test_of_a_job_that_was_killed_the_next_one_knows_the_checksum() -> None:
    mine, others = ({"trajectory.dcd": {"sha256": digest, "bytes": 3}} for digest in (DIGEST, "f" * 64))
    ended, killed, last = {"files": mine}, {"files": {}}, {"files": mine, "files_before": others}
    assert checksums_of([killed, last]) == {"segment_0001": "f" * 64, "segment_0002": DIGEST}
    assert checksums_of([ended, last]) == {"segment_0001": DIGEST, "segment_0002": DIGEST}
    assert checksums_of([ended, killed]) == {"segment_0001": DIGEST}, "of the last one nobody knows"


def chain_of(
    computer: orm.Computer, *sources: str, stashes: tuple[str | None, ...] = ()
) -> list[orm.WorkChainNode]:
    """Return runs, each with the one before as its parent, that went on from these restart files."""
    runs: list[orm.WorkChainNode] = []
    for number, source in enumerate(sources, 1):
        stash = stashes[number - 1] if stashes else None
        last = number == len(sources)
        after = runs[-1] if runs else None
        runs.append(
            finished(
                computer, number, "production", step=100, after=after, source=source, stash=stash, system=last
            )
        )
    return runs


def paths(folders: dict[str, Any]) -> list[str]:
    return [
        folder.get_remote_path() if isinstance(folder, orm.RemoteData) else folder.target_basepath
        for _, folder in sorted(folders.items())
    ]


def test_a_job_whose_steps_were_run_again_is_no_part_of_the_trajectory(
    production: Any, localhost: orm.Computer
) -> None:
    """The third job wrote no checkpoint, and the fourth went back behind what the second wrote."""
    sources = ("none", "parent/restart.300", "parent/restart.500", "parent/parent/restart.450")
    production.ctx.segments = chain_of(localhost, *sources)
    production.attach_segments()
    assert paths(production.outputs["folders"]) == ["/scratch/1", "/scratch/2", "/scratch/4"]
    assert paths(production._sources()) == ["/scratch/1", "/scratch/2", "/scratch/4"]


def test_a_run_that_began_anew_leaves_what_was_before_behind(production: Any, localhost: orm.Computer) -> None:
    production.ctx.segments = chain_of(localhost, "none", "parent/restart.300", "none", "parent/restart.400")
    production.attach_segments()
    assert paths(production.outputs["folders"]) == ["/scratch/3", "/scratch/4"]


def test_of_two_jobs_that_ran_the_same_segment_one_counts(production: Any, localhost: orm.Computer) -> None:
    """A worker that died after it had launched a segment launches it again; both end."""
    first = finished(localhost, 1, "production", step=1000, source="none")
    orphan = finished(localhost, 2, "production", step=2000, after=first, source="parent/restart.1000")
    twin = finished(localhost, 3, "production", step=2000, after=first, source="parent/restart.1000", system=True)
    production.ctx.segments = [first, twin]
    production.attach_segments()
    assert paths(production.outputs["folders"]) == ["/scratch/1", "/scratch/3"]
    assert production.outputs["stages"]["steps"] == 2000
    assert orphan.is_finished_ok


def test_a_job_launched_twice_within_a_segment_counts_by_how_far_it_came(
    production: Any, localhost: orm.Computer
) -> None:
    """The second child of the run was left behind by a worker that died, and ended last."""
    run = finished(localhost, 1, "production", step=3000, source="none", system=True)
    left = {"results": results("production", step=1200, source="none")}
    job_node("cse.lammps", localhost, outputs=left, exit_status=420, folder="/scratch/left", caller=run)
    production.ctx.segments = [run]
    production.attach_segments()
    assert paths(production.outputs["folders"]) == ["/scratch/1"]
    stages = production.outputs["stages"]
    assert (stages["steps"], stages["stages"][0]["step"], stages["jobs"]) == (3000, 3000, 2)


def test_what_was_changed_in_the_segments_is_an_output(production: Any, localhost: orm.Computer) -> None:
    first = finished(localhost, 1, "production", step=1000, source="none")
    change = {"job": "job_0002", "change": "timestep", "exact": False}
    second = finished(localhost, 2, "production", step=2000, after=first, changes=[change], system=True)
    production.ctx.segments = [first, second]
    production.attach_segments()
    assert production.outputs["changes"].get_list() == [{"run": "segment_002"} | change]


def test_what_was_cleaned_is_reduced_from_its_stash(production: Any, localhost: orm.Computer) -> None:
    sources = ("none", "parent/restart.100", "parent/restart.200")
    production.ctx.segments = chain_of(localhost, *sources, stashes=("/archive/1", None, "/archive/3"))
    production.attach_segments()
    assert production.has_to_reduce()
    production.reduce()
    missing = "segment_0001/trajectory.dcd: there is no such file"
    production.ctx.reduction = job_node("cse.reduce", localhost, exit_status=334, exit_message=missing)
    assert production.inspect_reduction() is None
    assert production.has_to_reduce()
    production.reduce()
    job = newest(orm.CalcJobNode)
    assert paths(dict(job.inputs.folders)) == ["/archive/1", "/scratch/2", "/archive/3"]
    production.ctx.reduction = job_node("cse.reduce", localhost, exit_status=334, exit_message=missing)
    answer = production.inspect_reduction()
    assert answer.status == 344, "there is no third place to look"
    assert "there is no such file" in answer.message
    assert "options.stash" in answer.message


def test_a_segment_that_failed_ends_the_production_and_names_what_is_done(
    production: Any, localhost: orm.Computer
) -> None:
    production.plan_segments()
    folder = orm.RemoteData(computer=localhost, remote_path="/scratch/2")
    failed = run_node(
        "cse.base", outputs={"folders.job_0001": folder}, exit_status=431, exit_message="Failed 4 times"
    )
    production.ctx.segments = [finished(localhost, 1, "production", step=1000), failed]
    answer = production.inspect_segment()
    assert answer.status == 343
    assert answer.message == f"The segment <{failed.pk}> failed with [431] Failed 4 times"
    assert list(production.outputs["folders"]) == ["segment_0001", "segment_0002"]


def test_a_trajectory_that_lacks_its_end_is_not_passed_off_as_whole(
    production: Any, localhost: orm.Computer
) -> None:
    """The last of the three segments left no trajectory."""
    production.ctx.jobs, production.ctx.stashed = [], False
    production.ctx.reduction = job_node(
        "cse.reduce", localhost, exit_status=0, outputs={"reduction": reduction_node()}
    )
    answer = production.inspect_reduction()
    assert answer.status == 346
    assert answer.message.endswith("the production from 0 to 3000.")
    assert production.has_to_reduce()


def test_a_segment_that_left_nothing_ends_the_production(production: Any) -> None:
    production.ctx.segments = [run_node("cse.base", exit_status=303, exit_message="killed")]
    assert production.inspect_segment().status == 343


def test_a_reduction_that_failed_ends_the_production(production: Any, localhost: orm.Computer) -> None:
    production.ctx.jobs, production.ctx.stashed = [], False
    production.ctx.reduction = job_node(
        "cse.reduce", localhost, exit_status=334, exit_message="frames are missing"
    )
    answer = production.inspect_reduction()
    assert answer.status == 344
    assert "failed with [334] frames are missing (the trajectory lies in the output folders" in answer.message


def test_an_analysis_that_failed_ends_the_production(production: Any) -> None:
    production.ctx.analysis = run_node("cse.analysis", exit_status=342, exit_message="nothing is left")
    answer = production.inspect_analysis()
    assert answer.status == 345
    assert answer.message.endswith("failed with [342] nothing is left")


def test_the_sampling_takes_frames_from_the_plan() -> None:
    assert sampling_of(PLAN | {"timestep_fs": 1}, {"bins": 90}) == {"timestep_fs": 1, "frame_ps": 0.02, "bins": 90}


# -- the study --------------------------------------------------------------------------------------------


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
def test_a_phase_that_failed_ends_the_study(study: Any, phase_name: str) -> None:
    run = run_node(f"cse.{phase_name}", exit_status=341, exit_message="at stage ramp")
    study.ctx[phase_name] = run
    answer = getattr(study, f"inspect_{phase_name}")()
    assert answer.status == 350
    assert answer.message == f"The {phase_name} <{run.pk}> failed with [341] at stage ramp"


def test_runs_of_every_temperature_and_replica(study: Any) -> None:
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
    assert answer.message == (
        "2 of 4 runs failed, the others are complete: "
        f"T0650_r2 <{failed.pk}> [341] at stage relax; T0700_r2 <{ended.pk}> [343] segment 3"
    )
    runs = study.outputs["runs"]
    assert set(runs) == {"T0650_r1", "T0700_r1", "T0700_r2"}
    assert set(runs["T0650_r1"]) == {"interface", "system", "equilibration", "density_profiles"}
    assert set(runs["T0700_r2"]) == {"interface"}, "what is done stays"
    assert "kinetics" not in study.outputs, "no run has what it needs"
    assert set(study.outputs["stages"]) == {
        *("ceramic", "electrolyte"),
        *(f"interface_{label}" for label in labels if label != "T0650_r2"),
        *("production_T0650_r1", "production_T0700_r1"),
    }


def test_an_interface_that_cannot_be_analysed_stops_no_other_run(study: Any) -> None:
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


def test_kinetics_takes_the_runs_that_were_analysed(study: Any) -> None:
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
    assert any("Γ(400 K) is not known: no run says anything about it" in message for message in reported)
    assert any("T0700_r1 takes no part: not equilibrated" in message for message in reported)


def test_kinetics_that_cannot_be_had_stops_nothing(study: Any) -> None:
    study.inputs.kinetics = orm.Dict({"shifts": [[700, 0.0]]})
    study.ctx.runs = [("T0700_r1", 700, 1)]
    study.ctx.refused = {}
    study.ctx.interface_T0700_r1 = part("cse.interface", "interface")
    study.ctx.production_T0700_r1 = part("cse.production", "system", **analysed_run(700))
    study.attach_runs()
    study.kinetics()
    assert "kinetics" not in study.outputs
    assert study.inspect_runs() is None


def test_the_verdict_of_the_demo_is_by_cores(study: Any) -> None:
    settings = AnalysisSettings.model_validate(study.inputs.production.analysis.settings.get_dict())
    assert (settings.rule, settings.start_ns) == ("core", 0)
