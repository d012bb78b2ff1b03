"""Jobs on this machine that were started by a Python that died before it could note their process ID."""

from __future__ import annotations

from pathlib import Path

import psutil  # type: ignore[import-untyped]
from aiida.orm import CalcJobNode

__all__ = ["note_started_job"]

_SUBMIT_SCRIPT = "_aiidasubmit.sh"
#: above the largest process ID there is (2^22 on Linux): AiiDA finds no such process and fetches the results
_ENDED = str(2**22 + 1)


def note_started_job(node: CalcJobNode) -> None:
    """Give a job the number that is missing, so that it is not started a second time in the same folder.

    The submit script opens its output before it does anything else: where that file is, the job was started, and
    it runs still, or it has ended.
    """
    if node.get_job_id() is not None or not _is_plain_process(node):
        return
    workdir = node.get_remote_workdir()
    if workdir is None or not (Path(workdir) / str(node.get_option("scheduler_stdout"))).is_file():
        return
    running = _process_in(Path(workdir))
    node.set_job_id(_ENDED if running is None else str(running))
    found = "had ended" if running is None else f"runs as process {running}"
    node.logger.report(f"started by a Python that died before it noted so; the job {found}")


def _is_plain_process(node: CalcJobNode) -> bool:
    computer = node.computer
    return computer is not None and (computer.transport_type, computer.scheduler_type) == (
        "core.local",
        "core.direct",
    )


def _process_in(workdir: Path) -> int | None:
    """Return the ID of the process that runs the submit script in ``workdir``, None if there is none."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        cwd, command = process.info["cwd"], process.info["cmdline"] or []
        if _SUBMIT_SCRIPT in command and cwd is not None and Path(cwd) == workdir.resolve():
            return int(process.pid)
    return None
