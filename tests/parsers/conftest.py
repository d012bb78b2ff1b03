"""Parsing as the engine does it, on stored output."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiida import orm
from aiida.engine import ExitCode
from aiida.plugins import ParserFactory

from tests.nodes import job_node

#: exit code and outputs
Parsed = tuple[ExitCode | None, dict[str, Any]]
Parse = Callable[..., Parsed]


#: report that LSF appends to the standard output of a job, with the script of the job
LSF_REPORT = """\

------------------------------------------------------------
Sender: LSF System <lsfadmin@n01>
Subject: Job 81: <aiida-81> in cluster <c> Exited

Job <aiida-81> was submitted from host <login> by user <me> in cluster <c> at Mon Nov 30 08:00:00 2026
Your job looked like:

------------------------------------------------------------
# LSBATCH: User input
#!/bin/bash
#BSUB -M 4000000
test -w . || echo "ERROR: no space left, Segmentation fault, due to time limit: out of memory"
------------------------------------------------------------

{message}
Exited with exit code 137.

Resource usage summary:

    Max Memory :                                 10240 MB

The output (if any) is above this job summary.


PS:

Read file <_scheduler-stderr.txt> for stderr output of this job.
"""
#: beginning of the accounting of a job of Grid Engine
SGE_ACCOUNTING = """\
==============================================================
qname        all.q
slots        1
{message}
exit_status  137                  (Killed)
maxvmem      955.984MB
"""


def told(message: str, place: str) -> dict[str, Any]:
    """Return the arguments of ``parse`` for a job with a message in the place where its machine writes it."""
    if place == "accounting":
        return {"accounting": SGE_ACCOUNTING.format(message=message)}
    text = LSF_REPORT.format(message=message) if place == "stdout" else f"some\n{message}\nmore\n"
    return {"retrieved": {f"_scheduler-{place}.txt": text}}


@pytest.fixture
def parse(localhost: orm.Computer, tmp_path: Path) -> Parse:
    """Return a function that parses what a job left: retrieved files, and those retrieved for the parser alone."""

    def run(
        entry_point: str,
        inputs: dict[str, orm.Data] | None = None,
        *,
        retrieved: dict[str, str | bytes] | None = None,
        temporary: dict[str, str | bytes] | None = None,
        scheduler: tuple[int, str] | None = None,
        accounting: str | None = None,
    ) -> Parsed:
        node = job_node(entry_point, localhost, inputs, retrieved=retrieved)
        if accounting is not None:
            node.set_detailed_job_info({"retval": 0, "stdout": accounting, "stderr": ""})
        if scheduler is not None:
            node.set_exit_status(scheduler[0])
            node.set_exit_message(scheduler[1])
        for name, content in (temporary or {}).items():
            (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
        parser = ParserFactory(entry_point)(node)
        exit_code = parser.parse(retrieved_temporary_folder=str(tmp_path))
        for output in parser.outputs.values():
            output.store()
        return exit_code, dict(parser.outputs)

    return run
