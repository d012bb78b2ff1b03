"""A running process on the terminal: a live tree, or lines where there is no terminal."""

from __future__ import annotations

import logging
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiida.orm import ProcessNode
from rich.console import Console
from rich.live import Live

from aiida_cse.cli.display.render import JobWatch, progress_words, render_tree
from aiida_cse.cli.display.tree import Branch, ProcessTree
from aiida_cse.engine.terminal import log_to

__all__ = ["live_display"]

#: seconds between two lines on a running job, without a terminal
_LINE_EVERY = 20.0
_REPORT = re.compile(r"^\[(\d+)\|(\w+)\|\w+\]: ")
#: reports of AiiDA's restart chain that tell nothing new where all goes well
_ROUTINE = re.compile(r"iteration #1$|work chain completed after 1 iterations$|folders will not be cleaned$")


@contextmanager
def live_display(console: Console | None = None) -> Iterator[Callable[[ProcessNode], None]]:
    """Show a process while it runs; yields the function to call with its node, about once a second.

    On a terminal the tree is redrawn in place, below what the processes report. Elsewhere the reports and, every
    :data:`_LINE_EVERY` seconds, the running LAMMPS jobs are lines.
    """
    console = console or Console(stderr=True, highlight=False)
    with log_to(_ReportHandler(console)):
        if console.is_terminal:
            with Live(console=console, auto_refresh=False, transient=True) as live:
                yield _LiveScreen(live).show
        else:
            yield _Lines(console).show


class _Screen(ABC):
    """Reads the tree of the process that is shown."""

    def __init__(self) -> None:
        self._watch = JobWatch()
        self._tree: ProcessTree | None = None

    @abstractmethod
    def show(self, node: ProcessNode) -> None:
        """Show where ``node`` stands now."""

    def _read(self, node: ProcessNode) -> Branch:
        if self._tree is None:
            self._tree = ProcessTree(node)
        else:
            self._tree.refresh()
        return self._tree.root


class _Lines(_Screen):
    """Lines for a pipe or a log file."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._next = 0.0

    def show(self, node: ProcessNode) -> None:
        if time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _LINE_EVERY
        for branch in self._read(node).descendants():
            progress = self._watch.look(branch)
            if progress is not None:
                words = progress_words(progress)
                self._console.print(f"{_clock()}   job <{branch.pk}> {progress.stage}: {words}", soft_wrap=True)


class _LiveScreen(_Screen):
    """A tree that is redrawn in place."""

    def __init__(self, live: Live) -> None:
        super().__init__()
        self._live = live

    def show(self, node: ProcessNode) -> None:
        self._live.update(render_tree(self._read(node), self._watch), refresh=True)


class _ReportHandler(logging.Handler):
    """Prints the reports of processes as a lab notebook, and warnings as such."""

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
