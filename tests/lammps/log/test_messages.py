"""Messages of machines: each example of the table has its kind, with others around it."""

from pathlib import Path

import pytest

from aiida_cse.calculations.lammps import LammpsStageCalculation
from aiida_cse.lammps.log.messages import MESSAGES, Message
from aiida_cse.lammps.log.outcome import diagnose
from aiida_cse.parsers.lammps import EXIT_CODE_OF_OUTCOME

PAGE = Path(__file__).parents[3] / "docs" / "science" / "handlers.md"
#: exit code of a LAMMPS job for each kind, and what follows
ACTIONS = {
    "time_limit": "420: continues; 403 before the first checkpoint: ends and asks for more time",
    "disk_full": "424: ends",
    "out_of_memory": "422: continues with more memory",
    "segmentation_fault": "423: continues",
    "interrupted": "420: continues",
    "mpi_abort": "425: continues",
}

HARMLESS = (
    "Per MPI rank memory allocation (min/avg/max) = 9.1 | 9.1 | 9.1 Mbytes",
    "WARNING: Exceeded the number of warnings, suppressing further warnings",
    "slurmstepd: info: task 0 uses 3 % of its memory",
    "Total # of neighbors = 79231",
    "Requested walltime 3600, limit 7200",
    "[n01:81] 1 more process has sent help message help-btl-vader.txt",
)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: f"{one.kind}-{one.pattern[:20]}")
def test_an_example_has_its_kind_and_its_source(message: Message) -> None:
    assert message.compiled.search(message.example)
    found = diagnose([*HARMLESS, message.example, "mpirun noticed that a process exited on signal 6"])
    assert found is not None
    assert (found.kind, found.error) == (message.kind, message.example)
    assert message.source


def test_harmless_lines_are_no_cause() -> None:
    assert diagnose(HARMLESS) is None


@pytest.mark.parametrize(
    "line",
    [
        "memory.oom_control: oom_kill_disable 0",
        "oom_kill 0",
        "Job Name: oom_kill-test",
        "UCX WARN failed to allocate huge pages",
        "resources_used.mem=4194304kb",
    ],
)
def test_words_about_memory_are_no_lack_of_it(line: str) -> None:
    assert diagnose([line]) is None


def test_an_allocation_that_failed_decides_over_a_limit_that_may_be_of_memory() -> None:
    limit = "failed       37  : qmaster enforced h_rt, h_cpu, or h_vmem limit"
    for lines in (["std::bad_alloc", limit], [limit, "std::bad_alloc"]):
        found = diagnose(lines)
        assert found is not None
        assert found.kind == "out_of_memory"
    alone = diagnose(["failed       44  : execd enforced h_rt limit"])
    assert alone is not None
    assert alone.kind == "time_limit"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("=>> PBS: job killed: mem 4194400kb exceeded limit 4194304kb", "out_of_memory"),
        ("=>> PBS: job killed: mem job total 4323312kb exceeded limit 3145728kb", "out_of_memory"),
        ("=>> PBS: job killed: pvmem 4295032832b exceeded limit 4294967296b", "out_of_memory"),
        ("=>> PBS: job killed: cput 3701 exceeded limit 3600", "time_limit"),
        ("=>> PBS: job killed: pcput 3701 exceeded limit 3600", "time_limit"),
        ("=>> PBS: job killed: node 1 (n02) requested job terminate, 'EOF' (code 1099)", "interrupted"),
        ("Cgroup mem limit exceeded: Killed process 81 (lmp), UID 1000", "out_of_memory"),
        ("Cgroup memsw limit exceeded: ", "out_of_memory"),
        ("Cgroup hugetlb limit exceeded: ", "out_of_memory"),
        ("HIP runtime error 2 in call at file 'geryon/hip_device.h' in line 12.", "out_of_memory"),
        ("Cuda driver error 201 in call at file 'a' in line 2.\nMPI_ABORT was invoked", "mpi_abort"),
        ("failed       37  : qmaster enforced h_rt limit", "time_limit"),
        ("MemoryError", "out_of_memory"),
        ("TERM_SWAP: job killed after reaching LSF swap usage limit.", "out_of_memory"),
        ("TERM_OWNER: job killed by owner.", "interrupted"),
        ("slurmstepd: error: *** JOB 81 ON n01 CANCELLED AT 2026-11-30T08:00:00 ***", "interrupted"),
        ("Cgroup memory limit exceeded: Killed process 81", "out_of_memory"),
        ("ERROR on proc 3: Failed to allocate 2147483648 bytes for array atom:x", "out_of_memory"),
    ],
)
def test_variants_are_classified(line: str, kind: str) -> None:
    found = diagnose(line.splitlines())
    assert found is not None
    assert found.kind == kind


def test_every_message_is_in_the_table_of_the_documentation() -> None:
    codes = LammpsStageCalculation.spec().exit_codes
    for kind, action in ACTIONS.items():
        assert action.startswith(str(codes[EXIT_CODE_OF_OUTCOME[kind]].status))
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("| ") and "`" in line
    ]
    shown = [line for line in rows if line.partition(" | ")[0].removeprefix("| ") in PROGRAMS]
    assert shown == [row(message) for message in MESSAGES]


PROGRAMS = {message.source.partition(", ")[0] for message in MESSAGES}


def row(message: Message) -> str:
    """Return the row of a message in the table of the documentation."""
    program, _, source = message.source.partition(", ")
    return f"| {program} | `{message.example}` | {message.place} | {ACTIONS[message.kind]} | {source} |"
