"""Ends of the logs of jobs on other computers, read through AiiDA's transport in the background.

Each computer has a thread with one connection, which reads all its logs with one command, no more often than the
computer's minimum poll interval; the last answer is kept beside AiiDA's configuration for the next call. A caller
sets how long it waits: a computer that does not answer is reported as not reachable.
"""

from __future__ import annotations

import asyncio
import json
import logging
import math
import shlex
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from aiida.manage.configuration import get_config
from aiida.orm import AuthInfo, CalcJobNode
from aiida.transports import AsyncTransport

from aiida_cse.lammps.job.records import START_RECORD
from aiida_cse.lammps.job.script import LOG
from aiida_cse.lammps.log.outcome import last_words
from aiida_cse.lammps.log.reader import Progress, read_progress
from aiida_cse.report.whole_files import write_whole

__all__ = ["LogEnd", "RemoteLogs"]

#: bytes of a log that are transferred: the lines that identify its stage, and its end
_STAGE_BYTES, _END_BYTES = 8192, 4096
#: s; time after which a computer that did not answer is tried again
_RETRY_S = 60.0
#: folder in AiiDA's configuration folder for the last answer of each computer
_ANSWERS = "cse-logs"
#: first words of the names of the threads
_THREAD = "logs on "
#: line that precedes the answer for a job
_MARK = "CSE-JOB"

#: prints, for each folder, times and stage of its log and the log's end; the log is not changed while it is read
_SCRIPT = f"""\
for d in "$@"; do
    echo "{_MARK} $d"
    [ -s "$d/{LOG}" ] || continue
    echo "$(stat -c %Y "$d/{START_RECORD}" 2>/dev/null || echo 0) $(stat -c %Y "$d/{LOG}")" \\
        "$(grep -ac '^CSE begin=' "$d/{LOG}")"
    grep -a '^CSE begin=' "$d/{LOG}" | tail -n 1
    grep -a -e '^CSE ' -e '^keywords:' -e '^ *Step ' -e '^Loop time' "$d/{LOG}" |
        tail -n 8 | tail -c {_STAGE_BYTES}
    tail -n 6 "$d/{LOG}" | tail -c {_END_BYTES}
    echo
done
"""


@dataclass(frozen=True)
class LogEnd:
    """End of a log: text, times of the start of the job and of the last line (s), and number of stages begun."""

    text: str
    began: float
    written: float
    stages: int

    @property
    def is_valid(self) -> bool:
        """Return whether the fields have their types: a stored answer may be damaged."""
        numbers = (self.began, self.written, self.stages)
        return isinstance(self.text, str) and all(
            isinstance(one, (int, float)) and math.isfinite(one) for one in numbers
        )

    @classmethod
    def parse(cls, answer: str) -> LogEnd | None:
        """Return the answer for one job; None if it has no log."""
        times, _, text = answer.partition("\n")
        try:
            began, written, stages = map(int, times.split())
        except ValueError:
            return None
        return cls(text, float(began), float(written), stages)


class RemoteLogs:
    """Progress of jobs on other computers. :meth:`close` ends the connections."""

    def __init__(self) -> None:
        self._computers: dict[int, _Connection] = {}
        self._jobs: dict[int, tuple[_Connection, str] | None] = {}
        self._before: dict[int, tuple[Progress, float]] = {}
        self._waited = False

    def follow(self, job: CalcJobNode) -> None:
        """Read the log of a job from now on."""
        assert job.pk is not None
        if job.pk in self._jobs:
            return
        folder = job.get_remote_workdir()
        try:
            authinfo = job.get_authinfo()
        except Exception:  # an archive names computers that this profile does not know
            self._jobs[job.pk] = None
            return
        if folder is None:
            return
        assert authinfo.pk is not None
        if authinfo.pk not in self._computers:
            self._computers[authinfo.pk] = _Connection(authinfo)
        connection = self._computers[authinfo.pk]
        connection.add(folder)
        self._jobs[job.pk] = (connection, folder)

    def wait(self, seconds: float) -> None:
        """Wait until each computer has answered once or failed, or until this time is over."""
        end = time.monotonic() + seconds
        for connection in self._computers.values():
            connection.answered.wait(max(0.0, end - time.monotonic()))
        self._waited = True

    def look(self, pk: int, timesteps: Mapping[str, float]) -> Progress | None:
        """Return the progress of a job as last read, with its speed; None if it is not known."""
        found = self._jobs.get(pk)
        if found is None or (end := found[0].ends.get(found[1])) is None:
            return None
        progress = read_progress(end.text)
        if progress is None:
            return None
        last, since = self._before.setdefault(pk, (progress, end.written))
        if last.stage != progress.stage or progress.step < last.step:
            last, since = self._before[pk] = (progress, end.written)
        if last.step == progress.step and end.stages == 1 and end.began:
            # the first reading: the time since the start of the job, for a job with a single stage
            first = read_progress(end.text.partition("\n")[0] + "\n")
            last, since = replace(progress, step=progress.start if first is None else first.step), end.began
        if progress.step <= last.step or end.written <= since:
            return progress
        rate = (progress.step - last.step) / (end.written - since)
        timestep = timesteps.get(progress.stage)
        return replace(
            progress,
            ns_per_day=rate * timestep * 1e-6 * 86400 if timestep else progress.ns_per_day,
            seconds_left=(progress.target - progress.step) / rate,
        )

    def trouble(self, pk: int) -> str | None:
        """Return why the log of a job cannot be read; None if it can, or if nothing is known yet."""
        if pk not in self._jobs:
            return None
        if (found := self._jobs[pk]) is None:
            return "its computer is not configured"
        connection, _ = found
        if self._waited and not connection.answered.is_set():
            return f"{connection.label} has not answered"
        return connection.trouble

    def close(self) -> None:
        """End the connections without waiting for them."""
        for connection in self._computers.values():
            connection.stop.set()


def _not_of_a_connection(record: logging.LogRecord) -> bool:
    """Return whether a record of the log comes from elsewhere than the threads of this module."""
    return not (record.threadName or "").startswith(_THREAD)


class _Connection:
    """The thread that reads the logs of one computer: nothing here touches the database after the start."""

    def __init__(self, authinfo: AuthInfo) -> None:
        self.ends: dict[str, LogEnd] = {}
        self.trouble: str | None = None
        self.answered, self.stop = threading.Event(), threading.Event()
        self.label = str(authinfo.computer.label)
        self._interval = max(1.0, float(authinfo.computer.get_minimum_job_poll_interval()))
        self._answers = Path(get_config().dirpath) / _ANSWERS / f"{authinfo.computer.uuid}.json"
        self._folders: list[str] = []
        self._new = threading.Event()
        self._transport: Any = authinfo.get_transport()
        # its errors are told by the display
        logging.getLogger(f"aiida.transport.{type(self._transport).__name__}").addFilter(_not_of_a_connection)
        self._thread = threading.Thread(target=self._run, name=f"{_THREAD}{self.label}", daemon=True)

    def add(self, folder: str) -> None:
        """Read the log in this folder as well."""
        self._folders = [*self._folders, folder]
        if not self._thread.is_alive():
            self._thread.start()

    def _run(self) -> None:
        loop = asyncio.new_event_loop()
        try:
            # all jobs of a first display are added before the connection is open
            self.stop.wait(0.1)
            self.stop.wait(self._recall())
            while not self.stop.is_set():
                pause = self._interval
                try:
                    self._session(loop)
                except Exception as error:
                    words = last_words(str(error).splitlines()) or type(error).__name__
                    self.trouble, pause = f"{self.label} is not reachable: {words}", max(_RETRY_S, self._interval)
                self.answered.set()
                self.stop.wait(pause)
        finally:
            loop.close()

    def _session(self, loop: asyncio.AbstractEventLoop) -> None:
        """Open the connection and read the logs until it fails or is no longer wanted."""
        transport, asynchronous = self._transport, isinstance(self._transport, AsyncTransport)
        loop.run_until_complete(transport.open_async()) if asynchronous else transport.open()
        try:
            while not self.stop.is_set():
                command = f"sh -c {shlex.quote(_SCRIPT)} sh {' '.join(map(shlex.quote, self._folders))}"
                if asynchronous:
                    answer = loop.run_until_complete(transport.exec_command_wait_async(command))
                else:
                    answer = transport.exec_command_wait(command)
                self._take(str(answer[1]))
                self.trouble = None
                self.answered.set()
                self.stop.wait(self._interval)
        finally:
            loop.run_until_complete(transport.close_async()) if asynchronous else transport.close()

    def _take(self, answer: str) -> None:
        for part in answer.split(f"{_MARK} ")[1:]:
            folder, _, text = part.partition("\n")
            end = LogEnd.parse(text)
            if end is not None:
                self.ends[folder] = end
        try:
            self._answers.parent.mkdir(exist_ok=True)
            stored = {folder: asdict(end) for folder, end in self.ends.items()}
            write_whole(self._answers, json.dumps(stored).encode())
        except OSError:
            pass  # a read-only or full disk: the next call asks again

    def _recall(self) -> float:
        """Take over the answer of an earlier call; return the time until the computer may be asked again, s."""
        try:
            age = time.time() - self._answers.stat().st_mtime
            stored = json.loads(self._answers.read_text())
            if not 0 <= age < self._interval:
                return 0.0
            found = {folder: LogEnd(**stored[folder]) for folder in self._folders if folder in stored}
        except (OSError, ValueError, TypeError, AttributeError):
            return 0.0
        if len(found) < len(self._folders) or not all(end.is_valid for end in found.values()):
            return 0.0
        self.ends |= found
        self.answered.set()
        return self._interval - age
