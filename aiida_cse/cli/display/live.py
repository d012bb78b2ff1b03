"""Display of a running process: a live tree on a terminal, lines elsewhere."""

from __future__ import annotations

import logging
import re
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiida.orm import ProcessNode
from rich.console import Console
from rich.live import Live

from aiida_cse.cli.display.progress import progress_words
from aiida_cse.cli.display.tree import JobWatch, render_tree
from aiida_cse.engine.terminal import log_to
from aiida_cse.report.process_tree import ProcessTree

__all__ = ["live_display"]

#: interval between two lines on a running job, without a terminal, s
_LINE_EVERY = 20.0
#: time at the start of a line
_CLOCK = "%H:%M:%S"
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
    watch = JobWatch()
    try:
        with log_to(_ReportHandler(console)):
            if console.is_terminal:
                with Live(console=console, auto_refresh=False, transient=True) as live:
                    yield _Screen(console, live, watch).show
            else:
                yield _Screen(console, None, watch).show
    finally:
        watch.close()


class _Screen:
    """Draws the tree of a process in place if ``live`` is given, else prints lines."""

    def __init__(self, console: Console, live: Live | None, watch: JobWatch) -> None:
        self._console, self._live, self._watch = console, live, watch
        self._tree: ProcessTree | None = None
        self._next = 0.0

    def show(self, node: ProcessNode) -> None:
        if self._live is None:
            if time.monotonic() < self._next:
                return
            self._next = time.monotonic() + _LINE_EVERY
        if self._tree is None:
            self._tree = ProcessTree(node)
        else:
            self._tree.refresh()
        root = self._tree.root
        if self._live is not None:
            self._live.update(render_tree(root, self._watch), refresh=True)
            return
        for branch in root.descendants():
            progress = self._watch.look(branch)
            if progress is not None:
                place = f"{time.strftime(_CLOCK)}   job <{branch.pk}> {progress.stage}"
                self._console.print(f"{place}: {progress_words(progress)}", soft_wrap=True)


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
        line = f"{time.strftime(_CLOCK)} {message}"
        if self._console.is_terminal and not record.exc_info:
            line = textwrap.fill(
                line,
                self._console.width,
                subsequent_indent=" " * 9,
                break_long_words=False,
                break_on_hyphens=False,
            )
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
