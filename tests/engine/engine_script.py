"""A Python with the arguments ``run NAME MARKS SECONDS``, ``resume PK`` or ``stop PK SECONDS``: one embedded run.

``run-and-die-at-submission`` kills this Python when its first job has started, before its number is stored;
``run-on-a-full-disk`` lets this Python write no file from then on.
Prints the PK of the process as soon as it has one, and at the end the final states of the processes as JSON.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from aiida.orm import CalcJobNode, Int, ProcessNode, Str, load_node

from aiida_cse.cli.site.environment import ensure_code, ensure_computer, ensure_profile
from aiida_cse.engine import embedded, stopping
from aiida_cse.engine.embedded import UnfinishedError, resume_embedded, run_embedded
from aiida_cse.engine.stop_marks import stopped_at
from tests.engine import engine_processes


def main(command: str, *arguments: str) -> None:
    ensure_profile()
    for name in ("_STATEMENT", "_LEAVING", "_PATIENCE", "_ATTEMPT", "_ATTEMPT_TIME", "_FORGOTTEN"):
        if name in os.environ:
            setattr(embedded, name, float(os.environ[name]))
    try:
        if command == "resume":
            node = resume_embedded(int(arguments[0]))
        elif command == "stop":
            stopping._PATIENCE, stopping._AFTER_SIGNAL = float(arguments[1]), 0.5
            node = stopping.stop_run(load_node(int(arguments[0])), print)
        else:
            if command == "run-and-die-at-submission":
                CalcJobNode.set_job_id = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore
            announce = Announce(Path(arguments[1]) if command == "run-on-a-full-disk" else None)
            node = run_embedded(builder(*arguments), announce)
    except UnfinishedError as error:
        print(error)
        sys.exit(130)
    print(json.dumps([fate(node), *map(fate, node.called_descendants)]))


def builder(name: str, marks: str, seconds: str) -> Any:
    computer = ensure_computer(Path(os.environ["AIIDA_PATH"]) / "work").entity
    builder = getattr(engine_processes, name).get_builder()
    builder.code = ensure_code(computer, "bash", Path("/bin/bash"), "core.arithmetic.add", with_mpi=False).entity
    if name == "InnerWorkChain":
        builder.name = Str("a")
    builder.marks, builder.seconds = Str(marks), Int(int(seconds))
    return builder


def fate(node: ProcessNode) -> dict[str, Any]:
    return {
        "label": node.process_label,
        "state": node.process_state.value if node.process_state else None,
        "exit_status": node.exit_status,
        "sealed": node.is_sealed,
        "checkpoint": node.checkpoint is not None,
        "stopped": stopped_at(node) is not None,
    }


def main_of_fork(stdout: Connection, arguments: tuple[str, ...], settings: dict[str, str]) -> None:
    """Do the same in a process that a Python with all this imported has forked, in a session of its own."""
    os.setsid()
    for stream in (1, 2):
        os.dup2(stdout.fileno(), stream)
    stdout.close()
    os.environ.update(settings)
    main(*arguments)


class Announce:
    """Prints the PK once; fills the disk when a job has written its first mark."""

    done = False

    def __init__(self, marks: Path | None) -> None:
        self.marks = marks

    def __call__(self, node: ProcessNode) -> None:
        if self.marks is not None and "start" in self.marks.read_text():
            resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
        if not self.done:
            print(f"PK {node.pk}", flush=True)
        self.done = True
