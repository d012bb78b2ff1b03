"""The restart chain: its response to every way in which a job can end."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiida import orm
from aiida.common.datastructures import StashMode
from aiida.engine import ExitCode

from aiida_cse.data.system import CseSystemData
from aiida_cse.engine.stop_marks import mark_stopped
from aiida_cse.lammps.files.system import System
from aiida_cse.lammps.protocol.stage import JobPlan, Recovery
from aiida_cse.workchains.base import LammpsBaseWorkChain
from aiida_cse.workchains.common.builders import Codes
from tests.nodes import finish, job_node, new_job, system_node
from tests.systems import crystal_and_molecules
from tests.workchains.conftest import Make

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

PLAN = {
    "stages": [{"name": "heat", "kind": "nvt", "duration_ps": 2, "temperature": 300}],
    "settings": {"restart_interval": 100},
}
LOST = "Atoms were lost: ERROR: Lost atoms"


class Chain:
    """A restart chain whose jobs end as a test sets."""

    def __init__(self, process: Any, computer: orm.Computer) -> None:
        self.process, self._computer = process, computer
        self.process.setup()

    @property
    def folders(self) -> list[str]:
        return [job.outputs.remote_folder.get_remote_path() for job in self.process.ctx.get("children", [])]

    @property
    def continues_from(self) -> str | None:
        """The folder of the job from which the next one continues; None if it starts from the first step."""
        parent = self.process.ctx.inputs.get("parent_folder")
        return None if parent is None else str(parent.get_remote_path())

    @property
    def plan(self) -> JobPlan:
        """The plan of the next job."""
        return JobPlan.model_validate(self.process.ctx.inputs.plan.get_dict())

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.process.ctx.inputs.metadata.options)

    @property
    def reports(self) -> list[str]:
        return [log.message.split(": ", 1)[1] for log in orm.Log.collection.get_logs_for(self.process.node)]

    def job_ends(
        self,
        status: int,
        step: int | None = None,
        message: str = "",
        *,
        first_step: int = 0,
        restart_file: str = "none",
        stash: str | None = None,
        thermo: dict[str, np.ndarray] | None = None,
        system: System | None = None,
        exact_reason: str | None = None,
        restart_damaged: bool = False,
        stopped: bool = False,
    ) -> ExitCode | None:
        """Let the next job end with this status at this step; return the exit code of the chain, if any."""
        number = len(self.folders) + 1
        made: dict[str, orm.Data] = {}
        if step is not None:
            made["results"] = orm.Dict(
                {
                    "step": step,
                    "target_step": 1000,
                    "first_step": first_step,
                    "restart_file": restart_file,
                    "stages": [{"name": "heat"}],
                    "exact": exact_reason is None,
                    "exact_reason": exact_reason,
                    "restart_damaged": restart_damaged,
                }
            )
        if thermo is not None:
            made["thermo"] = orm.ArrayData(thermo)
        if system is not None:
            made["system"] = CseSystemData(system)
        if stash is not None:
            made["remote_stash"] = stash_node(self._computer, stash)
        parent = self.process.ctx.inputs.get("parent_folder")
        job = job_node(
            "cse.lammps",
            self._computer,
            {} if parent is None else {"parent_folder": parent},
            outputs=made,
            exit_status=status,
            exit_message=message,
            folder=f"/scratch/{number}",
        )
        mark_stopped([job] if stopped else [])
        assert JobPlan.model_validate(self.plan.model_dump()) == self.plan
        ctx = self.process.ctx
        ctx.iteration = number
        ctx.children = [*ctx.get("children", []), job]
        answer: ExitCode | None = self.process.inspect_process()
        return answer

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs of the chain so far, namespaces by name."""
        return dict(self.process.outputs)


def stash_node(computer: orm.Computer, path: str) -> orm.RemoteStashFolderData:
    return orm.RemoteStashFolderData(
        computer=computer, target_basepath=path, stash_mode=StashMode.COPY, source_list=["restart.*"]
    )


@pytest.fixture
def inputs(codes: Codes) -> dict[str, Any]:
    return {"lammps": {"code": codes["lammps"], "system": system_node(), "plan": orm.Dict(PLAN)}}


@pytest.fixture
def chain(make: Make, inputs: dict[str, Any], localhost: orm.Computer) -> Chain:
    return Chain(make(LammpsBaseWorkChain, **inputs), localhost)


def continues(answer: ExitCode | None) -> bool:
    return answer is None or answer.status == 0


def test_a_run_may_finish_in_one_job(chain: Chain) -> None:
    assert chain.job_ends(0, 1000) is None
    assert not chain.process.should_run_process()
    chain.process.results()
    assert chain.outputs["results"]["step"] == 1000
    assert list(chain.outputs["folders"]) == ["job_0001"]


def test_continuation_after_wall_time_is_no_failure(chain: Chain) -> None:
    for number in range(1, 6):
        assert continues(chain.job_ends(400, 10 * number))
        assert chain.process.should_run_process()
        assert chain.continues_from == f"/scratch/{number}"
    assert chain.process.ctx.failures == 0
    assert chain.job_ends(0, 1000) is None
    assert not chain.process.should_run_process()
    folders = chain.outputs["folders"]
    assert list(folders) == [f"job_{number:04d}" for number in range(1, 7)]
    assert [folder.get_remote_path() for folder in folders.values()] == chain.folders


def test_a_wall_time_without_checkpoint_ends_the_run(chain: Chain) -> None:
    assert continues(chain.job_ends(400, 200))
    answer = chain.job_ends(400, 200)
    assert answer is not None
    assert answer.status == 430
    assert "stuck at step 200" in answer.message
    assert list(chain.outputs["folders"]) == ["job_0001", "job_0002"], "the folders of both jobs remain available"


@pytest.mark.parametrize("status", [420, 421, 422, 423, 425, 110, 120, 140, 160, 303, 320])
def test_an_interruption_is_counted_and_continued(chain: Chain, status: int) -> None:
    assert continues(chain.job_ends(status))
    assert chain.continues_from == "/scratch/1"
    assert chain.process.ctx.failures == 1


def test_too_many_interruptions_end_the_run(chain: Chain) -> None:
    for number in (1, 2, 3):
        assert continues(chain.job_ends(140))
        assert chain.continues_from == f"/scratch/{number}"
    answer = chain.job_ends(110, None, "The node failed.")
    assert answer is not None
    assert answer.status == 431
    last = chain.process.ctx.children[-1].pk
    assert answer.message.startswith("The run was interrupted 4 times without progress, the last time with [110]")
    assert answer.message.endswith(f" job <{last}>: The node failed.")
    assert len(chain.outputs["folders"]) == 4


def test_a_job_that_was_stopped_is_no_failure(chain: Chain) -> None:
    for number, status in enumerate((303, 420, 425, 140, 420), 1):
        assert continues(chain.job_ends(status, stopped=True))
        assert chain.continues_from == f"/scratch/{number}"
    assert sum("was stopped; continuing" in report for report in chain.reports) == 5
    for _ in range(3):
        assert continues(chain.job_ends(140))
    assert chain.job_ends(140) is not None


def test_interruptions_count_from_the_last_progress(chain: Chain) -> None:
    for number, (status, step, failures) in enumerate(
        [(420, None, 1), (420, None, 2), (400, 100, 0), (120, None, 1), (400, 300, 0), (140, None, 1)], 1
    ):
        assert continues(chain.job_ends(status, step))
        assert chain.continues_from == f"/scratch/{number}"
        assert chain.process.ctx.failures == failures
    assert chain.job_ends(0, 1000) is None


def test_the_budget_of_failures_is_an_input(make: Make, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    chain = Chain(make(LammpsBaseWorkChain, **inputs, max_failures=orm.Int(0)), localhost)
    answer = chain.job_ends(420)
    assert answer is not None
    assert answer.status == 431


@pytest.mark.parametrize("status", [304, 310, 311, 312, 403, 424])
def test_an_unrecoverable_failure_keeps_the_code_of_the_job(chain: Chain, status: int) -> None:
    answer = chain.job_ends(status, 40, "Atoms were lost: ERROR: Lost atoms")
    assert answer is not None
    assert answer.status == status
    assert answer.message == f"job <{chain.process.ctx.children[0].pk}>: Atoms were lost: ERROR: Lost atoms"
    assert list(chain.outputs["folders"]) == ["job_0001"]


def test_an_excepted_job_ends_the_run_with_its_cause(chain: Chain) -> None:
    job = job_node("cse.lammps", chain.process.inputs.lammps.code.computer)
    job.set_process_state("excepted")
    job.set_exception("Traceback (most recent call last):\n  …\n\nOSError: the pipe is broken\n")
    chain.process.ctx.iteration, chain.process.ctx.children = 1, [job]
    answer = chain.process.inspect_process()
    assert answer.status == 301
    assert answer.message == (
        f"The sub process excepted: job <{job.pk}> failed with [excepted] OSError: the pipe is broken"
    )
    assert list(chain.outputs["folders"]) == ["job_0001"]


@pytest.mark.parametrize("status", [0, 420])
def test_a_job_without_a_remote_folder_ends_the_run(chain: Chain, status: int) -> None:
    job = new_job("cse.lammps", chain.process.inputs.lammps.code.computer)
    finish(job, status, "killed")
    chain.process.ctx.iteration, chain.process.ctx.children = 1, [job]
    answer = chain.process.inspect_process()
    assert answer.status == 433
    assert f"The job <{job.pk}> ended with [{status}] killed and without a remote folder" in answer.message
    assert chain.outputs["folders"] == {}


def test_a_run_starts_from_its_parent_folder(make: Make, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    earlier = orm.RemoteData(computer=localhost, remote_path="/scratch/earlier").store()
    inputs["lammps"]["parent_folder"] = earlier
    chain = Chain(make(LammpsBaseWorkChain, **inputs), localhost)
    assert chain.continues_from == "/scratch/earlier"
    assert continues(chain.job_ends(400, 10))
    assert chain.continues_from == "/scratch/1"


def test_the_next_job_differs_only_in_its_parent(chain: Chain) -> None:
    chain.process.run_process()
    first = orm.QueryBuilder().append(orm.CalcJobNode, project="*", tag="job").order_by({"job": {"id": "desc"}})
    job = first.first(flat=True)
    assert job.inputs.plan.get_dict() == PLAN
    assert "parent_folder" not in job.inputs
    chain.process.ctx.children = []
    assert continues(chain.job_ends(400, 10))
    chain.process.run_process()
    job = first.first(flat=True)
    assert {**JobPlan.model_validate(PLAN).model_dump(), "resume_step": 1} == chain.plan.model_dump()
    assert job.inputs.plan.get_dict() == chain.plan.model_dump(mode="json", exclude_none=True)
    assert job.inputs.parent_folder.get_remote_path() == "/scratch/1"


def test_the_budget_of_continuations_is_large(chain: Chain) -> None:
    assert chain.process.inputs.max_iterations == 1000


# -- breakdowns -----------------------------------------------------------------------------------------------


def changes(chain: Chain) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = chain.outputs["changes"].get_list()
    return found


@pytest.mark.parametrize("status", [410, 411, 412])
def test_a_blow_up_adds_one_recovery_step_each_time(chain: Chain, status: int) -> None:
    assert continues(chain.job_ends(status, 430, LOST))
    assert chain.continues_from == "/scratch/1"
    assert chain.plan.care == Recovery(until_step=600, substeps=2), "up to two checkpoints after the failed step"
    assert chain.plan.latest_checkpoint is None

    assert continues(chain.job_ends(status, 440, LOST, first_step=400, restart_file="parent/restart.400"))
    assert chain.plan.latest_checkpoint == 399
    assert chain.plan.care == Recovery(until_step=600, substeps=2)

    later = "parent/parent/restart.300"
    assert continues(chain.job_ends(status, 450, LOST, first_step=300, restart_file=later))
    assert chain.plan.care == Recovery(until_step=600, substeps=2, relax_steps=2000)

    answer = chain.job_ends(status, 310, LOST, first_step=300, restart_file=f"parent/{later}")
    assert answer is not None
    last = chain.process.ctx.children[-1].pk
    assert (answer.status, answer.message) == (status, f"job <{last}>: {LOST}"), "not the number of attempts"
    assert "no recovery step is left; tried: timestep, checkpoint, relaxation" in chain.reports
    assert len(chain.outputs["folders"]) == 4


def test_neighbour_lists_are_the_first_step_after_mesh_errors(chain: Chain) -> None:
    assert continues(chain.job_ends(413, 30, "Atoms left the mesh"))
    assert chain.plan.care == Recovery(until_step=200, rebuild_every_step=True)
    assert continues(chain.job_ends(413, 30, "Atoms left the mesh"))
    assert chain.plan.care == Recovery(until_step=200, rebuild_every_step=True, substeps=2)
    assert continues(chain.job_ends(413, 30, "Atoms left the mesh"))
    assert chain.plan.latest_checkpoint is None, "no checkpoint was written"
    assert chain.plan.care is not None
    assert chain.plan.care.relax_steps == 2000


def test_a_checkpoint_that_fails_at_once_is_skipped(chain: Chain) -> None:
    """The checkpoint was sound when written; an earlier one leads to the same run without other changes."""
    assert continues(chain.job_ends(420, 450))
    assert continues(chain.job_ends(412, 400, "not a number", first_step=400, restart_file="parent/restart.400"))
    assert chain.plan.latest_checkpoint == 399
    assert chain.plan.care is None
    assert continues(chain.job_ends(0, 1000, first_step=300, restart_file="parent/parent/restart.300"))
    assert [(change["change"], change["exact"]) for change in changes(chain)] == [("checkpoint", True)]


def test_results_from_a_damaged_checkpoint_are_discarded(chain: Chain) -> None:
    assert continues(chain.job_ends(420, 450))
    damaged: dict[str, Any] = {"first_step": 400, "restart_file": "parent/restart.400", "restart_damaged": True}
    assert continues(chain.job_ends(320, 900, "another state", exact_reason="another state", **damaged))
    assert chain.plan.latest_checkpoint == 399
    assert continues(chain.job_ends(0, 1000, first_step=300, restart_file="parent/parent/restart.300"))
    assert [(change["change"], change["exact"]) for change in changes(chain)] == [("checkpoint", True)]


def test_a_damaged_first_checkpoint_restarts_the_run(chain: Chain) -> None:
    assert continues(chain.job_ends(420, 50))
    damaged: dict[str, Any] = {"first_step": 1, "restart_file": "parent/restart.1", "restart_damaged": True}
    assert continues(chain.job_ends(320, 900, "another state", **damaged))
    assert chain.continues_from is None
    assert chain.plan.resume_step == 0


def test_recovery_ends_and_its_steps_are_an_output(chain: Chain) -> None:
    assert continues(chain.job_ends(410, 430, LOST))
    assert continues(chain.job_ends(400, 500, first_step=400, restart_file="parent/restart.400"))
    assert chain.plan.care == Recovery(until_step=600, substeps=2), "step 600 is not reached"
    assert continues(chain.job_ends(400, 700, first_step=500, restart_file="parent/restart.500"))
    assert chain.plan.care is None
    assert continues(chain.job_ends(411, 910, "Bond atoms missing", first_step=700))
    assert chain.plan.care == Recovery(until_step=1000, substeps=2), (
        "another breakdown starts with the first change"
    )
    assert chain.job_ends(0, 1000, first_step=900, restart_file="parent/restart.900") is None
    assert changes(chain) == [
        {
            "job": "job_0002",
            "change": "timestep",
            "words": "with every timestep split into 2 up to step 600",
            "exit_status": 410,
            "reason": LOST,
            "until_step": 600,
            "exact": False,
            "from_step": 400,
            "restart_file": "parent/restart.400",
            "reached_step": 500,
        },
        {
            "job": "job_0005",
            "change": "timestep",
            "words": "with every timestep split into 2 up to step 1000",
            "exit_status": 411,
            "reason": "Bond atoms missing",
            "until_step": 1000,
            "exact": False,
            "from_step": 900,
            "restart_file": "parent/restart.900",
            "reached_step": 1000,
        },
    ]
    assert chain.outputs["changes"].creator.process_label == "list_changes"
    assert any("the trajectory differs from here on" in report for report in chain.reports)


def test_a_successful_relaxation_is_not_repeated(chain: Chain) -> None:
    for _ in range(2):
        assert continues(chain.job_ends(412, 30, "nan"))
    assert chain.plan.care == Recovery(until_step=200, substeps=2, relax_steps=2000)
    assert continues(chain.job_ends(420, 50, "killed"))
    assert chain.plan.care == Recovery(until_step=200, substeps=2, relax_steps=2000), "it wrote no checkpoint"
    assert continues(chain.job_ends(400, 100))
    assert chain.plan.care == Recovery(until_step=200, substeps=2)


def test_an_earlier_checkpoint_is_used_until_a_later_one_exists(chain: Chain) -> None:
    for start in (400, 400):
        assert continues(chain.job_ends(410, 430, LOST, first_step=start, restart_file=f"parent/restart.{start}"))
    assert chain.plan.latest_checkpoint == 399
    assert continues(chain.job_ends(420, 350, first_step=300, restart_file="parent/parent/restart.300"))
    assert chain.plan.latest_checkpoint == 399
    assert continues(chain.job_ends(420, 450, first_step=300, restart_file="parent/parent/parent/restart.300"))
    assert chain.plan.latest_checkpoint is None


def test_without_recovery_there_are_no_changes(chain: Chain) -> None:
    assert continues(chain.job_ends(400, 500))
    assert chain.job_ends(0, 1000) is None
    assert "changes" not in chain.outputs


@pytest.mark.parametrize("most", [0, 1])
def test_the_budget_of_changes_is_an_input(
    make: Make, inputs: dict[str, Any], localhost: orm.Computer, most: int
) -> None:
    chain = Chain(make(LammpsBaseWorkChain, **inputs, max_changes=orm.Int(most)), localhost)
    for _ in range(most):
        assert continues(chain.job_ends(413, 30, "Atoms left the mesh"))
    answer = chain.job_ends(413, 30, "Atoms left the mesh")
    assert answer is not None
    assert answer.status == 413


@pytest.mark.parametrize("name", ["max_failures", "max_changes"])
def test_a_negative_budget_is_refused(make: Make, inputs: dict[str, Any], name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} = -1: give 0 or more"):
        make(LammpsBaseWorkChain, **inputs, **{name: orm.Int(-1)})


def with_stage(inputs: dict[str, Any], **change: Any) -> dict[str, Any]:
    plan = {"stages": [PLAN["stages"][0] | change], "settings": PLAN["settings"]}  # type: ignore[index,operator]
    return {"lammps": inputs["lammps"] | {"plan": orm.Dict(plan)}}


def test_a_trajectory_is_never_relaxed(make: Make, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    process = make(LammpsBaseWorkChain, **with_stage(inputs, trajectory_ps=0.1))
    chain = Chain(process, localhost)
    assert continues(chain.job_ends(410, 30, LOST))
    answer = chain.job_ends(410, 30, LOST)
    assert answer is not None
    assert answer.status == 410


def test_a_failed_minimisation_is_unrecoverable(
    make: Make, inputs: dict[str, Any], localhost: orm.Computer
) -> None:
    inputs["lammps"]["plan"] = orm.Dict({"stages": [{"name": "minimize", "kind": "minimize"}]})
    chain = Chain(make(LammpsBaseWorkChain, **inputs), localhost)
    answer = chain.job_ends(412, 0, "nan")
    assert answer is not None
    assert answer.status == 412


def test_a_handler_can_be_switched_off(make: Make, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    off = orm.Dict({"handle_blow_up": {"enabled": False}})
    chain = Chain(make(LammpsBaseWorkChain, **inputs, handler_overrides=off), localhost)
    answer = chain.job_ends(410, 30, LOST)
    assert answer is not None
    assert answer.status == 410


@pytest.mark.parametrize("status", [110, 422])
def test_a_memory_request_grows_after_a_failure(
    make: Make, inputs: dict[str, Any], localhost: orm.Computer, status: int
) -> None:
    inputs["lammps"]["metadata"] = {"options": {"max_memory_kb": 1000}}
    chain = Chain(make(LammpsBaseWorkChain, **inputs), localhost)
    assert continues(chain.job_ends(status, 250, "The job ran out of memory."))
    assert chain.options["max_memory_kb"] == 1500
    assert chain.continues_from == "/scratch/1"
    assert chain.plan.care is None
    assert chain.process.ctx.failures == 0
    assert chain.job_ends(0, 1000, first_step=200, restart_file="parent/restart.200") is None
    (change,) = changes(chain)
    assert (change["change"], change["exact"]) == ("memory", True)


# -- missing and unreadable checkpoints -----------------------------------------------------------------------


def test_an_unreadable_checkpoint_is_skipped(chain: Chain) -> None:
    assert continues(chain.job_ends(400, 500))
    assert continues(chain.job_ends(320, 0, "not readable", restart_file="parent/restart.500"))
    assert chain.continues_from == "/scratch/2", "the folder of the second job, whose parent is the first"
    assert chain.job_ends(0, 1000, first_step=400, restart_file="parent/parent/restart.400") is None
    (change,) = changes(chain)
    assert (change["change"], change["exact"], change["from_step"]) == ("checkpoint", True, 400)
    assert change["words"] == "without parent/restart.500, which could not be read"


def test_an_inexact_continuation_is_reported_once(chain: Chain) -> None:
    reason = "the checkpoint was written by 4 MPI processes, the job ran with 8"
    assert continues(chain.job_ends(400, 500))
    for number in (2, 3):
        source = f"parent/restart.{250 * number}"
        start = 250 * number
        assert continues(
            chain.job_ends(400, start + 250, first_step=start, restart_file=source, exact_reason=reason)
        )
    assert chain.job_ends(0, 1000, first_step=1000, restart_file="parent/restart.1000") is None
    (change,) = changes(chain)
    assert (change["job"], change["change"], change["words"], change["exact"]) == (
        *("job_0002", "continuation"),
        *(reason, False),
    )
    assert chain.process._changes_left() == 4


def test_without_exact_no_change_is_recorded(make: Make, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    inputs["lammps"]["plan"] = orm.Dict(PLAN | {"settings": {"exact": False, "restart_interval": 100}})
    chain = Chain(make(LammpsBaseWorkChain, **inputs), localhost)
    assert continues(chain.job_ends(400, 500, exact_reason="settings.exact is false"))
    assert chain.job_ends(0, 1000, first_step=500, exact_reason="settings.exact is false") is None
    assert "changes" not in chain.outputs


@pytest.mark.parametrize("found", ["not a number: temp at step 30", "runaway temperature: 9000 K"])
def test_findings_of_the_monitor_are_handled_as_breakdowns(chain: Chain, found: str) -> None:
    assert continues(chain.job_ends(150, 30, f"cse.thermo: {found}"))
    assert chain.plan.care == Recovery(until_step=200, substeps=2)


def test_no_progress_is_an_interruption(chain: Chain) -> None:
    assert continues(chain.job_ends(150, 30, "cse.thermo: no progress for 3600 s"))
    assert chain.plan.care is None
    assert chain.process.ctx.failures == 1


def test_other_monitors_end_the_run(chain: Chain) -> None:
    answer = chain.job_ends(150, 30, "budget used up")
    assert answer is not None
    assert (answer.status, answer.message[-16:]) == (150, ": budget used up")


def test_a_missing_folder_is_replaced_by_its_stash(chain: Chain) -> None:
    assert continues(chain.job_ends(400, 500, stash="/archive/1"))
    assert chain.plan.resume_step == 1, "a job that finds no checkpoint must not restart silently"
    assert continues(chain.job_ends(320, 0, "no restart file: the folder of an earlier job is gone"))
    assert chain.process.ctx.inputs.parent_folder.target_basepath == "/archive/1"
    assert chain.job_ends(0, 1000, first_step=500, restart_file="parent/restart.500") is None
    (change,) = changes(chain)
    assert (change["change"], change["exact"]) == ("stash", True)
    assert change["words"] == "from the stash /archive/1"


def test_a_missing_folder_is_replaced_by_that_of_the_job_before(
    make: Make, inputs: dict[str, Any], localhost: orm.Computer, tmp_path: Path
) -> None:
    """The steps of the job without a folder are dropped; another missing folder is passed over."""
    places = [str(tmp_path), "/scratch/missing", "/scratch/gone"]
    jobs: list[orm.CalcJobNode] = []
    for step, place in zip((200, 300, 400), places, strict=True):
        parent = {"parent_folder": jobs[-1].outputs.remote_folder} if jobs else {}
        made = {"results": orm.Dict({"first_step": step - 100, "step": step})}
        jobs.append(job_node("cse.lammps", localhost, parent, outputs=made, exit_status=0, folder=place))
    inputs["lammps"]["parent_folder"] = jobs[-1].outputs.remote_folder
    inputs["lammps"]["plan"] = orm.Dict(PLAN | {"resume_step": 400})
    chain = Chain(make(LammpsBaseWorkChain, **inputs), localhost)
    assert continues(chain.job_ends(320, 0, "no restart file: the folder of an earlier job is gone"))
    assert chain.continues_from == str(tmp_path)
    (change,) = chain.process.ctx.changes
    assert (change["change"], change["exact"]) == ("folder", True)
    assert change["words"] == (
        f"from the folder {tmp_path} of job <{jobs[0].pk}>, which reached step 200; the frames of job "
        f"<{jobs[-1].pk}> to step 400 are dropped and run again, because no checkpoint is left in its folder"
    )


def test_without_a_stash_a_complete_chain_restarts(chain: Chain) -> None:
    assert continues(chain.job_ends(400, 500))
    assert continues(chain.job_ends(320, 0, "no restart file of step 1 or later to go on from"))
    assert chain.continues_from is None
    assert chain.plan.resume_step == 0
    assert any("from the first step, because no checkpoint is left" in report for report in chain.reports)


def test_a_missing_folder_without_a_stash_ends_the_run(
    make: Make, inputs: dict[str, Any], localhost: orm.Computer
) -> None:
    earlier = orm.RemoteData(computer=localhost, remote_path="/scratch/earlier").store()
    inputs["lammps"]["parent_folder"] = earlier
    inputs["lammps"]["plan"] = orm.Dict(PLAN | {"resume_step": 400})
    chain = Chain(make(LammpsBaseWorkChain, **inputs), localhost)
    answer = chain.job_ends(320, 0, "no restart file: the folder of an earlier job is gone")
    assert answer is not None
    assert answer.status == 432
    assert "/scratch/earlier" in answer.message
    assert f"the system <{inputs['lammps']['system'].pk}>" in answer.message


# -- plausibility ---------------------------------------------------------------------------------------------


def rows(first: int, last: int, temperature: float, shift: float = 0.0) -> dict[str, np.ndarray]:
    """Return the thermo output of the stage between two steps."""
    steps = np.arange(first, last + 1, 20)
    ones = np.ones(len(steps))
    return {
        "stage": np.zeros(len(steps), dtype=int),
        "step": steps,
        "temp": temperature * ones,
        "ke": 0.003 * 300 * temperature * ones,
        "c_held_shift": shift * ones,
    }


def test_a_plausible_run_finishes(chain: Chain) -> None:
    assert chain.job_ends(0, 1000, thermo=rows(0, 1000, 301.0), system=crystal_and_molecules()) is None
    assert not any(report.startswith(("warn", "fail")) for report in chain.reports)


def test_unusual_values_are_reported(chain: Chain) -> None:
    assert chain.job_ends(0, 1000, thermo=rows(0, 1000, 350.0)) is None
    assert "warn: stage heat: the mean temperature is 350 K instead of 300 K" in chain.reports


def test_impossible_values_fail_the_run(chain: Chain) -> None:
    answer = chain.job_ends(0, 1000, thermo=rows(0, 1000, 301.0, shift=0.2))
    assert answer is not None
    assert answer.status == 419
    assert answer.message == (
        "The run reached its last step but is not plausible: stage heat: held atoms moved by up to 0.2 Å."
    )


def test_all_jobs_are_judged_and_no_row_twice(chain: Chain) -> None:
    """The second half of the rows is that of the second job at 300 K, not of the first at 900 K."""
    assert continues(chain.job_ends(420, 900, thermo=rows(0, 900, 900.0)))
    second = rows(100, 1000, 300.0)
    assert chain.job_ends(0, 1000, first_step=100, restart_file="parent/restart.100", thermo=second) is None
    assert not any(report.startswith(("warn", "fail")) for report in chain.reports)


def test_the_limits_are_an_input(make: Make, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    strict = orm.Dict({"temperature": {"fail": 0.01}})
    chain = Chain(make(LammpsBaseWorkChain, **inputs, sanity=strict), localhost)
    answer = chain.job_ends(0, 1000, thermo=rows(0, 1000, 350.0))
    assert answer is not None
    assert answer.status == 419
    with pytest.raises(ValueError, match="did you mean 'temperature'"):
        make(LammpsBaseWorkChain, **inputs, sanity=orm.Dict({"temperatur": {}}))
