"""The parser of the reduction: the state becomes a node, or the reason an exit code."""

import pytest
from aiida.engine import CalcJob

from aiida_cse.data.reduction import CseReductionData
from tests.nodes import state, state_bytes
from tests.parsers.conftest import Parse, told

pytestmark = pytest.mark.filterwarnings("ignore:Object of type:sqlalchemy.exc.SAWarning")

SAID = "Error: segment_0002/trajectory.dcd: frames are missing between step 4000 and step 6000\n"


def test_the_state_is_a_node(parse: Parse) -> None:
    exit_code, outputs = parse("cse.reduce", temporary={"state.npz": state_bytes()})
    assert exit_code is None
    assert isinstance(outputs["reduction"], CseReductionData)
    assert outputs["reduction"].get_state().equals(state())


def test_a_reduction_that_failed_says_why(parse: Parse) -> None:
    exit_code, outputs = parse("cse.reduce", retrieved={"job.out": SAID})
    assert exit_code is not None
    assert exit_code.status == 334
    assert exit_code.message == f"The trajectory could not be reduced: {SAID.removeprefix('Error: ').strip()}"
    assert outputs == {}


@pytest.mark.parametrize("length", [None, 0, 200, -50])
def test_a_reduction_that_was_killed(parse: Parse, length: int | None) -> None:
    temporary: dict[str, str | bytes] = {} if length is None else {"state.npz": state_bytes()[:length]}
    exit_code, outputs = parse("cse.reduce", retrieved={"job.out": "Killed\n"}, temporary=temporary)
    assert exit_code is not None
    assert exit_code.status == 335
    assert exit_code.message is not None
    assert exit_code.message.startswith("The reduction ended without a complete state: ")
    assert exit_code.message.endswith("; it said: Killed")
    assert "/" not in exit_code.message
    assert exit_code.invalidates_cache
    assert outputs == {}


def test_an_exit_code_of_the_scheduler_takes_precedence(parse: Parse) -> None:
    exit_code, _ = parse("cse.reduce", retrieved={"job.out": SAID}, scheduler=(140, "The node failed."))
    assert exit_code is not None
    assert (exit_code.status, exit_code.message) == (140, f"The node failed. It said: {SAID.strip()}")


@pytest.mark.parametrize(
    ("words", "place", "label"),
    [
        ("=>> PBS: job killed: mem job total 4323312 kb exceeded limit 3145728 kb", "stderr", "MEMORY"),
        ("Cgroup mem limit exceeded: ", "stderr", "MEMORY"),
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate 3.2 GiB for an array", "job", "MEMORY"),
        ("TERM_MEMLIMIT: job killed after reaching LSF memory usage limit.", "stdout", "MEMORY"),
        ("=>> PBS: job killed: walltime 3621 exceeded limit 3600", "stderr", "WALLTIME"),
        ("TERM_RUNLIMIT: job killed after reaching LSF run time limit.", "stdout", "WALLTIME"),
        ("failed       37  : qmaster enforced h_rt limit", "accounting", "WALLTIME"),
    ],
)
def test_a_scheduler_without_an_exit_code_says_why(parse: Parse, words: str, place: str, label: str) -> None:
    files = {"retrieved": {"job.out": f"{words}\n"}} if place == "job" else told(words, place)
    exit_code, outputs = parse("cse.reduce", **files)
    code = CalcJob.spec().exit_codes[f"ERROR_SCHEDULER_OUT_OF_{label}"]
    assert exit_code is not None
    assert (exit_code.status, exit_code.invalidates_cache) == (code.status, True)
    assert exit_code.message == f"{code.message} It said: {words.strip()}"
    assert outputs == {}


def test_a_whole_state_counts_whatever_the_scheduler_says(parse: Parse) -> None:
    files = told("Cgroup mem limit exceeded: ", "stderr")
    exit_code, _ = parse("cse.reduce", temporary={"state.npz": state_bytes()}, **files)
    assert exit_code is None
