"""The production: segments, looks, continuation, and outputs at each of its ends."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from aiida import orm
from aiida.common.links import LinkType
from aiida.manage import get_manager
from aiida.plugins import WorkflowFactory

from aiida_cse.analysis.settings import AnalysisSettings
from aiida_cse.data.system import CseSystemData
from aiida_cse.workchains import study
from aiida_cse.workchains.common.builders import Codes
from aiida_cse.workchains.production import sampling_of
from aiida_cse.workchains.restart.lineage import checksums_of, covered_jobs, numbered
from tests.nodes import SAMPLING, interface, job_node, reduction_node, run_node, state
from tests.workchains.conftest import Make
from tests.workchains.runs import DIGEST, PLAN, chain_of, finished, newest, results

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")


Launch = Callable[..., Any]

#: looks at the end of every segment
EQUILIBRATED = {"rule": "equilibrated", "first_look_ns": 0.002, "growth": 1}


@pytest.fixture
def launch(make: Make, codes: Codes, recipe: dict[str, Any]) -> Launch:
    """Return a function that makes a production of the synthetic interface at 650 K, with changes to its plan."""
    chain: Any = WorkflowFactory("cse.production")
    system = CseSystemData(interface()).store()

    def run(previous: dict[str, orm.Data] | None = None, **plan: Any) -> Any:
        overrides = {
            "plan": PLAN | plan,
            "sampling": {
                "block_ps": 0.2,
                "snapshot_ps": 0.06,
                "bins": 110,
                "core_scales": [],
                "lags_ps": [1000.0],
            },
        }
        builder = chain.get_builder_from_protocol(codes, recipe, system, 650, "demo", overrides)
        builder.previous = previous or {}
        process = make(builder)
        process.plan_segments()
        return process

    return run


@pytest.fixture
def production(launch: Launch) -> Any:
    return launch()


def after(production: Any, segments: list[orm.WorkChainNode]) -> None:
    """Set the production to its state after these segments, before it reduces them."""
    production.ctx.segments = segments
    production.ctx.folder = segments[-1].outputs.remote_folder
    production.ctx.step = production.ctx.plans[-1]["stop_step"]
    production.gather_jobs()


def test_segments_continue_from_each_other(production: Any, localhost: orm.Computer) -> None:
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
    production.gather_jobs()
    assert production.has_to_reduce()
    production.reduce()
    job = newest(orm.CalcJobNode)
    assert job.process_type == "aiida.calculations:cse.reduce"
    assert {name: folder.get_remote_path() for name, folder in job.inputs.folders.items()} == {
        f"segment_{number:04d}": f"/scratch/{number}" for number in (1, 2, 3)
    }
    assert job.inputs.sampling.get_dict().items() >= SAMPLING.items()
    assert job.inputs.temperature == production.inputs.temperature
    assert job.inputs.checksums.get_dict() == {f"segment_{number:04d}": DIGEST for number in (1, 2, 3)}

    production._attach_run()
    (stage,) = production.outputs["stages"]["stages"]
    assert (stage["name"], stage["step"], stage["wall_seconds"]) == ("production", 3000, 6.0)
    assert isinstance(production.outputs["system"], CseSystemData)
    assert production.outputs["stages"]["bytes"] == 3_000_000


def test_the_next_job_knows_the_checksum_of_a_killed_one() -> None:
    mine, others = ({"trajectory.dcd": {"sha256": digest, "bytes": 3}} for digest in (DIGEST, "f" * 64))
    ended, killed, last = {"files": mine}, {"files": {}}, {"files": mine, "files_before": others}
    assert checksums_of(numbered([killed, last])) == {"segment_0001": "f" * 64, "segment_0002": DIGEST}
    assert checksums_of(numbered([ended, last])) == {"segment_0001": DIGEST, "segment_0002": DIGEST}
    assert checksums_of(numbered([ended, killed])) == {"segment_0001": DIGEST}, (
        "the checksum of the last job is unknown"
    )


def paths(folders: dict[str, Any]) -> list[str]:
    return [
        folder.get_remote_path() if isinstance(folder, orm.RemoteData) else folder.target_basepath
        for _, folder in sorted(folders.items())
    ]


def test_a_job_with_repeated_steps_does_not_count(production: Any, localhost: orm.Computer) -> None:
    """The third job wrote no checkpoint; the fourth continued from before the end of the second."""
    sources = ("none", "parent/restart.300", "parent/restart.500", "parent/parent/restart.450")
    after(production, chain_of(localhost, *sources))
    production._attach_run()
    assert paths(production.outputs["folders"]) == ["/scratch/1", "/scratch/2", "/scratch/4"]
    production.reduce()
    assert paths(dict(newest(orm.CalcJobNode).inputs.folders)) == ["/scratch/1", "/scratch/2", "/scratch/4"]


def test_a_restarted_run_drops_its_earlier_jobs(production: Any, localhost: orm.Computer) -> None:
    after(production, chain_of(localhost, "none", "parent/restart.300", "none", "parent/restart.400"))
    production._attach_run()
    assert paths(production.outputs["folders"]) == ["/scratch/3", "/scratch/4"]


def test_one_of_two_jobs_of_the_same_segment_counts(production: Any, localhost: orm.Computer) -> None:
    """A worker that dies after launching a segment launches it again; both jobs end."""
    first = finished(localhost, 1, "production", step=1000, source="none")
    orphan = finished(localhost, 2, "production", step=2000, after=first, source="parent/restart.1000")
    twin = finished(localhost, 3, "production", step=2000, after=first, source="parent/restart.1000", system=True)
    after(production, [first, twin])
    production._attach_run()
    assert paths(production.outputs["folders"]) == ["/scratch/1", "/scratch/3"]
    assert production.outputs["stages"]["steps"] == 2000
    assert orphan.is_finished_ok


def test_of_two_jobs_in_a_segment_the_one_that_got_further_counts(
    production: Any, localhost: orm.Computer
) -> None:
    """The second child of the run was orphaned by a worker and ended last."""
    run = finished(localhost, 1, "production", step=3000, source="none", system=True)
    left = {"results": results("production", step=1200, source="none")}
    job_node("cse.lammps", localhost, outputs=left, exit_status=420, folder="/scratch/left", caller=run)
    after(production, [run])
    production._attach_run()
    assert paths(production.outputs["folders"]) == ["/scratch/1"]
    stages = production.outputs["stages"]
    assert (stages["steps"], stages["stages"][0]["step"], stages["jobs"]) == (3000, 3000, 2)


def test_changes_in_segments_are_an_output(production: Any, localhost: orm.Computer) -> None:
    first = finished(localhost, 1, "production", step=1000, source="none")
    change = {"job": "job_0002", "change": "timestep", "exact": False}
    second = finished(localhost, 2, "production", step=2000, after=first, changes=[change], system=True)
    after(production, [first, second])
    production._attach_run()
    assert production.outputs["changes"].get_list() == [{"run": "segment_002"} | change]


def test_a_cleaned_folder_is_reduced_from_its_stash(production: Any, localhost: orm.Computer) -> None:
    sources = ("none", "parent/restart.100", "parent/restart.200")
    after(production, chain_of(localhost, *sources, stashes=("/archive/1", None, "/archive/3")))
    assert production.has_to_reduce()
    production.reduce()
    missing = "segment_0001/trajectory.dcd: there is no such file"
    production.ctx.reduce_job = job_node("cse.reduce", localhost, exit_status=334, exit_message=missing)
    assert production.inspect_reduction() is None
    assert production.has_to_reduce()
    production.reduce()
    job = newest(orm.CalcJobNode)
    assert paths(dict(job.inputs.folders)) == ["/archive/1", "/scratch/2", "/archive/3"]
    production.ctx.reduce_job = job_node("cse.reduce", localhost, exit_status=334, exit_message=missing)
    answer = production.inspect_reduction()
    assert answer.status == 344, "there is only one stash"
    assert "there is no such file" in answer.message
    assert "options.stash" in answer.message


def test_a_production_whose_first_folder_is_gone_begins_again(production: Any, localhost: orm.Computer) -> None:
    first = finished(localhost, 1, "production", step=1000)
    gone = run_node("cse.base", exit_status=432, exit_message="No checkpoint is left in /scratch/1")
    production.ctx.segments, production.ctx.step = [first, gone], 1000
    production.ctx.folder = first.outputs.remote_folder
    assert production.inspect_segment() is None
    assert production.has_segments()
    production.run_segment()
    run = newest(orm.WorkChainNode)
    assert run.inputs.lammps.plan.get_dict() == production.ctx.plans[0]
    assert "parent_folder" not in run.inputs.lammps
    production.ctx.segments = [first, gone, gone]
    assert production.inspect_segment().status == 343


def test_a_failed_segment_ends_the_production_with_its_folders(production: Any, localhost: orm.Computer) -> None:
    folder = orm.RemoteData(computer=localhost, remote_path="/scratch/2")
    failed = run_node(
        "cse.base", outputs={"folders.job_0001": folder}, exit_status=431, exit_message="Failed 4 times"
    )
    production.ctx.segments = [finished(localhost, 1, "production", step=1000), failed]
    answer = production.inspect_segment()
    assert answer.status == 343
    said, _, advice = answer.message.partition(". Complete it with: ")
    assert said == f"The segment <{failed.pk}> failed with [431] Failed 4 times"
    assert advice.endswith(f"aiida-cse extend {production.node.pk}")
    assert list(production.outputs["folders"]) == ["segment_0001", "segment_0002"]


def test_a_trajectory_without_its_end_is_incomplete(production: Any, localhost: orm.Computer) -> None:
    """The last of the three segments left no trajectory."""
    after(production, chain_of(localhost, "none"))
    production.ctx.reduce_job = job_node(
        "cse.reduce", localhost, exit_status=0, outputs={"reduction": reduction_node()}
    )
    answer = production.inspect_reduction()
    assert answer.status == 346
    assert "the production 0 to 3000. Complete it with: " in answer.message
    assert production.has_to_reduce()


def test_a_segment_without_outputs_ends_the_production(production: Any) -> None:
    production.ctx.segments = [run_node("cse.base", exit_status=303, exit_message="killed")]
    assert production.inspect_segment().status == 343


def test_a_failed_reduction_ends_the_production(production: Any, localhost: orm.Computer) -> None:
    after(production, chain_of(localhost, "none"))
    production.ctx.reduce_job = job_node(
        "cse.reduce", localhost, exit_status=334, exit_message="frames are missing"
    )
    answer = production.inspect_reduction()
    assert answer.status == 344
    assert "failed with [334] frames are missing (the trajectory is in the output folders" in answer.message


def test_a_killed_reduction_is_repeated(production: Any, localhost: orm.Computer) -> None:
    after(production, chain_of(localhost, "none"))
    for status in (335, 110, 140):
        production.ctx.reduce_job = job_node("cse.reduce", localhost, exit_status=status, exit_message="Killed")
        assert production.inspect_reduction() is None
        assert production.has_to_reduce()
    said = [log.message for log in orm.Log.collection.get_logs_for(production.node)]
    job = production.ctx.reduce_job
    assert any(
        f"the reduction <{job.pk}> was interrupted (140: Killed); repeating it (repetition 3 of 3)" in one
        for one in said
    )
    answer = production.inspect_reduction()
    assert answer.status == 344
    assert f"The reduction <{job.pk}> failed with [140] Killed (repetition 3)" in answer.message
    assert answer.message.endswith(f"Complete it with: aiida-cse extend {production.node.pk}")
    assert {"folders", "stages"} <= set(production.outputs), "nothing is lost"


def test_a_failed_last_analysis_ends_the_production(production: Any, localhost: orm.Computer) -> None:
    after(production, chain_of(localhost, "none"))
    production.ctx.analyses = [run_node("cse.analysis", exit_status=342, exit_message="nothing is left")]
    answer = production.inspect_analysis()
    assert answer.status == 345
    assert "failed with [342] nothing is left. Complete it with: aiida-cse extend " in answer.message
    assert {"folders", "stages", "system"} <= set(production.outputs), "earlier results remain available"


def test_the_sampling_takes_frames_from_the_plan() -> None:
    assert sampling_of(PLAN | {"timestep_fs": 1}, {"bins": 90}) == {"timestep_fs": 1, "frame_ps": 0.02, "bins": 90}


# -- looks ----------------------------------------------------------------------------------------------------


def submitted(kind: type[orm.ProcessNode]) -> Any:
    """Return the process that was submitted last; it never starts."""
    for task in asyncio.all_tasks(get_manager().get_runner().loop):
        task.cancel()
    return newest(kind)


def segment(production: Any, number: int, computer: orm.Computer, **more: Any) -> orm.WorkChainNode:
    """Run a segment of 1000 steps with the outputs of a restart chain."""
    assert production.has_segments()
    production.run_segment()
    plan = submitted(orm.WorkChainNode).inputs.lammps.plan.get_dict()
    before = production.ctx.segments[-1] if production.ctx.segments else None
    source = "none" if before is None else f"parent/restart.{plan['resume_step']}"
    ended = {"step": 1000 * number, "source": source, "after": before} | more
    run = finished(computer, number, "production", system=True, plan=plan, **ended)
    production.ctx.segments = [*production.ctx.segments, run]
    assert production.inspect_segment() is None
    return run


def reduced(production: Any, computer: orm.Computer) -> dict[str, Any]:
    """Reduce the new part; return the inputs of the job."""
    production.gather_jobs()
    assert production.has_to_reduce()
    production.reduce()
    inputs = submitted(orm.CalcJobNode).base.links.get_incoming(link_type=LinkType.INPUT_CALC).nested()
    state_now = reduction_node(state(production.ctx.step // 10 + 1))
    given = {f"folders__{label}": folder for label, folder in inputs["folders"].items()}
    given |= {name: inputs[name] for name in ("previous",) if name in inputs}
    made = {"reduction": state_now}
    production.ctx.reduce_job = job_node("cse.reduce", computer, given, outputs=made, exit_status=0)
    assert production.inspect_reduction() is None
    assert not production.has_to_reduce()
    return inputs


def discarded(production: Any, computer: orm.Computer) -> None:
    """Delete the trajectories that were reduced last."""
    assert production._discard()
    job = submitted(orm.CalcJobNode)
    given = {f"folders__{label}": folder for label, folder in job.inputs.folders.items()}
    job_node("cse.discard", computer, given | {"reduction": job.inputs.reduction}, exit_status=0)


def look(production: Any, *, equilibrated: bool) -> None:
    """Add a look with this verdict."""
    production.analyse()
    called = submitted(orm.WorkChainNode)
    assert called.inputs.reduction.uuid == production.ctx.reduction.uuid
    found = {
        "end_ns": production.ctx.step * 2e-6,
        "equilibrated": equilibrated,
        "ec": 0.62,
        "ec_lower_bound": 0.41,
        "rate_upper_bound_per_s": 2.5e8,
        "reasons": ["Li: the number in the region drifts"],
        "decided_by": ["Li"],
        "criteria": AnalysisSettings.model_validate(production.inputs.analysis.settings.get_dict()).model_dump(),
    }
    counts = orm.Dict({"s_in_li_ceramic": 9, "s_out_li_ceramic": 8})
    run = run_node("cse.analysis", {"equilibration": orm.Dict(found), "transitions": counts})
    production.ctx.analyses = [*production.ctx.analyses, run]
    assert production.inspect_analysis() is None


def test_each_look_reduces_the_new_part_until_the_verdict(launch: Launch, localhost: orm.Computer) -> None:
    production = launch(stop=EQUILIBRATED)
    segment(production, 1, localhost)
    assert not production.has_segments(), "a look comes first"
    first = reduced(production, localhost)
    assert (sorted(first["folders"]), "previous" in first) == (["segment_0001"], False)
    look(production, equilibrated=False)
    assert production.goes_on()
    assert production.has_segments()

    segment(production, 2, localhost)
    before = production.ctx.reduction
    second = reduced(production, localhost)
    assert sorted(second["folders"]) == ["segment_0002"]
    assert second["previous"].uuid == before.uuid
    look(production, equilibrated=True)
    assert not production.goes_on(), "the third segment is never run"
    assert production.finish() is None
    looks = production.outputs["looks"].get_list()
    assert [(seen["look"], seen["end_ns"], seen["equilibrated"]) for seen in looks] == [
        (1, 0.002, False),
        (2, 0.004, True),
    ]
    assert (looks[0]["entries"], looks[0]["exits"]) == (9, 8)
    assert production.outputs["stages"]["steps"] == 2000
    said = [log.message for log in orm.QueryBuilder().append(orm.Log).all(flat=True)]
    verdicts = ["look 1 at 0.002 ns: not equilibrated", "look 2 at 0.004 ns: equilibrated"]
    for verdict in verdicts:
        assert any(f"{verdict}, EC 0.62 (lower bound 0.41)" in message for message in said)


def test_a_spent_budget_is_an_exit_code_with_all_results(launch: Launch, localhost: orm.Computer) -> None:
    production = launch(stop=EQUILIBRATED | {"confirmations": 2})
    for number, verdict in ((1, True), (2, False), (3, True)):
        assert production.goes_on()
        segment(production, number, localhost)
        reduced(production, localhost)
        look(production, equilibrated=verdict)
    assert not production.goes_on()
    answer = production.finish()
    assert answer.status == 500
    assert answer.message.startswith(
        "Not equilibrated within 0.006 ns: EC 0.62 (lower bound 0.41); the last verdict is positive, but "
        "2 in a row"
    )
    assert "fewer than 2.5e+08 entries per second" in answer.message
    assert {"system", "reduction", "looks", "stages", "folders", "equilibration"} <= set(production.outputs)


def test_fixed_lengths_succeed_with_any_verdict(launch: Launch, localhost: orm.Computer) -> None:
    production = launch(stop=EQUILIBRATED | {"rule": "fixed"})
    for number in (1, 2, 3):
        assert production.goes_on()
        segment(production, number, localhost)
        reduced(production, localhost)
        look(production, equilibrated=number < 3)
    assert production.finish() is None
    assert len(production.outputs["looks"].get_list()) == 3


def test_a_look_with_a_failed_analysis_continues(launch: Launch, localhost: orm.Computer) -> None:
    production = launch(stop=EQUILIBRATED)
    segment(production, 1, localhost)
    reduced(production, localhost)
    production.ctx.analyses = [run_node("cse.analysis", exit_status=342, exit_message="too short")]
    assert production.inspect_analysis() is None
    assert production.goes_on()


def test_a_run_that_went_back_before_a_look_is_reduced_again(launch: Launch, localhost: orm.Computer) -> None:
    production = launch(stop=EQUILIBRATED)
    segment(production, 1, localhost)
    reduced(production, localhost)
    look(production, equilibrated=False)
    segment(production, 2, localhost, first_step=500)
    inputs = reduced(production, localhost)
    assert sorted(inputs["folders"]) == ["segment_0001", "segment_0002"]
    assert "previous" not in inputs


def test_trajectories_are_deleted_at_each_look(launch: Launch, localhost: orm.Computer) -> None:
    """Their reduction is stored; steps that a later job repeats are compared with it."""
    production = launch(stop=EQUILIBRATED, keep_trajectory="until-reduced")
    segment(production, 1, localhost)
    reduced(production, localhost)
    more = production._discard()
    job = submitted(orm.CalcJobNode)
    assert list(more) == ["discards"]
    assert job.process_type == "aiida.calculations:cse.discard"
    assert job.get_option("parser_name") == "cse.discard"
    assert paths(dict(job.inputs.folders)) == ["/scratch/1"]
    assert job.inputs.reduction.uuid == production.ctx.reduction.uuid
    given = {"folders__segment_0001": job.inputs.folders.segment_0001, "reduction": job.inputs.reduction}
    job_node("cse.discard", localhost, given, exit_status=0)
    assert production._discard() == {}, "they are gone"
    look(production, equilibrated=False)
    segment(production, 2, localhost, first_step=500)
    before = production.ctx.reduction
    inputs = reduced(production, localhost)
    assert sorted(inputs["folders"]) == ["segment_0002"]
    assert inputs["previous"].uuid == before.uuid


def test_a_run_that_failed_after_a_look_extends_its_reduction(launch: Launch, localhost: orm.Computer) -> None:
    """The trajectories before the look are gone; the segment after it was complete when the run failed."""
    production = launch(stop=EQUILIBRATED, keep_trajectory="until-reduced")
    segment(production, 1, localhost)
    reduced(production, localhost)
    discarded(production, localhost)
    look(production, equilibrated=False)
    segment(production, 2, localhost)
    run = {"folder": production.ctx.folder, "reduction": production.ctx.reduction, "looks": orm.List([])}
    previous = study.previous_of(run)
    assert previous["reduction"].uuid == production.ctx.reduction.uuid
    again = launch(previous, stop=EQUILIBRATED, keep_trajectory="until-reduced")
    segment(again, 3, localhost, after=production.ctx.segments[-1], source="parent/restart.2000")
    inputs = reduced(again, localhost)
    assert paths(inputs["folders"]) == ["/scratch/2", "/scratch/3"]
    assert inputs["previous"].uuid == previous["reduction"].uuid


def test_a_reduction_with_steps_of_a_dropped_job_is_kept(launch: Launch, localhost: orm.Computer) -> None:
    """The second segment is dropped after its trajectory was deleted: its steps were compared with the third's."""
    production = launch(stop=EQUILIBRATED | {"first_look_ns": 0.004}, length_ps=8, keep_trajectory="until-reduced")
    first = segment(production, 1, localhost)
    segment(production, 2, localhost)
    reduced(production, localhost)
    discarded(production, localhost)
    look(production, equilibrated=False)
    segment(production, 3, localhost, after=first, source="parent/restart.1000", first_step=1000)
    inputs = reduced(production, localhost)
    assert paths(inputs["folders"]) == ["/scratch/3"]
    discarded(production, localhost)
    look(production, equilibrated=False)
    reduction, folder = production.ctx.reduction, production.ctx.folder
    assert covered_jobs(reduction, folder) == 2
    assert covered_jobs(inputs["previous"], folder) == 0, "it ends with the steps of the dropped job"
    previous = study.previous_of({"folder": folder, "reduction": reduction, "looks": orm.List([])})
    again = launch(previous, stop=EQUILIBRATED, length_ps=8, keep_trajectory="until-reduced")
    segment(again, 4, localhost, after=production.ctx.segments[-1], source="parent/restart.3000")
    inputs = reduced(again, localhost)
    assert paths(inputs["folders"]) == ["/scratch/4"]
    assert inputs["previous"].uuid == reduction.uuid


def test_a_dropped_segment_leaves_the_reduction(launch: Launch, localhost: orm.Computer) -> None:
    """The folder of the second segment is gone, so the third continues from the first."""
    production = launch(stop=EQUILIBRATED)
    first = segment(production, 1, localhost)
    reduced(production, localhost)
    before = production.ctx.reduction
    look(production, equilibrated=False)
    segment(production, 2, localhost)
    reduced(production, localhost)
    look(production, equilibrated=False)
    dropped = production.ctx.reduction
    segment(production, 3, localhost, after=first, source="parent/restart.1000", first_step=1000)
    inputs = reduced(production, localhost)
    assert sorted(inputs["folders"]) == ["segment_0002"]
    assert inputs["folders"]["segment_0002"].get_remote_path() == "/scratch/3"
    assert inputs["previous"].uuid == before.uuid
    said = [log.message for log in orm.Log.collection.get_logs_for(production.node)]
    words = f"<{dropped.pk}> holds steps that were dropped from the run; extending <{before.pk}> instead"
    assert any(words in message for message in said)


def test_a_reduction_of_dropped_jobs_that_ends_at_the_same_step_is_not_accepted(
    launch: Launch, localhost: orm.Computer
) -> None:
    """The run began again after its look, and failed at the step at which that look had been."""
    first, again = launch(stop=EQUILIBRATED), launch(stop=EQUILIBRATED)
    segment(first, 1, localhost)
    reduced(first, localhost)
    segment(again, 1, localhost)
    previous = {"folder": again.ctx.folder, "reduction": first.ctx.reduction, "looks": orm.List([])}
    complete = launch(previous, stop=EQUILIBRATED, length_ps=2)
    complete.gather_jobs()
    assert complete.has_to_reduce()
    longer = launch(previous, stop=EQUILIBRATED)
    segment(longer, 2, localhost, after=again.ctx.segments[-1], source="parent/restart.1000")
    inputs = reduced(longer, localhost)
    assert paths(inputs["folders"]) == ["/scratch/1", "/scratch/2"]
    assert "previous" not in inputs


def test_an_analysis_that_broke_off_is_repeated(launch: Launch, localhost: orm.Computer) -> None:
    production = launch(stop=EQUILIBRATED)
    segment(production, 1, localhost)
    reduced(production, localhost)
    broken = run_node("cse.analysis", exit_status=None)
    broken.set_process_state("excepted")
    production.ctx.analyses = [broken]
    assert production.inspect_analysis() is None
    assert production.goes_on()
    assert not production.has_segments()
    look(production, equilibrated=True)
    assert production.ctx.verdicts == [True]


def test_looks_remain_when_a_segment_fails(launch: Launch, localhost: orm.Computer) -> None:
    production = launch(stop=EQUILIBRATED)
    segment(production, 1, localhost)
    reduced(production, localhost)
    look(production, equilibrated=False)
    production.ctx.segments = [*production.ctx.segments, run_node("cse.base", exit_status=431, exit_message="no")]
    assert production.inspect_segment().status == 343
    assert {"folders", "reduction", "looks"} <= set(production.outputs)


# -- continuation ---------------------------------------------------------------------------------------------


@pytest.fixture
def ended(launch: Launch, localhost: orm.Computer) -> Any:
    """A production of 6 ps that has not equilibrated."""
    production = launch(stop=EQUILIBRATED)
    for number in (1, 2, 3):
        segment(production, number, localhost)
        reduced(production, localhost)
        look(production, equilibrated=False)
    assert production.finish().status == 500
    return production


def previous_of(production: Any) -> dict[str, orm.Data]:
    outputs = production.outputs
    return {
        "folder": outputs["folders"]["segment_0003"],
        "reduction": outputs["reduction"],
        "looks": outputs["looks"],
    }


def test_a_longer_production_continues_a_shorter_one(ended: Any, launch: Launch, localhost: orm.Computer) -> None:
    longer = launch(previous_of(ended), stop=EQUILIBRATED, length_ps=10)
    longer.run_segment()
    run = submitted(orm.WorkChainNode)
    assert run.inputs.lammps.parent_folder.get_remote_path() == "/scratch/3"
    assert (run.inputs.lammps.plan["resume_step"], run.inputs.lammps.plan["stop_step"]) == (3000, 4000)
    more = {"after": ended.ctx.segments[-1], "source": "parent/restart.3000"}
    segment(longer, 4, localhost, **more)
    inputs = reduced(longer, localhost)
    assert sorted(inputs["folders"]) == ["segment_0004"]
    assert inputs["previous"].uuid == ended.outputs["reduction"].uuid
    look(longer, equilibrated=True)
    assert longer.finish() is None
    assert [seen["look"] for seen in longer.outputs["looks"].get_list()] == [1, 2, 3, 4]
    assert longer.outputs["stages"]["steps"] == 4000
    assert longer.outputs["stages"]["jobs"] == 4
    assert sorted(longer.outputs["folders"]) == [f"segment_{number:04d}" for number in (1, 2, 3, 4)]


def test_other_criteria_void_earlier_verdicts(ended: Any, launch: Launch) -> None:
    previous = previous_of(ended)
    looks = [look | {"criteria": {}} for look in previous["looks"].get_list()]
    assert launch(previous, length_ps=10).ctx.verdicts == [False] * 3
    assert launch(previous | {"looks": orm.List(looks)}, length_ps=10).ctx.verdicts == []


def test_a_complete_run_is_only_analysed_again(ended: Any, launch: Launch) -> None:
    again = launch(previous_of(ended), stop=EQUILIBRATED)
    assert again.goes_on()
    assert not again.has_segments()
    again.gather_jobs()
    assert not again.has_to_reduce()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"thermostat_fs": 50}, "used thermostat_fs = 100.0; a continuation must use the same, not 50.0"),
        ({"timestep_fs": 1.0}, "used timestep_fs = 2.0; a continuation must use the same, not 1.0"),
        ({"settings": {"cutoff": 8.0, "restart_interval": 500}}, "settings.cutoff"),
    ],
)
def test_a_run_with_other_settings_is_not_continued(
    ended: Any, launch: Launch, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=r"previous\.folder: ") as caught:
        launch(previous_of(ended), length_ps=10, **change)
    assert message in str(caught.value)


def test_only_the_end_of_a_run_is_continued(ended: Any, launch: Launch, localhost: orm.Computer) -> None:
    previous = previous_of(ended)
    folder = orm.RemoteData(computer=localhost, remote_path="/scratch/no").store()
    with pytest.raises(ValueError, match="must be the folder of a segment that reached its last step"):
        launch(previous | {"folder": folder}, length_ps=10)
    with pytest.raises(ValueError, match=r"previous\.folder is missing"):
        launch({"reduction": previous["reduction"]}, length_ps=10)
    with pytest.raises(ValueError, match=r"previous\.reduction: ends at step 590, the earlier run at step 3000"):
        launch(previous | {"reduction": reduction_node()}, length_ps=10)
