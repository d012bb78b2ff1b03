"""The restart chain: what it does with each way in which a job can end."""

from typing import Any

import pytest
from aiida import orm
from aiida.engine import ExitCode

from aiida_cse.workchains.base import LammpsBaseWorkChain
from aiida_cse.workchains.builders import Codes
from tests.nodes import job_node, system_node
from tests.workchains.conftest import Make

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

PLAN = {"stages": [{"name": "heat", "kind": "nvt", "duration_ps": 2, "temperature": 300}]}


class Chain:
    """A restart chain whose jobs end as the test says."""

    def __init__(self, process: Any, computer: orm.Computer) -> None:
        self.process, self._computer = process, computer
        self.process.setup()

    @property
    def folders(self) -> list[str]:
        return [job.outputs.remote_folder.get_remote_path() for job in self.process.ctx.get("children", [])]

    @property
    def goes_on_from(self) -> str | None:
        """The folder of the job that the next one goes on from, None if it starts anew."""
        parent = self.process.ctx.inputs.get("parent_folder")
        return None if parent is None else str(parent.get_remote_path())

    def job_ends(self, status: int, step: int | None = None, message: str = "") -> ExitCode | None:
        """Let the next job end with this status at this step; return what the chain makes of it."""
        number = len(self.folders) + 1
        results = {} if step is None else {"results": orm.Dict({"step": step, "target_step": 1000})}
        job = job_node(
            "cse.lammps",
            self._computer,
            outputs=results,
            exit_status=status,
            exit_message=message,
            folder=f"/scratch/{number}",
        )
        ctx = self.process.ctx
        ctx.iteration = number
        ctx.children = [*ctx.get("children", []), job]
        answer: ExitCode | None = self.process.inspect_process()
        return answer

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs of the chain so far, namespaces by name."""
        return dict(self.process.outputs)


@pytest.fixture
def inputs(codes: Codes) -> dict[str, Any]:
    return {"lammps": {"code": codes["lammps"], "system": system_node(), "plan": orm.Dict(PLAN)}}


@pytest.fixture
def chain(make: Make, inputs: dict[str, Any], localhost: orm.Computer) -> Chain:
    return Chain(make(LammpsBaseWorkChain, **inputs), localhost)


def goes_on(answer: ExitCode | None) -> bool:
    return answer is None or answer.status == 0


def test_a_run_that_finishes_at_once(chain: Chain) -> None:
    assert chain.job_ends(0, 1000) is None
    assert not chain.process.should_run_process()
    chain.process.results()
    assert chain.outputs["results"]["step"] == 1000
    assert list(chain.outputs["folders"]) == ["job_0001"]


def test_after_the_wall_time_it_goes_on_and_counts_no_failure(chain: Chain) -> None:
    for number in range(1, 6):
        assert goes_on(chain.job_ends(400, 10 * number))
        assert chain.process.should_run_process()
        assert chain.goes_on_from == f"/scratch/{number}"
    assert chain.process.ctx.failures == 0
    assert chain.job_ends(0, 1000) is None
    assert not chain.process.should_run_process()
    folders = chain.outputs["folders"]
    assert list(folders) == [f"job_{number:04d}" for number in range(1, 7)]
    assert [folder.get_remote_path() for folder in folders.values()] == chain.folders


def test_a_wall_time_that_reaches_no_checkpoint_ends_it(chain: Chain) -> None:
    assert goes_on(chain.job_ends(400, 200))
    answer = chain.job_ends(400, 200)
    assert answer is not None
    assert answer.status == 430
    assert "stuck at step 200" in answer.message
    assert list(chain.outputs["folders"]) == ["job_0001", "job_0002"], "what is done stays named"


@pytest.mark.parametrize("status", [420, 110, 120, 140, 303, 320])
def test_after_an_interruption_it_goes_on_and_counts(chain: Chain, status: int) -> None:
    assert goes_on(chain.job_ends(status))
    assert chain.goes_on_from == "/scratch/1"
    assert chain.process.ctx.failures == 1


def test_too_many_interruptions_end_it(chain: Chain) -> None:
    for number in (1, 2, 3):
        assert goes_on(chain.job_ends(140))
        assert chain.goes_on_from == f"/scratch/{number}"
    answer = chain.job_ends(110, None, "The node failed.")
    assert answer is not None
    assert answer.status == 431
    assert answer.message == "The run failed 4 times; the last time with exit code 110: The node failed."
    assert len(chain.outputs["folders"]) == 4


def test_interruptions_count_from_the_last_progress(chain: Chain) -> None:
    for number, (status, step, failures) in enumerate(
        [(420, None, 1), (420, None, 2), (400, 100, 0), (120, None, 1), (400, 300, 0), (140, None, 1)], 1
    ):
        assert goes_on(chain.job_ends(status, step))
        assert chain.goes_on_from == f"/scratch/{number}"
        assert chain.process.ctx.failures == failures
    assert chain.job_ends(0, 1000) is None


def test_how_often_it_may_fail_is_an_input(make: Make, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    chain = Chain(make(LammpsBaseWorkChain, **inputs, max_failures=orm.Int(0)), localhost)
    answer = chain.job_ends(420)
    assert answer is not None
    assert answer.status == 431


@pytest.mark.parametrize("status", [310, 311, 410, 411, 412, 413])
def test_what_it_cannot_mend_ends_it_with_the_jobs_own_code(chain: Chain, status: int) -> None:
    answer = chain.job_ends(status, 40, "Atoms were lost: ERROR: Lost atoms")
    assert answer is not None
    assert (answer.status, answer.message) == (status, "Atoms were lost: ERROR: Lost atoms")
    assert list(chain.outputs["folders"]) == ["job_0001"]


def test_a_job_that_excepted_ends_it(chain: Chain) -> None:
    job = job_node("cse.lammps", chain.process.inputs.lammps.code.computer)
    job.set_process_state("excepted")
    chain.process.ctx.iteration, chain.process.ctx.children = 1, [job]
    answer = chain.process.inspect_process()
    assert answer.status == 301
    assert list(chain.outputs["folders"]) == ["job_0001"]


def test_it_starts_where_it_is_told_to(make: Make, inputs: dict[str, Any], localhost: orm.Computer) -> None:
    earlier = orm.RemoteData(computer=localhost, remote_path="/scratch/earlier").store()
    inputs["lammps"]["parent_folder"] = earlier
    chain = Chain(make(LammpsBaseWorkChain, **inputs), localhost)
    assert chain.goes_on_from == "/scratch/earlier"
    assert goes_on(chain.job_ends(400, 10))
    assert chain.goes_on_from == "/scratch/1"


def test_the_next_job_is_the_same_but_for_its_parent(chain: Chain) -> None:
    chain.process.run_process()
    first = orm.QueryBuilder().append(orm.CalcJobNode, project="*", tag="job").order_by({"job": {"id": "desc"}})
    job = first.first(flat=True)
    assert job.inputs.plan.get_dict() == PLAN
    assert "parent_folder" not in job.inputs
    chain.process.ctx.children = []
    assert goes_on(chain.job_ends(400, 10))
    chain.process.run_process()
    job = first.first(flat=True)
    assert job.inputs.plan.get_dict() == PLAN
    assert job.inputs.parent_folder.get_remote_path() == "/scratch/1"


def test_the_budget_of_continuations_is_large(chain: Chain) -> None:
    assert chain.process.inputs.max_iterations == 1000
