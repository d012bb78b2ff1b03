"""Display of a running process: a live tree on a terminal, lines elsewhere."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiida.orm import ProcessNode
from rich.console import Console
from rich.live import Live

from aiida_cse.cli.display.progress import JobWatch, progress_words
from aiida_cse.cli.display.tree import Branch, ProcessTree, render_tree
from aiida_cse.engine.terminal import log_to

__all__ = ["live_display"]

#: interval between two lines on a running job, without a terminal, s
_LINE_EVERY = 20.0
_REPORT = re.compile(r"^\[(\d+)\|(\w+)\|\w+\]: ")
#: reports of AiiDA's restart chain that contain no information in a normal run
_ROUTINE = re.compile(r"iteration #1$|work chain completed after 1 iterations$|folders will not be cleaned$")


@contextmanager
def live_display(console: Console | None = None) -> Iterator[Callable[[ProcessNode], None]]:
    """Show a process while it runs; yields the function to call with its node, about once a second.

    On a terminal the tree is redrawn in place, below the reports of the processes. Elsewhere the reports are
    printed as lines and, every :data:`_LINE_EVERY` seconds, the progress of the running LAMMPS jobs.
    """
    console = console or Console(stderr=True, highlight=False)
    with log_to(_ReportHandler(console)):
        if console.is_terminal:
            with Live(console=console, auto_refresh=False, transient=True) as live:
                yield _Screen(console, live).show
        else:
            yield _Screen(console, None).show


class _Screen:
    """Draws the tree of a process in place if ``live`` is given, else prints lines."""

    def __init__(self, console: Console, live: Live | None) -> None:
        self._console, self._live = console, live
        self._watch = JobWatch()
        self._tree: ProcessTree | None = None
        self._next = 0.0

    def show(self, node: ProcessNode) -> None:
        if self._live is not None:
            self._live.update(render_tree(self._read(node), self._watch), refresh=True)
        elif time.monotonic() >= self._next:
            self._next = time.monotonic() + _LINE_EVERY
            for branch in self._read(node).descendants():
                progress = self._watch.look(branch)
                if progress is not None:
                    line = f"{_clock()}   job <{branch.pk}> {progress.stage}: {progress_words(progress)}"
                    self._console.print(line, soft_wrap=True)

    def _read(self, node: ProcessNode) -> Branch:
        if self._tree is None:
            self._tree = ProcessTree(node)
        else:
            self._tree.refresh()
        return self._tree.root


class _ReportHandler(logging.Handler):
    """Prints the reports of processes with the name of the process, and warnings with their level."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console

    def emit(self, record: logging.LogRecord) -> None:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + logging.Formatter().formatException(record.exc_info)
        if _ROUTINE.search(message):
            return
        match = _REPORT.match(message)
        if match:
            message = f"{match[2]} <{match[1]}>: {message[match.end() :]}"
        elif record.levelno >= logging.WARNING:
            message = f"{record.levelname.lower()}: {message}"
        self._console.print(f"{_clock()} {message}", markup=False, highlight=False, soft_wrap=True)


def _clock() -> str:
    return time.strftime("%H:%M:%S")
