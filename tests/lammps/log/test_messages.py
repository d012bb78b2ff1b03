"""Messages of machines: each example of the table has its kind, with others around it."""

import pytest

from aiida_cse.lammps.log.messages import MESSAGES, Message
from aiida_cse.lammps.log.outcome import diagnose

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
    ("line", "kind"),
    [
        ("=>> PBS: job killed: mem 4194400kb exceeded limit 4194304kb", "out_of_memory"),
        ("=>> PBS: job killed: cput 3701 exceeded limit 3600", "time_limit"),
        ("TERM_SWAP: job killed after reaching LSF swap usage limit.", "out_of_memory"),
        ("TERM_OWNER: job killed by owner.", "interrupted"),
        ("slurmstepd: error: *** JOB 81 ON n01 CANCELLED AT 2026-11-30T08:00:00 ***", "interrupted"),
        ("Cgroup memory limit exceeded: Killed process 81", "out_of_memory"),
        ("ERROR on proc 3: Failed to allocate 2147483648 bytes for array atom:x", "out_of_memory"),
    ],
)
def test_variants_are_classified(line: str, kind: str) -> None:
    found = diagnose([line])
    assert found is not None
    assert found.kind == kind
